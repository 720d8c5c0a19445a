/* SPDX-License-Identifier: BSD-2-Clause */
/* slots.c - what the server does in the directory: deaths, news, and a header that is
 * put right. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/atomic.h"
#include "dir.h"
#include "raw.h"
#include "server.h"
#include "support.h"

#define NEWS 2

static struct server s;

static void start(void)
{
	server_init(&s);
}

static void stop(void)
{
	server_end(&s);
}

TestSuite(slots, .init = start, .fini = stop, .timeout = 100);

static struct vmq__dir directory(const struct raw *r)
{
	struct vmq__dir dir;

	cr_assert_eq(vmq__dir_read(r->map, r->size, &dir), 0);
	return dir;
}

static uint32_t enter(const struct vmq__dir *dir, uint32_t index, int64_t doorbell, const char *name)
{
	struct vmq__dir_who who = { .doorbell = (uint32_t)doorbell, .vectors = 3, .lane_size = 4096 };
	uint32_t claim = vmq__dir_claim(dir, index, vmq__load(&vmq__dir_slot(dir, index)->claim));

	snprintf(who.name, sizeof(who.name), "%s", name);
	vmq__dir_enter(dir, index, claim, &who);
	return claim;
}

static bool word_becomes(const vmq_le32 *word, uint32_t value)
{
	uint64_t until = now_ns() + PATIENCE;

	while (vmq__load(word) != value)
		if (!patient(until))
			return false;
	return true;
}

static bool bell(const struct vmq__dir *dir, uint32_t index)
{
	return vmq__load(&vmq__dir_slot(dir, index)->bell[NEWS]);
}

/* Both ends of a dead client are in the region; two others live. */
Test(slots, deaths_are_marked_and_told)
{
	struct raw a, b, c;
	struct vmq__dir dir;
	uint32_t claim[5];

	cr_assert(SERVER(&s, "-s", "1M", "--slots", "6", s.path));
	cr_assert(raw_join(&a, s.path, 3));
	cr_assert(raw_join(&b, s.path, 3));
	cr_assert(raw_join(&c, s.path, 3));
	dir = directory(&a);
	enter(&dir, 0, a.id, "a");
	claim[1] = enter(&dir, 1, b.id, "b");
	enter(&dir, 2, c.id, "c");
	enter(&dir, 3, VMQ_IVSHMEM_NOBODY, "file");
	enter(&dir, 1, b.id, "b");
	claim[1] = vmq__load(&vmq__dir_slot(&dir, 1)->claim);
	claim[4] = enter(&dir, 4, b.id, "second of b");
	raw_leave(&b);
	cr_assert(word_becomes(&vmq__dir_slot(&dir, 1)->gone, claim[1]));
	cr_assert(word_becomes(&vmq__dir_slot(&dir, 4)->gone, claim[4]));
	for (uint32_t i = 0; i < 4; i += i ? 1 : 2)
		cr_expect(word_becomes(&vmq__dir_slot(&dir, i)->bell[NEWS], 1), "slot %u", i);
	for (uint32_t i = 0; i < 6; i++) {
		cr_expect_eq(vmq__dir_life(&dir, i, NULL) != 0, i == 0 || i == 2 || i == 3, "slot %u", i);
		cr_expect_eq(vmq__load(&vmq__dir_slot(&dir, i)->bell[0]), 0u);
		cr_expect_eq(vmq__load(&vmq__dir_slot(&dir, i)->bell[1]), 0u);
	}
	cr_expect_not(bell(&dir, 1) || bell(&dir, 4) || bell(&dir, 5));
	cr_expect(rung(a.own.fd[NEWS], PATIENCE_MS));
	cr_expect(rung(c.own.fd[NEWS], PATIENCE_MS));
	cr_expect_not(rung(a.own.fd[0], 0) || rung(a.own.fd[1], 0));
	cr_expect(server_says(&s, "gone: client 1", 2));
	cr_expect(server_says(&s, ": second of b (", 1));
}

/* Who had left before has nothing more to be told of. */
Test(slots, no_news_of_those_without_a_slot)
{
	struct raw a, b, c;
	struct vmq__dir dir;

	cr_assert(SERVER(&s, "-s", "1M", s.path));
	cr_assert(raw_join(&a, s.path, 3));
	cr_assert(raw_join(&b, s.path, 3));
	cr_assert(raw_join(&c, s.path, 3));
	dir = directory(&a);
	enter(&dir, 0, a.id, "a");
	enter(&dir, 1, b.id, "b");
	vmq__dir_leave(&dir, 1, vmq__dir_life(&dir, 1, NULL));
	raw_leave(&b);
	raw_leave(&c);
	cr_assert_eq(raw_joined(&a, 3), b.id);
	cr_assert_eq(raw_joined(&a, 3), c.id);
	cr_assert_eq(raw_left(&a), b.id);
	cr_assert_eq(raw_left(&a), c.id);
	/* It has seen to c once it serves the next. */
	cr_assert(raw_join(&b, s.path, 3));
	cr_expect_not(bell(&dir, 0));
	cr_expect_not(rung(a.own.fd[NEWS], 0));
}

/* With fewer vectors the bell word alone tells. */
Test(slots, news_without_a_vector)
{
	struct raw a, b;
	struct vmq__dir dir;

	cr_assert(SERVER(&s, "-s", "1M", "-n", "2", s.path));
	cr_assert(raw_join(&a, s.path, 2));
	cr_assert(raw_join(&b, s.path, 2));
	dir = directory(&a);
	enter(&dir, 0, a.id, "a");
	enter(&dir, 1, b.id, "b");
	raw_leave(&b);
	cr_expect(word_becomes(&vmq__dir_slot(&dir, 0)->bell[NEWS], 1));
	cr_expect_not(rung(a.own.fd[0], 0) || rung(a.own.fd[1], 0));
}

/* ---- the header ----------------------------------------------------------------------------- */

static bool healed(const struct vmq__dir *dir)
{
	uint64_t until = now_ns() + PATIENCE;

	while (!vmq__dir_intact(dir))
		if (!patient(until))
			return false;
	return true;
}

Test(slots, header_is_put_right_in_a_second)
{
	struct vmq__dir dir;
	struct raw a;

	cr_assert(SERVER(&s, "-s", "1M", s.path));
	cr_assert(raw_join(&a, s.path, 3));
	dir = directory(&a);
	memset(a.map, 0xa5, VMQ_IVSHMEM_HEADER);
	cr_assert(healed(&dir));
	cr_expect(word_becomes(&vmq__dir_header(&dir)->server_life, 1));
	cr_expect(word_becomes(&vmq__dir_header(&dir)->next_id, 1));
	cr_expect(server_says(&s, "heal: the header was overwritten", 1));
	for (uint32_t at = 0; at < VMQ_IVSHMEM_HEADER; at += 997) {
		a.map[at] ^= 0xff;
		cr_assert(healed(&dir), "at %u", at);
	}
	vmq__store(&vmq__dir_header(&dir)->next_id, 9);
	cr_expect(word_becomes(&vmq__dir_header(&dir)->next_id, 1));
	cr_expect(server_says(&s, "heal: the server's line was overwritten", 1));
}

/* Whoever joins finds it in order at once. */
Test(slots, header_is_put_right_at_joins)
{
	struct vmq__dir dir;
	struct raw a, b;

	cr_assert(SERVER(&s, "-s", "1M", s.path));
	cr_assert(raw_join(&a, s.path, 3));
	dir = directory(&a);
	for (int i = 0; i < 20; i++) {
		memset(a.map, i, VMQ_IVSHMEM_HEADER);
		cr_assert(raw_join(&b, s.path, 3));
		cr_expect(vmq__dir_intact(&dir));
		cr_expect_eq(b.id, i + 1, "no id comes from what was written there");
		raw_leave(&b);
	}
}

/* ---- attacks on the server itself --------------------------------------------------------------- */

/* A region that is a file can be cut by whoever has it. The server touches it at once. */
Test(slots, region_that_is_cut)
{
	static const off_t cuts[] = { 0, 4096, 8192, 1 << 19, 1 << 21 };
	struct vmq__dir dir;
	struct raw a, b;
	char file[96];

	snprintf(file, sizeof(file), "%s/region", s.dir);
	cr_assert(SERVER(&s, "-s", "1M", "--file", file, s.path));
	cr_assert(raw_join(&a, s.path, 3));
	dir = directory(&a);
	for (unsigned i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		cr_assert_eq(ftruncate(a.region, cuts[i]), 0);
		cr_assert(raw_join(&b, s.path, 3), "cut to %lld", (long long)cuts[i]);
		cr_expect_eq(b.size, 1u << 20);
		cr_expect_eq(vmq__dir_read(b.map, b.size, &dir), 0);
		enter(&dir, 1, b.id, "b");
		/* And it sees what the others write. */
		raw_leave(&b);
		cr_expect(server_says(&s, "gone: client ", i + 1));
	}
	cr_expect(server_says(&s, "heal: the region's size was changed", 5));
	for (int i = 0; i < 200; i++) {
		/* Also while it is at it: leaves make it look at all slots. */
		cr_assert(raw_join(&b, s.path, 3));
		close(b.sock);
		cr_assert_eq(ftruncate(a.region, 0), 0);
		raw_leave(&b);
		if (i % 8 == 0) {
			raw_leave(&a);
			cr_assert(raw_join(&a, s.path, 3));
		}
	}
	/* What it looks at is still what everybody has. */
	cr_assert(raw_join(&b, s.path, 3));
	cr_assert_eq(vmq__dir_read(b.map, b.size, &dir), 0);
	enter(&dir, 2, b.id, "the last");
	raw_leave(&b);
	cr_expect(server_says(&s, ": the last (", 1));
	cr_expect_eq(server_stop(&s, SIGTERM), 0);
}

/* The server's own fcntl(F_SETFL) does nothing: as if somebody undid it each time before the
 * server gets to write. */
static void flags_stay(void)
{
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_fcntl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_SETFL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(code[0]), (struct sock_filter *)(uintptr_t)code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(9);
}

/* A doorbell that is full, and makes its writers wait. */
static void stays_up(void (*prepare)(void))
{
	const uint64_t most = UINT64_MAX - 1;
	struct raw a, b, c;
	struct vmq__dir dir;

	cr_assert(server_start(&s, (const char *[]){ "-s", "1M", s.path, NULL }, prepare));
	cr_assert(raw_join(&b, s.path, 3));
	cr_assert(raw_join(&a, s.path, 3));
	dir = directory(&a);
	for (int i = 0; i < 20; i++) {
		fcntl(b.own.fd[NEWS], F_SETFL, O_NONBLOCK);
		cr_assert(write(b.own.fd[NEWS], &most, sizeof(most)) == sizeof(most) || i);
		fcntl(b.own.fd[NEWS], F_SETFL, 0);
		cr_assert(raw_join(&c, s.path, 3));
		cr_assert_eq(raw_joined(&a, 3), c.id);
		enter(&dir, 2, c.id, "c");
		raw_leave(&c);
		cr_assert_eq(raw_left(&a), c.id, "round %d", i);
		cr_assert(rung(a.own.fd[NEWS], PATIENCE_MS), "who comes after it is told as well");
	}
	cr_expect_eq(server_stop(&s, SIGTERM), 0);
}

Test(slots, full_doorbells_do_not_hold_it_up)
{
	stays_up(NULL);
}

Test(slots, full_doorbells_that_win_the_race_do_not_either)
{
	stays_up(flags_stay);
}
