/* SPDX-License-Identifier: BSD-2-Clause */
/* pages.c - pages of all modes go both ways under a stream of messages; each is whole
 * on arrival, and in the end all of them are home. */
#include <stdatomic.h>
#include <string.h>

#include "stress.h"

#define ROUNDS 8000u
#define POOL 16u

struct end {
	struct vmq *q;
	const char *name, *other;
	uint32_t peer;
	_Atomic uint32_t got; /* pages received */
};

static void *meet(void *arg)
{
	struct end *e = arg;

	e->peer = stress_meet(e->q, e->other);
	return NULL;
}

static void send_page(struct end *e, uint32_t n)
{
	enum vmq_page_mode mode = (enum vmq_page_mode)(1 + n % 3);
	struct vmq_page page;
	uint32_t len = 1 + n * 97 % (3 * VMQ_PAGE_SIZE);

	CHECK(vmq_page_alloc(e->q, e->peer, len, &page, PATIENCE) == 0);
	memset(page.addr, (int)n, len);
	CHECK(vmq_page_send(e->q, &page, mode, &n, sizeof(n), n % 5 ? 0 : VMQ_SEND_LAZY, PATIENCE) == 0);
	if (mode != VMQ_PAGE_MOVE)
		CHECK(vmq_page_free(e->q, &page) == 0);
}

static void *sender(void *arg)
{
	struct end *e = arg;

	for (uint32_t n = 0; n < ROUNDS; n++) {
		if (n % 4 == 3)
			send_page(e, n);
		else
			CHECK(vmq_send(e->q, e->peer, &n, sizeof(n), 0, PATIENCE) == 0);
	}
	CHECK(vmq_flush(e->q) >= 0);
	return NULL;
}

static void check_page(struct end *e, struct vmq_page *page, uint32_t n)
{
	const uint8_t *bytes = page->addr;

	CHECK(page->len == 1 + n * 97 % (3 * VMQ_PAGE_SIZE));
	for (size_t i = 0; i < page->len; i += 61)
		CHECK(bytes[i] == (uint8_t)n);
	CHECK(bytes[page->len - 1] == (uint8_t)n);
	CHECK(vmq_page_free(e->q, page) == 0);
	CHECK(vmq_page_free(e->q, page) == VMQ_ESTALE);
	atomic_fetch_add(&e->got, 1);
}

static void *receiver(void *arg)
{
	struct end *e = arg;
	struct vmq_msg msg;
	uint32_t n;

	for (uint32_t want = 0; want < ROUNDS; want++) {
		CHECK(vmq_recv(e->q, &n, sizeof(n), &msg, PATIENCE) == sizeof(n));
		CHECK(n == want);
		CHECK((n % 4 == 3) == (msg.flags == VMQ_MSG_PAGE));
		if (msg.flags)
			check_page(e, &msg.page, n);
	}
	return NULL;
}

int main(void)
{
	struct end end[2] = { { .name = "a", .other = "b" }, { .name = "b", .other = "a" } };
	struct vmq_page all;
	pthread_t t[4];

	for (int i = 0; i < 2; i++)
		end[i].q = stress_vm(end[i].name, "lane=8192&pages=16", 0);
	for (int i = 0; i < 2; i++)
		stress_start(&t[i], meet, &end[i]);
	stress_join(t, 2);
	for (int i = 0; i < 2; i++) {
		stress_start(&t[i], sender, &end[i]);
		stress_start(&t[2 + i], receiver, &end[i]);
	}
	stress_join(t, 4);
	for (int i = 0; i < 2; i++) {
		CHECK(end[i].got == ROUNDS / 4);
		CHECK(vmq_page_alloc(end[i].q, end[i].peer, POOL * VMQ_PAGE_SIZE, &all, VMQ_NOWAIT) == 0);
	}
	CHECK(vmq_close(end[0].q) == 0);
	CHECK(vmq_close(end[1].q) == 0);
	return 0;
}
