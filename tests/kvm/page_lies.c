/* SPDX-License-Identifier: BSD-2-Clause */
/* page_lies.c - guests lie about pages, and end while pages are out. */
#include <criterion/criterion.h>

#include "pages.h"

TestSuite(kvm_page_lies, .init = pages_start, .fini = vms_stop, .timeout = 120);

/* ---- lies --------------------------------------------------------------------------------------- */

/* b claims each page of a's pool in each way, in use or not. */
Test(kvm_page_lies, claims_of_others_pages)
{
	static const uint32_t gens[] = { 0, 1, 77, 0x1fffffff };
	struct probe_reply mine = alloc(a, "b", A_SAYS);
	struct where was = where_is(a, mine.offset);
	uint64_t refused = 0;

	for (uint32_t page = mine.n; page < mine.n + 2; page++)
		for (uint32_t i = 0; i < 4 * 8; i++) {
			uint64_t word = VMQ_PAGEW(gens[i / 8], i % 8);
			struct probe_reply r = vms_ask(b, DO(CLAIM, .peer = "a", .n = page, .value = word));

			refused += r.rc == VMQ_EPEER;
			cr_assert_leq(r.rc, 0, "a claim was granted: %lx", (unsigned long)word);
		}
	cr_assert_gt(refused, 0);
	cr_assert_geq(vms_stats(b).page_refused, refused);
	cr_assert_eq(vms_stats(a).page_refused, 0);
	cr_assert(page_says(a, mine.offset, A_SAYS));
	cr_assert(same(where_is(a, mine.offset), was));
	vms_chat(a, b, 3);
	vms_chat_host(a, 3);
	vms_chat_host(b, 3);
}

/* The generation that a page was last handed over with. */
static uint32_t gen_of(struct vms_guest *g, const char *peer, uint32_t page)
{
	const uint8_t *ctl = (const void *)vms_ctl(g, peer);

	return VMQ_PAGEW_GEN(((const volatile uint32_t *)(ctl + VMQ_CTL_PAGE_WORDS))[page]);
}

/* What was lent to b, b hands over as if it were its own. At the most it loses it. */
static void borrower_claims(uint32_t later, uint32_t op)
{
	struct probe_reply mine = alloc(a, "b", A_SAYS), theirs;
	struct where was = where_is(a, mine.offset);
	uint64_t refused = vms_stats(b).page_refused;
	uint32_t gen;

	give(a, "b", false, VMQ_PAGE_LEND);
	theirs = taken(b, "a", VMQ_PAGE_LEND);
	gen = gen_of(a, "b", mine.n) + later;
	vms_ask(b, DO(CLAIM, .peer = "a", .n = mine.n, .value = VMQ_PAGEW(gen, op)));
	poke(b, theirs.offset, B_SAYS);
	cr_assert(page_says(a, mine.offset, A_SAYS));
	cr_assert(same(where_is(a, mine.offset), was));
	if (later)
		cr_assert_gt(vms_stats(b).page_refused, refused);
	else
		cr_assert_eq(peek(b, theirs.offset), A_SAYS);
}

Test(kvm_page_lies, a_borrower_is_no_owner)
{
	for (uint32_t op = VMQ_PAGE_MOVE; op <= VMQ_PAGE_SHARE; op++) {
		borrower_claims(0, op);
		pages_b_anew(); /* lies stand in a channel until it ends */
		borrower_claims(1, op);
		vms_chat_host(a, 3);
		pages_b_anew();
	}
}

/* ---- ends with pages out -------------------------------------------------------------------------- */

static void two_out(void)
{
	alloc(a, "b", A_SAYS);
	give(a, "b", false, VMQ_PAGE_MOVE);
	taken(b, "a", VMQ_PAGE_MOVE);
	alloc(a, "b", A_SAYS);
	give(a, "b", false, VMQ_PAGE_LEND);
	taken(b, "a", VMQ_PAGE_LEND);
}

static void once_more(struct vms_guest *from, struct vms_guest *to)
{
	struct probe_reply r;

	vms_connected(from, to->name);
	vms_connected(to, from->name);
	r = alloc(from, to->name, B_SAYS);
	give(from, to->name, false, VMQ_PAGE_MOVE);
	r = taken(to, from->name, VMQ_PAGE_MOVE);
	cr_assert_eq(r.value, B_SAYS);
}

Test(kvm_page_lies, the_lender_goes_and_comes_back)
{
	two_out();
	vms_kill(a);
	VMS_WHILE(vms_slot(b, "a"));
	vms_chat_host(b, 3);
	a = vms_boot("a");
	once_more(a, b);
	once_more(b, a);
}

Test(kvm_page_lies, the_borrower_goes_and_comes_back)
{
	two_out();
	vms_kill(b);
	VMS_WHILE(vms_slot(a, "b"));
	vms_chat_host(a, 3);
	b = vms_boot("b");
	once_more(a, b);
	once_more(b, a);
}

/* b is done with the channel, though pages of a's are in its window. */
Test(kvm_page_lies, a_detach_gives_all_of_it_back)
{
	struct probe_reply theirs;
	uint32_t slot = vms_slot_number(b, "a");

	alloc(a, "b", A_SAYS);
	give(a, "b", false, VMQ_PAGE_MOVE);
	theirs = taken(b, "a", VMQ_PAGE_MOVE);
	vms_ask(b, DO(WRITE, .n = 1, .batch = 1, .reg = { 4 },
		.word = { VMQ_BOOT_COMMAND(slot, VMQ_BOOT_DETACH) }));
	VMS_WHILE(vms_slot(a, "b"));
	cr_assert_null(vms_slot(b, "a"));
	cr_assert_eq(where_is(b, theirs.offset).inode, 0);
	cr_assert_eq(peek(b, theirs.offset), 0);
	vms_chat_host(a, 3);
	vms_chat_host(b, 3);
}
