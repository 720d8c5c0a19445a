/* SPDX-License-Identifier: BSD-2-Clause */
/* region.c - the memory: where it comes from, what is in it, what is kept. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/atomic.h"
#include "dir.h"
#include "raw.h"
#include "server.h"
#include "support.h"

static struct server s;
static char file[96];

static void start(void)
{
	server_init(&s);
	snprintf(file, sizeof(file), "%s/region", s.dir);
}

static void stop(void)
{
	server_end(&s);
}

TestSuite(region, .init = start, .fini = stop, .timeout = 100);

static uint8_t *map(size_t size)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);
	uint8_t *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	cr_assert(fd >= 0 && at != MAP_FAILED);
	close(fd);
	return at;
}

static void make(size_t size)
{
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	cr_assert(fd >= 0 && !ftruncate(fd, (off_t)size));
	close(fd);
}

static bool refused(const char *why)
{
	return server_code(&s) == 1 && server_says(&s, why, 1);
}

Test(region, a_file_is_made)
{
	struct vmq__dir dir;
	struct stat st;
	struct raw a;

	cr_assert(SERVER(&s, "--file", file, "--size", "1M", s.path));
	cr_assert_eq(stat(file, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600u);
	cr_expect_eq(st.st_size, 1 << 20);
	cr_expect(st.st_blocks >= (1 << 20) / 512, "there is memory for all of it");
	cr_assert(raw_join(&a, s.path, 3));
	cr_assert_eq(vmq__dir_read(a.map, a.size, &dir), 0);
	cr_expect_eq(dir.slots, 4u);
	cr_expect_eq(map(1 << 20)[0], 0x89);
}

Test(region, laid_out_as_told)
{
	struct vmq__dir dir;
	struct raw a;

	cr_assert(SERVER(&s, "--size", "4M", "--slots", "7", "--beat-ms", "20", "--dead-ms", "300", s.path));
	cr_assert(raw_join(&a, s.path, 3));
	cr_assert_eq(vmq__dir_read(a.map, a.size, &dir), 0);
	cr_expect_eq(dir.slots, 7u);
	cr_expect_eq(dir.beat_ms, 20u);
	cr_expect_eq(dir.dead_ms, 300u);
	cr_expect_eq(vmq__load(&vmq__dir_header(&dir)->server_life), 1u);
	cr_expect_eq(vmq__load(&vmq__dir_header(&dir)->next_id), 1u);
}

/* All that was in it is there again; ids go on. */
Test(region, kept_by_a_restart)
{
	struct vmq__dir dir;
	struct raw a, b;

	for (int life = 1; life <= 3; life++) {
		cr_assert(SERVER(&s, "--file", file, "-s", "256K", "--slots", "3", s.path));
		cr_assert(raw_join(&a, s.path, 3));
		cr_assert(raw_join(&b, s.path, 3));
		cr_expect_eq(a.id, 2 * life - 2);
		cr_expect_eq(b.id, 2 * life - 1);
		cr_assert_eq(vmq__dir_read(a.map, a.size, &dir), 0);
		cr_expect_eq(vmq__load(&vmq__dir_header(&dir)->server_life), (uint32_t)life);
		if (life == 1) {
			memset(vmq__dir_slot(&dir, 2), 7, sizeof(struct vmq_ivshmem_slot));
			a.map[a.size - 1] = 8;
		}
		cr_expect_eq(vmq__dir_slot(&dir, 2)->reserved3[0], 7);
		cr_expect_eq(a.map[a.size - 1], 8);
		raw_leave(&a);
		raw_leave(&b);
		if (life == 2)
			server_kill(&s);
		else
			cr_assert_eq(server_stop(&s, SIGTERM), 0);
	}
}

/* What follows from the region need not be said again; what differs is refused. */
Test(region, taken_up_as_it_is)
{
	cr_assert(SERVER(&s, "--file", file, "-s", "512K", "--slots", "3", s.path));
	server_stop(&s, SIGTERM);
	cr_assert(SERVER(&s, "--file", file, s.path));
	server_stop(&s, SIGTERM);
	cr_expect_not(SERVER(&s, "--file", file, "-s", "1M", s.path));
	cr_expect(refused("has 524288 bytes, not 1048576"));
	cr_expect_not(SERVER(&s, "--file", file, "--slots", "4", s.path));
	cr_expect(refused("laid out with --slots 3, not 4"));
	cr_expect_not(SERVER(&s, "--file", file, "--dead-ms", "500", s.path));
	cr_expect(refused("laid out with --dead-ms 2000, not 500"));
	cr_assert(SERVER(&s, "--file", file, "--slots", "4", "--format", s.path));
}

Test(region, wrong_sizes)
{
	make(300000);
	cr_expect_not(SERVER(&s, "--file", file, s.path));
	cr_expect(refused("has 300000 bytes: a region has a power of two of them"));
	make(128 << 10);
	cr_expect_not(SERVER(&s, "--file", file, s.path));
	cr_expect(refused("has 131072 bytes: a region"));
	cr_expect_not(SERVER(&s, "-s", "256K", "--slots", "200", s.path));
	cr_expect(refused("has no room for 200 slots"));
	cr_expect_not(SERVER(&s, "--file", s.dir, s.path));
	cr_expect_eq(server_code(&s), 1);
	cr_expect_not(SERVER(&s, "--file", "/dev/null", s.path));
	cr_expect(refused("/dev/null is no file"));
}

/* Zeros are nobody's, wherever they come from: holes, or written. */
Test(region, zeros_are_taken)
{
	make(1 << 20);
	memset(map(1 << 20), 0, 1 << 20);
	cr_assert(SERVER(&s, "--file", file, s.path));
}

static const size_t places[] = { 0, 4, 100, 4095, 4096, 70000, (1 << 20) - 1 };

Test(region, what_others_left_is_refused)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		unlink(file);
		make(1 << 20);
		map(1 << 20)[places[i]] = 1;
		cr_expect_not(SERVER(&s, "--file", file, s.path), "a byte at %zu", places[i]);
		cr_expect_eq(server_code(&s), 1);
		cr_expect(server_says(&s, "holds something else", (unsigned)i + 1));
		cr_expect_eq(map(1 << 20)[places[i]], 1, "and is still there");
	}
	cr_assert(SERVER(&s, "--file", file, "--format", s.path));
	cr_expect_eq(map(1 << 20)[0], 0x89);
}

Test(region, other_versions_are_refused)
{
	cr_assert(SERVER(&s, "--file", file, "-s", "256K", s.path));
	server_stop(&s, SIGTERM);
	map(256 << 10)[8] = 2;
	cr_expect_not(SERVER(&s, "--file", file, s.path));
	cr_expect(refused("another version"));
}

/* Formatting forgets slots and cells, but not which ids were given out. */
Test(region, format)
{
	struct vmq__dir dir;
	struct raw a;
	uint8_t *at;

	cr_assert(SERVER(&s, "--file", file, "-s", "256K", s.path));
	cr_assert(raw_join(&a, s.path, 3));
	cr_expect_eq(a.id, 0);
	raw_leave(&a);
	server_stop(&s, SIGTERM);
	at = map(256 << 10);
	cr_assert_eq(vmq__dir_read(at, 256 << 10, &dir), 0);
	memset(at + 4096, 0xff, dir.heap_off - 4096);
	cr_assert(SERVER(&s, "--file", file, "--format", s.path));
	cr_expect(zeros(at + 4096, dir.heap_off - 4096));
	cr_assert(raw_join(&a, s.path, 3));
	cr_expect_eq(a.id, 1);
	cr_expect_eq(vmq__load(&vmq__dir_header(&dir)->server_life), 2u);
}

/* Two servers would give the same ids to different clients. */
Test(region, one_server_at_a_file)
{
	struct server other;
	struct raw a;

	cr_assert(SERVER(&s, "--file", file, "-s", "256K", s.path));
	cr_assert(raw_join(&a, s.path, 3));
	server_init(&other);
	cr_expect_not(SERVER(&other, "--file", file, "--format", other.path));
	cr_expect_eq(server_code(&other), 1);
	cr_expect(server_says(&other, "another server has ", 1));
	/* A client that outlives the server does not hold the file for it. */
	server_kill(&s);
	cr_expect(SERVER(&other, "--file", file, other.path));
	server_end(&other);
}

/* ---- ids -------------------------------------------------------------------------------- */

Test(region, ids_wrap_around_those_in_use)
{
	struct vmq__dir dir;
	struct raw a, b, c;

	cr_assert(SERVER(&s, "--file", file, "-s", "256K", s.path));
	server_stop(&s, SIGTERM);
	cr_assert_eq(vmq__dir_read(map(256 << 10), 256 << 10, &dir), 0);
	vmq__store(&vmq__dir_header(&dir)->next_id, 65535);
	/* Whoever has id 1 came through a former server. */
	vmq__dir_enter(&dir, 0, vmq__dir_claim(&dir, 0, 0), &(struct vmq__dir_who){ .doorbell = 1,
		.lane_size = 4096, .name = "survivor" });
	cr_assert(SERVER(&s, "--file", file, s.path));
	cr_assert(raw_join(&a, s.path, 3));
	cr_expect_eq(a.id, 65535);
	cr_assert(raw_join(&b, s.path, 3));
	cr_expect_eq(b.id, 0);
	cr_assert(raw_join(&c, s.path, 3));
	cr_expect_eq(c.id, 2);
	raw_leave(&c);
	server_stop(&s, SIGTERM);
	vmq__store(&vmq__dir_header(&dir)->next_id, 0xfffffff0u);
	cr_assert(SERVER(&s, "--file", file, s.path));
	cr_assert(raw_join(&c, s.path, 3), "a number that is no id is none");
}

/* ---- huge pages ---------------------------------------------------------------------------- */

Test(region, huge_pages)
{
	struct raw a;

	/* There may be none here: then it says so. */
	if (SERVER(&s, "--hugetlb", "-s", "2M", s.path)) {
		cr_assert(raw_join(&a, s.path, 3));
		cr_expect_eq(a.size, 2u << 20);
	} else {
		cr_expect_eq(server_code(&s), 1);
		cr_expect(server_says(&s, "Cannot allocate memory", 1) || server_says(&s, "huge pages: ", 1),
			"%s", server_text(&s));
	}
	cr_expect_not(SERVER(&s, "--hugetlbfs", s.dir, "-s", "2M", s.path));
	cr_expect(refused("is no folder of a hugetlbfs"));
	cr_expect_not(SERVER(&s, "--hugetlbfs", "/nonexistent", s.path));
	cr_expect_eq(server_code(&s), 1);
}
