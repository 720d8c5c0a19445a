/* SPDX-License-Identifier: BSD-2-Clause */
/* core_page.c - who owns which page, through every hand-over. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "core_fixture.h"

#define POOL 8u

static struct vmq_page_table *table(struct pair *p, unsigned side)
{
	return &p->ch[side].pages;
}

static struct vmq_pages alloc(struct pair *p, unsigned side, uint32_t count)
{
	struct vmq_pages run = { 0 };

	cr_assert_eq(vmq_pages_alloc(table(p, side), count, &run), 0);
	cr_assert_eq(run.count, count);
	return run;
}

/* Hand a run over and take it at the other side, as records would. */
static unsigned hand(struct pair *p, unsigned from, struct vmq_pages *run, enum vmq_page_mode mode)
{
	struct vmq_layout_page desc = { .len = le(1) };
	struct vmq_pages taken;
	enum vmq_page_mode as;
	unsigned bad;

	cr_assert_eq(vmq_pages_give(table(p, from), run, mode), 0);
	desc.first = le(run->first);
	desc.count = le(run->count);
	desc.mode = le(mode);
	desc.gen = le(run->gen);
	bad = vmq_pages_take(table(p, !from), &desc, &taken, &as);
	if (!bad) {
		cr_assert_eq(as, mode);
		cr_assert_eq(taken.first, run->first);
		cr_assert_eq(taken.gen, run->gen);
	}
	return bad;
}

static int drop(struct pair *p, unsigned side, const struct vmq_pages *run, bool back)
{
	bool returned = !back;
	int said = vmq_pages_free(table(p, side), run, &returned);

	if (!said)
		cr_assert_eq(returned, back);
	return said;
}

/* All pages of a side's pool can be had, each once: nothing leaked. */
static void whole(struct pair *p, unsigned side)
{
	struct vmq_pages run = alloc(p, side, POOL);

	cr_assert_eq(run.first, side * POOL);
	cr_assert_eq(drop(p, side, &run, false), 0);
}

Test(page, alloc_and_free)
{
	struct pair p;
	struct vmq_pages a, b;

	pair_open(&p, 4096, POOL, 0);
	a = alloc(&p, 0, 3);
	b = alloc(&p, 1, 3);
	cr_expect_lt(a.first, POOL);
	cr_expect_geq(b.first, POOL);
	cr_expect(vmq_pages_held(table(&p, 0), &a));
	cr_expect_not(vmq_pages_held(table(&p, 1), &a));
	cr_expect_eq(drop(&p, 0, &a, false), 0);
	cr_expect_eq(drop(&p, 0, &a, false), VMQ_ESTALE, "a double free");
	cr_expect_eq(drop(&p, 0, &b, false), VMQ_ESTALE, "a foreign free");
	cr_expect_not(vmq_pages_held(table(&p, 0), &a));
	cr_expect_eq(drop(&p, 1, &b, false), 0);
	whole(&p, 0);
	whole(&p, 1);
	pair_close(&p);
}

Test(page, exhaustion_and_fragmentation)
{
	struct pair p;
	struct vmq_pages one[POOL], run;

	pair_open(&p, 4096, POOL, 0);
	for (unsigned i = 0; i < POOL; i++)
		one[i] = alloc(&p, 1, 1);
	cr_expect_eq(vmq_pages_alloc(table(&p, 1), 1, &run), VMQ_ENOMEM);
	for (unsigned i = 0; i < POOL; i += 2)
		cr_assert_eq(drop(&p, 1, &one[i], false), 0);
	cr_expect_eq(vmq_pages_alloc(table(&p, 1), 2, &run), VMQ_ENOMEM, "no run of two");
	cr_assert_eq(drop(&p, 1, &one[3], false), 0);
	run = alloc(&p, 1, 3);
	cr_expect_eq(run.first, one[2].first);
	cr_expect_eq(vmq_pages_alloc(table(&p, 1), 0, &run), VMQ_EINVAL);
	cr_expect_eq(vmq_pages_alloc(table(&p, 1), POOL + 1, &run), VMQ_EINVAL);
	cr_expect_eq(vmq_pages_alloc(table(&p, 1), UINT32_MAX, &run), VMQ_EINVAL);
	pair_close(&p);
}

Test(page, a_stale_handle_is_refused)
{
	struct pair p;
	struct vmq_pages old, run;

	pair_open(&p, 4096, POOL, 0);
	old = alloc(&p, 0, POOL);
	cr_assert_eq(drop(&p, 0, &old, false), 0);
	run = alloc(&p, 0, POOL);
	cr_assert_eq(run.first, old.first);
	cr_expect_neq(run.gen, old.gen);
	cr_expect_eq(drop(&p, 0, &old, false), VMQ_ESTALE);
	cr_expect_eq(vmq_pages_give(table(&p, 0), &old, VMQ_PAGE_LEND), VMQ_ESTALE);
	cr_expect(vmq_pages_held(table(&p, 0), &run));
	pair_close(&p);
}

Test(page, give_refuses_what_is_not_owned)
{
	struct pair p;
	struct vmq_pages run, bad;

	pair_open(&p, 4096, POOL, 0);
	run = alloc(&p, 0, 2);
	cr_expect_eq(vmq_pages_give(table(&p, 0), &run, 0), VMQ_EINVAL);
	cr_expect_eq(vmq_pages_give(table(&p, 0), &run, 4), VMQ_EINVAL);
	bad = (struct vmq_pages){ run.first, 3, run.gen };
	cr_expect_eq(vmq_pages_give(table(&p, 0), &bad, VMQ_PAGE_MOVE), VMQ_ESTALE);
	bad = (struct vmq_pages){ run.first, 0, run.gen };
	cr_expect_eq(vmq_pages_give(table(&p, 0), &bad, VMQ_PAGE_MOVE), VMQ_ESTALE);
	bad = (struct vmq_pages){ 1, UINT32_MAX, run.gen };
	cr_expect_eq(vmq_pages_give(table(&p, 0), &bad, VMQ_PAGE_MOVE), VMQ_ESTALE);
	bad = (struct vmq_pages){ UINT32_MAX, 2, run.gen };
	cr_expect_eq(vmq_pages_give(table(&p, 0), &bad, VMQ_PAGE_MOVE), VMQ_ESTALE);
	cr_expect_eq(vmq_pages_give(table(&p, 0), &run, VMQ_PAGE_MOVE), 0);
	pair_close(&p);
}

Test(page, moved_is_the_receivers)
{
	struct pair p;
	struct vmq_pages run;

	pair_open(&p, 4096, POOL, 0);
	run = alloc(&p, 0, 4);
	cr_assert_eq(hand(&p, 0, &run, VMQ_PAGE_MOVE), 0u);
	cr_expect_not(vmq_pages_held(table(&p, 0), &run));
	cr_expect(vmq_pages_held(table(&p, 1), &run));
	cr_expect_eq(drop(&p, 0, &run, false), VMQ_ESTALE, "a free after the move");
	cr_expect_eq(vmq_pages_give(table(&p, 0), &run, VMQ_PAGE_LEND), VMQ_ESTALE);
	cr_expect_eq(vmq_pages_collect(table(&p, 0)), 0);
	cr_assert_eq(drop(&p, 1, &run, true), 0);
	cr_expect_eq(drop(&p, 1, &run, true), VMQ_ESTALE);
	cr_expect_eq(vmq_pages_collect(table(&p, 0)), 4);
	whole(&p, 0);
	pair_close(&p);
}

static const enum vmq_page_mode claims[] = { VMQ_PAGE_LEND, VMQ_PAGE_SHARE };

ParameterizedTestParameters(page, lent_comes_back_to_its_owner)
{
	return cr_make_param_array(const enum vmq_page_mode, claims, 2);
}

ParameterizedTest(const enum vmq_page_mode *mode, page, lent_comes_back_to_its_owner)
{
	struct pair p;
	struct vmq_pages run;

	pair_open(&p, 4096, POOL, 0);
	run = alloc(&p, 0, 4);
	cr_assert_eq(hand(&p, 0, &run, *mode), 0u);
	cr_expect(vmq_pages_held(table(&p, 0), &run), "the owner still reads it");
	cr_expect(vmq_pages_held(table(&p, 1), &run));
	cr_expect_eq(vmq_pages_give(table(&p, 0), &run, VMQ_PAGE_MOVE), VMQ_ESTALE, "it is out");
	cr_expect_eq(vmq_pages_give(table(&p, 1), &run, VMQ_PAGE_MOVE), VMQ_ESTALE, "not its own");
	cr_assert_eq(drop(&p, 1, &run, true), 0);
	cr_expect_eq(drop(&p, 1, &run, true), VMQ_ESTALE);
	cr_expect_eq(vmq_pages_collect(table(&p, 0)), 4);
	cr_expect_eq(vmq_pages_collect(table(&p, 0)), 0);
	cr_expect(vmq_pages_held(table(&p, 0), &run));
	cr_expect_eq(hand(&p, 0, &run, VMQ_PAGE_MOVE), 0u, "the owner may go on with it");
	cr_assert_eq(drop(&p, 1, &run, true), 0);
	whole(&p, 0);
	pair_close(&p);
}

ParameterizedTestParameters(page, freed_while_lent_comes_back_free)
{
	return cr_make_param_array(const enum vmq_page_mode, claims, 2);
}

ParameterizedTest(const enum vmq_page_mode *mode, page, freed_while_lent_comes_back_free)
{
	struct pair p;
	struct vmq_pages run, other;

	pair_open(&p, 4096, POOL, 0);
	run = alloc(&p, 0, POOL);
	cr_assert_eq(hand(&p, 0, &run, *mode), 0u);
	cr_assert_eq(drop(&p, 0, &run, false), 0);
	cr_expect_eq(drop(&p, 0, &run, false), VMQ_ESTALE, "a double free");
	cr_expect_eq(vmq_pages_alloc(table(&p, 0), 1, &other), VMQ_ENOMEM, "the peer still reads it");
	cr_expect(vmq_pages_held(table(&p, 1), &run));
	cr_assert_eq(drop(&p, 1, &run, true), 0);
	whole(&p, 0);
	pair_close(&p);
}

Test(page, moved_back_home)
{
	struct pair p;
	struct vmq_pages run;

	pair_open(&p, 4096, POOL, 0);
	for (int round = 0; round < 10; round++) {
		run = alloc(&p, 0, 5);
		cr_assert_eq(hand(&p, 0, &run, VMQ_PAGE_MOVE), 0u);
		cr_assert_eq(hand(&p, 1, &run, VMQ_PAGE_MOVE), 0u);
		cr_expect_not(vmq_pages_held(table(&p, 1), &run));
		cr_assert_eq(drop(&p, 0, &run, false), 0);
		whole(&p, 0);
		whole(&p, 1);
	}
	pair_close(&p);
}

ParameterizedTestParameters(page, moved_away_then_lent_back)
{
	return cr_make_param_array(const enum vmq_page_mode, claims, 2);
}

/* The page's home borrows it from the new owner: giving it back must leave the
 * home waiting for the owner's free, or the page is lost to its pool. */
ParameterizedTest(const enum vmq_page_mode *mode, page, moved_away_then_lent_back)
{
	struct pair p;
	struct vmq_pages run;

	pair_open(&p, 4096, POOL, 0);
	for (int owner_first = 0; owner_first < 2; owner_first++) {
		run = alloc(&p, 0, POOL);
		cr_assert_eq(hand(&p, 0, &run, VMQ_PAGE_MOVE), 0u);
		cr_assert_eq(hand(&p, 1, &run, *mode), 0u);
		if (owner_first)
			cr_assert_eq(drop(&p, 1, &run, false), 0);
		cr_assert_eq(drop(&p, 0, &run, true), 0);
		cr_expect_eq(vmq_pages_collect(table(&p, 1)), (int)POOL);
		if (!owner_first)
			cr_assert_eq(drop(&p, 1, &run, true), 0);
		whole(&p, 0);
		whole(&p, 1);
	}
	pair_close(&p);
}

Test(page, ungive_undoes)
{
	struct pair p;
	struct vmq_pages run;

	pair_open(&p, 4096, POOL, 0);
	for (unsigned mode = VMQ_PAGE_MOVE; mode <= VMQ_PAGE_SHARE; mode++) {
		run = alloc(&p, 0, 3);
		cr_assert_eq(vmq_pages_give(table(&p, 0), &run, mode), 0);
		vmq_pages_ungive(table(&p, 0), &run);
		cr_expect(vmq_pages_held(table(&p, 0), &run));
		cr_assert_eq(hand(&p, 0, &run, mode), 0u, "the next try's generation is newer");
		cr_assert_eq(drop(&p, 1, &run, true), 0);
		cr_expect_eq(vmq_pages_collect(table(&p, 0)), 3);
		if (mode != VMQ_PAGE_MOVE)
			cr_assert_eq(drop(&p, 0, &run, false), 0);
		whole(&p, 0);
	}
	pair_close(&p);
}

Test(page, lent_pages_of_the_dead_come_back_moved_ones_do_not)
{
	struct pair p;
	struct vmq_pages lent, shared, dropped, moved, own;

	pair_open(&p, 4096, POOL, 0);
	lent = alloc(&p, 0, 1);
	shared = alloc(&p, 0, 1);
	dropped = alloc(&p, 0, 1);
	moved = alloc(&p, 0, 1);
	own = alloc(&p, 0, 1);
	cr_assert_eq(hand(&p, 0, &lent, VMQ_PAGE_LEND), 0u);
	cr_assert_eq(hand(&p, 0, &shared, VMQ_PAGE_SHARE), 0u);
	cr_assert_eq(hand(&p, 0, &dropped, VMQ_PAGE_LEND), 0u);
	cr_assert_eq(hand(&p, 0, &moved, VMQ_PAGE_MOVE), 0u);
	cr_assert_eq(drop(&p, 0, &dropped, false), 0);
	cr_expect_eq(vmq_pages_reclaim(table(&p, 0)), 3u);
	cr_expect_eq(vmq_pages_reclaim(table(&p, 0)), 0u);
	cr_expect(vmq_pages_held(table(&p, 0), &lent));
	cr_expect(vmq_pages_held(table(&p, 0), &own));
	cr_expect_not(vmq_pages_held(table(&p, 0), &dropped));
	cr_expect_not(vmq_pages_held(table(&p, 0), &moved));
	cr_expect_eq(drop(&p, 0, &lent, false), 0);
	cr_expect_eq(drop(&p, 0, &shared, false), 0);
	cr_expect_eq(drop(&p, 0, &own, false), 0);
	cr_expect_eq(vmq_pages_alloc(table(&p, 0), POOL, &own), VMQ_ENOMEM, "one was moved away");
	pair_close(&p);
}

Test(page, a_new_session_brings_all_pages_home)
{
	struct pair p;
	struct vmq_pages run;

	pair_open(&p, 4096, POOL, 0);
	run = alloc(&p, 0, POOL);
	cr_assert_eq(hand(&p, 0, &run, VMQ_PAGE_MOVE), 0u);
	cr_assert_eq(pair_attach(&p, 1, 9), 0);
	pair_connect(&p);
	cr_expect_not(vmq_pages_held(table(&p, 0), &run));
	cr_expect_not(vmq_pages_held(table(&p, 1), &run), "a handle of the old session");
	cr_expect_eq(drop(&p, 1, &run, true), VMQ_ESTALE);
	whole(&p, 0);
	whole(&p, 1);
	cr_assert_eq((run = alloc(&p, 0, 1)).count, 1u);
	cr_expect_eq(hand(&p, 0, &run, VMQ_PAGE_LEND), 0u);
	pair_close(&p);
}

Test(page, without_a_table_there_are_no_pages)
{
	struct pair p;
	struct vmq_pages run = { 0, 1, 0 };
	struct vmq_layout_page desc = { .count = le(1), .mode = le(VMQ_PAGE_MOVE), .gen = le(1) };
	enum vmq_page_mode mode;
	bool returned;

	pair_open(&p, 4096, 0, 0);
	cr_expect_eq(vmq_pages_alloc(table(&p, 0), 1, &run), VMQ_EINVAL);
	cr_expect_eq(vmq_pages_give(table(&p, 0), &run, VMQ_PAGE_LEND), VMQ_ESTALE);
	cr_expect_eq(vmq_pages_free(table(&p, 0), &run, &returned), VMQ_ESTALE);
	cr_expect_eq(vmq_pages_take(table(&p, 0), &desc, &run, &mode), VMQ_POISON_PAGE_RANGE);
	cr_expect_eq(vmq_pages_collect(table(&p, 0)), 0);
	cr_expect_eq(vmq_pages_reclaim(table(&p, 0)), 0u);
	cr_expect_not(vmq_pages_held(table(&p, 0), &run));
	pair_close(&p);
}

/* The generation's 29 bits wrap: handles stay told apart. */
Test(page, generations_wrap)
{
	struct pair p;
	struct vmq_pages run, before;

	pair_open(&p, 4096, 1, 0);
	for (unsigned s = 0; s < 2; s++)
		for (unsigned i = 0; i < 2; i++)
			p.entries[s][i].gen = 0x1ffffff0u;
	for (int round = 0; round < 20; round++) {
		run = alloc(&p, 0, 1);
		before = run;
		cr_assert_eq(hand(&p, 0, &run, round & 1 ? VMQ_PAGE_MOVE : VMQ_PAGE_LEND), 0u);
		cr_assert_neq(run.gen, before.gen);
		cr_assert_eq(run.gen >> 29, 0u);
		cr_assert_eq(drop(&p, 1, &run, true), 0);
		vmq_pages_collect(table(&p, 0));
		if (!(round & 1))
			cr_assert_eq(drop(&p, 0, &run, false), 0);
	}
	pair_close(&p);
}
