/* SPDX-License-Identifier: BSD-2-Clause */
/* hub_gone.c - a hub that is not there, dies, or comes back. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

static struct hub_proc hub;

static void start(void)
{
	cr_assert(hub_start(&hub, NULL, 0));
}

static void stop(void)
{
	hub_stop(&hub);
}

TestSuite(hub_gone, .init = start, .fini = stop);

static int open_vm(const char *name, struct vmq **q, char *why, size_t len)
{
	struct vmq_options o = { .size = sizeof(o), .errmsg = why, .errlen = len };
	char uri[200];

	snprintf(uri, sizeof(uri), "sim:unix=%s?name=%s&lane=4096&lazy_us=60000000", hub.path, name);
	return vmq_open(uri, &o, q);
}

static struct vmq *vm(const char *name)
{
	char why[200] = "";
	struct vmq *q = NULL;

	cr_assert_eq(open_vm(name, &q, why, sizeof(why)), 0, "%s", why);
	return q;
}

static void meet(struct vmq *a, struct vmq *b, uint32_t *to_a, uint32_t *to_b)
{
	uint64_t until = now_ns() + PATIENCE;
	int rc;

	do {
		vmq_peer(b, "a", VMQ_NOWAIT, to_a);
		rc = vmq_peer(a, "b", VMQ_NOWAIT, to_b);
	} while (rc == VMQ_EAGAIN && now_ns() < until);
	cr_assert_eq(rc, 0);
	cr_assert_eq(vmq_peer(b, "a", PATIENCE, to_a), 0);
}

Test(hub_gone, never_there)
{
	char why[200] = "";
	struct vmq *q = NULL;

	hub_crash(&hub);
	cr_expect_eq(open_vm("a", &q, why, sizeof(why)), VMQ_ECONN, "its socket is still there");
	cr_expect(strstr(why, "no hub listens"), "%s", why);
	cr_expect_null(q);
	unlink(hub.path);
	cr_expect_eq(open_vm("a", &q, why, sizeof(why)), VMQ_ECONN);
	cr_expect(strstr(why, hub.path), "%s", why);
}

Test(hub_gone, what_was_sent_is_received)
{
	struct vmq_event e = { .size = sizeof(e) };
	struct vmq *a = vm("a"), *b = vm("b");
	uint32_t to_a, to_b, n;
	struct vmq_msg msg;
	int ends = 0;
	int64_t rc;

	meet(a, b, &to_a, &to_b);
	for (uint32_t i = 0; i < 20; i++)
		cr_assert_eq(vmq_send(a, to_b, &i, sizeof(i), 0, VMQ_NOWAIT), 0);
	hub_crash(&hub);
	for (uint32_t i = 0; i < 20; i++) {
		cr_assert_eq(vmq_recv(b, &n, sizeof(n), &msg, PATIENCE), (int64_t)sizeof(n));
		cr_assert_eq(n, i);
	}
	/* Then that a has gone, then that all is gone, for ever. */
	while ((rc = vmq_recv(b, &n, sizeof(n), &msg, PATIENCE)) == VMQ_EGONE)
		ends++;
	cr_expect_eq(rc, VMQ_ECONN, "%s", vmq_errname((int)rc));
	cr_expect_eq(ends, 1);
	cr_expect_eq(vmq_recv(b, &n, sizeof(n), &msg, VMQ_FOREVER), VMQ_ECONN);
	cr_expect_eq(vmq_send(b, to_a, "x", 1, 0, PATIENCE), VMQ_EGONE);
	cr_expect_eq(vmq_peer(b, "c", VMQ_FOREVER, &n), VMQ_ECONN);
	do {
		rc = vmq_event(b, &e, PATIENCE);
	} while (!rc && e.type != VMQ_EVENT_DOWN);
	cr_expect_eq(rc, 0);
	cr_expect_eq(vmq_close(a), 0);
	cr_expect_eq(vmq_close(b), 0);
}

/* ---- blocked calls ------------------------------------------------------------------- */

struct call {
	struct vmq *q;
	uint32_t to;
	int64_t rc;
	atomic_int tid;
};

static void *blocked_recv(void *arg)
{
	struct call *c = arg;
	char buf[8];

	atomic_store(&c->tid, thread_id());
	do {
		c->rc = vmq_recv(c->q, buf, sizeof(buf), NULL, VMQ_FOREVER);
	} while (c->rc == VMQ_EGONE);
	return NULL;
}

static void *blocked_send(void *arg)
{
	struct call *c = arg;

	atomic_store(&c->tid, thread_id());
	do {
		c->rc = vmq_send(c->q, c->to, "x", 1, 0, VMQ_FOREVER);
	} while (!c->rc);
	return NULL;
}

static void *blocked_peer(void *arg)
{
	struct call *c = arg;

	atomic_store(&c->tid, thread_id());
	c->rc = vmq_peer(c->q, "nobody", VMQ_FOREVER, &c->to);
	return NULL;
}

static void *blocked_event(void *arg)
{
	struct vmq_event e = { .size = sizeof(e) };
	struct call *c = arg;

	atomic_store(&c->tid, thread_id());
	do {
		c->rc = vmq_event(c->q, &e, VMQ_FOREVER);
	} while (!c->rc && e.type != VMQ_EVENT_DOWN);
	return NULL;
}

static void ends_with(void *(*body)(void *), int64_t rc)
{
	struct vmq *a = vm("a"), *b = vm("b");
	struct call c = { .q = a };
	pthread_t thread;
	uint32_t to_a;

	meet(a, b, &to_a, &c.to);
	pthread_create(&thread, NULL, body, &c);
	while (!atomic_load(&c.tid))
		;
	cr_assert(thread_sleeps(atomic_load(&c.tid)));
	hub_crash(&hub);
	pthread_join(thread, NULL);
	cr_expect_eq(c.rc, rc, "%s", vmq_errname((int)c.rc));
	vmq_close(a);
	vmq_close(b);
}

Test(hub_gone, under_recv) { ends_with(blocked_recv, VMQ_ECONN); }
Test(hub_gone, under_send) { ends_with(blocked_send, VMQ_EGONE); }
Test(hub_gone, under_peer) { ends_with(blocked_peer, VMQ_ECONN); }
Test(hub_gone, under_event) { ends_with(blocked_event, 0); }

Test(hub_gone, back_again)
{
	struct vmq *a = vm("a"), *b, *again;
	uint32_t to_a, to_b;
	char c;

	hub_crash(&hub);
	cr_assert(hub_restart(&hub));
	/* The old endpoint stays without a fabric; a new one of its name is fine. */
	again = vm("a");
	b = vm("b");
	meet(again, b, &to_a, &to_b);
	cr_expect_eq(vmq_send(again, to_b, "x", 1, 0, PATIENCE), 0);
	cr_expect_eq(vmq_recv(b, &c, 1, NULL, PATIENCE), 1);
	cr_expect_eq(vmq_recv(a, &c, 1, NULL, PATIENCE), VMQ_ECONN);
	vmq_close(a);
	vmq_close(b);
	vmq_close(again);
}

Test(hub_gone, two_of_one_name)
{
	char why[200] = "";
	struct vmq *a = vm("a"), *other = NULL;

	cr_expect_eq(open_vm("a", &other, why, sizeof(why)), VMQ_EEXIST);
	cr_expect(strstr(why, "there is a VM 'a' on this hub already"), "%s", why);
	cr_expect_null(other);
	vmq_close(a);
}
