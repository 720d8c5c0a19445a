/* SPDX-License-Identifier: BSD-2-Clause */
/* noise.c - somebody writes random bytes over the whole region, while others talk in it. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "dir.h"
#include "raw.h"
#include "server.h"
#include "support.h"
#include "victim.h"

#define SIZE (1u << 20)

static const struct vmq__dir_plan plan = { .dead_ms = 300, .beat_ms = 30 };
static struct server s;
static char file[96];
static struct victim_board *board;
static uint64_t state;

static void start(void)
{
	const char *seed = getenv("VMQ_SEED");

	server_init(&s);
	snprintf(file, sizeof(file), "%s/region", s.dir);
	board = victims_new();
	state = seed ? strtoull(seed, NULL, 0) : now_ns();
	fprintf(stderr, "VMQ_SEED=%llu\n", (unsigned long long)state);
	state |= 1;
}

static void stop(void)
{
	victims_end(board);
	victims_free(board);
	server_end(&s);
}

TestSuite(noise, .init = start, .fini = stop, .timeout = 280);

static void victim(int index, const char *how, const char *path)
{
	snprintf(board->v[index].uri, sizeof(board->v[index].uri),
		"ivshmem:%s=%s?name=victim%d&lane=8192&pages=8&max=60000", how, path, index);
	victim_start(board, index);
}

/* ---- the writer -------------------------------------------------------------------------- */

static uint64_t dice(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void fill_random(uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
		uint64_t x = dice();

		memcpy(at + i, &x, sizeof(x));
	}
}

/* Words that mean something, where something stands. */
static void few_words(uint8_t *at, size_t len, unsigned n)
{
	static const uint32_t liked[] = { 0, 1, UINT32_MAX, 0x7fffffff, 0x80000000u, 4096 };

	while (n--) {
		volatile uint32_t *to = (uint32_t *)at + dice() % (len / 4);
		uint64_t x = dice();

		if (x % 4 == 0)
			*to = (uint32_t)(x >> 32);
		else if (x % 4 == 1)
			*to = *((uint32_t *)at + (x >> 16) % (len / 4));
		else if (x % 4 == 2)
			*to += (x >> 32) % 3 - 1;
		else
			*to = liked[(x >> 32) % (sizeof(liked) / sizeof(liked[0]))];
	}
}

static void burst(uint8_t *map, size_t dir)
{
	switch (dice() % 6) {
	case 0:
		fill_random(map, SIZE);
		break;
	case 1:
		fill_random(map, dir);
		break;
	case 2:
		few_words(map, dir, 50);
		break;
	case 3:
		few_words(map + dir, SIZE - dir, 5000);
		break;
	case 4:
		memset(map, (int)dice(), SIZE);
		break;
	default:
		/* Slots and cells, one at a time, so that endpoints get on for a while. */
		few_words(map + 4096, dir - 4096, 3);
	}
}

static void attack(uint8_t *map, size_t dir)
{
	const char *said = getenv("VMQ_HOSTILE_SECONDS");
	uint64_t until = now_ns() + VMQ_MS(1000) * (said ? strtoul(said, NULL, 10) : 6);

	/* First all of it: that must reach everybody who is there. */
	fill_random(map, SIZE);
	while (now_ns() < until) {
		struct timespec pause = { 0, (long)(dice() % 30000000) };

		nanosleep(&pause, NULL);
		burst(map, dir);
		/* Else nobody could open again, and be disturbed in that. */
		if (dice() % 4 == 0)
			vmq__dir_write(map, SIZE, &plan);
	}
}

static uint8_t *map_fd(int fd)
{
	uint8_t *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	cr_assert(fd >= 0 && map != MAP_FAILED);
	return map;
}

/* Everybody talks, is disturbed, says so, and talks again once that has ended. */
static void live_through(uint8_t *map, void (*mend)(uint8_t *map))
{
	struct vmq__dir dir;

	cr_assert(victims_talk(board, VICTIM_ATTACK));
	cr_assert_eq(vmq__dir_read(map, SIZE, &dir), 0);
	attack(map, dir.heap_off);
	for (int i = 0; i < VICTIMS; i++) {
		cr_expect(atomic_load(&board->v[i].poisons) > 0, "victim %d has not reported poison", i);
		cr_expect(atomic_load(&board->v[i].downs) > 0, "victim %d has not left", i);
	}
	for (int i = 0; i < VICTIMS; i++)
		for (int j = 0; j < VICTIMS; j++)
			atomic_store(&board->v[i].heard[j], 0);
	mend(map);
	atomic_store(&board->phase, VICTIM_CALM);
	cr_expect(victims_talk(board, VICTIM_END));
	for (int i = 0; i < VICTIMS; i++)
		fprintf(stderr, "victim %d: %d lives, %d poisons, %d downs\n", i,
			atomic_load(&board->v[i].lives), atomic_load(&board->v[i].poisons),
			atomic_load(&board->v[i].downs));
	cr_expect(victims_end(board));
}

/* ---- what the region is --------------------------------------------------------------------- */

static void format(uint8_t *map)
{
	cr_assert_eq(vmq__dir_format(map, SIZE, &plan), 0);
}

Test(noise, at_a_file)
{
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint8_t *map;

	cr_assert_eq(ftruncate(fd, SIZE), 0);
	map = map_fd(fd);
	format(map);
	for (int i = 0; i < VICTIMS; i++)
		victim(i, "file", file);
	live_through(map, format);
}

/* The server heals its header; what is in the slots dies out. */
static void server_mends(uint8_t *map)
{
	struct vmq__dir dir;
	uint64_t until = now_ns() + PATIENCE;

	while (vmq__dir_read(map, SIZE, &dir))
		cr_assert(patient(until));
}

Test(noise, at_a_server)
{
	struct raw writer;

	cr_assert(SERVER(&s, "-s", "1M", "--dead-ms", "300", "--beat-ms", "30", s.path));
	for (int i = 0; i < VICTIMS; i++)
		victim(i, "unix", s.path);
	cr_assert(raw_join(&writer, s.path, 3));
	live_through(writer.map, server_mends);
	cr_expect_eq(server_stop(&s, SIGTERM), 0, "the server came to harm");
}

static void restart(uint8_t *map)
{
	(void)map;
	cr_expect_eq(server_stop(&s, SIGTERM), 0, "the server came to harm");
	cr_assert(SERVER(&s, "--file", file, "--dead-ms", "300", "--beat-ms", "30", "--format", s.path));
}

Test(noise, at_both)
{
	struct raw writer;

	cr_assert(SERVER(&s, "--file", file, "-s", "1M", "--dead-ms", "300", "--beat-ms", "30", s.path));
	victim(0, "unix", s.path);
	victim(1, "file", file);
	victim(2, "unix", s.path);
	cr_assert(raw_join(&writer, s.path, 3));
	live_through(writer.map, restart);
	cr_expect_eq(server_stop(&s, SIGTERM), 0, "the server came to harm");
}
