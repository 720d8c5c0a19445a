/* SPDX-License-Identifier: BSD-2-Clause */
/* threadsafe.c - two endpoints, several senders and several receivers at each. */
#include <stdatomic.h>
#include <string.h>

#include "stress.h"

#define THREADS 3u
#define MESSAGES 20000u /* of each sender */

struct end {
	struct vmq *q;
	uint32_t peer;
	_Atomic uint64_t received, sum;
	atomic_uint streams;
};

/* By each of the sending calls in turn. */
static int send_one(struct end *e, const uint8_t *buf, uint32_t len, uint32_t n)
{
	struct vmq_iovec iov = { buf, len };
	void *room;
	int rc;

	if (len > 900 || n % 4 == 0)
		return vmq_send(e->q, e->peer, buf, len, n % 3, PATIENCE);
	if (n % 4 == 1)
		return vmq_sendv(e->q, e->peer, &iov, 1, n % 3, PATIENCE);
	if (n % 4 == 2)
		return vmq_send_batch(e->q, e->peer, &iov, 1, n % 3, PATIENCE) == 1 ? 0 : VMQ_EAGAIN;
	while ((rc = vmq_reserve(e->q, e->peer, len, &room, PATIENCE)) == VMQ_EBUSY)
		;
	if (rc)
		return rc;
	memcpy(room, buf, len);
	if (n % 8 == 3) /* others may send now */
		return vmq_cancel(e->q) ? VMQ_EINVAL : vmq_send(e->q, e->peer, buf, len, n % 3, PATIENCE);
	return vmq_commit(e->q, len, n % 3);
}

static void *sender(void *arg)
{
	struct end *e = arg;
	uint32_t stream = atomic_fetch_add(&e->streams, 1);
	uint8_t buf[STRESS_MAX];

	for (uint32_t n = 0; n < MESSAGES; n++)
		CHECK(send_one(e, buf, stress_make(buf, stream, n), n) == 0);
	return NULL;
}

static void *receiver(void *arg)
{
	struct end *e = arg;
	uint32_t last[THREADS], stream, n;
	uint8_t buf[STRESS_MAX];
	struct vmq_msg msg;

	memset(last, 0xff, sizeof(last));
	for (;;) {
		int64_t len = vmq_recv(e->q, buf, sizeof(buf), &msg, PATIENCE);

		if (len == 4)
			return NULL;
		n = stress_check(buf, len, &stream);
		CHECK(stream < THREADS);
		CHECK(last[stream] == UINT32_MAX || n > last[stream]);
		last[stream] = n;
		atomic_fetch_add(&e->received, 1);
		atomic_fetch_add(&e->sum, n);
	}
}

static void *other_calls(void *arg)
{
	struct vmq_stats s = { .size = sizeof(s) };
	struct vmq_event event = { .size = sizeof(event) };
	struct end *e = arg;

	for (int i = 0; i < 3000; i++) {
		CHECK(vmq_stats(e->q, &s) == 0);
		CHECK(vmq_flush(e->q) >= 0);
		CHECK(vmq_yield(e->q) == 0);
		vmq_event(e->q, &event, VMQ_NOWAIT);
	}
	return NULL;
}

int main(void)
{
	struct end end[2] = { 0 };
	pthread_t t[2][2 * THREADS + 1];
	uint32_t end_mark = 0;

	end[0].q = stress_vm("a", "lane=4096", VMQ_OPEN_THREADSAFE);
	end[1].q = stress_vm("b", "lane=8192", VMQ_OPEN_THREADSAFE);
	/* One thread runs both ends of the handshake. */
	while (vmq_peer(end[0].q, "b", VMQ_MS(1), &end[0].peer) |
			vmq_peer(end[1].q, "a", VMQ_MS(1), &end[1].peer))
		;
	for (int i = 0; i < 2; i++) {
		for (unsigned k = 0; k < THREADS; k++) {
			stress_start(&t[i][k], sender, &end[i]);
			stress_start(&t[i][THREADS + 1 + k], receiver, &end[i]);
		}
		stress_start(&t[i][THREADS], other_calls, &end[i]);
	}
	for (int i = 0; i < 2; i++)
		stress_join(t[i], THREADS + 1);
	for (int i = 0; i < 2; i++)
		for (unsigned k = 0; k < THREADS; k++)
			CHECK(vmq_send(end[i].q, end[i].peer, &end_mark, 4, 0, PATIENCE) == 0);
	for (int i = 0; i < 2; i++) {
		stress_join(t[i] + THREADS + 1, THREADS);
		CHECK(end[i].received == THREADS * MESSAGES);
		CHECK(end[i].sum == (uint64_t)THREADS * MESSAGES * (MESSAGES - 1) / 2);
	}
	CHECK(vmq_close(end[0].q) == 0);
	CHECK(vmq_close(end[1].q) == 0);
	return 0;
}
