/* SPDX-License-Identifier: BSD-2-Clause */
/* pair.c - two endpoints at a file, and the test's own mapping of it. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pair.h"

#define CALL_S 20
/* A call that hangs ends the test by a signal. */
#define CALL(f, ...) (alarm(CALL_S), f(__VA_ARGS__))

static void format(struct pair *p)
{
	const struct vmq__dir_plan plan = { PAIR_SLOTS, PAIR_BEAT_MS, PAIR_DEAD_MS };

	cr_assert_eq(vmq__dir_format(p->map, PAIR_SIZE, &plan), 0);
	cr_assert_eq(vmq__dir_read(p->map, PAIR_SIZE, &p->d), 0);
}

void pair_init(struct pair *p)
{
	int fd;

	memset(p, 0, sizeof(*p));
	scratch_make(p->dir, sizeof(p->dir));
	snprintf(p->file, sizeof(p->file), "%s/region", p->dir);
	fd = open(p->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert(fd >= 0 && !ftruncate(fd, PAIR_SIZE));
	p->map = mmap(NULL, PAIR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(p->map, MAP_FAILED);
	close(fd);
	format(p);
}

void pair_end(struct pair *p)
{
	pair_close(p);
	munmap(p->map, PAIR_SIZE);
	scratch_remove(p->dir);
}

int pair_vm(const struct pair *p, const char *name, struct vmq **q)
{
	char uri[200];

	snprintf(uri, sizeof(uri), "ivshmem:file=%s?name=%s&lane=8192&pages=8&max=60000", p->file, name);
	return CALL(vmq_open, uri, NULL, q);
}

void pair_open(struct pair *p)
{
	format(p);
	cr_assert_eq(pair_vm(p, "a", &p->a), 0);
	cr_assert_eq(pair_vm(p, "b", &p->b), 0);
	cr_assert(pair_talks(p, PATIENCE_MS), "they do not meet");
}

void pair_close(struct pair *p)
{
	if (p->a)
		CALL(vmq_close, p->a);
	if (p->b)
		CALL(vmq_close, p->b);
	p->a = p->b = NULL;
	p->to_a = p->to_b = 0;
}

/* ---- talk ---------------------------------------------------------------------------- */

static void check(int64_t rc, struct heard *h)
{
	static const int known[] = { VMQ_EAGAIN, VMQ_ETIMEDOUT, VMQ_EGONE, VMQ_EPEER, VMQ_ENOENT,
		VMQ_EMSGSIZE, VMQ_ENOMEM, VMQ_ECONN };

	h->over |= rc == VMQ_ECONN;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (rc >= 0 || rc == known[i])
			return;
	cr_assert_fail("%s", vmq_errname((int)rc));
}

static void hear(struct vmq *q, struct heard *h)
{
	struct vmq_event e = { .size = sizeof(e) };

	for (int i = 0; i < 16; i++) {
		int rc = CALL(vmq_event, q, &e, VMQ_NOWAIT);

		check(rc, h);
		if (rc)
			return;
		h->joins += e.type == VMQ_EVENT_JOIN;
		h->leaves += e.type == VMQ_EVENT_LEAVE;
		h->poisons += e.type == VMQ_EVENT_POISON;
		h->downs += e.type == VMQ_EVENT_DOWN;
		h->over |= e.type == VMQ_EVENT_DOWN;
	}
}

void pair_look(struct vmq *q, struct heard *h)
{
	static uint8_t data[60000];
	struct vmq_msg msg;

	for (int i = 0; i < 4; i++) {
		int64_t n = CALL(vmq_recv, q, data, sizeof(data), &msg, i ? VMQ_NOWAIT : VMQ_US(500));

		check(n, h);
		if (n >= 0 && msg.flags & VMQ_MSG_PAGE)
			CALL(vmq_page_free, q, &msg.page);
	}
	for (uint32_t peer = 1; peer <= PAIR_SLOTS; peer++) {
		int rc = CALL(vmq_send, q, peer, "look", 4, peer % 3, VMQ_NOWAIT);

		/* The own id is none of the peers'. */
		check(rc == VMQ_EINVAL ? VMQ_ENOENT : rc, h);
	}
	CALL(vmq_yield, q);
	hear(q, h);
}

/* One message with a number that no other has. */
static bool pass(struct pair *p, struct vmq *from, struct vmq *to, const char *name, uint32_t *id,
	uint64_t until)
{
	struct heard h = { 0 };
	uint32_t n = ++p->n + 1000000, got = 0;
	bool sent = false;

	do {
		int64_t rc;

		if (!sent) {
			check(CALL(vmq_peer, from, name, VMQ_NOWAIT, id), &h);
			rc = *id ? CALL(vmq_send, from, *id, &n, sizeof(n), VMQ_SEND_NOW, VMQ_NOWAIT) : VMQ_ENOENT;
			check(rc, &h);
			sent = !rc;
		}
		check(CALL(vmq_recv, to, &got, sizeof(got), NULL, VMQ_US(300)), &h);
		/* What the sender has to do for it to arrive is done in its calls. */
		check(CALL(vmq_recv, from, NULL, 0, NULL, VMQ_NOWAIT), &h);
		hear(from, &h);
		hear(to, &h);
		/* It may have gone to a life that has ended since. */
		sent &= !h.leaves;
		h.leaves = 0;
	} while (got != n && !h.over && now_ns() < until);
	return got == n;
}

bool pair_talks(struct pair *p, unsigned ms)
{
	uint64_t until = now_ns() + ms * 1000000ull;

	return pass(p, p->a, p->b, "b", &p->to_b, until) && pass(p, p->b, p->a, "a", &p->to_a, until);
}

bool pair_meet(struct pair *p, struct vmq *q, const char *name, struct vmq *other, const char *own)
{
	uint64_t until = now_ns() + PATIENCE;
	uint32_t id = 0, back = 0;

	return pass(p, q, other, name, &id, until) && pass(p, other, q, own, &back, until);
}
