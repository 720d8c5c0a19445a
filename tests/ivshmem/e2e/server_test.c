/* SPDX-License-Identifier: BSD-2-Clause */
/* server_test.c - SIGKILL of the server under load, and another one on the same region. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <vmq/ivshmem.h>

#include "deaths.h"

#define DEADLINE_MS (VMQ_IVSHMEM_DEAD_MS + SLACK_MS)

static struct world w;
static struct ring judge;
static bool good;

static void finish(void)
{
	world_end(&w, !good);
}

static const char *const old[] = { "a", "b", "c", NULL };
static const char *const all[] = { "a", "b", "c", "d", NULL };

static void program(const char *name)
{
	char address[128];

	snprintf(address, sizeof(address), "ivshmem:unix=%s?name=%s", w.sock, name);
	world_program(&w, name, "ring", address, NULL);
}

/* A thousand more messages from each, to the judge and to each other. */
static bool goes_on(const struct ring *before)
{
	for (const char *const *name = old; *name; name++) {
		struct ring_peer *p = ring_find(&judge, *name);
		const struct ring_peer *b = &before->peers[p - judge.peers];
		const struct ring_book *book = p->page.addr;

		if (p->received < b->received + 1000)
			return false;
		for (const char *const *to = old; *to; to++) {
			uint32_t id = (uint32_t)(ring_find(&judge, *to) - judge.peers);

			if (&judge.peers[id] != p && book->sent[id] < b->book_before.sent[id] + 1000)
				return false;
		}
	}
	return true;
}

static bool traffic(void)
{
	struct ring before = judge;

	for (uint32_t i = 0; i < RING_IDS; i++)
		if (before.peers[i].has_page)
			before.peers[i].book_before = *(struct ring_book *)before.peers[i].page.addr;
	return JUDGE_UNTIL(&judge, PATIENCE_MS, goes_on(&before));
}

static void server_dies(void)
{
	uint64_t when = world_kill(&w, "server");

	cr_assert(JUDGE_UNTIL(&judge, DEADLINE_MS, judge.lost == 1));
	fprintf(stderr, "the server died: the judge knew after %u ms\n", (unsigned)((judge.lost_ns - when) / 1000000));
	cr_assert(world_says(&w, "c", "the server is lost", DEADLINE_MS));
	cr_assert(traffic());
}

static void server_returns(void)
{
	uint64_t when = now_ns();

	cr_assert(world_server(&w, NULL));
	cr_assert(JUDGE_UNTIL(&judge, PATIENCE_MS, judge.back == 1));
	fprintf(stderr, "the server was started: the judge knew after %u ms\n",
		(unsigned)((judge.back_ns - when) / 1000000));
	cr_assert(world_says(&w, "c", "the server is back", PATIENCE_MS));
	cr_assert(traffic());
}

/* This server never knew that guest: the heartbeat has to do. */
static void old_guest_dies(void)
{
	static const char *const others[] = { "a", "c", "d", NULL };
	struct death d;

	death_before(&d, &judge, "b", others);
	cr_assert(death_seen(&d, world_kill(&w, "b"), DEADLINE_MS));
	world_guest(&w, "b", WORLD_VFIO, "ring", "ivshmem:?name=b", NULL);
	cr_assert(death_mended(&d));
}

static void others_stayed(void)
{
	for (const char *const *name = all; *name; name++) {
		struct ring_peer *p = ring_find(&judge, *name);

		cr_assert_eq(p->leaves, !strcmp(*name, "b"), "%s left %u times", p->name, p->leaves);
		cr_assert_eq(p->poisons, 0);
		cr_assert_eq(p->told_left[judge.id], 0, "%s saw the judge leave", p->name);
	}
}

Test(server, sigkill_and_restart, .timeout = 170, .fini = finish)
{
	char address[128];

	world_make(&w);
	cr_assert(world_server(&w, NULL));
	world_guest(&w, "a", WORLD_VFIO, "ring", "ivshmem:?name=a", NULL);
	world_guest(&w, "b", WORLD_SYSFS, "ring", "ivshmem:?name=b", NULL);
	program("c");
	snprintf(address, sizeof(address), "ivshmem:unix=%s?name=" RING_JUDGE, w.sock);
	cr_assert_eq(ring_open(&judge, address), 0);

	cr_assert(judge_sees(&judge, old));
	server_dies();
	server_returns();
	program("d");
	cr_assert(judge_sees(&judge, all));
	old_guest_dies();
	cr_assert(judge_sees(&judge, all));
	cr_assert(judge_settles(&judge, all));
	others_stayed();
	ring_close(&judge);
	for (int i = 0; all[i]; i++)
		cr_assert(world_ended(&w, all[i], PATIENCE_MS));
	good = true;
}
