/* SPDX-License-Identifier: BSD-2-Clause */
/* many.c - many peers, many endpoints, many threads, other people's event loops. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "conformance.h"

#define PEERS 3u

TestSuite(many, .init = conf_start, .fini = conf_stop);

static const char *const names[PEERS] = { "b", "c", "d" };

static void one_broadcast(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);
	struct vmq_msg msg;
	char buf[16] = "";

	need(conf_meet(q, "a"));
	peer_tell(me, 0);
	need(vmq_recv(q, buf, sizeof(buf), &msg, PATIENCE) == 5);
	need(!memcmp(buf, "to all", 5));
	peer_hear(me);
	need(vmq_recv(q, buf, sizeof(buf), &msg, VMQ_NOWAIT) < 0);
	need(vmq_close(q) == 0);
}

Test(many, broadcast)
{
	struct vmq *a = conf_vm("a", NULL);
	struct conf_peer peer[PEERS];
	char c;

	cr_expect_eq(vmq_broadcast(a, "x", 1, 0, VMQ_NOWAIT), 0, "nobody is there");
	for (unsigned i = 0; i < PEERS; i++)
		conf_spawn(&peer[i], names[i], one_broadcast, NULL);
	for (unsigned i = 0; i < PEERS; i++) {
		cr_assert(conf_meet(a, names[i]));
		conf_hear(&peer[i]);
	}
	cr_expect_eq(vmq_broadcast(a, "to all", 5, 0, PATIENCE), (int)PEERS);
	cr_expect_eq(vmq_recv(a, &c, 1, NULL, VMQ_NOWAIT), VMQ_EAGAIN, "not to oneself");
	for (unsigned i = 0; i < PEERS; i++) {
		conf_tell(&peer[i], 0);
		conf_join(&peer[i]);
	}
	vmq_close(a);
}

/* ---- poll ------------------------------------------------------------------------ */

static void send_to_named(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);
	char name[3] = "a0";
	uint64_t n;
	uint32_t to;

	need(conf_meet(q, me->arg));
	while ((n = peer_hear(me)) < 9) {
		name[1] = (char)('0' + n);
		to = conf_meet(q, name);
		need(to);
		need(vmq_send(q, to, name, 2, 0, PATIENCE) == 0);
	}
	need(vmq_close(q) == 0);
}

Test(many, poll_over_endpoints)
{
	struct vmq_pollfd fds[3];
	struct conf_peer peer;
	struct vmq_msg msg;
	char name[8];

	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "a%u", i);
		fds[i] = (struct vmq_pollfd){ .q = conf_vm(name, "lazy_us=60000000"),
			.events = VMQ_POLL_IN };
	}
	cr_expect_eq(vmq_poll(fds, 3, VMQ_NOWAIT), VMQ_EAGAIN);
	conf_spawn(&peer, "b", send_to_named, "a0");
	for (unsigned round = 0; round < 30; round++) {
		unsigned to = round * 2 % 3;

		conf_tell(&peer, to);
		cr_assert_eq(vmq_poll(fds, 3, PATIENCE), 1);
		for (unsigned i = 0; i < 3; i++)
			cr_assert_eq(fds[i].revents, i == to ? VMQ_POLL_IN : 0u);
		cr_assert_eq(vmq_recv(fds[to].q, name, sizeof(name), &msg, VMQ_NOWAIT), 2);
		cr_assert_eq(name[1], (char)('0' + to));
	}
	conf_tell(&peer, 9);
	conf_join(&peer);
	for (unsigned i = 0; i < 3; i++)
		vmq_close(fds[i].q);
}

Test(many, poll_for_events)
{
	struct vmq *a = conf_vm("a", "lazy_us=60000000");
	struct vmq_pollfd fd = { .q = a, .events = VMQ_POLL_EVENT };
	struct vmq_event e = { .size = sizeof(e) };
	struct conf_peer peer;

	cr_expect_eq(vmq_poll(&fd, 1, VMQ_NOWAIT), VMQ_EAGAIN);
	conf_spawn(&peer, "b", send_to_named, "a");
	cr_assert_eq(vmq_poll(&fd, 1, PATIENCE), 1);
	cr_expect_eq(fd.revents, VMQ_POLL_EVENT);
	cr_expect_eq(vmq_event(a, &e, VMQ_NOWAIT), 0);
	cr_expect_eq(e.type, (uint32_t)VMQ_EVENT_JOIN);
	conf_tell(&peer, 9);
	cr_assert_eq(vmq_poll(&fd, 1, PATIENCE), 1);
	cr_expect_eq(vmq_event(a, &e, VMQ_NOWAIT), 0);
	cr_expect_eq(e.type, (uint32_t)VMQ_EVENT_LEAVE);
	conf_join(&peer);
	vmq_close(a);
}

Test(many, poll_says_what_is_closed)
{
	struct vmq *a = conf_vm("a", NULL), *b = conf_vm("b", NULL);
	struct vmq_pollfd fds[3] = { { .q = a, .events = VMQ_POLL_IN },
		{ .q = b, .events = VMQ_POLL_IN }, { .q = NULL, .events = VMQ_POLL_IN } };

	vmq_close(b);
	cr_expect_eq(vmq_poll(fds, 3, PATIENCE), 2);
	cr_expect_eq(fds[0].revents, 0u);
	cr_expect_eq(fds[1].revents, VMQ_POLL_ERR);
	cr_expect_eq(fds[2].revents, VMQ_POLL_ERR);
	vmq_close(a);
}

/* ---- epoll ------------------------------------------------------------------------- */

#define BURSTS 3000u

/* Bursts of one to four messages; each waits for the last one's echo, so that the
 * other end sleeps between them all the time. */
static void ping(struct conf_peer *me)
{
	struct vmq *q = NULL;
	struct vmq_msg msg;
	uint32_t a, n;

	need(conf_open(me->name, NULL, VMQ_OPEN_STRICT, &q) == 0);
	a = conf_meet(q, "a");
	need(a);
	for (uint32_t i = 0; i < conf_rounds(BURSTS); i++) {
		for (uint32_t k = i % 4; k < 4; k++) {
			n = i << 2 | k;
			need(vmq_send(q, a, &n, sizeof(n), k % 2, PATIENCE) == 0);
		}
		need(vmq_recv(q, &n, sizeof(n), &msg, PATIENCE) == sizeof(n));
		need(n == i);
	}
	need(vmq_close(q) == 0);
}

/* As vmq_fd() wants it: drain until there is nothing, then sleep. */
static uint32_t drain(struct vmq *q, uint32_t done, bool *left)
{
	struct vmq_msg msg;
	uint32_t n, i;
	int64_t rc;

	while ((rc = vmq_recv(q, &n, sizeof(n), &msg, VMQ_NOWAIT)) == sizeof(n)) {
		if ((n & 3) != 3)
			continue;
		i = n >> 2;
		cr_assert_eq(i, done++);
		cr_assert_eq(vmq_send(q, msg.peer, &i, sizeof(i), 0, PATIENCE), 0);
	}
	*left = rc == VMQ_EGONE;
	cr_assert(*left || rc == VMQ_EAGAIN, "%s", vmq_errname((int)rc));
	return done;
}

Test(many, epoll_loses_no_wake_up)
{
	struct epoll_event e = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC), fd;
	struct conf_peer peer;
	uint32_t done = 0;
	bool left = false;
	struct vmq *a;

	/* No timer in this endpoint, and a fence at each message at the other: a
	 * wake-up that is lost stays lost, and the deadline shows it. */
	cr_assert_eq(conf_open("a", "lazy_us=4000000000", VMQ_OPEN_STRICT, &a), 0);
	fd = vmq_fd(a);
	if (conf_fabric.no_fd) {
		cr_expect_eq(fd, VMQ_ENOTSUP);
		close(ep);
		vmq_close(a);
		return;
	}
	cr_assert_geq(fd, 0);
	cr_expect_eq(vmq_fd(a), fd, "one descriptor for the endpoint's life");
	cr_assert_eq(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
	conf_spawn(&peer, "b", ping, NULL);
	while (!left) {
		cr_assert_eq(epoll_wait(ep, &e, 1, PATIENCE_MS), 1, "after %u bursts", done);
		done = drain(a, done, &left);
	}
	cr_expect_eq(done, conf_rounds(BURSTS));
	conf_join(&peer);
	vmq_close(a);
}

/* ---- threads ------------------------------------------------------------------------- */

#define THREADS 3u
#define EACH 4000u

struct worker {
	struct vmq *q;
	uint32_t to, index;
	uint64_t sum, count;
	uint32_t last[THREADS];
	bool bad;
	pthread_t thread;
};

static void *sender(void *arg)
{
	struct worker *w = arg;

	for (uint32_t i = 1; i <= EACH; i++) {
		uint32_t m[2] = { w->index, i };

		if (vmq_send(w->q, w->to, m, sizeof(m), i % 3, PATIENCE))
			w->bad = true;
	}
	return NULL;
}

/* Each receiver sees what it gets of one sender in the order of sending. */
static void *receiver(void *arg)
{
	struct worker *w = arg;
	struct vmq_msg msg;
	uint32_t m[2];

	for (;;) {
		int64_t n = vmq_recv(w->q, m, sizeof(m), &msg, PATIENCE);

		if (n != sizeof(m) || m[0] > THREADS) {
			w->bad = true;
			return NULL;
		}
		if (m[0] == THREADS)
			return NULL; /* the end, one for each receiver */
		w->bad |= m[1] <= w->last[m[0]];
		w->last[m[0]] = m[1];
		w->sum += m[1];
		w->count++;
	}
}

static bool run_all(struct vmq *q, uint32_t to, void *(*body)(void *), struct worker w[THREADS])
{
	bool bad = false;

	for (uint32_t i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .q = q, .to = to, .index = i };
		bad |= pthread_create(&w[i].thread, NULL, body, &w[i]) != 0;
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		bad |= w[i].bad;
	}
	return !bad;
}

static void receive_by_threads(struct conf_peer *me)
{
	struct worker w[THREADS];
	uint64_t sum = 0, count = 0;
	struct vmq *q = NULL;

	need(conf_open(me->name, "lane=4096", VMQ_OPEN_THREADSAFE, &q) == 0);
	need(conf_meet(q, "a"));
	need(run_all(q, 0, receiver, w));
	for (uint32_t i = 0; i < THREADS; i++) {
		sum += w[i].sum;
		count += w[i].count;
	}
	need(count == THREADS * EACH);
	need(sum == (uint64_t)THREADS * EACH * (EACH + 1) / 2);
	need(vmq_close(q) == 0);
}

Test(many, several_senders_and_receivers)
{
	const uint32_t end[2] = { THREADS, 0 };
	struct worker w[THREADS];
	struct conf_peer peer;
	struct vmq *a;
	uint32_t b;

	cr_assert_eq(conf_open("a", NULL, VMQ_OPEN_THREADSAFE, &a), 0);
	conf_spawn(&peer, "b", receive_by_threads, NULL);
	b = conf_meet(a, "b");
	cr_expect(run_all(a, b, sender, w));
	for (uint32_t i = 0; i < THREADS; i++)
		cr_expect_eq(vmq_send(a, b, end, sizeof(end), 0, PATIENCE), 0);
	cr_expect_eq(conf_stats(a).sent, THREADS * EACH + THREADS);
	conf_join(&peer);
	vmq_close(a);
}
