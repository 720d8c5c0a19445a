/* SPDX-License-Identifier: BSD-2-Clause */
/* churn.c - VMs join, say something and leave, again and again, under the traffic of
 * two that stay; each word said before a departure arrives. */
#include <stdatomic.h>
#include <stdio.h>

#include "stress.h"

#define VISITORS 3u
#define VISITS 60u
#define WORDS 20u

static atomic_bool over;

/* Messages to the other one that stays, all the while. */
static void *stream(void *arg)
{
	struct vmq *q = arg;
	uint32_t to = stress_meet(q, "b"), len;
	uint8_t buf[STRESS_MAX];

	for (uint32_t n = 0; !atomic_load(&over); n++) {
		len = stress_make(buf, 0, n);
		CHECK(vmq_send(q, to, buf, len, n % 3, PATIENCE) == 0);
	}
	CHECK(vmq_send(q, to, "end", 3, VMQ_SEND_NOW, PATIENCE) == 0);
	return NULL;
}

static void *visitor(void *arg)
{
	uint32_t index = (uint32_t)(uintptr_t)arg;
	uint8_t buf[STRESS_MAX];
	char name[8];

	snprintf(name, sizeof(name), "v%u", index);
	for (uint32_t visit = 0; visit < VISITS; visit++) {
		struct vmq *q = stress_vm(name, "lane=4096&pages=1", 0);
		uint32_t b = stress_meet(q, "b");

		for (uint32_t n = 0; n < WORDS; n++)
			CHECK(vmq_send(q, b, buf, stress_make(buf, 1 + index, visit * WORDS + n), n % 3,
				PATIENCE) == 0);
		CHECK(vmq_close(q) == 0);
	}
	return NULL;
}

/* The receiver that stays, until it has all that is to come from each. */
static void *receiver(void *arg)
{
	uint32_t want[1 + VISITORS] = { 0 }, left = VISITORS * VISITS * WORDS, who, n;
	uint8_t buf[STRESS_MAX];
	struct vmq *q = arg;
	bool ended = false;

	stress_meet(q, "a");
	while (left || !ended) {
		int64_t len = vmq_recv(q, buf, sizeof(buf), NULL, PATIENCE);

		if (len == VMQ_EGONE)
			continue;
		if (len == 3) {
			ended = true;
			continue;
		}
		n = stress_check(buf, len, &who);
		CHECK(who <= VISITORS);
		CHECK(n == want[who]++);
		left -= who > 0;
	}
	return NULL;
}

/* a, too, hears of all who come and go. */
static void *listener(void *arg)
{
	struct vmq_event e = { .size = sizeof(e) };
	struct vmq *q = arg;
	int rc;

	while (!atomic_load(&over)) {
		rc = vmq_event(q, &e, VMQ_MS(5));
		CHECK(!rc || rc == VMQ_ETIMEDOUT);
		rc = (int)vmq_recv(q, NULL, 0, NULL, VMQ_NOWAIT);
		CHECK(rc == VMQ_EAGAIN || rc == VMQ_EGONE);
	}
	return NULL;
}

int main(void)
{
	struct vmq *a = stress_vm("a", "lane=4096&pages=1", 0), *b = stress_vm("b", "lane=8192&pages=1", 0);
	pthread_t visitors[VISITORS], t[3];

	stress_start(&t[0], stream, a);
	stress_start(&t[1], listener, a);
	stress_start(&t[2], receiver, b);
	for (uintptr_t i = 0; i < VISITORS; i++)
		stress_start(&visitors[i], visitor, (void *)i);
	stress_join(visitors, VISITORS);
	atomic_store(&over, true);
	stress_join(t, 3);
	CHECK(vmq_close(a) == 0);
	CHECK(vmq_close(b) == 0);
	return 0;
}
