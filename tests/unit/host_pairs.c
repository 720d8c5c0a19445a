/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host_pairs.c - the VMM refuses a pair that is connected: whichever call of the two
 * finds out first, it says VMQ_EACCES and not that a peer has left.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "host_vmm.h"

TestSuite(host_pairs, .init = vmm_prepare, .fini = vmm_stop);

static struct vmq *a, *b;
static uint32_t to_a, to_b;

/* Two endpoints of the VMM itself. The news of their JOINs is taken: what follows is
 * about the end. */
static void two_on_vmm(void)
{
	struct vmq_event e = { .size = sizeof(e) };

	vmm_listen(0);
	a = on_vmm("a");
	b = on_vmm("b");
	to_b = both_meet(a, "b", b, "a");
	to_a = (uint32_t)vmq_id(a);
	cr_assert_eq(vmq_event(a, &e, PATIENCE), 0);
	cr_assert_eq(vmq_event(b, &e, PATIENCE), 0);
}

static void both_close(void)
{
	vmq_close(a);
	vmq_close(b);
}

static void refuse(void)
{
	cr_assert_eq(vmq_vmm_refuse(vmm, "a", "b"), 0);
}

static void expect_leave(struct vmq *q, int reason)
{
	struct vmq_event e = { .size = sizeof(e) };

	cr_expect_eq(vmq_event(q, &e, PATIENCE), 0);
	cr_expect_eq(e.type, (uint32_t)VMQ_EVENT_LEAVE);
	cr_expect_eq(e.reason, reason, "%s", vmq_errname(e.reason));
}

static int state_of(struct vmq *q, uint32_t peer)
{
	struct vmq_peer_info info = { .size = sizeof(info) };

	cr_assert_eq(vmq_peer_info(q, peer, &info), 0);
	return info.state;
}

Test(host_pairs, a_receiver_hears_why)
{
	struct vmq_msg msg;
	char buf[8];

	two_on_vmm();
	cr_expect_eq(vmq_send(a, to_b, "last", 4, VMQ_SEND_AUTO, VMQ_NOWAIT), 0);
	refuse();
	cr_expect_eq(vmq_recv(b, buf, sizeof(buf), &msg, PATIENCE), 4, "it was sent before");
	cr_expect_eq(vmq_recv(b, buf, sizeof(buf), &msg, PATIENCE), VMQ_EACCES);
	cr_expect_eq(msg.peer, to_a);
	expect_leave(b, VMQ_EACCES);
	cr_expect_eq(state_of(b, to_a), VMQ_EACCES);
	cr_expect_eq(vmq_recv(b, buf, sizeof(buf), &msg, VMQ_NOWAIT), VMQ_EAGAIN);
	both_close();
}

Test(host_pairs, a_sender_hears_why)
{
	struct vmq_iovec iov = { "x", 1 };
	struct vmq_page page;
	void *data;

	two_on_vmm();
	refuse();
	cr_expect_eq(vmq_send(a, to_b, "x", 1, VMQ_SEND_AUTO, VMQ_NOWAIT), VMQ_EACCES);
	cr_expect_eq(vmq_sendv(a, to_b, &iov, 1, VMQ_SEND_AUTO, PATIENCE), VMQ_EACCES);
	cr_expect_eq(vmq_send_batch(a, to_b, &iov, 1, VMQ_SEND_AUTO, PATIENCE), VMQ_EACCES);
	cr_expect_eq(vmq_reserve(a, to_b, 1, &data, VMQ_NOWAIT), VMQ_EACCES);
	cr_expect_eq(vmq_page_alloc(a, to_b, 1, &page, VMQ_NOWAIT), VMQ_EACCES);
	cr_expect_eq(vmq_broadcast(a, "x", 1, VMQ_SEND_AUTO, VMQ_NOWAIT), 0);
	expect_leave(a, VMQ_EACCES);
	/* Long after, too. */
	cr_expect_eq(vmq_send(a, to_b, "x", 1, VMQ_SEND_AUTO, VMQ_NOWAIT), VMQ_EACCES);
	cr_expect_eq(vmq_peer(a, "b", VMQ_NOWAIT, &to_b), VMQ_EACCES);
	both_close();
}

Test(host_pairs, in_the_middle_of_a_message)
{
	struct vmq_page page;
	void *data;

	two_on_vmm();
	cr_assert_eq(vmq_page_alloc(b, to_a, 1, &page, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_reserve(a, to_b, 1, &data, VMQ_NOWAIT), 0);
	refuse();
	cr_expect_eq(vmq_commit(a, 1, VMQ_SEND_AUTO), VMQ_EACCES);
	cr_expect_eq(vmq_page_send(b, &page, VMQ_PAGE_MOVE, NULL, 0, VMQ_SEND_AUTO, VMQ_NOWAIT), VMQ_EACCES);
	cr_expect_eq(vmq_page_free(b, &page), 0, "it did not change hands");
	both_close();
}

/* The other has heard, let go of the channel, or ended: why it did does not change. */
Test(host_pairs, the_first_reason_stays)
{
	char buf[8];

	two_on_vmm();
	refuse();
	expect_leave(b, VMQ_EACCES);
	vmq_close(b);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), NULL, PATIENCE), VMQ_EACCES);
	vmq_close(a);
}

Test(host_pairs, who_just_leaves_is_gone)
{
	char buf[8];

	two_on_vmm();
	vmq_close(b);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), NULL, PATIENCE), VMQ_EGONE);
	cr_expect_eq(state_of(a, to_b), VMQ_EGONE);
	vmq_close(a);
}

/* Allowed again before anybody looked: one end, with its reason, and a new life. */
Test(host_pairs, and_allowed_again)
{
	struct vmq_event e = { .size = sizeof(e) };
	char buf[8];

	two_on_vmm();
	refuse();
	cr_assert_eq(vmq_vmm_allow(vmm, "a", "b"), 0);
	both_meet(a, "b", b, "a");
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), NULL, PATIENCE), VMQ_EACCES);
	expect_leave(a, VMQ_EACCES);
	cr_expect_eq(vmq_event(a, &e, PATIENCE), 0);
	cr_expect_eq(e.type, (uint32_t)VMQ_EVENT_JOIN);
	cr_expect_eq(state_of(a, to_b), 0);
	cr_expect_eq(vmq_send(a, to_b, "x", 1, VMQ_SEND_AUTO, PATIENCE), 0);
	both_close();
}

/* ---- over a bridge ------------------------------------------------------------------- */

static void with_a_program(void)
{
	vmm_listen(0);
	serve_start();
	b = on_vmm("b");
	a = program("a");
	to_b = both_meet(a, "b", b, "a");
	to_a = (uint32_t)vmq_id(a);
	refuse();
}

Test(host_pairs, a_program_hears_why)
{
	char buf[8];

	with_a_program();
	cr_expect_eq(vmq_send(a, to_b, "x", 1, VMQ_SEND_AUTO, VMQ_NOWAIT), VMQ_EACCES);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), NULL, PATIENCE), VMQ_EACCES);
	both_close();
}

Test(host_pairs, and_who_talked_with_it)
{
	char buf[8];

	with_a_program();
	vmq_close(a);
	cr_expect_eq(vmq_recv(b, buf, sizeof(buf), NULL, PATIENCE), VMQ_EACCES);
	cr_expect_eq(vmq_send(b, to_a, "x", 1, VMQ_SEND_AUTO, VMQ_NOWAIT), VMQ_EACCES);
	vmq_close(b);
}
