/* SPDX-License-Identifier: BSD-2-Clause */
/* room.c - grants, mappings and event channels run out, and are there again. */
#include <criterion/criterion.h>
#include <string.h>

#include "fabric.h"

#define PAGE VMQ_PAGE_SIZE
#define HALF 323u /* granted pages of a default channel */

TestSuite(room, .init = fabric_start, .fini = fabric_stop);

/* Each looks for the other until a code comes, or the time is up. */
static int look(struct vmq *a, struct vmq *b, int code, int64_t time)
{
	uint64_t until = now_ns() + (uint64_t)time;
	uint32_t id;
	int rc;

	do {
		rc = vmq_peer(a, "b", VMQ_MS(1), &id);
		vmq_peer(b, "a", VMQ_MS(1), &id);
	} while (rc != code && now_ns() < until);
	return rc;
}

/* No room for a half: that is said, and healed when there is some. */
Test(room, no_half)
{
	struct vmq *a = fabric_vm(1, "a", NULL), *b = fabric_vm(2, "b", NULL);
	struct fabric_counts before;
	uint32_t id;

	fabric_count(&before);
	fake_xen_grant_limit(HALF - 1);
	cr_expect_eq(look(a, b, VMQ_ENOMEM, PATIENCE), VMQ_ENOMEM);
	cr_expect(fabric_same(&before));
	fake_xen_grant_limit(8192);
	id = both_meet(a, "b", b, "a");
	cr_expect(fabric_talk(a, id, b, (uint32_t)vmq_id(a)));
	vmq_close(a);
	vmq_close(b);
}

/* A page goes there and back, changed on the way. */
static void round_trip(struct vmq *a, uint32_t to_b, struct vmq *b, enum vmq_page_mode mode)
{
	struct vmq_page page;
	struct vmq_msg msg;

	cr_assert_eq(vmq_page_alloc(a, to_b, 3 * PAGE, &page, PATIENCE), 0);
	pattern(page.addr, page.len, 1);
	cr_assert_eq(vmq_page_send(a, &page, mode, NULL, 0, 0, PATIENCE), 0);
	cr_assert_eq(vmq_recv(b, NULL, 0, &msg, PATIENCE), 0);
	cr_expect(matches(msg.page.addr, 3 * PAGE, 1));
	cr_expect_eq(write_faults(msg.page.addr), mode == VMQ_PAGE_LEND);
	if (mode == VMQ_PAGE_MOVE) {
		pattern(msg.page.addr, 3 * PAGE, 2);
		cr_assert_eq(vmq_page_send(b, &msg.page, mode, NULL, 0, 0, PATIENCE), 0);
		cr_assert_eq(vmq_recv(a, NULL, 0, &msg, PATIENCE), 0);
		cr_expect(matches(msg.page.addr, 3 * PAGE, 2));
		cr_expect_eq(vmq_page_free(a, &msg.page), 0);
		return;
	}
	cr_expect_eq(vmq_page_free(b, &msg.page), 0);
	cr_expect_eq(vmq_page_free(a, &page), 0);
}

static void all_ways(struct vmq *a, uint32_t to_b, struct vmq *b)
{
	for (int i = 0; i < 3; i++) {
		round_trip(a, to_b, b, VMQ_PAGE_MOVE);
		round_trip(a, to_b, b, VMQ_PAGE_LEND);
		round_trip(a, to_b, b, VMQ_PAGE_SHARE);
	}
}

/* A hand-over costs no hypercall. */
Test(room, all_mapped_once)
{
	struct vmq *a = fabric_vm(1, "a", NULL), *b = fabric_vm(2, "b", NULL);
	uint32_t to_b = both_meet(a, "b", b, "a"), to_a = (uint32_t)vmq_id(a);
	unsigned calls = fake_xen_count(FAKE_MAP_CALLS, 1) + fake_xen_count(FAKE_MAP_CALLS, 2);

	cr_expect_eq(calls, 10u, "root, lists, rest, and the pool twice, of two ends: %u", calls);
	all_ways(a, to_b, b);
	all_ways(b, to_a, a);
	cr_expect_eq(fake_xen_count(FAKE_MAP_CALLS, 1) + fake_xen_count(FAKE_MAP_CALLS, 2), calls);
	vmq_close(a);
	vmq_close(b);
}

/* Each thing that Xen may refuse, refused once or for a while, at each place: nothing is
 * left of the attempt, and the next one comes. */
static void refused(enum fake_fault fault, unsigned places)
{
	struct fabric_counts before;

	fabric_count(&before);
	for (unsigned skip = 0; skip < places; skip++) {
		struct vmq *a, *b;
		uint32_t id;

		fake_xen_fault(fault, 0, 0);
		a = fabric_vm(1, "a", "lane=4096&pages=4");
		b = fabric_vm(2, "b", "lane=4096&pages=4");
		fake_xen_fault(fault, skip, 1 + skip % 2);
		id = both_meet(a, "b", b, "a");
		cr_expect(fabric_talk(a, id, b, (uint32_t)vmq_id(a)), "fault %d at %u", (int)fault, skip);
		fake_xen_fault(fault, 0, 0);
		all_ways(a, id, b);
		vmq_close(a);
		vmq_close(b);
		cr_expect(fabric_same(&before), "fault %d at %u", (int)fault, skip);
	}
}

Test(room, grants_refused)
{
	refused(FAKE_NO_GRANT, 8);
}

Test(room, mappings_refused)
{
	refused(FAKE_NO_MAP, 13);
}

Test(room, ports_refused)
{
	refused(FAKE_NO_PORT, 7);
}

/* Lives come and go while nobody receives: no more of them are held than is agreed, and the
 * next ones come when the first were received. */
Test(room, lives_that_are_held)
{
	struct vmq *a = fabric_vm(1, "a", NULL), *b;
	uint32_t to_a = (uint32_t)vmq_id(a), id, most = 0;
	char buf[8];

	for (unsigned life = 0; life < XEN_HOLDS; life++) {
		b = fabric_vm(2, "b", NULL);
		both_meet(a, "b", b, "a");
		while (vmq_send(b, to_a, &life, sizeof(life), 0, VMQ_NOWAIT))
			vmq_peer(a, "b", VMQ_US(100), &id);
		fabric_kill(b);
		while (vmq_peer(a, "b", VMQ_NOWAIT, &id) == 0)
			;
		most = fake_xen_count(FAKE_GRANTS, 1);
	}
	b = fabric_vm(2, "b", NULL);
	cr_expect_eq(look(a, b, 0, VMQ_MS(1500)), VMQ_ETIMEDOUT, "one more");
	cr_expect_eq(fake_xen_count(FAKE_GRANTS, 1), most);
	for (unsigned life = 0; life < XEN_HOLDS; life++) {
		unsigned got;

		cr_assert_eq(vmq_recv(a, &got, sizeof(got), NULL, PATIENCE), (int64_t)sizeof(got));
		cr_expect_eq(got, life);
		cr_assert_eq(vmq_recv(a, buf, sizeof(buf), NULL, PATIENCE), VMQ_EGONE);
	}
	id = both_meet(a, "b", b, "a");
	cr_expect(fabric_talk(a, id, b, to_a));
	vmq_close(a);
	vmq_close(b);
}
