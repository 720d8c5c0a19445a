/* SPDX-License-Identifier: BSD-2-Clause */
/* handles.c - every call with no handle, a closed handle, unknown flags, arguments
 * that make no sense. */
#include <criterion/criterion.h>
#include <string.h>

#include "support.h"

static void all_refuse(struct vmq *q)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	struct vmq_event event = { .size = sizeof(event) };
	struct vmq_stats stats = { .size = sizeof(stats) };
	struct vmq_iovec iov = { "x", 1 };
	struct vmq_page page = { 0 };
	struct vmq_msg msg = { 0 };
	uint32_t id = 0;
	char c = 0;
	void *room;

	cr_expect_eq(vmq_close(q), VMQ_EBADF);
	cr_expect_eq(vmq_id(q), VMQ_EBADF);
	cr_expect_eq(vmq_caps(q), 0u);
	cr_expect_eq(vmq_fd(q), VMQ_EBADF);
	cr_expect_eq(vmq_stats(q, &stats), VMQ_EBADF);
	cr_expect_eq(vmq_peer(q, "a", VMQ_NOWAIT, &id), VMQ_EBADF);
	cr_expect_eq(vmq_peer_info(q, 1, &info), VMQ_EBADF);
	cr_expect_eq(vmq_event(q, &event, VMQ_FOREVER), VMQ_EBADF);
	cr_expect_eq(vmq_send(q, 1, "x", 1, 0, VMQ_FOREVER), VMQ_EBADF);
	cr_expect_eq(vmq_sendv(q, 1, &iov, 1, 0, VMQ_FOREVER), VMQ_EBADF);
	cr_expect_eq(vmq_send_batch(q, 1, &iov, 1, 0, VMQ_FOREVER), VMQ_EBADF);
	cr_expect_eq(vmq_broadcast(q, "x", 1, 0, VMQ_FOREVER), VMQ_EBADF);
	cr_expect_eq(vmq_reserve(q, 1, 1, &room, VMQ_FOREVER), VMQ_EBADF);
	cr_expect_eq(vmq_commit(q, 1, 0), VMQ_EBADF);
	cr_expect_eq(vmq_flush(q), VMQ_EBADF);
	cr_expect_eq(vmq_yield(q), VMQ_EBADF);
	cr_expect_eq(vmq_page_alloc(q, 1, 1, &page, VMQ_FOREVER), VMQ_EBADF);
	cr_expect_eq(vmq_page_send(q, &page, VMQ_PAGE_MOVE, NULL, 0, 0, VMQ_FOREVER), VMQ_EBADF);
	cr_expect_eq(vmq_page_free(q, &page), VMQ_EBADF);
	cr_expect_eq(vmq_recv(q, &c, 1, &msg, VMQ_FOREVER), VMQ_EBADF);
	cr_expect_eq(vmq_recv_batch(q, &msg, 1, VMQ_FOREVER), VMQ_EBADF);
	cr_expect_eq(vmq_peek(q, &msg, VMQ_FOREVER), VMQ_EBADF);
	cr_expect_eq(vmq_release(q), VMQ_EBADF);
}

Test(handles, null)
{
	all_refuse(NULL);
}

Test(handles, closed)
{
	struct vmq *q, *next;

	cr_assert_eq(vmq_open("sim:h?name=a", NULL, &q), 0);
	cr_assert_eq(vmq_close(q), 0);
	all_refuse(q);
	/* Nor is it the next endpoint's. */
	cr_assert_eq(vmq_open("sim:h?name=a", NULL, &next), 0);
	all_refuse(q);
	cr_expect_gt(vmq_id(next), 0);
	vmq_close(next);
}

static struct vmq *q;
static uint32_t self;

static void open_one(void)
{
	cr_assert_eq(vmq_open("sim:h?name=a&lane=4096&max=3000&pages=2", NULL, &q), 0);
	self = (uint32_t)vmq_id(q);
}

static void close_one(void)
{
	/* Whatever was refused, nothing of it is in the queue. */
	cr_expect_eq(vmq_recv(q, NULL, 0, NULL, VMQ_NOWAIT), VMQ_EAGAIN);
	cr_expect_eq(vmq_close(q), 0);
}

TestSuite(arguments, .init = open_one, .fini = close_one);

Test(arguments, unknown_flags)
{
	struct vmq_iovec iov = { "x", 1 };
	struct vmq_pollfd fd = { .q = q, .events = 1u << 7 };
	struct vmq_page page;
	void *room;

	cr_assert_eq(vmq_page_alloc(q, self, 1, &page, VMQ_NOWAIT), 0);
	for (uint32_t flags = 3; flags; flags <<= 1) {
		cr_expect_eq(vmq_send(q, self, "x", 1, flags, VMQ_NOWAIT), VMQ_EINVAL);
		cr_expect_eq(vmq_sendv(q, self, &iov, 1, flags, VMQ_NOWAIT), VMQ_EINVAL);
		cr_expect_eq(vmq_send_batch(q, self, &iov, 1, flags, VMQ_NOWAIT), VMQ_EINVAL);
		cr_expect_eq(vmq_broadcast(q, "x", 1, flags, VMQ_NOWAIT), VMQ_EINVAL);
		cr_expect_eq(vmq_page_send(q, &page, VMQ_PAGE_MOVE, NULL, 0, flags, 0), VMQ_EINVAL);
		cr_assert_eq(vmq_reserve(q, self, 1, &room, VMQ_NOWAIT), 0);
		cr_expect_eq(vmq_commit(q, 1, flags), VMQ_EINVAL);
	}
	cr_expect_eq(vmq_poll(&fd, 1, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_page_free(q, &page), 0);
}

Test(arguments, null_and_nonsense)
{
	struct vmq_iovec hole = { NULL, 1 }, huge[2] = { { "x", SIZE_MAX / 2 }, { "x", SIZE_MAX / 2 } };
	struct vmq_page page;

	cr_expect_eq(vmq_send(q, self, NULL, 1, 0, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_send(q, self, "x", SIZE_MAX, 0, VMQ_NOWAIT), VMQ_EMSGSIZE);
	cr_expect_eq(vmq_sendv(q, self, NULL, 1, 0, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_sendv(q, self, &hole, 1, 0, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_lt(vmq_sendv(q, self, huge, 2, 0, VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_sendv(q, self, huge, 1025, 0, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_send_batch(q, self, NULL, 1, 0, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_send_batch(q, self, huge, 0, 0, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_send_batch(q, self, &hole, 1, 0, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_broadcast(q, NULL, 1, 0, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_reserve(q, self, 1, NULL, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_page_alloc(q, self, 1, NULL, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_page_send(q, NULL, VMQ_PAGE_MOVE, NULL, 0, 0, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_page_free(q, NULL), VMQ_EINVAL);
	memset(&page, 0xff, sizeof(page));
	cr_expect_eq(vmq_page_free(q, &page), VMQ_ESTALE);
	cr_expect_lt(vmq_page_send(q, &page, VMQ_PAGE_MOVE, NULL, 0, 0, VMQ_NOWAIT), 0);
}

Test(arguments, null_and_nonsense_to_fill)
{
	struct vmq_pollfd fd = { .q = q, .events = VMQ_POLL_IN };
	struct vmq_peer_info info = { .size = 8 };
	struct vmq_event event = { .size = 8 };
	struct vmq_stats stats = { .size = 8 };
	struct vmq_msg msg = { .cap = 8 };
	uint32_t id;

	cr_expect_eq(vmq_recv(q, NULL, 1, &msg, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_recv_batch(q, NULL, 1, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_recv_batch(q, &msg, 0, VMQ_NOWAIT), VMQ_EINVAL);
	msg = (struct vmq_msg){ .cap = 8 };
	cr_expect_eq(vmq_recv_batch(q, &msg, 1, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_peek(q, NULL, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_peer(q, NULL, VMQ_NOWAIT, &id), VMQ_EINVAL);
	cr_expect_eq(vmq_peer(q, "", VMQ_NOWAIT, &id), VMQ_EINVAL);
	cr_expect_eq(vmq_peer(q, "a", VMQ_NOWAIT, NULL), VMQ_EINVAL);
	cr_expect_eq(vmq_peer_info(q, self, &info), VMQ_EINVAL);
	cr_expect_eq(vmq_peer_info(q, self, NULL), VMQ_EINVAL);
	cr_expect_eq(vmq_event(q, &event, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_event(q, NULL, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_stats(q, &stats), VMQ_EINVAL);
	cr_expect_eq(vmq_stats(q, NULL), VMQ_EINVAL);
	cr_expect_eq(vmq_poll(NULL, 1, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_poll(&fd, 0, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_poll(&fd, VMQ_POLL_LIMIT + 1, VMQ_NOWAIT), VMQ_EINVAL);
}

Test(arguments, page_handle_of_nonsense)
{
	struct vmq_page page, wrong;
	uint8_t *bytes = (uint8_t *)&wrong;
	uint64_t x = 2463534242u;
	int good = 0;

	cr_assert_eq(vmq_page_alloc(q, self, 1, &page, VMQ_NOWAIT), 0);
	for (int i = 0; i < 20000; i++) {
		wrong = page;
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		/* addr and len are the caller's own; the rest is the library's. */
		bytes[offsetof(struct vmq_page, peer) + (x >> 8) % 24] ^= (uint8_t)(1 + x % 255);
		good += vmq_page_free(q, &wrong) == 0;
	}
	cr_expect_eq(good, 0);
	cr_expect_eq(vmq_page_free(q, &page), 0);
}
