/* SPDX-License-Identifier: BSD-2-Clause */
/* fan_in.c - many VMs send to one, which hears each of them in order. */
#include <stdio.h>

#include "stress.h"

#define PEERS 8u
#define MESSAGES 20000u

static void *sender(void *arg)
{
	uint32_t stream = (uint32_t)(uintptr_t)arg, to;
	uint8_t buf[STRESS_MAX];
	char name[8];
	struct vmq *q;

	snprintf(name, sizeof(name), "p%u", stream);
	q = stress_vm(name, "lane=4096", 0);
	to = stress_meet(q, "sink");
	for (uint32_t n = 0; n < MESSAGES; n++) {
		uint32_t len = stress_make(buf, stream, n);

		CHECK(vmq_send(q, to, buf, len, n % 3, PATIENCE) == 0);
	}
	CHECK(vmq_close(q) == 0);
	return NULL;
}

static void receive(struct vmq *q)
{
	uint32_t next[PEERS] = { 0 }, gone = 0, stream, n;
	uint8_t buf[STRESS_MAX];
	struct vmq_msg msg;

	while (gone < PEERS) {
		int64_t len = vmq_recv(q, buf, sizeof(buf), &msg, PATIENCE);

		if (len == VMQ_EGONE) {
			gone++;
			continue;
		}
		n = stress_check(buf, len, &stream);
		CHECK(stream < PEERS);
		CHECK(n == next[stream]++);
	}
	for (unsigned i = 0; i < PEERS; i++)
		CHECK(next[i] == MESSAGES);
}

int main(void)
{
	struct vmq *q = stress_vm("sink", "lane=8192", 0);
	pthread_t t[PEERS];

	for (uintptr_t i = 0; i < PEERS; i++)
		stress_start(&t[i], sender, (void *)i);
	receive(q);
	stress_join(t, PEERS);
	CHECK(vmq_close(q) == 0);
	return 0;
}
