/* SPDX-License-Identifier: BSD-2-Clause */
/* liar.c - an endpoint, and a peer of the test's own making in the same region. */
#include <string.h>

#include "liar.h"

struct liar liar;

void liar_start(void)
{
	uint32_t each;

	pair_init(&liar.p);
	cr_assert_eq(pair_vm(&liar.p, "q", &liar.q), 0);
	vmq__dir_arena(&liar.p.d, LAYER, &liar.arena, &liar.pages, &each);
	memset(&liar.h, 0, sizeof(liar.h));
}

void liar_stop(void)
{
	vmq_close(liar.q);
	pair_end(&liar.p);
}

struct vmq__dir_who liar_who(const char *name)
{
	struct vmq__dir_who w = { .doorbell = VMQ_IVSHMEM_NOBODY, .lane_size = 8192, .pool_pages = 8 };

	memcpy(w.name, name, strlen(name));
	return w;
}

void liar_enter(uint32_t slot, const struct vmq__dir_who *w)
{
	liar.claim = vmq__dir_claim(&liar.p.d, slot, vmq__load(&vmq__dir_slot(&liar.p.d, slot)->claim));
	cr_assert(liar.claim);
	vmq__dir_enter(&liar.p.d, slot, liar.claim, w);
}

void liar_leave(uint32_t slot)
{
	vmq__dir_leave(&liar.p.d, slot, liar.claim);
}

static void beat(uint32_t slot)
{
	vmq_le32 *heart = &vmq__dir_slot(&liar.p.d, slot)->heartbeat;

	vmq__store(heart, vmq__load(heart) + 1);
}

bool liar_lives(uint32_t slot, unsigned ms, bool (*until)(void))
{
	uint64_t end = now_ns() + ms * 1000000ull;

	do {
		beat(slot);
		pair_look(liar.q, &liar.h);
		if (until && until())
			return true;
	} while (now_ns() < end);
	return false;
}

const struct vmq_ivshmem_extent *liar_held(unsigned i)
{
	return &vmq__dir_cell(&liar.p.d, 0, LAYER)->hold[i];
}

bool liar_holds_something(void)
{
	for (unsigned i = 0; i < VMQ_IVSHMEM_HOLDS; i++)
		if (vmq__load(&liar_held(i)->count))
			return true;
	return false;
}

bool liar_holds_nothing(void)
{
	return !liar_holds_something();
}

void liar_offer(uint32_t first, uint32_t count)
{
	struct vmq_ivshmem_cell *cell = vmq__dir_cell(&liar.p.d, LAYER, 0);
	static uint32_t serial = 100;

	vmq__store(&cell->serial, 0);
	vmq__fence();
	vmq__store(&cell->claim, liar.claim);
	vmq__store(&cell->peer_claim, vmq__load(&vmq__dir_slot(&liar.p.d, 0)->claim));
	vmq__store(&cell->offer.first, first);
	vmq__store(&cell->offer.count, count);
	vmq__store_release(&cell->serial, ++serial);
	vmq__dir_ring(&liar.p.d, 0, 2);
}

uint32_t liar_lay_out(uint32_t first)
{
	const uint32_t lanes[2] = { 8192, 8192 }, pools[2] = { 8, 8 };
	const struct vmq_ident idents[2] = { { .id = 1, .name = "q" }, { .id = LAYER + 1, .name = "liar" } };
	struct vmq_geometry geo;

	cr_assert_eq(vmq_layout_plan(lanes, pools, &geo), 0);
	memset(liar.p.map + (size_t)first * 4096, 0, geo.region_size);
	vmq_layout_write(liar.p.map + (size_t)first * 4096, &geo, idents);
	return (uint32_t)(geo.region_size / 4096);
}

void liar_all_is_well(void)
{
	struct vmq *good = NULL;

	cr_expect_not(liar.h.over, "the endpoint went on");
	cr_assert_eq(pair_vm(&liar.p, "good", &good), 0);
	cr_expect(pair_meet(&liar.p, liar.q, "good", good, "q"));
	vmq_close(good);
}
