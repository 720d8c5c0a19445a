/* SPDX-License-Identifier: BSD-2-Clause */
/* wakeups.c - who sleeps is woken, whatever other threads of its endpoint do meanwhile. A
 * look now and then would hide that nobody rings: here it comes after a minute. */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "stress.h"

#define SETTINGS "lane=4096&lazy_us=60000000"
#define LEN 900u /* a few of them fill a lane */
#define SOON_NS 15000000000ull
#define ROUNDS 60000u
#define WAITS 200u

static struct vmq *vm(const char *name, uint32_t flags)
{
	struct vmq_options o = { .size = sizeof(o), .flags = flags, .spin_us = VMQ_SPIN_NONE };
	struct vmq *q = NULL;
	char uri[100];

	snprintf(uri, sizeof(uri), "sim:stress?name=%s&" SETTINGS, name);
	CHECK(vmq_open(uri, &o, &q) == 0);
	return q;
}

/* The number gets there long before the minute is over. */
static void reaches(const atomic_uint *number, unsigned want)
{
	uint64_t until = now_ns() + SOON_NS;

	while (atomic_load(number) < want) {
		CHECK(now_ns() < until);
		sched_yield();
	}
}

static void fill_lane(struct vmq *q, uint32_t peer)
{
	uint8_t buf[LEN] = { 0 };
	int rc;

	while (!(rc = vmq_send(q, peer, buf, sizeof(buf), VMQ_SEND_AUTO, VMQ_NOWAIT)))
		;
	CHECK(rc == VMQ_EAGAIN);
}

static void empty_lane(struct vmq *q)
{
	uint8_t buf[LEN];

	while (vmq_recv(q, buf, sizeof(buf), NULL, VMQ_NOWAIT) >= 0)
		;
}

/* ---- senders ------------------------------------------------------------------------- */

struct call {
	struct vmq *q;
	uint32_t peer;
	atomic_int tid;
	atomic_uint done;
	int rc;
};

static void *send_one(void *arg)
{
	struct call *c = arg;
	uint8_t buf[LEN] = { 0 };

	atomic_store(&c->tid, thread_id());
	c->rc = vmq_send(c->q, c->peer, buf, sizeof(buf), VMQ_SEND_AUTO, PATIENCE);
	atomic_store(&c->done, 1);
	return NULL;
}

static void *reserve_one(void *arg)
{
	struct call *c = arg;
	void *room;

	atomic_store(&c->tid, thread_id());
	c->rc = vmq_reserve(c->q, c->peer, LEN, &room, PATIENCE);
	atomic_store(&c->done, 1);
	return NULL;
}

/* A thread that waits for room. */
static void start_waiting(pthread_t *t, void *(*body)(void *), struct call *c)
{
	stress_start(t, body, c);
	while (!atomic_load(&c->tid))
		;
	CHECK(thread_sleeps(atomic_load(&c->tid)));
}

/* A sender whose time is up leaves another one that waits for the same lane. */
static void one_gives_up(void)
{
	struct vmq *a = vm("a", VMQ_OPEN_THREADSAFE), *b = vm("b", 0);
	struct call c = { .q = a, .peer = both_meet(a, "b", b, "a") };
	uint8_t buf[LEN] = { 0 };
	pthread_t t;

	fill_lane(a, c.peer);
	start_waiting(&t, send_one, &c);
	CHECK(vmq_send(a, c.peer, buf, sizeof(buf), VMQ_SEND_AUTO, VMQ_MS(1)) == VMQ_ETIMEDOUT);
	empty_lane(b);
	reaches(&c.done, 1);
	stress_join(&t, 1);
	CHECK(c.rc == 0);
	CHECK(vmq_close(a) == 0);
	CHECK(vmq_close(b) == 0);
}

/* ... and so does a vmq_poll() for room. */
static void a_poll_ends(void)
{
	struct vmq *a = vm("a", VMQ_OPEN_THREADSAFE), *b = vm("b", 0);
	struct call c = { .q = a, .peer = both_meet(a, "b", b, "a") };
	struct vmq_pollfd fd = { a, VMQ_POLL_OUT, 0 };
	pthread_t t;

	fill_lane(a, c.peer);
	start_waiting(&t, send_one, &c);
	CHECK(vmq_poll(&fd, 1, VMQ_MS(1)) == VMQ_ETIMEDOUT);
	empty_lane(b);
	reaches(&c.done, 1);
	stress_join(&t, 1);
	CHECK(vmq_close(a) == 0);
	CHECK(vmq_close(b) == 0);
}

/* Who waits for room to build a message in finds that another thread builds one. */
static void two_reserve(void)
{
	struct vmq *a = vm("a", VMQ_OPEN_THREADSAFE), *b = vm("b", 0), *c = vm("c", 0);
	struct call first = { .q = a, .peer = both_meet(a, "b", b, "a") };
	uint32_t to = both_meet(a, "c", c, "a");
	struct call other = { .q = a, .peer = to };
	uint8_t buf[LEN];
	pthread_t t[2];
	void *room;

	fill_lane(a, first.peer);
	start_waiting(&t[0], reserve_one, &first);
	CHECK(vmq_reserve(a, to, 2, &room, VMQ_NOWAIT) == 0);
	empty_lane(b);
	reaches(&first.done, 1);
	CHECK(first.rc == VMQ_EBUSY);
	memcpy(room, "hi", 2);
	CHECK(vmq_commit(a, 2, VMQ_SEND_AUTO) == 0);
	stress_start(&t[1], send_one, &other);
	stress_join(t, 2);
	CHECK(other.rc == 0);
	CHECK(vmq_recv(c, buf, sizeof(buf), NULL, PATIENCE) == 2);
	CHECK(vmq_recv(c, buf, sizeof(buf), NULL, PATIENCE) == LEN);
	CHECK(vmq_close(a) == 0);
	CHECK(vmq_close(b) == 0);
	CHECK(vmq_close(c) == 0);
}

/* ---- receivers ----------------------------------------------------------------------- */

struct readers {
	struct vmq *q;
	atomic_uint seen;
};

/* Now and then a message keeps its receiver busy until the other one has the next. */
static void *reader(void *arg)
{
	struct readers *r = arg;
	uint32_t n;

	do {
		CHECK(vmq_recv(r->q, &n, sizeof(n), NULL, VMQ_FOREVER) == sizeof(n));
		atomic_store(&r->seen, n + 1);
		if (n % 8 == 7 && n < ROUNDS)
			reaches(&r->seen, n + 2);
	} while (n < ROUNDS);
	return NULL;
}

/* A receiver that finds a message just before it sleeps leaves another one that does. */
static void one_takes_it(void)
{
	struct vmq *a = vm("a", VMQ_OPEN_THREADSAFE), *b = vm("b", 0);
	struct readers r = { .q = a };
	uint32_t to = both_meet(b, "a", a, "b");
	pthread_t t[2];

	for (int i = 0; i < 2; i++)
		stress_start(&t[i], reader, &r);
	for (uint32_t n = 0; n < ROUNDS + 2; n++) {
		for (volatile uint32_t i = 0; i < n % 61 * 20; i++)
			;
		CHECK(vmq_send(b, to, &n, sizeof(n), VMQ_SEND_AUTO, PATIENCE) == 0);
		reaches(&r.seen, n + 1);
	}
	stress_join(t, 2);
	CHECK(vmq_close(a) == 0);
	CHECK(vmq_close(b) == 0);
}

/* ---- somebody's loop, beside a sender --------------------------------------------------- */

static void *fill_and_send(void *arg)
{
	struct call *c = arg;

	fill_lane(c->q, c->peer);
	return send_one(c);
}

/* Who reads by vmq_fd() silences both doorbells, but not the one that a sender waits for. */
static void a_loop_looks(void)
{
	struct vmq *a = vm("a", 0), *b = vm("b", 0);
	uint32_t peer = both_meet(a, "b", b, "a");
	uint8_t byte;
	pthread_t t;

	CHECK(vmq_fd(a) >= 0);
	for (uint32_t n = 0; n < WAITS; n++) {
		struct call c = { .q = a, .peer = peer };

		CHECK(vmq_recv(a, &byte, 1, NULL, VMQ_NOWAIT) == VMQ_EAGAIN);
		start_waiting(&t, fill_and_send, &c);
		empty_lane(b);
		CHECK(vmq_recv(a, &byte, 1, NULL, VMQ_NOWAIT) == VMQ_EAGAIN);
		reaches(&c.done, 1);
		stress_join(&t, 1);
		CHECK(c.rc == 0);
		empty_lane(b);
	}
	CHECK(vmq_close(a) == 0);
	CHECK(vmq_close(b) == 0);
}

int main(void)
{
	one_gives_up();
	a_poll_ends();
	two_reserve();
	one_takes_it();
	a_loop_looks();
	return 0;
}
