/* SPDX-License-Identifier: BSD-2-Clause */
/* pair.c - two endpoints, one sending and one receiving thread each, no locks, full
 * speed in both directions. */
#include "stress.h"

#define MESSAGES 100000u

struct end {
	struct vmq *q;
	uint32_t peer, stream;
};

static void *sender(void *arg)
{
	struct end *e = arg;
	uint8_t buf[STRESS_MAX];

	for (uint32_t n = 0; n < MESSAGES; n++) {
		uint32_t len = stress_make(buf, e->stream, n);

		CHECK(vmq_send(e->q, e->peer, buf, len, n % 50 ? n % 2 * 2 : 1, PATIENCE) == 0);
	}
	CHECK(vmq_flush(e->q) >= 0);
	return NULL;
}

static void *receiver(void *arg)
{
	struct end *e = arg;
	uint8_t buf[STRESS_MAX];
	struct vmq_msg msg;
	uint32_t stream;

	for (uint32_t n = 0; n < MESSAGES; n++) {
		int64_t len = vmq_recv(e->q, buf, sizeof(buf), &msg, PATIENCE);

		CHECK(stress_check(buf, len, &stream) == n);
		CHECK(stream == !e->stream);
		CHECK(msg.peer == e->peer);
	}
	return NULL;
}

static void *meet(void *arg)
{
	struct end *e = arg;

	e->peer = stress_meet(e->q, e->stream ? "a" : "b");
	return NULL;
}

static void run(uint32_t flags)
{
	struct end end[2] = { { .stream = 0 }, { .stream = 1 } };
	pthread_t t[4];

	end[0].q = stress_vm("a", "lane=16384", flags);
	end[1].q = stress_vm("b", "lane=4096", flags);
	for (int i = 0; i < 2; i++)
		stress_start(&t[i], meet, &end[i]);
	stress_join(t, 2);
	for (int i = 0; i < 2; i++) {
		stress_start(&t[i], sender, &end[i]);
		stress_start(&t[2 + i], receiver, &end[i]);
	}
	stress_join(t, 4);
	CHECK(vmq_close(end[0].q) == 0);
	CHECK(vmq_close(end[1].q) == 0);
}

int main(void)
{
	run(0);
	run(VMQ_OPEN_STRICT);
	return 0;
}
