/* SPDX-License-Identifier: BSD-2-Clause */
/* death.c - a peer dies: nothing that it committed is lost, nobody hangs, and it may
 * come back. */
#include <criterion/criterion.h>
#include <string.h>

#include "conformance.h"

#define PAGE VMQ_PAGE_SIZE
#define SENT 200u

TestSuite(death, .init = conf_start, .fini = conf_stop);

static void send_and_die(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);
	uint32_t a = conf_meet(q, "a");

	need(a);
	for (uint32_t i = 0; i < SENT; i++)
		need(vmq_send(q, a, &i, sizeof(i), i % 3, PATIENCE) == 0);
	peer_hear(me); /* it was met */
	peer_die(me, q);
}

static void expect_all(struct vmq *a, uint32_t b)
{
	struct vmq_msg msg;
	uint32_t n;

	for (uint32_t i = 0; i < SENT; i++) {
		cr_assert_eq(vmq_recv(a, &n, sizeof(n), &msg, PATIENCE), (int64_t)sizeof(n));
		cr_assert_eq(n, i);
		cr_assert_eq(msg.peer, b);
	}
	msg.peer = 0;
	cr_assert_eq(vmq_recv(a, &n, sizeof(n), &msg, PATIENCE), VMQ_EGONE);
	cr_expect_eq(msg.peer, b);
	cr_expect_eq(vmq_recv(a, &n, sizeof(n), &msg, VMQ_MS(20)), VMQ_ETIMEDOUT, "it is said once");
	cr_expect_eq(vmq_send(a, b, "x", 1, 0, PATIENCE), VMQ_EGONE);
}

Test(death, what_was_committed_arrives)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	struct vmq *a = conf_vm("a", NULL);
	struct conf_peer peer;
	uint32_t b;

	conf_spawn(&peer, "b", send_and_die, NULL);
	b = conf_meet(a, "b");
	conf_tell(&peer, 0);
	conf_join(&peer); /* it is dead before anything is received */
	expect_all(a, b);
	cr_expect_eq(vmq_peer_info(a, b, &info), 0);
	cr_expect_eq(info.state, VMQ_EGONE);
	cr_expect_eq(conf_stats(a).peers, 0u);
	vmq_close(a);
}

/* It sends as soon as it may, and is gone before this end has heard of it. */
static void send_at_once_and_leave(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, "pages=4294967295");
	uint32_t a = conf_meet(q, "a");

	need(a);
	need(vmq_send(q, a, "hasty", 5, VMQ_SEND_AUTO, PATIENCE) == 0);
	need(vmq_close(q) == 0);
}

Test(death, hasty_message_arrives)
{
	struct vmq *a = conf_vm("a", "pages=4294967295");
	struct conf_peer peer;
	struct vmq_msg msg;
	char buf[8];

	for (uint32_t i = 0; i < conf_rounds(100); i++) {
		conf_spawn(&peer, "b", send_at_once_and_leave, NULL);
		cr_assert_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), 5, "round %u", i);
		cr_assert_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), VMQ_EGONE, "round %u", i);
		conf_join(&peer);
	}
	vmq_close(a);
}

/* The same name again: the same id, another epoch, and nothing of before. */
Test(death, back_under_the_same_name)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	struct vmq *a = conf_vm("a", NULL);
	struct conf_peer peer;
	uint32_t b, id, epoch = 0;

	for (int life = 0; life < 4; life++) {
		conf_spawn(&peer, "b", send_and_die, NULL);
		b = conf_meet(a, "b");
		conf_tell(&peer, 0);
		cr_assert_eq(vmq_peer_info(a, b, &info), 0);
		cr_expect_neq(info.epoch, epoch);
		if (life)
			cr_expect_eq(b, id);
		id = b;
		epoch = info.epoch;
		expect_all(a, b);
		conf_join(&peer);
	}
	vmq_close(a);
}

/* Wait for a peer's next life: of the last one's end nobody may have heard yet. */
static uint32_t meet_next(struct vmq *q, const char *vm, uint32_t *epoch)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	uint64_t until = now_ns() + PATIENCE;
	uint32_t id;

	do {
		id = conf_meet(q, vm);
		cr_assert(id);
		cr_assert_eq(vmq_peer_info(q, id, &info), 0);
	} while (info.epoch == *epoch && now_ns() < until);
	cr_assert_neq(info.epoch, *epoch);
	*epoch = info.epoch;
	return id;
}

/* Several lives went by before anybody looked: one after the other, not mixed. */
Test(death, lives_are_received_in_order)
{
	struct vmq_event e = { .size = sizeof(e) };
	struct vmq *a = conf_vm("a", NULL);
	uint32_t n, b = 0, epoch = 0;
	struct conf_peer peer;

	for (int life = 0; life < 3; life++) {
		conf_spawn(&peer, "b", send_and_die, NULL);
		b = meet_next(a, "b", &epoch);
		conf_tell(&peer, 0);
		conf_join(&peer);
	}
	for (uint32_t i = 0; i < 3 * SENT; i++) {
		int64_t rc;

		do {
			rc = vmq_recv(a, &n, sizeof(n), NULL, PATIENCE);
		} while (rc == VMQ_EGONE);
		cr_assert_eq(rc, (int64_t)sizeof(n));
		cr_assert_eq(n, i % SENT);
	}
	cr_expect_eq(vmq_recv(a, &n, sizeof(n), NULL, PATIENCE), VMQ_EGONE);
	cr_expect_eq(vmq_send(a, b, "x", 1, 0, PATIENCE), VMQ_EGONE);
	while (!vmq_event(a, &e, VMQ_NOWAIT)) {
		cr_expect_eq(e.peer, b);
		n = e.type;
	}
	cr_expect_eq(n, (uint32_t)VMQ_EVENT_LEAVE, "the last news of it");
	vmq_close(a);
}

/* ---- waiting for one that dies -------------------------------------------------------- */

static void die_beside_sleeper(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, "lane=4096");

	need(conf_meet(q, "a"));
	need(thread_sleeps((int)peer_hear(me)));
	peer_die(me, q);
}

Test(death, wakes_who_receives)
{
	struct vmq *a = conf_vm("a", "lazy_us=60000000");
	struct conf_peer peer;
	struct vmq_msg msg;
	uint32_t b;
	char c;

	conf_spawn(&peer, "b", die_beside_sleeper, NULL);
	b = conf_meet(a, "b");
	conf_tell(&peer, (uint64_t)thread_id());
	cr_expect_eq(vmq_recv(a, &c, 1, &msg, PATIENCE), VMQ_EGONE);
	cr_expect_eq(msg.peer, b);
	conf_join(&peer);
	vmq_close(a);
}

Test(death, wakes_who_sends)
{
	struct vmq *a = conf_vm("a", "lazy_us=60000000");
	struct conf_peer peer;
	uint32_t b;

	conf_spawn(&peer, "b", die_beside_sleeper, NULL);
	b = conf_meet(a, "b");
	while (!vmq_send(a, b, "x", 1, VMQ_SEND_LAZY, VMQ_NOWAIT))
		;
	conf_tell(&peer, (uint64_t)thread_id());
	cr_expect_eq(vmq_send(a, b, "x", 1, 0, PATIENCE), VMQ_EGONE);
	conf_join(&peer);
	vmq_close(a);
}

/* ---- pages ------------------------------------------------------------------------------ */

static void take_pages_and_die(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);
	struct vmq_msg msg;

	need(conf_meet(q, "a"));
	for (int i = 0; i < 3; i++)
		need(vmq_recv(q, NULL, 0, &msg, PATIENCE) == 0);
	peer_tell(me, 0);
	peer_hear(me);
	peer_die(me, q);
}

Test(death, lent_pages_come_back)
{
	struct vmq *a = conf_vm("a", "pages=3");
	struct vmq_page page[3], old;
	struct conf_peer peer;
	struct vmq_msg msg;
	uint32_t b;

	conf_spawn(&peer, "b", take_pages_and_die, NULL);
	b = conf_meet(a, "b");
	for (uint32_t i = 0; i < 3; i++) {
		cr_assert_eq(vmq_page_alloc(a, b, PAGE, &page[i], VMQ_NOWAIT), 0);
		pattern(page[i].addr, PAGE, i);
		cr_assert_eq(vmq_page_send(a, &page[i], i ? VMQ_PAGE_LEND : VMQ_PAGE_MOVE, NULL, 0, 0,
			PATIENCE), 0);
	}
	conf_hear(&peer);
	conf_tell(&peer, 0);
	cr_assert_eq(vmq_recv(a, NULL, 0, &msg, PATIENCE), VMQ_EGONE);
	conf_join(&peer);
	/* The moved one is lost; the lent ones are this end's, with their bytes. */
	old = page[2];
	cr_expect_eq(vmq_page_free(a, &page[0]), VMQ_ESTALE);
	cr_expect(matches(page[1].addr, PAGE, 1));
	cr_expect_eq(vmq_page_free(a, &page[1]), 0);
	/* In the next life there is a whole pool, and the old handle stays the old life's. */
	conf_spawn(&peer, "b", take_pages_and_die, NULL);
	cr_assert_eq(conf_meet(a, "b"), b);
	cr_expect_eq(vmq_page_alloc(a, b, 3 * PAGE, &page[0], VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_page_send(a, &page[2], VMQ_PAGE_LEND, NULL, 0, 0, PATIENCE), VMQ_ESTALE);
	cr_expect(matches(page[2].addr, PAGE, 2));
	cr_expect_eq(vmq_page_free(a, &page[2]), 0);
	cr_expect_eq(vmq_page_free(a, &old), VMQ_ESTALE);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(vmq_send(a, b, NULL, 0, 0, PATIENCE), 0);
	conf_hear(&peer);
	conf_tell(&peer, 0);
	conf_join(&peer);
	vmq_close(a);
}

/* What it sent with its last breath comes with its pages. */
static void send_pages_and_die(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);
	struct vmq_page page;
	uint32_t a = conf_meet(q, "a");

	need(a);
	for (uint32_t i = 0; i < 3; i++) {
		need(vmq_page_alloc(q, a, 2 * PAGE, &page, PATIENCE) == 0);
		pattern(page.addr, 2 * PAGE, i);
		need(vmq_page_send(q, &page, VMQ_PAGE_MOVE, NULL, 0, 0, PATIENCE) == 0);
	}
	peer_hear(me); /* it was met */
	peer_die(me, q);
}

Test(death, last_pages_arrive)
{
	struct vmq *a = conf_vm("a", NULL);
	struct conf_peer peer;
	struct vmq_msg msg;

	conf_spawn(&peer, "b", send_pages_and_die, NULL);
	cr_assert(conf_meet(a, "b"));
	conf_tell(&peer, 0);
	conf_join(&peer);
	for (uint32_t i = 0; i < 3; i++) {
		cr_assert_eq(vmq_recv(a, NULL, 0, &msg, PATIENCE), 0);
		cr_assert_eq(msg.flags, VMQ_MSG_PAGE);
		cr_expect(matches(msg.page.addr, 2 * PAGE, i), "page %u", i);
		cr_expect_eq(vmq_page_free(a, &msg.page), 0);
	}
	cr_expect_eq(vmq_recv(a, NULL, 0, &msg, PATIENCE), VMQ_EGONE);
	vmq_close(a);
}
