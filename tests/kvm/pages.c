/* SPDX-License-Identifier: BSD-2-Clause */
/* pages.c - pages change hands between guests, by their page tables. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "pages.h"

TestSuite(kvm_pages, .init = pages_start, .fini = vms_stop, .timeout = 120);

/* ---- the three modes ---------------------------------------------------------------------------- */

Test(kvm_pages, move_is_the_same_memory)
{
	struct probe_reply mine = alloc(a, "b", A_SAYS), given, theirs;
	struct where was = where_is(a, mine.offset);

	cr_assert_neq(was.inode, 0);
	given = give(a, "b", false, VMQ_PAGE_MOVE);
	cr_assert_eq(given.value, 0, "a still reads %lx", (unsigned long)given.value);
	theirs = taken(b, "a", VMQ_PAGE_MOVE);
	cr_assert(page_says(b, theirs.offset, A_SAYS));
	cr_assert(same(where_is(b, theirs.offset), was), "it was copied");
	cr_assert_not(same(where_is(a, mine.offset), was));
	cr_assert_eq(vms_stats(a).pages_moved, 1);
	cr_assert_eq(vms_stats(b).pages_moved, 0);
}

/* What either writes there from now on, the other never sees. */
Test(kvm_pages, move_parts_the_two)
{
	struct probe_reply mine = alloc(a, "b", A_SAYS), theirs;

	give(a, "b", false, VMQ_PAGE_MOVE);
	theirs = taken(b, "a", VMQ_PAGE_MOVE);
	poke(b, theirs.offset, B_SAYS);
	cr_assert(page_says(a, mine.offset, 0));
	poke(a, mine.offset + 8, A_SAYS + 1);
	cr_assert_eq(peek(a, mine.offset + 8), A_SAYS + 1);
	cr_assert_eq(peek(b, theirs.offset), B_SAYS);
	cr_assert_eq(peek(b, theirs.offset + 8), A_SAYS);
}

Test(kvm_pages, move_there_and_back)
{
	struct probe_reply mine = alloc(a, "b", A_SAYS), theirs, back;
	struct where was = where_is(a, mine.offset);

	give(a, "b", false, VMQ_PAGE_MOVE);
	theirs = taken(b, "a", VMQ_PAGE_MOVE);
	poke(b, theirs.offset, B_SAYS);
	cr_assert_eq(give(b, "a", true, VMQ_PAGE_MOVE).value, 0);
	back = taken(a, "b", VMQ_PAGE_MOVE);
	cr_assert_eq(back.offset, mine.offset);
	cr_assert_eq(back.value, B_SAYS);
	cr_assert(same(where_is(a, mine.offset), was));
	cr_assert_eq(peek(b, theirs.offset), 0);
	cr_assert_eq(vms_stats(b).pages_moved, 1);
}

/* b gives it up instead of handing it over: the same for a's pool. */
Test(kvm_pages, move_and_return)
{
	struct probe_reply mine = alloc(a, "b", A_SAYS), theirs;
	struct where was = where_is(a, mine.offset);

	give(a, "b", false, VMQ_PAGE_MOVE);
	theirs = taken(b, "a", VMQ_PAGE_MOVE);
	free_page(b, "a", true);
	cr_assert(same(where_is(a, mine.offset), was));
	cr_assert_eq(peek(a, mine.offset), A_SAYS);
	cr_assert_eq(peek(b, theirs.offset), 0);
	cr_assert_eq(vms_stats(b).pages_returned, 1);
}

Test(kvm_pages, lend_is_read_only)
{
	struct probe_reply mine = alloc(a, "b", A_SAYS), theirs;

	give(a, "b", false, VMQ_PAGE_LEND);
	theirs = taken(b, "a", VMQ_PAGE_LEND);
	cr_assert(page_says(b, theirs.offset, A_SAYS));
	cr_assert(same(where_is(a, mine.offset), where_is(b, theirs.offset)));
	poke(b, theirs.offset + 16, B_SAYS); /* and it goes on */
	cr_assert_eq(b->faults, 1);
	cr_assert_eq(b->fault_address, MACHINE_WINDOW + theirs.offset + 16);
	cr_assert_eq(vms_kvm_stats(b).faults, 1);
	cr_assert(page_says(b, theirs.offset, A_SAYS));
	cr_assert(page_says(a, mine.offset, A_SAYS));
	vms_chat(a, b, 3);
	/* The lender may write on. */
	poke(a, mine.offset, A_SAYS + 1);
	cr_assert_eq(peek(b, theirs.offset), A_SAYS + 1);
	cr_assert_eq(vms_stats(a).pages_lent, 1);
}

Test(kvm_pages, lend_and_return)
{
	struct probe_reply mine = alloc(a, "b", A_SAYS), theirs;

	give(a, "b", false, VMQ_PAGE_LEND);
	theirs = taken(b, "a", VMQ_PAGE_LEND);
	free_page(b, "a", true);
	cr_assert_eq(vms_stats(b).pages_returned, 1);
	cr_assert_eq(peek(b, theirs.offset), 0);
	poke(b, theirs.offset, B_SAYS); /* a page of nobody's: no fault */
	cr_assert_eq(b->faults, 0);
	cr_assert(page_says(a, mine.offset, A_SAYS));
	free_page(a, "b", false);
	/* The pool is whole: each of its pages can be had. */
	for (unsigned i = 0; i < VMS_POOL; i++)
		alloc(a, "b", i);
	cr_assert_eq(vms_ask(a, DO(ALLOC, .peer = "b")).rc, VMQ_ENOMEM);
}

Test(kvm_pages, share_is_for_both)
{
	struct probe_reply mine = alloc(a, "b", A_SAYS), theirs;

	give(a, "b", false, VMQ_PAGE_SHARE);
	theirs = taken(b, "a", VMQ_PAGE_SHARE);
	cr_assert(same(where_is(a, mine.offset), where_is(b, theirs.offset)));
	poke(b, theirs.offset, B_SAYS);
	cr_assert_eq(peek(a, mine.offset), B_SAYS);
	poke(a, mine.offset + 8, A_SAYS + 1);
	cr_assert_eq(peek(b, theirs.offset + 8), A_SAYS + 1);
	cr_assert_eq(b->faults, 0);
	cr_assert_eq(vms_stats(a).pages_shared, 1);
}

/* ---- with the host ------------------------------------------------------------------------------ */

Test(kvm_pages, between_a_guest_and_the_host)
{
	struct probe_reply mine = alloc(a, "host", A_SAYS), theirs;
	struct where was = where_is(a, mine.offset);
	struct vmq_page page;

	give(a, "host", false, VMQ_PAGE_MOVE);
	VMS_WHILE(!a->pages);
	cr_assert_eq(a->page.len, VMQ_PAGE_SIZE);
	cr_assert_eq(*(uint64_t *)a->page.addr, A_SAYS);
	cr_assert(same(where_in(getpid(), a->page.addr), was));
	cr_assert_eq(peek(a, mine.offset), 0);
	cr_assert_eq(vmq_page_free(host, &a->page), 0);
	cr_assert_eq(vmq_page_alloc(host, a->id, VMQ_PAGE_SIZE, &page, PATIENCE), 0);
	*(uint64_t *)page.addr = B_SAYS;
	cr_assert_eq(vmq_page_send(host, &page, VMQ_PAGE_MOVE, NULL, 0, VMQ_SEND_AUTO, PATIENCE), 0);
	theirs = taken(a, "host", VMQ_PAGE_MOVE);
	cr_assert_eq(theirs.value, B_SAYS);
	cr_assert_eq(*(uint64_t *)page.addr, 0);
}
