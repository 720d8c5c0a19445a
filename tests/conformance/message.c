/* SPDX-License-Identifier: BSD-2-Clause */
/* message.c - messages of all sizes, by all calls, arrive whole and in order. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

#define LANE 16384u
#define MAX 65536u
#define SMALL "lane=16384&max=65536"

TestSuite(message, .init = conf_start, .fini = conf_stop);

static uint8_t out[MAX + 1], in[MAX + 1];

/* To the echo and back. */
static void there_and_back(struct vmq *a, uint32_t b, size_t len, uint32_t flags)
{
	struct vmq_msg msg;
	int64_t n;

	pattern(out, len, (uint32_t)len);
	memset(in, 0, len);
	cr_assert_eq(vmq_send(a, b, out, len, flags, PATIENCE), 0);
	n = vmq_recv(a, in, sizeof(in), &msg, PATIENCE);
	cr_assert_eq(n, (int64_t)len, "%lld of %zu bytes", (long long)n, len);
	cr_assert_eq(msg.peer, b);
	cr_assert_eq(msg.len, len);
	cr_assert_eq(msg.flags, 0u);
	cr_assert(matches(in, len, (uint32_t)len), "bytes of a message of %zu", len);
}

Test(message, every_size)
{
	struct vmq *a = conf_vm("a", SMALL);
	struct conf_peer peer;
	uint32_t b;

	conf_spawn(&peer, "b", echo, SMALL);
	b = conf_meet(a, "b");
	cr_assert(b);
	for (size_t len = 0; len <= 300; len++)
		there_and_back(a, b, len, VMQ_SEND_AUTO);
	/* Around the inline limit, the lane's size and the largest message. */
	for (size_t len = LANE / 4 - 200; len <= LANE / 4 + 8; len++)
		there_and_back(a, b, len, VMQ_SEND_NOW);
	for (size_t len = 512; len <= MAX; len *= 2)
		for (int d = -1; d <= 1 && len + (size_t)d <= MAX; d++)
			there_and_back(a, b, len + (size_t)d, VMQ_SEND_AUTO);
	vmq_close(a);
	conf_join(&peer);
}

Test(message, too_large)
{
	struct vmq_iovec two[2] = { { out, MAX }, { out, 1 } };
	struct vmq *a = conf_vm("a", SMALL);
	struct conf_peer peer;
	void *room;
	uint32_t b;

	conf_spawn(&peer, "b", echo, SMALL);
	b = conf_meet(a, "b");
	cr_expect_eq(vmq_send(a, b, out, MAX + 1, 0, PATIENCE), VMQ_EMSGSIZE);
	cr_expect_eq(vmq_sendv(a, b, two, 2, 0, PATIENCE), VMQ_EMSGSIZE);
	cr_expect_eq(vmq_send(a, b, out, LANE, 0, VMQ_NOWAIT), VMQ_EMSGSIZE);
	cr_expect_eq(vmq_reserve(a, b, LANE / 4, &room, PATIENCE), VMQ_EMSGSIZE);
	cr_expect_eq(vmq_send_batch(a, b, two, 2, 0, PATIENCE), VMQ_EMSGSIZE);
	there_and_back(a, b, 100, 0); /* nothing of these got through */
	vmq_close(a);
	conf_join(&peer);
}

Test(message, in_pieces)
{
	struct vmq *a = conf_vm("a", SMALL);
	struct vmq_iovec iov[7];
	struct conf_peer peer;
	struct vmq_msg msg;
	uint32_t b;

	conf_spawn(&peer, "b", echo, SMALL);
	b = conf_meet(a, "b");
	for (size_t total = 7; total < MAX; total = total * 3 + 1) {
		size_t at = 0;

		pattern(out, total, 3);
		for (int i = 0; i < 7; i++) {
			/* Some of the pieces are empty. */
			iov[i] = (struct vmq_iovec){ out + at, i == 6 ? total - at : i % 2 ? total / 7 : 0 };
			at += iov[i].len;
		}
		cr_assert_eq(vmq_sendv(a, b, iov, 7, 0, PATIENCE), 0);
		cr_assert_eq(vmq_recv(a, in, sizeof(in), &msg, PATIENCE), (int64_t)total);
		cr_assert(matches(in, total, 3));
	}
	vmq_close(a);
	conf_join(&peer);
}

Test(message, batches)
{
	struct vmq *a = conf_vm("a", SMALL);
	struct vmq_iovec msgs[64];
	struct vmq_msg got[64];
	struct conf_peer peer;
	unsigned taken = 0;
	uint32_t b;

	conf_spawn(&peer, "b", echo, SMALL);
	b = conf_meet(a, "b");
	for (unsigned i = 0; i < 64; i++) {
		pattern(out + i * 128, 128, i);
		msgs[i] = (struct vmq_iovec){ out + i * 128, i * 2 };
	}
	cr_assert_eq(vmq_send_batch(a, b, msgs, 64, 0, PATIENCE), 64);
	while (taken < 64) {
		int n;

		for (unsigned i = 0; i < 64; i++)
			got[i] = (struct vmq_msg){ .data = in + i * 128, .cap = 128 };
		n = vmq_recv_batch(a, got, 5, PATIENCE);
		cr_assert(n >= 1 && n <= 5, "%d", n);
		for (int i = 0; i < n; i++, taken++) {
			cr_assert_eq(got[i].len, taken * 2);
			cr_assert(matches(got[i].data, got[i].len, taken));
		}
	}
	vmq_close(a);
	conf_join(&peer);
}

Test(message, batch_ends_at_a_short_buffer)
{
	struct vmq *a = conf_vm("a", NULL);
	struct vmq_msg got[3] = { { .data = in, .cap = 8 }, { .data = in + 8, .cap = 8 },
		{ .data = in + 16, .cap = 64 } };
	uint32_t self = (uint32_t)vmq_id(a);

	vmq_send(a, self, "one", 3, 0, 0);
	vmq_send(a, self, "a longer one", 12, 0, 0);
	cr_expect_eq(vmq_recv_batch(a, got, 3, PATIENCE), 1);
	cr_expect_eq(vmq_recv_batch(a, got, 3, PATIENCE), VMQ_EMSGSIZE);
	cr_expect_eq(got[0].len, 12u);
	got[0].cap = 12;
	cr_expect_eq(vmq_recv_batch(a, got, 3, PATIENCE), 1);
	cr_expect_arr_eq(in, "a longer one", 12);
	vmq_close(a);
}

Test(message, in_place)
{
	struct vmq *a = conf_vm("a", SMALL);
	struct conf_peer peer;
	struct vmq_msg msg;
	void *room, *again;
	uint32_t b;

	conf_spawn(&peer, "b", echo, SMALL);
	b = conf_meet(a, "b");
	cr_expect_eq(vmq_commit(a, 0, 0), VMQ_EINVAL, "nothing is reserved");
	for (uint32_t i = 0; i < 500; i++) {
		size_t len = i * 7 % 3000;

		cr_assert_eq(vmq_reserve(a, b, len + 50, &again, PATIENCE), 0);
		if (i % 2)
			cr_assert_eq(vmq_cancel(a), 0);
		cr_assert_eq(vmq_reserve(a, b, len, &room, PATIENCE), 0);
		pattern(room, len, i);
		cr_expect_eq(vmq_commit(a, len + 1, 0), VMQ_EINVAL, "more than was reserved");
		cr_assert_eq(vmq_commit(a, len - len / 3, 0), 0);
		cr_assert_eq(vmq_recv(a, in, sizeof(in), &msg, PATIENCE), (int64_t)(len - len / 3));
		cr_assert(matches(in, len - len / 3, i));
	}
	vmq_close(a);
	conf_join(&peer);
}

Test(message, short_buffer)
{
	struct vmq *a = conf_vm("a", SMALL);
	struct conf_peer peer;
	struct vmq_msg msg;
	uint32_t b;

	conf_spawn(&peer, "b", echo, SMALL);
	b = conf_meet(a, "b");
	/* In one record, and in fragments. */
	for (size_t len = 100; len <= 20100; len += 20000) {
		pattern(out, len, 1);
		cr_assert_eq(vmq_send(a, b, out, len, 0, PATIENCE), 0);
		for (int i = 0; i < 3; i++) {
			memset(in, 0xee, sizeof(in));
			cr_expect_eq(vmq_recv(a, in, len - 1, &msg, PATIENCE), VMQ_EMSGSIZE);
			cr_expect_eq(msg.len, len);
			cr_expect_eq(msg.peer, b);
			cr_expect_eq(in[0], 0xee, "nothing is written");
		}
		cr_expect_eq(vmq_recv(a, NULL, 0, &msg, PATIENCE), VMQ_EMSGSIZE);
		cr_expect_eq(vmq_recv(a, in, len, &msg, PATIENCE), (int64_t)len);
		cr_expect(matches(in, len, 1));
	}
	vmq_close(a);
	conf_join(&peer);
}

Test(message, peek_and_release)
{
	struct vmq *a = conf_vm("a", SMALL);
	struct conf_peer peer;
	struct vmq_msg msg;
	uint32_t b;

	conf_spawn(&peer, "b", echo, SMALL);
	b = conf_meet(a, "b");
	cr_expect_eq(vmq_peek(a, &msg, VMQ_NOWAIT), VMQ_EAGAIN);
	cr_expect_eq(vmq_release(a), VMQ_EINVAL);
	for (uint32_t i = 0; i < 2; i++) {
		pattern(out, 30000, i);
		cr_assert_eq(vmq_send(a, b, out, i ? 30000 : 30, 0, PATIENCE), 0);
	}
	for (uint32_t i = 0; i < 2; i++) {
		for (int look = 0; look < 3; look++) {
			cr_assert_eq(vmq_peek(a, &msg, PATIENCE), 0);
			cr_expect_eq(msg.len, i ? 30000u : 30u);
			cr_expect_eq(msg.peer, b);
			cr_expect(matches(msg.data, msg.len, i));
		}
		cr_expect_eq(vmq_release(a), 0);
		cr_expect_eq(vmq_release(a), VMQ_EINVAL);
	}
	cr_expect_eq(vmq_peek(a, &msg, VMQ_NOWAIT), VMQ_EAGAIN);
	vmq_close(a);
	conf_join(&peer);
}

Test(message, to_oneself)
{
	struct vmq *a = conf_vm("a", SMALL);
	uint32_t self = (uint32_t)vmq_id(a);
	struct vmq_msg msg;

	for (uint32_t i = 0; i < 3000; i++) {
		size_t len = i * 11 % 9000;

		pattern(out, len, i);
		cr_assert_eq(vmq_send(a, self, out, len, i % 3, VMQ_NOWAIT), 0);
		cr_assert_eq(vmq_recv(a, in, sizeof(in), &msg, PATIENCE), (int64_t)len);
		cr_assert_eq(msg.peer, self);
		cr_assert(matches(in, len, i));
	}
	cr_expect_eq(conf_stats(a).peers, 0u);
	vmq_close(a);
}

static void count_in_order(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, SMALL);
	uint32_t n, want = 0;
	struct vmq_msg msg;
	int64_t rc;

	while ((rc = vmq_recv(q, &n, sizeof(n), &msg, PATIENCE)) == sizeof(n))
		need(n == want++);
	need(rc == VMQ_EGONE);
	need(conf_stats(q).received == want);
	need(conf_stats(q).received_bytes == want * sizeof(n));
	need(vmq_close(q) == 0);
	peer_tell(me, want);
}

/* LAZY does not overtake, nor is it overtaken; what is sent last before leaving
 * arrives; both ends count the same. */
Test(message, order_and_count_across_modes)
{
	struct vmq *a = conf_vm("a", SMALL);
	struct vmq_stats s;
	struct conf_peer peer;
	uint32_t b, n = 30000;

	conf_spawn(&peer, "b", count_in_order, NULL);
	b = conf_meet(a, "b");
	for (uint32_t i = 0; i < n; i++)
		cr_assert_eq(vmq_send(a, b, &i, sizeof(i), i * 7 / 5 % 3, PATIENCE), 0);
	s = conf_stats(a);
	cr_expect_eq(s.sent, n);
	cr_expect_eq(s.sent_bytes, n * sizeof(n));
	cr_expect_geq(s.kicks_sent, s.exits_immediate);
	cr_expect_geq(s.exits_immediate, n / 4);
	vmq_close(a);
	cr_expect_eq(conf_hear(&peer), n);
	conf_join(&peer);
}
