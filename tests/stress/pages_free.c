/* SPDX-License-Identifier: BSD-2-Clause */
/* pages_free.c - one thread frees pages that another one receives: a page that is given back,
 * sent anew and received is not taken away by the end of that call. To oneself, where the
 * whole way is short. */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "stress.h"

#define ROUNDS 30000u

static struct {
	struct vmq *q;
	uint32_t id;
	struct vmq_page page;
	atomic_uint received, freed;
} s;

static void *sender(void *arg)
{
	(void)arg;
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		struct vmq_page page;
		int rc;

		while ((rc = vmq_page_alloc(s.q, s.id, 1, &page, VMQ_NOWAIT)) == VMQ_ENOMEM)
			sched_yield();
		CHECK(rc == 0);
		memcpy(page.addr, &n, sizeof(n));
		page.len = sizeof(n);
		CHECK(vmq_page_send(s.q, &page, VMQ_PAGE_MOVE, NULL, 0, VMQ_SEND_AUTO, PATIENCE) == 0);
	}
	return NULL;
}

static void *freer(void *arg)
{
	(void)arg;
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		struct vmq_page page;

		while (atomic_load(&s.received) < n)
			sched_yield();
		page = s.page;
		/* The receiver may go on: its next page cannot come before this one goes. */
		atomic_store(&s.freed, n);
		CHECK(vmq_page_free(s.q, &page) == 0);
	}
	return NULL;
}

static void receive(uint32_t n)
{
	struct vmq_msg msg;
	uint32_t found;

	CHECK(vmq_recv(s.q, NULL, 0, &msg, PATIENCE) == 0);
	CHECK(msg.flags == VMQ_MSG_PAGE);
	memcpy(&found, msg.page.addr, sizeof(found));
	CHECK(found == n);
	/* By the time that it is handed on, it is still there. */
	while (atomic_load(&s.freed) < n - 1)
		sched_yield();
	memcpy(&found, msg.page.addr, sizeof(found));
	CHECK(found == n);
	s.page = msg.page;
	atomic_store(&s.received, n);
}

int main(void)
{
	pthread_t t[2];

	s.q = stress_vm("a", "lane=4096&pages=1", VMQ_OPEN_THREADSAFE);
	s.id = (uint32_t)vmq_id(s.q);
	stress_start(&t[0], sender, NULL);
	stress_start(&t[1], freer, NULL);
	for (uint32_t n = 1; n <= ROUNDS; n++)
		receive(n);
	stress_join(t, 2);
	CHECK(vmq_close(s.q) == 0);
	return 0;
}
