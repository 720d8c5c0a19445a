/* SPDX-License-Identifier: BSD-2-Clause */
/* offer.c - offers by a peer that lies: "a" is in slot 1, the fake in slot 0 lays out. */
#include <string.h>

#include "fabric.h"

#define SIZE (1u << 20)

static struct vmq *a;
static struct fake *f;
static struct vmq_geometry geo;
static uint32_t serial, first, count;

static void make(void)
{
	uint32_t each;

	fabric_make(SIZE, 4);
	f = fake_enter(0, "f");
	a = fabric_vm("a", NULL);
	cr_assert_eq(vmq_id(a), 2);
	vmq__dir_arena(&fabric.d, 0, &first, &count, &each);
}

static void unmake(void)
{
	vmq_close(a);
	fabric_end();
}

TestSuite(ivshmem_offer, .init = make, .fini = unmake);

static uint8_t *region(void)
{
	return fabric.map + first * 4096ull;
}

/* A good region at the arena's start. */
static void lay_out(void)
{
	struct vmq_ident ident[2] = { { .id = 1, .name = "f" }, { .id = 2, .name = "a" } };

	cr_assert_eq(vmq_layout_plan((uint32_t[]){ 4096, 4096 }, (uint32_t[]){ 1, 1 }, &geo), 0);
	memset(region(), 0, geo.region_size);
	vmq_layout_write(region(), &geo, ident);
}

static void offer(uint32_t page, uint32_t pages)
{
	struct vmq_ivshmem_cell *c = cell(0, 1);

	vmq__store(&c->claim, f->claim);
	vmq__store(&c->peer_claim, word(&slot(1)->claim));
	vmq__store(&c->offer.first, page);
	vmq__store(&c->offer.count, pages);
	vmq__store_release(&c->serial, ++serial);
}

static bool held(void)
{
	for (unsigned h = 0; h < VMQ_IVSHMEM_HOLDS; h++)
		if (word(&cell(1, 0)->hold[h].count))
			return true;
	return false;
}

static uint32_t state(void)
{
	const struct vmq_layout_ctl *ctl = (const struct vmq_layout_ctl *)(region() + geo.ctl_off[1]);

	return word(&ctl->state);
}

Test(ivshmem_offer, a_good_one_is_held_until_it_is_withdrawn)
{
	lay_out();
	offer(first, (uint32_t)(geo.region_size / 4096));
	WAIT(a, NULL, held() && state() == VMQ_STATE_SYNC);
	cr_expect_eq(word(&cell(1, 0)->hold[0].first), first);
	cr_expect_eq(word(&cell(1, 0)->hold[0].count), (uint32_t)(geo.region_size / 4096));
	cr_expect_eq(word(&cell(1, 0)->dropped), 0u);
	vmq__store(&cell(0, 1)->serial, 0);
	WAIT(a, NULL, !held());
	cr_expect_eq(word(&cell(1, 0)->dropped), serial);
	/* The next one is taken up as well. */
	lay_out();
	offer(first, (uint32_t)(geo.region_size / 4096));
	WAIT(a, NULL, held());
	fake_leave(f);
	WAIT(a, NULL, !held());
}

Test(ivshmem_offer, what_is_for_another_life_is_left)
{
	lay_out();
	offer(first, 8);
	vmq__store(&cell(0, 1)->claim, f->claim + 1);
	vmq__store(&cell(0, 1)->serial, ++serial);
	turns(a, NULL);
	offer(first, 8);
	vmq__store(&cell(0, 1)->peer_claim, word(&slot(1)->claim) + 1);
	vmq__store(&cell(0, 1)->serial, ++serial);
	turns(a, NULL);
	cr_expect_not(word(&cell(1, 0)->dropped) == serial);
	cr_expect_not(held());
}

Test(ivshmem_offer, runs_outside_of_the_arena_are_left)
{
	const uint32_t bad[][2] = { { 0, 8 }, { first - 1, 8 }, { first, count + 1 }, { first + count, 1 },
		{ first + count - 1, 2 }, { first, 0 }, { first, UINT32_MAX }, { UINT32_MAX, 2 },
		{ first + 1, UINT32_MAX }, { UINT32_MAX - 3, 8 } };

	lay_out();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		offer(bad[i][0], bad[i][1]);
		for (int n = 0; n < 30; n++)
			turn(a, NULL);
		cr_expect_not(held(), "%zu", i);
	}
	/* It has not given the peer up for them. */
	offer(first, (uint32_t)(geo.region_size / 4096));
	WAIT(a, NULL, held());
}

/* Who lays out something that is no channel gets none any more. */
Test(ivshmem_offer, regions_that_are_none_are_given_back)
{
	lay_out();
	((struct vmq_layout_header *)region())->part[VMQ_PART_POOL1].size = 1ull << 40;
	offer(first, (uint32_t)(geo.region_size / 4096));
	turns(a, NULL);
	cr_expect_not(held());
	lay_out();
	offer(first, (uint32_t)(geo.region_size / 4096));
	turns(a, NULL);
	cr_expect_not(held(), "it is known for that");
	/* In its next life it may be better. */
	fake_again(f);
	lay_out();
	offer(first, (uint32_t)(geo.region_size / 4096));
	WAIT(a, NULL, held());
}

/* More pages than the offer has are refused, even if the region would have them. */
Test(ivshmem_offer, a_region_that_is_larger_than_its_run_is_refused)
{
	lay_out();
	offer(first, (uint32_t)(geo.region_size / 4096) - 1);
	turns(a, NULL);
	cr_expect_not(held());
}

Test(ivshmem_offer, offers_that_come_and_go_leave_nothing_held)
{
	lay_out();
	for (int i = 0; i < 300; i++) {
		offer(first, (uint32_t)(geo.region_size / 4096));
		turn(a, NULL);
		if (i % 3)
			vmq__store(&cell(0, 1)->serial, 0);
	}
	vmq__store(&cell(0, 1)->serial, 0);
	WAIT(a, NULL, !held());
}
