/* SPDX-License-Identifier: BSD-2-Clause */
/* peers.c - a peer that says it holds everything, that has no name or another's, that is
 * of no size, that takes places: what an endpoint makes of such slots. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "liar.h"

TestSuite(peers, .init = liar_start, .fini = liar_stop, .timeout = 200);

/* ---- holds ------------------------------------------------------------------------------------ */

static bool is_offered(void)
{
	return vmq__load(&vmq__dir_cell(&liar.p.d, 0, TAKER)->serial) &&
		vmq__load(&vmq__dir_cell(&liar.p.d, 0, TAKER)->peer_claim) == liar.claim;
}

/* All of the other's arena, and more, is "still used" by a peer that lives. */
Test(peers, holds_of_everything)
{
	static const struct vmq_ivshmem_extent lies[][VMQ_IVSHMEM_HOLDS] = {
		{ { 0, UINT32_MAX }, { 0, UINT32_MAX }, { 0, UINT32_MAX }, { 0, UINT32_MAX } },
		{ { UINT32_MAX, UINT32_MAX }, { 1, UINT32_MAX }, { 0x80000000u, 0x80000000u }, { 0, 1 } },
		{ { 0, 256 }, { 255, 1 }, { 256, 1 }, { 2, 0xfffffffeu } },
	};
	struct vmq__dir_who w = liar_who("liar");

	liar_enter(TAKER, &w);
	cr_assert(liar_lives(TAKER, PATIENCE_MS, is_offered), "a channel, before it lies");
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		memcpy(vmq__dir_cell(&liar.p.d, TAKER, 0)->hold, lies[i], sizeof(lies[i]));
		liar_enter(TAKER, &w);
		liar_lives(TAKER, 50, NULL);
		cr_expect_not(liar.h.over);
		/* Many lives of a peer that gives nothing back. */
		for (int n = 0; n < 20; n++) {
			liar_enter(TAKER, &w);
			liar_lives(TAKER, 5, NULL);
		}
	}
	liar_leave(TAKER);
	liar_lives(TAKER, 50, NULL);
	/* Its place, and its holds, are the next one's. */
	liar_enter(TAKER, &w);
	memset(vmq__dir_cell(&liar.p.d, TAKER, 0)->hold, 0, sizeof(lies[0]));
	cr_expect(liar_lives(TAKER, PATIENCE_MS, is_offered), "its arena is free again");
	liar_leave(TAKER);
	liar_all_is_well();
}

/* An endpoint that comes into an arena which others say they hold. */
Test(peers, holds_before_it_comes)
{
	struct vmq__dir_who w = liar_who("liar");
	struct vmq *late = NULL;

	vmq_close(liar.q);
	liar_enter(TAKER, &w);
	for (uint32_t j = 0; j < PAIR_SLOTS; j++)
		memset(vmq__dir_cell(&liar.p.d, TAKER, j)->hold, 0xff, 8 * VMQ_IVSHMEM_HOLDS);
	cr_assert_eq(pair_vm(&liar.p, "q", &liar.q), 0);
	liar_lives(TAKER, 50, NULL);
	cr_assert_eq(pair_vm(&liar.p, "late", &late), 0);
	cr_expect(pair_meet(&liar.p, liar.q, "late", late, "q"), "one liar keeps only itself out");
	vmq_close(late);
	liar_leave(TAKER);
	liar_all_is_well();
}

/* ---- slots ------------------------------------------------------------------------------------- */

static bool is_down(void)
{
	return liar.h.downs;
}

/* Its place is claimed by somebody else while it lives. */
Test(peers, claim_taken_from_the_living)
{
	struct vmq *other = NULL, *again = NULL;
	struct heard others = { 0 };
	uint64_t until = now_ns() + PATIENCE;

	cr_assert_eq(pair_vm(&liar.p, "other", &other), 0);
	cr_assert(pair_meet(&liar.p, liar.q, "other", other, "q"));
	cr_assert(vmq__dir_claim(&liar.p.d, 0, vmq__load(&vmq__dir_slot(&liar.p.d, 0)->claim)));
	cr_assert(liar_lives(0, PATIENCE_MS, is_down));
	while (!others.leaves && !others.poisons && now_ns() < until)
		pair_look(other, &others);
	cr_expect(others.leaves || others.poisons);
	cr_expect_not(others.over, "it is only one that has gone");
	/* What it leaves behind does not become the thief's. */
	vmq_close(liar.q);
	cr_assert_eq(pair_vm(&liar.p, "q", &liar.q), 0);
	cr_expect(pair_meet(&liar.p, liar.q, "other", other, "q"));
	cr_assert_eq(pair_vm(&liar.p, "again", &again), 0);
	cr_expect(pair_meet(&liar.p, again, "other", other, "again"));
	vmq_close(again);
	vmq_close(other);
}

static void nobody(const char *what, struct vmq__dir_who w)
{
	liar_enter(LAYER, &w);
	liar_offer(liar.arena, liar_lay_out(liar.arena));
	cr_expect_not(liar_lives(LAYER, 40, liar_holds_something), "%s", what);
	cr_expect_eq(liar.h.joins, 0u, "%s", what);
}

Test(peers, lines_that_are_none)
{
	static const char *const names[] = { "", "*", "a/b", "a?b", "a&b", "\n", "\x7f", "\x1b[2J" };
	static const uint32_t sizes[] = { 0, 1, 4095, 4097, 12288, 0x80000000u, UINT32_MAX };
	struct vmq__dir_who w = liar_who("liar");

	memset(w.name, 'x', sizeof(w.name));
	nobody("no terminator", w);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		nobody(names[i], liar_who(names[i]));
	w = liar_who("liar");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		w.lane_size = sizes[i];
		nobody("lane", w);
	}
	w.lane_size = 8192;
	w.pool_pages = UINT32_MAX;
	nobody("pool", w);
	w.pool_pages = VMQ_POOL_MAX;
	nobody("pool", w);
	liar_leave(LAYER);
	liar_all_is_well();
}

/* A name without an end must not be read past its slot by those who look for theirs. */
Test(peers, openers_among_names_without_end)
{
	struct vmq *more[2] = { NULL };

	memset(vmq__dir_slot(&liar.p.d, 3)->name, 'q', VMQ_NAME_MAX + 1);
	memset(vmq__dir_slot(&liar.p.d, 3)->reserved0, 'q', 44);
	vmq__store(&vmq__dir_slot(&liar.p.d, 3)->claim, 9);
	vmq__store(&vmq__dir_slot(&liar.p.d, 3)->live, 9);
	cr_expect_eq(pair_vm(&liar.p, "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", &more[0]), 0);
	cr_expect_eq(pair_vm(&liar.p, "q", &more[1]), VMQ_EEXIST);
	vmq_close(more[0]);
	liar_all_is_well();
}

/* Wishes for doorbells that nobody has. */
Test(peers, doorbells_of_nobody)
{
	static const uint32_t ids[] = { 0, 65535, 65536, 0x7fffffff, UINT32_MAX - 1 };
	struct vmq__dir_who w = liar_who("liar");

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		w.doorbell = ids[i];
		w.vectors = UINT32_MAX;
		liar_enter(LAYER, &w);
		liar_offer(liar.arena, liar_lay_out(liar.arena));
		cr_expect(liar_lives(LAYER, PATIENCE_MS, liar_holds_something));
	}
	liar_leave(LAYER);
	liar_all_is_well();
}

/* A namesake that lives, or seems to. */
Test(peers, namesakes)
{
	struct vmq__dir_who w = liar_who("q");

	liar_enter(LAYER, &w);
	liar_lives(LAYER, 100, NULL);
	cr_expect_not(liar.h.over);
	liar_leave(LAYER);
	w = liar_who("good");
	liar_enter(LAYER, &w);
	/* Its heart stands still: the honest one gets the place. */
	liar_all_is_well();
}

/* Claims that run through all numbers while it looks. */
static atomic_bool racing;

static void *spin(void *arg)
{
	struct vmq_ivshmem_slot *slot = arg;
	uint32_t x = 3;

	while (atomic_load(&racing)) {
		x = x * 1664525u + 1013904223u;
		vmq__store(&slot->claim, x);
		vmq__store(&slot->gone, x >> 31 ? x : 0);
		vmq__store(&slot->live, x);
		vmq__store(&slot->heartbeat, x);
	}
	return NULL;
}

Test(peers, claims_without_end)
{
	struct vmq *good = NULL;
	pthread_t thread;

	atomic_store(&racing, true);
	cr_assert_eq(pthread_create(&thread, NULL, spin, vmq__dir_slot(&liar.p.d, LAYER)), 0);
	liar_lives(LAYER, 300, NULL);
	cr_expect_not(liar.h.over);
	cr_assert_eq(pair_vm(&liar.p, "good", &good), 0);
	cr_expect(pair_meet(&liar.p, liar.q, "good", good, "q"));
	vmq_close(good);
	atomic_store(&racing, false);
	pthread_join(thread, NULL);
	vmq__store(&vmq__dir_slot(&liar.p.d, LAYER)->gone, vmq__load(&vmq__dir_slot(&liar.p.d, LAYER)->claim));
	liar_all_is_well();
}
