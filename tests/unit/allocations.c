/* SPDX-License-Identifier: BSD-2-Clause */
/* allocations.c - messages of every kind go and come without one allocation. */
#include <criterion/criterion.h>
#include <string.h>

#include "alloc.h"
#include "support.h"

#define MESSAGES 100000u

static struct vmq *a, *b;
static uint32_t to_b;
static uint8_t out[70000], in[70000];

static void open_pair(void)
{
	uint32_t id;
	int rc;

	cr_assert_eq(vmq_open("sim:count?name=a&max=70000", NULL, &a), 0);
	cr_assert_eq(vmq_open("sim:count?name=b&max=70000", NULL, &b), 0);
	do {
		vmq_peer(b, "a", VMQ_NOWAIT, &id);
		rc = vmq_peer(a, "b", VMQ_NOWAIT, &to_b);
	} while (rc == VMQ_EAGAIN);
	cr_assert_eq(rc, 0);
}

static void close_pair(void)
{
	vmq_close(a);
	vmq_close(b);
}

TestSuite(allocations, .init = open_pair, .fini = close_pair);

static void one(uint32_t i, size_t len, uint32_t flags)
{
	struct vmq_msg msg;

	(void)i;
	cr_assert_eq(vmq_send(a, to_b, out, len, flags, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_recv(b, in, sizeof(in), &msg, VMQ_NOWAIT), (int64_t)len);
}

static void plain(uint32_t i)
{
	one(i, i % 1000, i % 3);
}

static void fragments(uint32_t i)
{
	one(i, 65520 + i % 4000, i % 3);
}

static void pieces(uint32_t i)
{
	struct vmq_iovec iov[3] = { { out, i % 50 }, { out + 50, 20 }, { out, 1 } };
	struct vmq_msg msg;

	cr_assert_eq(vmq_sendv(a, to_b, iov, 3, 0, VMQ_NOWAIT), 0);
	cr_assert_geq(vmq_recv(b, in, sizeof(in), &msg, VMQ_NOWAIT), 21);
}

static void batch(uint32_t i)
{
	struct vmq_iovec iov[8];
	struct vmq_msg msg[8];

	if (i % 8)
		return;
	for (int k = 0; k < 8; k++) {
		iov[k] = (struct vmq_iovec){ out, 64 };
		msg[k] = (struct vmq_msg){ .data = in + k * 64, .cap = 64 };
	}
	cr_assert_eq(vmq_send_batch(a, to_b, iov, 8, 0, VMQ_NOWAIT), 8);
	for (int got = 0; got < 8;) {
		int n = vmq_recv_batch(b, msg, 8, VMQ_NOWAIT);

		cr_assert_gt(n, 0);
		got += n;
	}
}

static void in_place(uint32_t i)
{
	struct vmq_msg msg;
	void *room;

	cr_assert_eq(vmq_reserve(a, to_b, i % 500, &room, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_commit(a, i % 500, 0), 0);
	cr_assert_eq(vmq_peek(b, &msg, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_release(b), 0);
}

static void pages(uint32_t i)
{
	enum vmq_page_mode mode = (enum vmq_page_mode)(1 + i % 3);
	struct vmq_page page;
	struct vmq_msg msg;

	if (i % 20) /* each is some system calls */
		return;
	cr_assert_eq(vmq_page_alloc(a, to_b, 8192, &page, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_page_send(a, &page, mode, "p", 1, i % 2, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_recv(b, in, sizeof(in), &msg, VMQ_NOWAIT), 1);
	cr_assert_eq(vmq_page_free(b, &msg.page), 0);
	if (mode != VMQ_PAGE_MOVE)
		cr_assert_eq(vmq_page_free(a, &page), 0);
}

static void broadcasts(uint32_t i)
{
	struct vmq_msg msg;

	cr_assert_eq(vmq_broadcast(a, out, i % 300, 0, VMQ_NOWAIT), 1);
	cr_assert_geq(vmq_recv(b, in, sizeof(in), &msg, VMQ_NOWAIT), 0);
}

static void refusals(uint32_t i)
{
	struct vmq_msg msg;

	(void)i;
	cr_assert_eq(vmq_recv(b, in, sizeof(in), &msg, VMQ_NOWAIT), VMQ_EAGAIN);
	cr_assert_eq(vmq_send(a, to_b, out, 70001, 0, VMQ_NOWAIT), VMQ_EMSGSIZE);
	cr_assert_eq(vmq_send(a, 3000, out, 1, 0, VMQ_NOWAIT), VMQ_ENOENT);
}

static void none_in(void (*step)(uint32_t))
{
	for (uint32_t i = 0; i < 1000; i++)
		step(i);
	alloc_reset();
	for (uint32_t i = 0; i < MESSAGES; i++)
		step(i);
	cr_expect_eq(alloc_calls(), 0u, "%lu allocations", alloc_calls());
}

Test(allocations, plain) { none_in(plain); }
Test(allocations, fragments) { none_in(fragments); }
Test(allocations, pieces) { none_in(pieces); }
Test(allocations, batch) { none_in(batch); }
Test(allocations, in_place) { none_in(in_place); }
Test(allocations, pages) { none_in(pages); }
Test(allocations, broadcasts) { none_in(broadcasts); }
Test(allocations, refusals) { none_in(refusals); }

/* The counter itself: opening an endpoint does allocate. */
Test(allocations, are_counted)
{
	struct vmq *c;

	alloc_reset();
	cr_assert_eq(vmq_open("sim:count?name=c", NULL, &c), 0);
	cr_expect_gt(alloc_calls(), 5u);
	vmq_close(c);
}
