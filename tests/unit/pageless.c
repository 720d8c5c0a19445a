/* SPDX-License-Identifier: BSD-2-Clause */
/* pageless.c - a peer sends pages that are none, as the transport finds out when it is to
 * map them. */
#include <criterion/criterion.h>

#include <vmq/transport.h>

#include "support.h"

extern const struct vmq_transport vmq__sim_transport;

/* What pages_map says, call by call; 0 at the end: as the sim does. */
static int answer[4];
static unsigned asked;

static int refuse(void *state, void *chan, struct vmq_page *run, unsigned mode)
{
	int rc = mode && asked < 4 ? answer[asked++] : 0;

	return rc ? rc : vmq__sim_transport.pages_map(state, chan, run, mode);
}

static struct vmq_transport transport;
static struct vmq *a, *b, *c;
static uint32_t to_b, from_a;

static void start(void)
{
	struct vmq_options o = { .size = sizeof(o), .transport = &transport };

	transport = vmq__sim_transport;
	transport.pages_map = refuse;
	cr_assert_eq(vmq_open("sim:pageless?name=a&pages=4", NULL, &a), 0);
	cr_assert_eq(vmq_open("sim:pageless?name=b", &o, &b), 0);
	cr_assert_eq(vmq_open("sim:pageless?name=c", NULL, &c), 0);
	to_b = both_meet(a, "b", b, "a");
	cr_assert_eq(vmq_peer(b, "a", PATIENCE, &from_a), 0);
	cr_assert_eq(both_meet(c, "b", b, "c"), to_b);
}

static void stop(void)
{
	vmq_close(a);
	vmq_close(b);
	vmq_close(c);
}

TestSuite(pageless, .init = start, .fini = stop);

static void lend(void)
{
	struct vmq_page page;

	cr_assert_eq(vmq_page_alloc(a, to_b, 100, &page, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_page_send(a, &page, VMQ_PAGE_LEND, "page", 4, 0, VMQ_NOWAIT), 0);
}

static void other_sends(void)
{
	cr_assert_eq(vmq_send(c, to_b, "from c", 6, 0, VMQ_NOWAIT), 0);
}

/* The peer is poisoned, once, and the other one's message is there. */
static void ends(void)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	unsigned ended = 0, got = 0;
	struct vmq_msg msg;
	char buf[16];

	for (int i = 0; i < 4; i++) {
		int64_t rc = vmq_recv(b, buf, sizeof(buf), &msg, VMQ_NOWAIT);

		got += rc == 6;
		ended += rc == VMQ_EPEER && msg.peer == from_a;
		cr_expect(rc == 6 || rc == VMQ_EPEER || rc == VMQ_EAGAIN, "%lld", (long long)rc);
	}
	cr_expect_eq(ended, 1u);
	cr_expect_eq(got, 1u);
	cr_assert_eq(vmq_peer_info(b, from_a, &info), 0);
	cr_expect_eq(info.state, VMQ_EPEER);
	cr_expect_eq(info.poison, VMQ_POISON_PAGE_RANGE);
}

Test(pageless, at_once)
{
	answer[0] = VMQ_EPEER;
	lend();
	other_sends();
	ends();
}

/* The message was staged while there was no room for its pages. */
Test(pageless, when_there_is_room)
{
	char buf[16];

	answer[0] = answer[1] = VMQ_ENOMEM;
	answer[2] = VMQ_EPEER;
	lend();
	cr_expect_eq(vmq_recv(b, buf, sizeof(buf), NULL, VMQ_NOWAIT), VMQ_ENOMEM);
	other_sends();
	ends();
}

Test(pageless, when_peeked_at)
{
	struct vmq_msg msg;

	answer[0] = VMQ_ENOMEM;
	answer[1] = VMQ_EPEER;
	lend();
	cr_expect_eq(vmq_peek(b, &msg, VMQ_NOWAIT), VMQ_EPEER);
	cr_expect_eq(msg.peer, from_a);
	other_sends();
	cr_expect_eq(vmq_peek(b, &msg, VMQ_NOWAIT), 0, "the other's message");
	cr_expect_eq(vmq_release(b), 0);
}
