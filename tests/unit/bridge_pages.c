/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge_pages.c - a page leaves the one VMM's window before it enters the other's. */
#include <criterion/criterion.h>
#include <string.h>

#include "bridge_fixture.h"

static struct host x, y;
static struct fake a, b;
static struct fake_link *la, *lb;
static uint32_t home; /* the first page of a's pool */

static void start(void)
{
	hosts_start();
	host_open(&x, "x", 1, 0);
	host_open(&y, "y", 100, 0);
	vm_init(&a, "a");
	vm_init(&b, "b");
	vm_add(&x, &a);
	vm_add(&y, &b);
	call(&y, &x);
	cr_assert(fake_connect(&a, &b));
	la = fake_to(&a, "b");
	lb = fake_to(&b, "a");
	home = la->chan.pages.home;
	a.kicks = b.kicks = 0;
}

static void stop(void)
{
	hosts_stop();
	vm_free(&a);
	vm_free(&b);
}

TestSuite(bridge_pages, .init = start, .fini = stop);

static struct vmq_vmm_stats stats_of(struct fake *f)
{
	struct vmq_vmm_stats s = { .size = sizeof(s) };

	cr_assert_eq(vmq_vmm_stats(f->vm, &s), 0);
	return s;
}

static int pages(struct fake_link *l, const struct vmq_pages *run)
{
	return vmq_vmm_pages(l->info.link, run->first, run->count);
}

/* One end fills and gives n pages. */
static struct vmq_pages given(struct fake_link *l, uint32_t n, enum vmq_page_mode mode)
{
	struct vmq_pages run;

	cr_assert_eq(vmq_pages_alloc(&l->chan.pages, n, &run), 0);
	pattern(fake_page(l, run.first), n * VMQ_PAGE_SIZE, 7);
	cr_assert_eq(vmq_pages_give(&l->chan.pages, &run, mode), 0);
	return run;
}

/* The other end's guest takes what a record would describe. */
static void taken(struct fake_link *l, struct vmq_pages *run, enum vmq_page_mode mode)
{
	struct vmq_layout_page desc = { run->first, run->count, mode, run->gen, 1, 0 };
	enum vmq_page_mode got;

	cr_assert_eq(vmq_pages_take(&l->chan.pages, &desc, run, &got), 0u);
}

static void freed(struct fake_link *l, const struct vmq_pages *run)
{
	bool returned;

	cr_assert_eq(vmq_pages_free(&l->chan.pages, run, &returned), 0);
	cr_assert(returned);
}

/* A page's word, as a VM that lies may write it. */
static void claim(struct fake_link *l, uint32_t page, uint32_t gen, unsigned op)
{
	uint8_t *at = (uint8_t *)l->info.region + l->geo.ctl_off[l->info.side];
	struct vmq_layout_ctl *ctl = (void *)at;

	((vmq_le32 *)(at + VMQ_CTL_PAGE_WORDS))[page] = VMQ_PAGEW(gen, op);
	ctl->page_seq++;
}

/* ---- the three modes ---------------------------------------------------------------- */

Test(bridge_pages, move)
{
	struct vmq_pages run = given(la, 3, VMQ_PAGE_MOVE);
	size_t len = 3 * VMQ_PAGE_SIZE;

	/* The taker comes first: nothing enters its window, and its VMM asks. */
	cr_expect_eq(pages(lb, &run), VMQ_EAGAIN);
	cr_expect(zeros(fake_page(lb, run.first), len));
	cr_expect(matches(fake_page(la, run.first), len, 7));
	cr_expect_eq(b.kicks, 0u);
	settle();
	cr_expect(zeros(fake_page(la, run.first), len), "the giver still sees them");
	cr_expect(matches(fake_page(lb, run.first), len, 7));
	cr_expect_eq(b.kicks, 1u, "and is kicked when it can go on");
	cr_expect_eq(b.kicked_for, VMQ_KICK_DATA | VMQ_KICK_SPACE);
	memset(fake_page(la, run.first), 0xff, len);
	cr_expect(matches(fake_page(lb, run.first), len, 7), "the giver still writes them");
	cr_expect_eq(pages(lb, &run), 0);
	cr_expect_eq(stats_of(&a).pages_moved, 3u);
}

Test(bridge_pages, move_after_the_givers_exit)
{
	struct vmq_pages run = given(la, 2, VMQ_PAGE_MOVE);

	vmq_vmm_exit(a.vm, VMQ_EXIT_TIMER);
	cr_expect(zeros(fake_page(la, run.first), 2 * VMQ_PAGE_SIZE));
	cr_expect_eq(pages(lb, &run), 2, "nobody needs to be asked");
	cr_expect(matches(fake_page(lb, run.first), 2 * VMQ_PAGE_SIZE, 7));
}

Test(bridge_pages, moved_there_and_back)
{
	struct vmq_pages run = given(la, 2, VMQ_PAGE_MOVE);

	pages(la, &run);
	taken(lb, &run, VMQ_PAGE_MOVE);
	cr_assert_eq(pages(lb, &run), 2);
	memset(fake_page(lb, run.first), 0x33, 100);
	freed(lb, &run);
	cr_expect_eq(pages(la, &run), VMQ_EAGAIN);
	cr_expect(zeros(fake_page(la, run.first), VMQ_PAGE_SIZE), "b still has it");
	settle();
	cr_expect(zeros(fake_page(lb, run.first), VMQ_PAGE_SIZE));
	cr_expect_eq(fake_page(la, run.first)[99], 0x33);
	cr_expect_eq(vmq_pages_collect(&la->chan.pages), 2u);
	cr_expect_eq(stats_of(&b).pages_returned, 2u);
}

Test(bridge_pages, moved_on)
{
	struct vmq_pages run = given(la, 1, VMQ_PAGE_MOVE);

	pages(la, &run);
	taken(lb, &run, VMQ_PAGE_MOVE);
	pages(lb, &run);
	memset(fake_page(lb, run.first), 0x44, 100);
	cr_assert_eq(vmq_pages_give(&lb->chan.pages, &run, VMQ_PAGE_MOVE), 0);
	cr_expect_eq(pages(la, &run), VMQ_EAGAIN);
	settle();
	cr_expect_eq(fake_page(la, run.first)[99], 0x44);
	cr_expect(zeros(fake_page(lb, run.first), VMQ_PAGE_SIZE));
}

Test(bridge_pages, lend)
{
	struct vmq_pages run = given(la, 1, VMQ_PAGE_LEND);

	cr_expect_eq(pages(lb, &run), 1, "nothing is taken away: at once");
	cr_expect(matches(fake_page(lb, run.first), VMQ_PAGE_SIZE, 7));
	fake_page(la, run.first)[0] = 0x55;
	cr_expect_eq(fake_page(lb, run.first)[0], 0x55);
	taken(lb, &run, VMQ_PAGE_LEND);
	freed(lb, &run);
	cr_expect_eq(pages(la, &run), VMQ_EAGAIN, "b's VMM has not looked");
	settle();
	cr_expect_geq(pages(la, &run), 0);
	cr_expect(zeros(fake_page(lb, run.first), VMQ_PAGE_SIZE));
	cr_expect_eq(stats_of(&a).pages_lent, 1u);
}

Test(bridge_pages, share)
{
	struct vmq_pages run = given(lb, 1, VMQ_PAGE_SHARE);

	cr_expect_eq(pages(la, &run), 1);
	fake_page(la, run.first)[0] = 0x66;
	cr_expect_eq(fake_page(lb, run.first)[0], 0x66);
	taken(la, &run, VMQ_PAGE_SHARE);
	freed(la, &run);
	vmq_vmm_exit(a.vm, VMQ_EXIT_TIMER);
	cr_expect(zeros(fake_page(la, run.first), VMQ_PAGE_SIZE));
	cr_expect_geq(pages(lb, &run), 0);
}

/* ---- what a VMM has not seen ------------------------------------------------------------ */

/* b gives back at once what it got, and its VMM never looked in between. */
Test(bridge_pages, given_back_unseen)
{
	struct vmq_pages run = given(la, 1, VMQ_PAGE_LEND);

	for (int i = 0; i < 3; i++) {
		pages(la, &run);
		taken(lb, &run, VMQ_PAGE_LEND);
		freed(lb, &run);
		cr_assert_eq(vmq_pages_collect(&la->chan.pages), 1u);
		cr_assert_eq(vmq_pages_give(&la->chan.pages, &run, VMQ_PAGE_LEND), 0);
		pages(la, &run);
		settle();
	}
	taken(lb, &run, VMQ_PAGE_LEND);
	freed(lb, &run);
	vmq_pages_collect(&la->chan.pages);
	cr_assert_eq(vmq_pages_give(&la->chan.pages, &run, VMQ_PAGE_MOVE), 0);
	taken(lb, &run, VMQ_PAGE_MOVE);
	pages(lb, &run);
	settle();
	cr_expect_geq(pages(lb, &run), 0);
	cr_expect(matches(fake_page(lb, run.first), VMQ_PAGE_SIZE, 7));
	cr_expect(zeros(fake_page(la, run.first), VMQ_PAGE_SIZE));
}

/* The same with pages that were moved: neither VMM looks but at the end. */
Test(bridge_pages, moved_to_and_fro_unseen)
{
	struct vmq_pages run = given(la, 1, VMQ_PAGE_MOVE), last;

	for (int i = 0; i < 5; i++) {
		taken(lb, &run, VMQ_PAGE_MOVE);
		freed(lb, &run);
		cr_assert_eq(vmq_pages_collect(&la->chan.pages), 1u);
		do
			cr_assert_eq(vmq_pages_alloc(&la->chan.pages, 1, &last), 0);
		while (last.first != run.first);
		run = last;
		cr_assert_eq(vmq_pages_give(&la->chan.pages, &run, VMQ_PAGE_MOVE), 0);
		if (i == 2)
			vmq_vmm_exit(a.vm, VMQ_EXIT_TIMER);
		if (i == 3)
			vmq_vmm_exit(b.vm, VMQ_EXIT_TIMER);
		settle();
	}
	taken(lb, &run, VMQ_PAGE_MOVE);
	for (int i = 0; i < 4 && pages(lb, &run) == VMQ_EAGAIN; i++)
		settle();
	cr_expect_eq(pages(lb, &run), 0);
	cr_expect(zeros(fake_page(la, run.first), VMQ_PAGE_SIZE));
	memset(fake_page(lb, run.first), 0x77, 10);
	cr_expect_eq(fake_page(la, run.first)[0], 0);
	freed(lb, &run);
	for (int i = 0; i < 4 && pages(la, &run) == VMQ_EAGAIN; i++)
		settle();
	cr_expect_eq(fake_page(la, run.first)[0], 0x77);
}

/* b's page, lent to a, which returns it; b moves it over. a's VMM saw nothing of it. */
Test(bridge_pages, lent_and_moved_unseen)
{
	struct vmq_pages run = given(lb, 1, VMQ_PAGE_LEND);

	vmq_vmm_exit(b.vm, VMQ_EXIT_TIMER);
	taken(la, &run, VMQ_PAGE_LEND);
	freed(la, &run);
	vmq_pages_collect(&lb->chan.pages);
	cr_assert_eq(vmq_pages_give(&lb->chan.pages, &run, VMQ_PAGE_MOVE), 0);
	taken(la, &run, VMQ_PAGE_MOVE);
	for (int i = 0; i < 4 && pages(la, &run) == VMQ_EAGAIN; i++)
		settle();
	cr_expect_geq(pages(la, &run), 0);
	cr_expect(matches(fake_page(la, run.first), VMQ_PAGE_SIZE, 7));
	cr_expect(zeros(fake_page(lb, run.first), VMQ_PAGE_SIZE));
}

/* ---- lies -------------------------------------------------------------------------------- */

/* a says MOVE, and takes the word back: before its VMM looked it kept the page, and
 * afterwards it did not. Never do both have it. */
Test(bridge_pages, the_word_is_taken_back)
{
	struct vmq_pages run = given(la, 1, VMQ_PAGE_MOVE);

	cr_expect_eq(pages(lb, &run), VMQ_EAGAIN);
	claim(la, run.first, run.gen, 0);
	settle();
	cr_expect(zeros(fake_page(lb, run.first), VMQ_PAGE_SIZE));
	cr_expect(matches(fake_page(la, run.first), VMQ_PAGE_SIZE, 7));

	claim(la, run.first, run.gen + 1, VMQ_PAGE_MOVE);
	vmq_vmm_exit(a.vm, VMQ_EXIT_TIMER);
	claim(la, run.first, run.gen + 2, VMQ_PAGE_SHARE);
	cr_expect_eq(pages(lb, &run), VMQ_EPEER, "it gave away what it does not have");
	cr_expect(matches(fake_page(lb, run.first), VMQ_PAGE_SIZE, 7));
	pages(la, &run);
	settle();
	cr_expect(zeros(fake_page(la, run.first), VMQ_PAGE_SIZE));
	cr_expect_geq(stats_of(&a).page_refused, 1u);
}

/* b gives back before it was given, then denies it. */
Test(bridge_pages, given_back_in_advance)
{
	struct vmq_pages run;
	uint32_t gen = la->chan.pages.entry[home].gen;

	claim(lb, home, gen + 100, VMQ_PAGEW_RETURN);
	vmq_vmm_exit(b.vm, VMQ_EXIT_TIMER);
	claim(lb, home, 0, 0);
	run = given(la, 1, VMQ_PAGE_MOVE);
	cr_assert_eq(run.first, home);
	vmq_vmm_exit(a.vm, VMQ_EXIT_TIMER);
	vmq_vmm_exit(b.vm, VMQ_EXIT_TIMER);
	settle();
	pages(la, &run);
	settle();
	/* Its VMM told the other that it does not have it: so it never gets it. */
	cr_expect(matches(fake_page(la, home), VMQ_PAGE_SIZE, 7));
	cr_expect(zeros(fake_page(lb, home), VMQ_PAGE_SIZE));
}

Test(bridge_pages, claims_of_others_pages)
{
	memset(fake_page(la, home), 0x66, VMQ_PAGE_SIZE);
	for (unsigned op = VMQ_PAGE_MOVE; op <= VMQ_PAGE_SHARE; op++) {
		claim(lb, home, 1000 + op, op);
		cr_expect_eq(vmq_vmm_pages(lb->info.link, home, 1), VMQ_EPEER);
		cr_expect_eq(vmq_vmm_pages(la->info.link, home, 1), VMQ_EPEER);
	}
	settle();
	cr_expect_eq(fake_page(la, home)[0], 0x66);
	cr_expect(zeros(fake_page(lb, home), VMQ_PAGE_SIZE));
}

/* Any words from both, in any order of looks: every page can be read, and a page that
 * one can write is never the other's alone. */
Test(bridge_pages, noise)
{
	uint64_t r = 88172645463325252ull;

	for (int i = 0; i < 20000; i++) {
		struct fake_link *l = i % 2 ? la : lb;

		r ^= r << 13;
		r ^= r >> 7;
		r ^= r << 17;
		claim(l, (uint32_t)(r >> 8) % 8, (uint32_t)(r >> 16) % 16, (uint32_t)r & 7);
		vmq_vmm_pages(r >> 32 & 1 ? la->info.link : lb->info.link, 0, 0);
		(void)*(volatile uint8_t *)fake_page(la, (uint32_t)(r >> 24) % 8);
		(void)*(volatile uint8_t *)fake_page(lb, (uint32_t)(r >> 24) % 8);
		if (r >> 40 & 1)
			settle();
	}
	settle();
	cr_expect_eq(x.lines + y.lines, 2u);
}

/* Nobody goes on asking for what does not come. */
Test(bridge_pages, a_vmm_that_waits_in_vain_is_quiet)
{
	struct vmq_pages run = given(la, 1, VMQ_PAGE_MOVE);

	vmq_vmm_pages(lb->info.link, 0, 0);
	claim(la, run.first, run.gen, 0);
	settle();
	claim(la, run.first, run.gen, VMQ_PAGE_MOVE);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(pages(lb, &run), VMQ_EAGAIN);
	settle();
	cr_expect_eq(pages(lb, &run), 0);
	cr_expect_leq(b.kicks, 3u);
}

/* ---- ends -------------------------------------------------------------------------------- */

/* Given before the giver left: its VMM takes it out, then says that it left. */
Test(bridge_pages, given_before_the_end)
{
	struct vmq_pages run = given(la, 1, VMQ_PAGE_MOVE);

	vmq_vmm_remove(a.vm);
	settle();
	cr_expect_eq(lb->left, VMQ_EGONE);
	cr_expect_eq(pages(lb, &run), 1);
	cr_expect(matches(fake_page(lb, run.first), VMQ_PAGE_SIZE, 7));
	run.first++;
	cr_expect_eq(pages(lb, &run), 0);
}

Test(bridge_pages, given_before_the_bridge_closed)
{
	struct vmq_pages run = given(la, 1, VMQ_PAGE_MOVE);

	cr_assert_eq(vmq_bridge_close(x.bridge), 0);
	x.bridge = NULL;
	cr_expect(zeros(fake_page(la, run.first), VMQ_PAGE_SIZE));
	while (lb->left == 0)
		vmq_bridge_run(y.bridge, VMQ_NOWAIT);
	cr_expect_eq(pages(lb, &run), 1);
	cr_expect(matches(fake_page(lb, run.first), VMQ_PAGE_SIZE, 7));
	cr_expect_eq(la->left, VMQ_EGONE);
	cr_assert_eq(vmq_bridge_open(x.vmm, &(struct vmq_bridge_options){
		.size = sizeof(struct vmq_bridge_options) }, &x.bridge), 0);
}
