/* SPDX-License-Identifier: BSD-2-Clause */
/* wake.c - who is kicked and when; full lanes; sleeping for messages and for room. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/epoll.h>

#include "conformance.h"

#define LANE "lane=4096"
#define LONG_LAZY "lazy_us=60000000"

TestSuite(wake, .init = conf_start, .fini = conf_stop);

/* Take `want` messages without ever sleeping, when told to. */
static void look_when_told(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);
	struct vmq_msg msg;
	char buf[64];
	uint64_t n;

	need(conf_meet(q, "a"));
	peer_tell(me, 0);
	while ((n = peer_hear(me))) {
		while (n--)
			need(vmq_recv(q, buf, sizeof(buf), &msg, VMQ_NOWAIT) > 0);
		need(vmq_recv(q, buf, sizeof(buf), &msg, VMQ_NOWAIT) == VMQ_EAGAIN);
		peer_tell(me, conf_stats(q).kicks_received);
	}
	need(vmq_close(q) == 0);
}

Test(wake, who_is_awake_is_not_kicked)
{
	struct vmq *a = conf_vm("a", NULL);
	struct conf_peer peer;
	struct vmq_stats s;
	uint32_t b;

	conf_spawn(&peer, "b", look_when_told, NULL);
	b = conf_meet(a, "b");
	conf_hear(&peer);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(vmq_send(a, b, "x", 1, VMQ_SEND_AUTO, VMQ_NOWAIT), 0);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(vmq_send(a, b, "x", 1, VMQ_SEND_LAZY, VMQ_NOWAIT), 0);
	s = conf_stats(a);
	cr_expect_eq(s.kicks_sent, 0u);
	cr_expect_eq(s.exits_immediate, 0u);
	cr_expect_geq(s.kicks_suppressed, 2000u);
	/* It sees them by looking. */
	conf_tell(&peer, 2000);
	conf_hear(&peer);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(vmq_send(a, b, "x", 1, VMQ_SEND_NOW, VMQ_NOWAIT), 0);
	s = conf_stats(a);
	cr_expect_eq(s.exits_immediate, 10u);
	cr_expect_eq(s.kicks_sent, 10u);
	conf_tell(&peer, 10);
	conf_hear(&peer);
	conf_tell(&peer, 0);
	conf_join(&peer);
	vmq_close(a);
}

/* Sleep for a message, tell how many kicks it took. */
static void sleep_for_each(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, me->arg);
	struct vmq_msg msg;
	char buf[8];

	need(conf_meet(q, "a"));
	peer_tell(me, 0); /* from now on it sleeps for messages only */
	while (peer_hear(me)) {
		uint64_t before = conf_stats(q).kicks_received;

		need(vmq_recv(q, buf, sizeof(buf), &msg, PATIENCE) == 1);
		peer_tell(me, conf_stats(q).kicks_received - before);
	}
	need(vmq_close(q) == 0);
}

static void to_sleep(struct conf_peer *peer)
{
	conf_tell(peer, 1);
	cr_assert(thread_sleeps(peer->tid));
}

static int by_auto(struct vmq *a, uint32_t b)
{
	return vmq_send(a, b, "x", 1, VMQ_SEND_AUTO, VMQ_NOWAIT);
}

static int by_now(struct vmq *a, uint32_t b)
{
	return vmq_send(a, b, "x", 1, VMQ_SEND_NOW, VMQ_NOWAIT);
}

static int by_yield(struct vmq *a, uint32_t b)
{
	int rc = vmq_send(a, b, "x", 1, VMQ_SEND_LAZY, VMQ_NOWAIT);

	cr_expect_eq(conf_stats(a).kicks_sent, 0u);
	return rc ? rc : vmq_yield(a);
}

static int by_flush(struct vmq *a, uint32_t b)
{
	return vmq_send(a, b, "x", 1, VMQ_SEND_LAZY, VMQ_NOWAIT) || vmq_flush(a) < 0;
}

/* The sender's own blocking wait is a natural exit, too. */
static int by_own_wait(struct vmq *a, uint32_t b)
{
	char c;

	return vmq_send(a, b, "x", 1, VMQ_SEND_LAZY, VMQ_NOWAIT) ||
		vmq_recv(a, &c, 1, NULL, VMQ_MS(20)) != VMQ_ETIMEDOUT;
}

static void wakes(int (*send)(struct vmq *a, uint32_t b))
{
	struct vmq *a = conf_vm("a", NULL);
	struct conf_peer peer;
	uint32_t b;

	/* A kick, and not the end of its patience, must have woken it. */
	conf_spawn(&peer, "b", sleep_for_each, LONG_LAZY);
	b = conf_meet(a, "b");
	conf_hear(&peer);
	for (int i = 0; i < 3; i++) {
		to_sleep(&peer);
		cr_assert_eq(send(a, b), 0);
		cr_expect_geq(conf_hear(&peer), 1u);
	}
	conf_tell(&peer, 0);
	conf_join(&peer);
	vmq_close(a);
}

Test(wake, sleeper_by_auto) { wakes(by_auto); }
Test(wake, sleeper_by_now) { wakes(by_now); }
Test(wake, sleeper_by_yield) { wakes(by_yield); }
Test(wake, sleeper_by_flush) { wakes(by_flush); }
Test(wake, sleeper_by_own_wait) { wakes(by_own_wait); }

Test(wake, lazy_alone_is_seen_in_time)
{
	struct vmq *a = conf_vm("a", NULL);
	struct conf_peer peer;
	struct vmq_stats s;
	uint32_t b;

	conf_spawn(&peer, "b", sleep_for_each, "lazy_us=2000");
	b = conf_meet(a, "b");
	conf_hear(&peer);
	for (int i = 0; i < 5; i++) {
		to_sleep(&peer);
		cr_assert_eq(vmq_send(a, b, "x", 1, VMQ_SEND_LAZY, VMQ_NOWAIT), 0);
		conf_hear(&peer);
	}
	s = conf_stats(a);
	cr_expect_eq(s.kicks_sent, 0u);
	cr_expect_eq(s.exits_immediate, 0u);
	conf_tell(&peer, 0);
	conf_join(&peer);
	vmq_close(a);
}

Test(wake, yield_counts_what_it_drains)
{
	struct vmq *a = conf_vm("a", NULL);
	struct vmq_stats before = conf_stats(a), s;
	uint32_t self = (uint32_t)vmq_id(a);

	cr_assert_eq(vmq_yield(a), 0);
	s = conf_stats(a);
	cr_expect_eq(s.exits_natural, before.exits_natural + 1);
	cr_expect_eq(s.drains, before.drains, "there was nothing to drain");
	cr_assert_eq(vmq_send(a, self, "x", 1, VMQ_SEND_LAZY, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_yield(a), 0);
	s = conf_stats(a);
	cr_expect_eq(s.drains, before.drains + 1);
	vmq_close(a);
}

/* ---- full lanes --------------------------------------------------------------------- */

static uint32_t send_until_full(struct vmq *q, uint32_t peer)
{
	char bytes[100] = "";
	uint32_t n = 0;

	while (vmq_send(q, peer, bytes, sizeof(bytes), 0, VMQ_NOWAIT) == 0)
		n++;
	return vmq_send(q, peer, bytes, sizeof(bytes), 0, VMQ_NOWAIT) == VMQ_EAGAIN ? n : 0;
}

static bool receive_all(struct vmq *q, uint64_t n)
{
	struct vmq_msg msg;
	char buf[128];

	while (n--)
		if (vmq_recv(q, buf, sizeof(buf), &msg, PATIENCE) != 100)
			return false;
	return vmq_recv(q, buf, sizeof(buf), &msg, VMQ_NOWAIT) == VMQ_EAGAIN;
}

static void fill_then_receive(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, LANE);
	uint32_t a = conf_meet(q, "a");

	need(a);
	peer_tell(me, send_until_full(q, a));
	need(receive_all(q, peer_hear(me)));
	peer_tell(me, 0);
	peer_hear(me);
	need(vmq_close(q) == 0);
}

Test(wake, both_send_and_nobody_receives)
{
	struct vmq *a = conf_vm("a", LANE);
	struct conf_peer peer;
	uint32_t b, mine, theirs;
	char bytes[100] = "";

	conf_spawn(&peer, "b", fill_then_receive, NULL);
	b = conf_meet(a, "b");
	mine = send_until_full(a, b);
	cr_expect_gt(mine, 10u);
	theirs = (uint32_t)conf_hear(&peer);
	cr_expect_gt(theirs, 10u);
	cr_expect_eq(vmq_send(a, b, bytes, sizeof(bytes), 0, VMQ_MS(30)), VMQ_ETIMEDOUT);
	cr_expect_eq(vmq_send_batch(a, b, &(struct vmq_iovec){ bytes, sizeof(bytes) }, 1, 0, VMQ_NOWAIT),
		VMQ_EAGAIN);
	conf_tell(&peer, mine);
	cr_expect(receive_all(a, theirs));
	conf_hear(&peer);
	cr_expect_eq(vmq_send(a, b, "x", 1, 0, VMQ_NOWAIT), 0, "there is room again");
	conf_tell(&peer, 0);
	conf_join(&peer);
	vmq_close(a);
}

/* Receive once the other end, whose thread id it is told, sleeps for room. */
static void drain_for_sleeper(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, LANE);
	struct vmq_msg msg;
	char buf[4096];
	int64_t n;

	need(conf_meet(q, "a"));
	need(thread_sleeps((int)peer_hear(me)));
	while ((n = vmq_recv(q, buf, sizeof(buf), &msg, PATIENCE)) > 1)
		;
	need(n == 1);
	peer_hear(me);
	need(vmq_close(q) == 0);
}

/* It was woken, and did not just find room when its time was up. */
static void rung_for(uint64_t from)
{
	cr_expect_lt(now_ns() - from, PATIENCE / 2, "room must be rung for");
}

Test(wake, send_waits_for_room)
{
	struct vmq *a = conf_vm("a", LONG_LAZY);
	struct conf_peer peer;
	uint64_t from;
	uint32_t b;

	conf_spawn(&peer, "b", drain_for_sleeper, NULL);
	b = conf_meet(a, "b");
	cr_assert(send_until_full(a, b));
	while (!vmq_send(a, b, "xx", 2, 0, VMQ_NOWAIT))
		; /* not even a small one fits */
	from = now_ns();
	conf_tell(&peer, (uint64_t)thread_id());
	cr_expect_eq(vmq_send(a, b, "x", 1, 0, PATIENCE), 0);
	rung_for(from);
	cr_expect_geq(conf_stats(a).kicks_received, 1u, "room must be rung for");
	conf_tell(&peer, 0);
	conf_join(&peer);
	vmq_close(a);
}

Test(wake, poll_out_waits_for_room)
{
	struct vmq *a = conf_vm("a", LONG_LAZY);
	struct vmq_pollfd fd = { .q = a, .events = VMQ_POLL_OUT };
	struct conf_peer peer;
	uint64_t from;
	uint32_t b;

	conf_spawn(&peer, "b", drain_for_sleeper, NULL);
	b = conf_meet(a, "b");
	cr_expect_eq(vmq_poll(&fd, 1, VMQ_NOWAIT), 1, "nobody is full");
	cr_assert(send_until_full(a, b));
	cr_expect_eq(vmq_poll(&fd, 1, VMQ_NOWAIT), VMQ_EAGAIN);
	cr_expect_eq(vmq_poll(&fd, 1, VMQ_MS(10)), VMQ_ETIMEDOUT);
	from = now_ns();
	conf_tell(&peer, (uint64_t)thread_id());
	cr_assert_eq(vmq_poll(&fd, 1, PATIENCE), 1);
	rung_for(from);
	cr_expect_eq(fd.revents, VMQ_POLL_OUT);
	cr_expect_eq(vmq_send(a, b, "x", 1, 0, VMQ_NOWAIT), 0);
	conf_tell(&peer, 0);
	conf_join(&peer);
	vmq_close(a);
}
