/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_pages.c - the VMM changes mappings, and only as the pages' owners say. */
#include <criterion/criterion.h>
#include <string.h>

#include "support.h"
#include "vmm_fake.h"

#define POOL 4u

static struct vmq_vmm *vmm;
static struct fake a, b;
static struct fake_link *la, *lb;
static uint32_t home; /* the first page of a's pool */

static void start(void)
{
	cr_assert_eq(vmq_vmm_create(NULL, &vmm), 0);
	fake_init(&a, "a", FAKE_WINDOW, POOL);
	fake_init(&b, "b", FAKE_WINDOW, POOL);
	cr_assert_eq(fake_add(vmm, &a), 0);
	cr_assert_eq(fake_add(vmm, &b), 0);
	cr_assert(fake_connect(&a, &b));
	la = fake_to(&a, "b");
	lb = fake_to(&b, "a");
	home = la->chan.pages.home;
}

static void stop(void)
{
	vmq_vmm_destroy(vmm);
	fake_free(&a);
	fake_free(&b);
}

TestSuite(vmm_pages, .init = start, .fini = stop);

static struct vmq_vmm_stats stats_of(struct fake *f)
{
	struct vmq_vmm_stats s = { .size = sizeof(s) };

	cr_assert_eq(vmq_vmm_stats(f->vm, &s), 0);
	return s;
}

/* a fills and gives n pages. */
static struct vmq_pages given(uint32_t n, enum vmq_page_mode mode)
{
	struct vmq_pages run;

	cr_assert_eq(vmq_pages_alloc(&la->chan.pages, n, &run), 0);
	pattern(fake_page(la, run.first), n * VMQ_PAGE_SIZE, 7);
	cr_assert_eq(vmq_pages_give(&la->chan.pages, &run, mode), 0);
	return run;
}

Test(vmm_pages, move)
{
	struct vmq_pages run = given(3, VMQ_PAGE_MOVE);
	size_t len = 3 * VMQ_PAGE_SIZE;

	/* Nothing has changed before the VMM is asked. */
	cr_expect(zeros(fake_page(lb, run.first), len));
	cr_expect_eq(vmq_vmm_pages(lb->info.link, run.first, run.count), 3);
	cr_expect(matches(fake_page(lb, run.first), len, 7));
	cr_expect(zeros(fake_page(la, run.first), len), "the giver still sees them");
	memset(fake_page(la, run.first), 0xff, len);
	cr_expect(matches(fake_page(lb, run.first), len, 7), "the giver still writes them");
	cr_expect_eq(vmq_vmm_pages(lb->info.link, run.first, run.count), 0, "once");
	cr_expect_eq(stats_of(&a).pages_moved, 3u);
	cr_expect_eq(stats_of(&b).pages_moved, 0u);
}

Test(vmm_pages, move_and_return)
{
	struct vmq_pages run = given(2, VMQ_PAGE_MOVE);
	struct vmq_layout_page desc = { run.first, run.count, VMQ_PAGE_MOVE, run.gen, 1, 0 };
	enum vmq_page_mode mode;
	bool returned;

	cr_assert_eq(vmq_pages_take(&lb->chan.pages, &desc, &run, &mode), 0u);
	cr_expect_eq(vmq_vmm_exit(a.vm, VMQ_EXIT_TIMER), 0, "an exit does it too");
	memset(fake_page(lb, run.first), 0x33, 100);
	cr_assert_eq(vmq_pages_free(&lb->chan.pages, &run, &returned), 0);
	cr_expect(returned);
	cr_expect_eq(vmq_vmm_pages(la->info.link, 0, 0), 2);
	cr_expect_eq(fake_page(la, run.first)[99], 0x33);
	cr_expect(zeros(fake_page(lb, run.first), VMQ_PAGE_SIZE));
	cr_expect_eq(stats_of(&b).pages_returned, 2u);
	cr_expect_eq(vmq_pages_collect(&la->chan.pages), 2u);
}

Test(vmm_pages, lend_is_read_only)
{
	struct vmq_pages run = given(1, VMQ_PAGE_LEND);

	cr_expect_eq(vmq_vmm_pages(lb->info.link, 0, 0), 1);
	cr_expect(matches(fake_page(lb, run.first), VMQ_PAGE_SIZE, 7));
	cr_expect(write_faults(fake_page(lb, run.first)));
	fake_page(la, run.first)[0] = 0x44;
	cr_expect_eq(fake_page(lb, run.first)[0], 0x44);
	cr_expect_eq(stats_of(&a).pages_lent, 1u);
}

Test(vmm_pages, share_is_for_both)
{
	struct vmq_pages run = given(1, VMQ_PAGE_SHARE);

	cr_expect_eq(vmq_vmm_pages(lb->info.link, 0, 0), 1);
	fake_page(lb, run.first)[0] = 0x55;
	cr_expect_eq(fake_page(la, run.first)[0], 0x55);
	cr_expect_eq(stats_of(&a).pages_shared, 1u);
}

/* b's own word for a page: what it claims, true or not. */
static void claim(struct fake_link *l, uint32_t page, uint32_t gen, unsigned op)
{
	vmq_le32 *words = (vmq_le32 *)((uint8_t *)l->info.region + l->geo.ctl_off[l->info.side] +
		VMQ_CTL_PAGE_WORDS);
	struct vmq_layout_ctl *ctl = (void *)((uint8_t *)l->info.region + l->geo.ctl_off[l->info.side]);

	words[page] = VMQ_PAGEW(gen, op);
	ctl->page_seq++;
}

Test(vmm_pages, claims_of_others_pages_are_ignored)
{
	memset(fake_page(la, home), 0x66, VMQ_PAGE_SIZE);
	for (unsigned op = VMQ_PAGE_MOVE; op <= VMQ_PAGE_SHARE; op++) {
		claim(lb, home, 1000 + op, op);
		cr_expect_eq(vmq_vmm_pages(lb->info.link, home, 1), VMQ_EPEER);
	}
	claim(lb, home, 0, VMQ_PAGEW_RETURN);
	cr_expect_eq(vmq_vmm_pages(lb->info.link, home, 1), 0, "it has nothing to return");
	cr_expect_eq(fake_page(la, home)[0], 0x66);
	cr_expect(zeros(fake_page(lb, home), VMQ_PAGE_SIZE));
	cr_expect_geq(stats_of(&b).page_refused, 3u);
	cr_expect_eq(stats_of(&b).pages_moved, 0u);
	cr_expect_eq(stats_of(&a).page_refused, 0u);
}

Test(vmm_pages, who_moved_a_page_can_not_give_it_again)
{
	struct vmq_pages run = given(1, VMQ_PAGE_MOVE);

	cr_assert_eq(vmq_vmm_pages(lb->info.link, 0, 0), 1);
	claim(la, run.first, run.gen + 5, VMQ_PAGE_LEND);
	cr_expect_eq(vmq_vmm_pages(la->info.link, run.first, 1), VMQ_EPEER);
	cr_expect(matches(fake_page(lb, run.first), VMQ_PAGE_SIZE, 7));
	/* And a borrower can't give away what it borrowed. */
	run = given(1, VMQ_PAGE_LEND);
	cr_assert_geq(vmq_vmm_pages(lb->info.link, run.first, 1), 1);
	claim(lb, run.first, run.gen + 1, VMQ_PAGE_MOVE);
	cr_expect_eq(vmq_vmm_pages(lb->info.link, run.first, 1), VMQ_EPEER);
	cr_expect(matches(fake_page(la, run.first), VMQ_PAGE_SIZE, 7));
}

/* Any words at all: no crash, and pages stay in the two windows. */
Test(vmm_pages, noise)
{
	uint64_t x = 88172645463325252ull;

	for (int i = 0; i < 20000; i++) {
		struct fake_link *l = i % 2 ? la : lb;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		claim(l, (uint32_t)(x >> 8) % (2 * POOL), (uint32_t)(x >> 16) % 16, (uint32_t)x & 7);
		vmq_vmm_pages(l->info.link, 0, 0);
		(void)*(volatile uint8_t *)fake_page(la, (uint32_t)(x >> 24) % (2 * POOL)); /* can be read */
	}
	cr_expect_gt(stats_of(&a).page_refused + stats_of(&b).page_refused, 0u);
}

Test(vmm_pages, range)
{
	cr_expect_eq(vmq_vmm_pages(la->info.link, 2 * POOL + 1, 0), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_pages(la->info.link, 1, 2 * POOL), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_pages(la->info.link, UINT32_MAX, 2), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_pages(la->info.link, 0, 2 * POOL), 0);
}
