/* SPDX-License-Identifier: BSD-2-Clause */
/* ends.c - channels end: with a process, a domain, a membership, a permission; and what
 * comes after them. */
#include <criterion/criterion.h>
#include <sched.h>
#include <string.h>

#include "fabric.h"

TestSuite(ends, .init = fabric_start, .fini = fabric_stop);

static uint32_t origin_of(struct vmq *q, uint32_t peer)
{
	struct vmq_peer_info info = { .size = sizeof(info) };

	cr_assert_eq(vmq_peer_info(q, peer, &info), 0);
	return info.origin;
}

static void expect_event(struct vmq *q, struct vmq *other, uint32_t type, uint32_t peer)
{
	struct vmq_event e = { .peer = 0 };

	cr_assert_eq(fabric_event(q, other, &e), type, "event %u instead of %u", e.type, type);
	cr_expect_eq(e.peer, peer);
}

/* a is side 0, and then side 1. */
static void successor(uint32_t da, uint32_t db, uint32_t next)
{
	struct vmq *a = fabric_vm(da, "a", NULL), *b = fabric_vm(db, "b", NULL);
	uint32_t to_b = both_meet(a, "b", b, "a");
	struct fabric_counts before;
	char buf[8];

	expect_event(a, b, VMQ_EVENT_JOIN, to_b);
	cr_assert_eq(vmq_send(b, (uint32_t)vmq_id(a), "last", 4, 0, PATIENCE), 0);
	fake_xen_destroy(db);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), NULL, PATIENCE), 4, "what was committed arrives");
	expect_event(a, NULL, VMQ_EVENT_LEAVE, to_b);
	fabric_forget(b);
	fabric_quiet(a);
	fabric_count(&before);
	b = fabric_vm(next, "b", NULL);
	cr_expect_eq(both_meet(a, "b", b, "a"), to_b, "the name has the same id wherever it is");
	expect_event(a, b, VMQ_EVENT_JOIN, to_b);
	cr_expect_eq(origin_of(a, to_b), next);
	cr_expect(fabric_talk(a, to_b, b, (uint32_t)vmq_id(a)));
	vmq_close(b);
	expect_event(a, NULL, VMQ_EVENT_LEAVE, to_b);
	fabric_quiet(a);
	cr_expect(fabric_same(&before));
	vmq_close(a);
}

Test(ends, successor_of_a_domain)
{
	successor(1, 2, 4);
	fabric_stop();
	fabric_start();
	successor(3, 2, 1);
}

/* It comes before its predecessor has gone; and it cannot see it. */
Test(ends, successor_too_early)
{
	struct vmq *a = fabric_vm(1, "a", NULL), *b, *next;
	unsigned looks = 0;
	uint32_t to_b, id;

	fabric_allow(2, "b", (int[]){ 1, -1 });
	fabric_allow(4, "b", (int[]){ 1, -1 });
	b = fabric_vm(2, "b", NULL);
	to_b = both_meet(a, "b", b, "a");
	next = fabric_vm(4, "b", NULL);
	/* Who is there stays. */
	do {
		cr_assert_eq(vmq_peer(next, "a", VMQ_MS(1), &id), VMQ_ETIMEDOUT);
		cr_assert_eq(vmq_peer(a, "b", VMQ_NOWAIT, &id), 0);
		looks += fabric_xen(a)->peers->next != NULL;
	} while (looks < 200);
	cr_expect(fabric_talk(a, to_b, b, (uint32_t)vmq_id(a)));
	cr_expect_eq(origin_of(a, to_b), 2u);
	fake_xen_destroy(2);
	expect_event(a, NULL, VMQ_EVENT_JOIN, to_b);
	expect_event(a, NULL, VMQ_EVENT_LEAVE, to_b);
	cr_expect_eq(both_meet(a, "b", next, "a"), to_b);
	cr_expect_eq(origin_of(a, to_b), 4u);
	cr_expect(fabric_talk(a, to_b, next, (uint32_t)vmq_id(a)));
	fabric_forget(b);
	vmq_close(next);
	vmq_close(a);
}

/* Its record and its offer stay: nobody spends anything for them, and the next life of the
 * name finds its place. A message of the last life is received all the same. */
static void killed(uint32_t da, uint32_t db)
{
	struct vmq *a = fabric_vm(da, "a", NULL), *b;
	struct fabric_counts before;
	uint32_t to_b, nobody;
	char buf[8];

	fabric_count(&before);
	for (int life = 0; life < 3; life++) {
		b = fabric_vm(db, "b", NULL);
		to_b = both_meet(a, "b", b, "a");
		expect_event(a, b, VMQ_EVENT_JOIN, to_b);
		cr_assert_eq(vmq_send(b, (uint32_t)vmq_id(a), "last", 4, 0, PATIENCE), 0);
		fabric_crash(b);
		cr_expect_eq(vmq_recv(a, buf, sizeof(buf), NULL, PATIENCE), 4);
		expect_event(a, NULL, VMQ_EVENT_LEAVE, to_b);
		cr_assert(fake_store_there(fabric_record(db, "b")));
		cr_expect_eq(vmq_peer(a, "b", VMQ_MS(2500), &nobody), VMQ_ETIMEDOUT, "it may come back");
		fabric_quiet(a);
		cr_expect_eq(fake_xen_count(FAKE_GRANTS, da), before.n[FAKE_GRANTS][da]);
		cr_expect_eq(fake_xen_count(FAKE_MAPPINGS, da), before.n[FAKE_MAPPINGS][da]);
		cr_expect_eq(fake_xen_count(FAKE_PORTS, da), before.n[FAKE_PORTS][da]);
		fabric_forget(b);
	}
	b = fabric_vm(db, "b", NULL);
	cr_expect_eq(both_meet(a, "b", b, "a"), to_b);
	vmq_close(b);
	expect_event(a, NULL, VMQ_EVENT_JOIN, to_b);
	expect_event(a, NULL, VMQ_EVENT_LEAVE, to_b);
	fabric_quiet(a);
	cr_expect(fabric_same(&before));
	vmq_close(a);
}

Test(ends, killed_and_back_side_1)
{
	killed(1, 2);
}

Test(ends, killed_and_back_side_0)
{
	killed(2, 1);
}

/* Killed between its record and its offer, or answer: nothing waits for that life. */
static void killed_half_way(uint32_t da, uint32_t db)
{
	struct vmq *a = fabric_vm(da, "a", NULL), *b = fabric_vm(db, "b", NULL);
	uint32_t id;

	vmq_peer(b, "a", VMQ_NOWAIT, &id);
	vmq_peer(a, "b", VMQ_NOWAIT, &id);
	fabric_kill(b);
	cr_expect_neq(vmq_peer(a, "b", VMQ_MS(20), &id), 0);
	b = fabric_vm(db, "b", NULL);
	id = both_meet(a, "b", b, "a");
	cr_expect(fabric_talk(a, id, b, (uint32_t)vmq_id(a)));
	vmq_close(a);
	vmq_close(b);
}

Test(ends, killed_half_way)
{
	killed_half_way(1, 2);
	killed_half_way(2, 1);
}

/* Both at once, each before it has seen the other go. */
Test(ends, both_leave)
{
	struct fabric_counts before;

	fabric_count(&before);
	for (int round = 0; round < 20; round++) {
		struct vmq *a = fabric_vm(1, "a", NULL), *b = fabric_vm(2, "b", NULL);

		both_meet(a, "b", b, "a");
		if (round % 2)
			fabric_kill(a);
		else
			vmq_close(a);
		if (round % 3)
			fabric_kill(b);
		else
			vmq_close(b);
	}
	/* Who was killed left records behind, until the name is taken again. */
	for (uint32_t d = 1; d < 3; d++)
		vmq_close(fabric_vm(d, "x", NULL));
	cr_expect(fabric_same(&before));
}

static struct vmq *closing;

static void *close_it(void *arg)
{
	(void)arg;
	vmq_close(closing);
	return NULL;
}

/* Who closes lets its peer unmap first: nothing is freed that is mapped, which Linux would
 * do ten pages in a second. */
static void unmapped_first(uint32_t da, uint32_t db)
{
	struct vmq *a = fabric_vm(da, "a", NULL), *b = fabric_vm(db, "b", NULL);
	uint32_t to_b = both_meet(a, "b", b, "a");
	uint64_t from = now_ns();
	pthread_t thread;
	unsigned nodes;

	cr_expect(fabric_talk(a, to_b, b, (uint32_t)vmq_id(a)));
	fabric_xen(b)->linger = PATIENCE_MS;
	closing = b;
	nodes = fake_xen_count(FAKE_NODES, db);
	cr_assert_eq(pthread_create(&thread, NULL, close_it, NULL), 0);
	while (fake_xen_count(FAKE_NODES, db) >= nodes && now_ns() - from < PATIENCE)
		sched_yield();
	cr_expect_geq(fake_xen_count(FAKE_GRANTS, db), 300u, "it waits: the other one has not looked yet");
	expect_event(a, NULL, VMQ_EVENT_JOIN, to_b);
	expect_event(a, NULL, VMQ_EVENT_LEAVE, to_b);
	fabric_settle(a);
	pthread_join(thread, NULL);
	cr_expect_lt(now_ns() - from, PATIENCE / 2);
	cr_expect_eq(fake_xen_count(FAKE_GRANTS, db), 0u);
	cr_expect_leq(fake_xen_count(FAKE_GRANTS, da), 1u, "the root page stays for a second");
	fabric_quiet(a);
	cr_expect_eq(fake_xen_count(FAKE_GRANTS, da), 0u);
	vmq_close(a);
}

Test(ends, unmapped_first)
{
	unmapped_first(1, 2);
	unmapped_first(2, 1);
}

/* A close does not wait for those who do not answer. */
Test(ends, close_is_bounded)
{
	struct vmq *a = fabric_vm(1, "a", NULL), *b = fabric_vm(2, "b", NULL), *c = fabric_vm(3, "c", NULL);
	uint64_t from;

	both_meet(a, "b", b, "a");
	both_meet(c, "b", b, "c");
	fabric_xen(b)->linger = XEN_LINGER_MS;
	from = now_ns();
	vmq_close(b);
	cr_expect_geq(now_ns() - from, (uint64_t)VMQ_MS(XEN_LINGER_MS - 50));
	cr_expect_lt(now_ns() - from, (uint64_t)PATIENCE / 2);
	vmq_close(a);
	vmq_close(c);
}

/* ---- the toolstack's word -------------------------------------------------------------------- */

/* Off the fabric is down, for good; the others see it leave. As a new life it may come. */
Test(ends, membership_taken_and_given)
{
	struct vmq *a = fabric_vm(1, "a", NULL), *b = fabric_vm(2, "b", NULL), *c = fabric_vm(3, "c", NULL);
	uint32_t to_b = both_meet(a, "b", b, "a"), to_c = both_meet(a, "c", c, "a"), id;
	struct vmq_event e;

	expect_event(a, b, VMQ_EVENT_JOIN, to_b < to_c ? to_b : to_c);
	expect_event(a, b, VMQ_EVENT_JOIN, to_b < to_c ? to_c : to_b);
	fake_store_remove(fabric_member(2));
	expect_event(a, b, VMQ_EVENT_LEAVE, to_b);
	do {
		cr_assert_neq(fabric_event(b, NULL, &e), 0u);
	} while (e.type != VMQ_EVENT_DOWN);
	cr_expect_eq(vmq_peer(b, "a", PATIENCE, &id), VMQ_ECONN);
	cr_expect(fabric_talk(a, to_c, c, (uint32_t)vmq_id(a)), "others go on");
	vmq_close(b);
	fabric_allow(2, "*", NULL);
	b = fabric_vm(2, "b", NULL);
	cr_expect_eq(both_meet(a, "b", b, "a"), to_b);
	cr_expect(fabric_talk(a, to_b, b, (uint32_t)vmq_id(a)));
	vmq_close(a);
	vmq_close(b);
	vmq_close(c);
}

/* The pair may not talk any more, and then may again: the same lives meet anew. */
static void refused_and_allowed(uint32_t da, uint32_t db)
{
	struct vmq *a = fabric_vm(da, "a", NULL), *b = fabric_vm(db, "b", NULL);
	uint32_t to_b = both_meet(a, "b", b, "a");

	for (int round = 0; round < 3; round++) {
		struct vmq_event e;

		fabric_allow(da, "*", (int[]){ 5, -1 });
		fabric_allow(db, "*", (int[]){ 5, -1 });
		do {
			cr_assert_neq(fabric_event(a, b, &e), 0u);
		} while (e.type != VMQ_EVENT_LEAVE);
		fabric_allow(da, "*", NULL);
		fabric_allow(db, "*", NULL);
		cr_assert_eq(both_meet(a, "b", b, "a"), to_b);
		cr_expect(fabric_talk(a, to_b, b, (uint32_t)vmq_id(a)));
	}
	vmq_close(a);
	vmq_close(b);
}

Test(ends, refused_and_allowed)
{
	refused_and_allowed(1, 2);
	refused_and_allowed(2, 1);
}
