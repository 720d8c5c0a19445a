/* SPDX-License-Identifier: BSD-2-Clause */
/* offers.c - a peer that offers channels where there are none, or where they must not be. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "liar.h"

TestSuite(offers, .init = liar_start, .fini = liar_stop, .timeout = 200);

/* First that this test would notice: what is right is taken up. */
Test(offers, right)
{
	struct vmq__dir_who w = liar_who("liar");
	uint32_t n;

	liar_enter(LAYER, &w);
	n = liar_lay_out(liar.arena + 3);
	liar_offer(liar.arena + 3, n);
	cr_assert(liar_lives(LAYER, PATIENCE_MS, liar_holds_something));
	cr_expect_eq(vmq__load(&liar_held(0)->first), liar.arena + 3);
	cr_expect_eq(vmq__load(&liar_held(0)->count), n);
	liar_leave(LAYER);
	cr_expect(liar_lives(LAYER, PATIENCE_MS, liar_holds_nothing));
	liar_all_is_well();
}

/* Each time in a new life: with one that has made an offer that was no good there is to be
 * no channel any more. Where there is room, a good channel lies there. */
static void refused(const char *what, uint32_t first, uint32_t count)
{
	const uint32_t all = PAIR_SIZE / 4096, heap = (uint32_t)(liar.p.d.heap_off / 4096);
	struct vmq__dir_who w = liar_who("liar");

	liar_enter(LAYER, &w);
	if (first >= heap && first < all - 40)
		liar_lay_out(first);
	liar_offer(first, count);
	cr_expect_not(liar_lives(LAYER, 40, liar_holds_something), "%s: %u pages at %u", what, count, first);
	cr_expect_eq(liar.h.joins, 0u);
}

Test(offers, outside_of_the_arena)
{
	const uint32_t all = PAIR_SIZE / 4096, n = liar_lay_out(liar.arena);
	uint32_t theirs, each, count;

	cr_assert(n <= 40);
	vmq__dir_arena(&liar.p.d, 0, &theirs, &count, &each);
	refused("nothing", liar.arena, 0);
	refused("the directory", 0, n);
	refused("the header and all", 0, all);
	refused("before its arena", liar.arena - 1, n);
	refused("past its arena", liar.arena + liar.pages - n + 1, n);
	refused("larger than its arena", liar.arena, liar.pages + 1);
	refused("the other's arena", theirs, n);
	refused("past the region", all, n);
	refused("far past the region", UINT32_MAX, 1);
	refused("the end wraps", liar.arena, UINT32_MAX);
	refused("the start wraps", UINT32_MAX - 3, liar.arena + n);
	refused("half of 2^32", 0x80000000u, 0x80000000u);
	refused("behind its arena", liar.arena + liar.pages, n);
	liar_leave(LAYER);
	liar_all_is_well();
}

/* For other lives than those that are there. */
Test(offers, for_somebody_else)
{
	struct vmq_ivshmem_cell *cell = vmq__dir_cell(&liar.p.d, LAYER, 0);
	uint32_t n = liar_lay_out(liar.arena), mine = vmq__load(&vmq__dir_slot(&liar.p.d, 0)->claim);
	struct vmq__dir_who w = liar_who("liar");

	liar_enter(LAYER, &w);
	for (int i = 0; i < 4; i++) {
		vmq__store(&cell->claim, liar.claim + (i == 1));
		vmq__store(&cell->peer_claim, i == 2 ? 0 : i == 3 ? UINT32_MAX : mine + (i == 0));
		vmq__store(&cell->offer.first, liar.arena);
		vmq__store(&cell->offer.count, n);
		vmq__store_release(&cell->serial, 7 + (uint32_t)i);
		cr_expect_not(liar_lives(LAYER, 40, liar_holds_something), "%d", i);
	}
	liar_leave(LAYER);
	liar_all_is_well();
}

/* What lies there is no channel, or a larger one than was offered. */
static void no_channel(const char *what, uint32_t count)
{
	liar_offer(liar.arena, count);
	liar_lives(LAYER, 60, NULL);
	cr_expect(liar_lives(LAYER, PATIENCE_MS, liar_holds_nothing), "%s", what);
	cr_expect_eq(liar.h.joins, 0u, "%s", what);
}

Test(offers, of_what_is_no_channel)
{
	struct vmq__dir_who w = liar_who("liar");
	uint32_t x = 7, n = liar_lay_out(liar.arena);

	for (int round = 0; round < 40; round++) {
		liar_enter(LAYER, &w); /* a new life: with the old one there is to be none any more */
		liar_lay_out(liar.arena);
		if (round == 0)
			memset(liar.p.map + (size_t)liar.arena * 4096, 0, 4096);
		else if (round == 1)
			memset(liar.p.map + (size_t)liar.arena * 4096, 0xff, 4096);
		for (int i = 0; i < 3 && round > 2; i++) {
			x = x * 1664525u + 1013904223u;
			liar.p.map[(size_t)liar.arena * 4096 + (x >> 8) % 200] ^= (uint8_t)(x >> 24) | 1;
		}
		no_channel("garbage", round == 2 ? n - 1 : round == 3 ? 1 : n);
		if (liar.h.over)
			break;
	}
	liar_leave(LAYER);
	liar.h.joins = 0;
	liar_all_is_well();
}

/* One after the other in the same pages, each before the last is done with. */
Test(offers, that_overlap)
{
	struct vmq__dir_who w = liar_who("liar");
	uint32_t n;

	liar_enter(LAYER, &w);
	for (uint32_t i = 0; i < 60; i++) {
		n = liar_lay_out(liar.arena + i % 5);
		liar_offer(liar.arena + i % 5, n);
		liar_lives(LAYER, i % 3 ? 15 : 1, NULL);
	}
	memset(liar.p.map + (size_t)liar.arena * 4096, 0xff, (size_t)liar.pages * 4096);
	liar_lives(LAYER, 50, NULL);
	liar_leave(LAYER);
	cr_expect(liar_lives(LAYER, PATIENCE_MS, liar_holds_nothing));
	liar_all_is_well();
}

/* The channel's header and control areas change while they are being read. */
static atomic_bool racing;

static void *change(void *arg)
{
	uint8_t *at = arg;
	uint32_t x = 1;

	while (atomic_load(&racing)) {
		uint8_t was;

		x = x * 1664525u + 1013904223u;
		was = at[(x >> 8) % 8192];
		*(volatile uint8_t *)&at[(x >> 8) % 8192] = (uint8_t)(x >> 24);
		*(volatile uint8_t *)&at[(x >> 8) % 8192] = was;
	}
	return NULL;
}

Test(offers, that_change_while_they_are_read)
{
	struct vmq__dir_who w = liar_who("liar");
	pthread_t thread;

	atomic_store(&racing, true);
	cr_assert_eq(pthread_create(&thread, NULL, change, liar.p.map + (size_t)liar.arena * 4096), 0);
	for (int i = 0; i < 60 && !liar.h.over; i++) {
		liar_enter(LAYER, &w);
		liar_offer(liar.arena, liar_lay_out(liar.arena));
		liar_lives(LAYER, 20, NULL);
	}
	atomic_store(&racing, false);
	pthread_join(thread, NULL);
	liar_leave(LAYER);
	cr_expect(liar_lives(LAYER, PATIENCE_MS, liar_holds_nothing));
	liar_all_is_well();
}
