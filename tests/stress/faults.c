/* SPDX-License-Identifier: BSD-2-Clause */
/* faults.c - doorbells that are lost, late or doubled, and slow VMs: a conversation
 * in which both ends sleep all the time goes on all the same. */
#include <stdio.h>

#include "stress.h"

#define ROUNDS 300u

static const char *topology;

static struct vmq *vm(const char *name)
{
	struct vmq_options o = { .size = sizeof(o), .topology = topology, .lazy_max_us = 1000,
		.spin_us = VMQ_SPIN_NONE, .lane_size = 4096, .name = name };
	struct vmq *q = NULL;

	CHECK(vmq_open("sim:stress", &o, &q) == 0);
	return q;
}

static void *answer(void *arg)
{
	struct vmq *q = arg;
	uint8_t buf[STRESS_MAX];
	struct vmq_msg msg;
	int64_t len;

	stress_meet(q, "a");
	while ((len = vmq_recv(q, buf, sizeof(buf), &msg, PATIENCE)) >= 0)
		CHECK(vmq_send(q, msg.peer, buf, (size_t)len, 0, PATIENCE) == 0);
	CHECK(len == VMQ_EGONE);
	return NULL;
}

static void converse(struct vmq *q, uint32_t b)
{
	uint8_t buf[STRESS_MAX];
	uint32_t stream;

	for (uint32_t n = 0; n < ROUNDS; n++) {
		uint32_t len = stress_make(buf, 5, n);

		CHECK(vmq_send(q, b, buf, len, n % 3, PATIENCE) == 0);
		CHECK(stress_check(buf, vmq_recv(q, buf, sizeof(buf), NULL, PATIENCE), &stream) == n);
		CHECK(stream == 5);
	}
}

static void with(const char *dir, const char *faults)
{
	char path[128], json[300];
	struct vmq *a, *b;
	pthread_t t;

	snprintf(json, sizeof(json), "{\"vms\": [{\"name\": \"a\", \"faults\": {%s}}, "
		"{\"name\": \"b\", \"faults\": {%s}}]}", faults, faults);
	scratch_file(dir, "t.json", json, path, sizeof(path));
	topology = path;
	a = vm("a");
	b = vm("b");
	stress_start(&t, answer, b);
	converse(a, stress_meet(a, "b"));
	CHECK(vmq_close(a) == 0);
	stress_join(&t, 1);
	CHECK(vmq_close(b) == 0);
}

int main(void)
{
	char dir[64];

	scratch_make(dir, sizeof(dir));
	with(dir, "\"drop_kick\": 0.3");
	with(dir, "\"drop_kick\": 1");
	with(dir, "\"dup_kick\": 0.5");
	with(dir, "\"delay_kick_us\": 200");
	with(dir, "\"slow_us\": 200, \"drop_kick\": 0.1");
	scratch_remove(dir);
	return 0;
}
