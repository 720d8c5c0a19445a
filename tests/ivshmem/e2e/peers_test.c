/* SPDX-License-Identifier: BSD-2-Clause */
/* peers_test.c - SIGKILL, under load, of a program of the host, of a process in a guest,
 * and of a guest. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "deaths.h"

/* So long a heartbeat may stand still. What the server knows is to be known before that;
 * the process in the guest comes back so late that nobody knows of its death by that. */
#define DEAD "4000"
#define DEAD_MS 4000
#define PAUSE "5"

static struct world w;
static struct ring judge;
static bool good;

static void finish(void)
{
	world_end(&w, !good);
}

static const char *const all[] = { "a", "b", "c", NULL };

static void start_c(void)
{
	char address[128];

	snprintf(address, sizeof(address), "ivshmem:unix=%s?name=c", w.sock);
	world_program(&w, "c", "ring", address, NULL);
}

/* The server finds out. */
static void program_dies(void)
{
	static const char *const others[] = { "a", "b", NULL };
	struct death d;

	death_before(&d, &judge, "c", others);
	cr_assert(death_seen(&d, world_kill(&w, "c"), DEAD_MS));
	start_c();
	cr_assert(death_mended(&d));
}

/* Nobody finds out but by the heartbeat: its QEMU lives. */
static void process_dies(void)
{
	static const char *const others[] = { "a", "c", NULL };
	struct death d;

	death_before(&d, &judge, "b", others);
	cr_assert(ring_order(&judge, "b", RING_DIE));
	cr_assert(death_seen(&d, now_ns(), DEAD_MS + SLACK_MS));
	cr_assert(death_mended(&d));
}

static void guest_dies(void)
{
	static const char *const others[] = { "b", "c", NULL };
	struct death d;

	death_before(&d, &judge, "a", others);
	cr_assert(death_seen(&d, world_kill(&w, "a"), DEAD_MS));
	world_guest(&w, "a", WORLD_VFIO, "ring", "ivshmem:?name=a", NULL);
	cr_assert(death_mended(&d));
}

/* Nobody saw anybody leave who did not die. */
static void survivors_stayed(void)
{
	static const struct {
		const char *name;
		unsigned leaves;
	} expected[] = { { "a", 1 }, { "b", 1 }, { "c", 1 } };

	for (unsigned i = 0; i < 3; i++) {
		struct ring_peer *p = ring_find(&judge, expected[i].name);

		cr_assert_eq(p->leaves, expected[i].leaves, "%s left %u times", p->name, p->leaves);
		cr_assert_eq(p->poisons, 0);
		cr_assert_eq(p->told_left[judge.id], 0, "%s saw the judge leave", p->name);
	}
	cr_assert_eq(judge.lost, 0);
}

Test(peers, sigkill_under_load, .timeout = 170, .fini = finish)
{
	char address[128];

	world_make(&w);
	cr_assert(world_server(&w, "--dead-ms", DEAD, NULL));
	world_guest(&w, "a", WORLD_VFIO, "ring", "ivshmem:?name=a", NULL);
	world_guest(&w, "b", WORLD_SYSFS, "again", "ivshmem:?name=b", PAUSE, NULL);
	start_c();
	snprintf(address, sizeof(address), "ivshmem:unix=%s?name=" RING_JUDGE, w.sock);
	cr_assert_eq(ring_open(&judge, address), 0);

	cr_assert(judge_sees(&judge, all));
	program_dies();
	cr_assert(judge_sees(&judge, all));
	process_dies();
	cr_assert(judge_sees(&judge, all));
	guest_dies();
	cr_assert(judge_sees(&judge, all));
	cr_assert(judge_settles(&judge, all));
	survivors_stayed();
	ring_close(&judge);
	for (int i = 0; all[i]; i++)
		cr_assert(world_ended(&w, all[i], PATIENCE_MS));
	good = true;
}
