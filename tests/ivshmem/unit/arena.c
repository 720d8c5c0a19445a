/* SPDX-License-Identifier: BSD-2-Clause */
/* arena.c - channels in arenas: what both wish, as far as there is room, and never two on
 * one page. Slot 0 lays out for 1 and 3, slot 1 for 2, slot 2 for 0 and 3, slot 3 for 1. */
#include <string.h>

#include "fabric.h"

#define SMALL (1u << 20)
#define LARGE (64u << 20)

static void small(void)
{
	fabric_make(SMALL, 4);
}

TestSuite(ivshmem_arena, .init = small, .fini = fabric_end);

struct run {
	uint32_t first, count;
};

static struct run offer_of(uint32_t layer, uint32_t peer)
{
	const struct vmq_ivshmem_cell *c = cell(layer, peer);

	return (struct run){ word(&c->offer.first), word(&c->offer.count) };
}

static bool offered(uint32_t layer, uint32_t peer)
{
	return word(&cell(layer, peer)->serial) != 0;
}

static bool overlap(struct run a, struct run b)
{
	return a.first < b.first + b.count && b.first < a.first + a.count;
}

static void hold(uint32_t holder, uint32_t layer, unsigned n, struct run r)
{
	struct vmq_ivshmem_cell *c = cell(holder, layer);

	vmq__store(&c->hold[n].first, r.first);
	vmq__store_release(&c->hold[n].count, r.count);
}

Test(ivshmem_arena, four_share_a_small_region)
{
	const char *name[4] = { "a", "b", "c", "d" };
	struct vmq *q[4];
	struct run all[6];
	unsigned n = 0;

	for (int i = 0; i < 4; i++)
		q[i] = fabric_vm(name[i], NULL);
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(vmq_id(q[i]), i + 1);
		for (int j = 0; j < i; j++)
			cr_assert_eq(both_meet(q[i], name[j], q[j], name[i]), (uint32_t)j + 1);
	}
	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t j = 0; j < 4; j++) {
			uint32_t first, count, each;

			if (i == j || vmq__dir_layer(i, j) != i)
				continue;
			cr_assert(offered(i, j));
			all[n] = offer_of(i, j);
			vmq__dir_arena(&fabric.d, i, &first, &count, &each);
			cr_expect_leq(all[n].count, each);
			cr_expect_geq(all[n].count, each / 2, "most of its share is used");
			cr_expect_geq(all[n].first, first);
			cr_expect_leq(all[n].first + all[n].count, first + count);
			n++;
		}
	cr_assert_eq(n, 6u);
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < i; j++)
			cr_expect_not(overlap(all[i], all[j]));
	for (int i = 0; i < 4; i++)
		vmq_close(q[i]);
}

/* Each end says what it wants to receive on, and what it brings. */
Test(ivshmem_arena, wishes_are_kept_where_there_is_room)
{
	struct vmq_geometry geo;
	struct vmq *a, *b;
	struct run r;

	fabric_end();
	fabric_make(LARGE, 4);
	a = fabric_vm("a", "lane=8192&pages=3");
	b = fabric_vm("b", "lane=16384&pages=5");
	both_meet(a, "b", b, "a");
	r = offer_of(0, 1);
	cr_assert_eq(vmq_layout_read(fabric.map + r.first * 4096ull, r.count * 4096ull, &geo), 0);
	cr_expect_eq(geo.lane_size[0], 16384u, "side 0 writes what b receives on");
	cr_expect_eq(geo.lane_size[1], 8192u);
	cr_expect_eq(geo.pool_pages[0], 3u);
	cr_expect_eq(geo.pool_pages[1], 5u);
	cr_expect_eq(geo.region_size, r.count * 4096ull);
	vmq_close(a);
	vmq_close(b);
}

Test(ivshmem_arena, pools_and_lanes_shrink_together)
{
	struct vmq *a = fabric_vm("a", "pages=256"), *b = fabric_vm("b", "pages=256");
	struct vmq_geometry geo;
	struct vmq_page page;
	struct run r;
	uint32_t id = both_meet(a, "b", b, "a");

	r = offer_of(0, 1);
	cr_assert_eq(vmq_layout_read(fabric.map + r.first * 4096ull, r.count * 4096ull, &geo), 0);
	cr_expect_lt(geo.lane_size[0], 256u << 10);
	cr_expect_gt(geo.pool_pages[0], 0u, "some pages are left");
	cr_assert_eq(vmq_page_alloc(b, id == 1 ? 2 : 1, 4096, &page, VMQ_NOWAIT), 0);
	vmq_page_free(b, &page);
	vmq_close(a);
	vmq_close(b);
}

/* Who only seems to be dead may go on using what it holds. */
Test(ivshmem_arena, a_suspected_peer_keeps_its_pages)
{
	struct vmq *a = fabric_vm("a", NULL);
	struct fake *b = fake_enter(1, "b");
	struct run old, new;

	WAIT(a, NULL, offered(0, 1));
	old = offer_of(0, 1);
	hold(1, 0, 0, old);
	b->beats = false;
	WAIT(a, NULL, !offered(0, 1));
	b->beats = true;
	WAIT(a, NULL, offered(0, 1));
	new = offer_of(0, 1);
	cr_expect_not(overlap(old, new));
	/* It has done with them. */
	b->beats = false;
	WAIT(a, NULL, !offered(0, 1));
	hold(1, 0, 0, (struct run){ 0, 0 });
	b->beats = true;
	WAIT(a, NULL, offered(0, 1));
	new = offer_of(0, 1);
	cr_expect(overlap(old, new));
	vmq_close(a);
}

Test(ivshmem_arena, another_life_holds_nothing)
{
	struct vmq *a = fabric_vm("a", NULL);
	struct fake *b = fake_enter(1, "b");
	struct run old, new;

	WAIT(a, NULL, offered(0, 1));
	old = offer_of(0, 1);
	hold(1, 0, 0, old);
	fake_again(b);
	WAIT(a, NULL, offered(0, 1) && word(&cell(0, 1)->peer_claim) == b->claim);
	new = offer_of(0, 1);
	cr_expect(overlap(old, new));
	/* And who has left holds nothing, whatever stands there. */
	hold(1, 0, 2, new);
	fake_leave(b);
	WAIT(a, NULL, !offered(0, 1));
	fake_enter(3, "d");
	WAIT(a, NULL, offered(0, 3));
	cr_expect(overlap(offer_of(0, 3), new));
	vmq_close(a);
}

/* Who takes a place over does not hold what stands there. */
Test(ivshmem_arena, a_new_owner_holds_nothing)
{
	struct vmq *a = fabric_vm("a", NULL), *b;
	struct fake *f = fake_enter(1, "b");
	uint32_t first, count, each;

	vmq__dir_arena(&fabric.d, 0, &first, &count, &each);
	hold(1, 0, 3, (struct run){ first, count });
	fake_leave(f);
	b = fabric_vm("b", NULL);
	cr_assert_eq(vmq_id(b), 2);
	both_meet(a, "b", b, "a");
	vmq_close(b);
	vmq_close(a);
}

/* The layer's new life finds others at work in its arena. */
Test(ivshmem_arena, holds_outlive_the_layers_life)
{
	struct vmq *a = fabric_vm("a", NULL);
	struct fake *b = fake_enter(1, "b");
	struct run old;

	WAIT(a, NULL, offered(0, 1));
	old = offer_of(0, 1);
	hold(1, 0, 3, old);
	vmq_close(a);
	cr_expect_not(offered(0, 1), "withdrawn");
	a = fabric_vm("a", NULL);
	cr_assert_eq(vmq_id(a), 1);
	fake_enter(3, "d");
	WAIT(a, NULL, offered(0, 1) && offered(0, 3));
	cr_expect_not(overlap(offer_of(0, 1), old));
	cr_expect_not(overlap(offer_of(0, 3), old));
	cr_expect_not(overlap(offer_of(0, 3), offer_of(0, 1)));
	(void)b;
	vmq_close(a);
}

/* A peer that holds on to old channels has less left for a new one, down to nothing; the
 * others have what is theirs. */
Test(ivshmem_arena, a_share_is_a_share)
{
	struct vmq *a = fabric_vm("a", NULL);
	struct fake *b = fake_enter(1, "b");
	uint32_t share = vmq__dir_share(&fabric.d, 0), used = 0;

	for (unsigned n = 0; n < 4; n++) {
		WAIT(a, NULL, offered(0, 1));
		used += offer_of(0, 1).count;
		cr_assert_leq(used, share);
		hold(1, 0, n, offer_of(0, 1));
		b->beats = false;
		WAIT(a, NULL, !offered(0, 1));
		b->beats = true;
		if (share - used < 5)
			break;
	}
	hold(1, 0, 3, (struct run){ offer_of(0, 1).first, share });
	turns(a, NULL);
	cr_expect_not(offered(0, 1), "nothing is left of its share");
	fake_enter(3, "d");
	WAIT(a, NULL, offered(0, 3));
	/* What it gives back is offered to it again. */
	for (unsigned n = 0; n < 4; n++)
		hold(1, 0, n, (struct run){ 0, 0 });
	vmq__dir_ring(&fabric.d, 0, VMQ_FD_CONTROL);
	WAIT(a, NULL, offered(0, 1));
	vmq_close(a);
}

/* Holds are others' words: what lies elsewhere, or wraps, takes nothing away. */
Test(ivshmem_arena, holds_that_lie_outside_mean_nothing)
{
	struct vmq *a = fabric_vm("a", NULL);
	struct fake *b = fake_enter(1, "b");
	uint32_t first, count, each;

	vmq__dir_arena(&fabric.d, 0, &first, &count, &each);
	hold(1, 0, 0, (struct run){ 0, first });
	hold(1, 0, 1, (struct run){ first + count, UINT32_MAX });
	hold(1, 0, 2, (struct run){ UINT32_MAX, UINT32_MAX });
	WAIT(a, NULL, offered(0, 1));
	cr_expect_eq(offer_of(0, 1).first, first);
	/* All of it is held: the peer does itself harm, and it is not for ever. */
	hold(1, 0, 3, (struct run){ 0, UINT32_MAX });
	b->beats = false;
	WAIT(a, NULL, !offered(0, 1));
	b->beats = true;
	turns(a, NULL);
	cr_expect_not(offered(0, 1));
	fake_leave(b);
	fake_enter(3, "d");
	WAIT(a, NULL, offered(0, 3));
	vmq_close(a);
}
