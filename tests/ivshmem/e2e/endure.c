/* SPDX-License-Identifier: BSD-2-Clause */
/* endure.c - one who has to live on a fabric that a guest destroys: it opens again
 * whenever it has to, as a service would, and works again when the harm has ended. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vmq/vmq.h>

#include "member.h"

#define HANG 20u          /* seconds for a few calls, each of which is bounded */
#define ENOUGH 200u       /* messages each way that show that it works again */
#define IDLE VMQ_MS(3000) /* without a message: better start anew */
#define GRACE VMQ_MS(500) /* to see what else there is to hear of, before closing */
#define REASONS 32
#define CODES 32

struct survivor {
	const char *other;
	struct vmq *q;
	uint32_t peer;
	time_t peace;               /* from then on nobody means harm */
	unsigned sessions, together, poisons, refused[CODES], poisoned[REASONS];
	unsigned sent, received;    /* in this session, in peace, as the sender sees it */
	uint64_t over;              /* when to close */
	bool met;
};

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool enough(const struct survivor *s)
{
	return s->sent >= ENOUGH && s->received >= ENOUGH;
}

/* Not later than that, and not later than was said before. */
static void over_in(struct survivor *s, uint64_t ns)
{
	uint64_t at = clock_ns() + ns;

	s->over = at < s->over ? at : s->over;
}

static void news(struct survivor *s)
{
	struct vmq_event e = { .size = sizeof(e) };

	while (!vmq_event(s->q, &e, VMQ_NOWAIT)) {
		if (e.type == VMQ_EVENT_LEAVE || e.type == VMQ_EVENT_DOWN)
			over_in(s, GRACE);
		if (e.type != VMQ_EVENT_POISON)
			continue;
		over_in(s, GRACE);
		s->poisons++;
		if (!s->poisoned[(uint32_t)e.reason % REASONS]++)
			printf("endure: %s: poison: %s\n", e.name, vmq_poison_text(e.reason));
	}
}

/* The first byte says whether there is peace for the sender; the length is any, so that
 * there is much that can be destroyed. */
static void talk(struct survivor *s)
{
	static char buf[1 << 16];
	struct vmq_msg msg;
	int64_t n = 0;

	buf[0] = time(NULL) >= s->peace;
	if (!vmq_send(s->q, s->peer, buf, 1 + (size_t)rand() % 16384, VMQ_SEND_AUTO, VMQ_NOWAIT))
		s->sent += (unsigned)buf[0];
	for (unsigned i = 0; i < 32 && n >= 0; i++) {
		n = vmq_recv(s->q, buf, sizeof(buf), &msg, i ? VMQ_NOWAIT : VMQ_MS(2));
		if (n > 0) {
			s->received += buf[0] == 1;
			s->over = UINT64_MAX;
			over_in(s, IDLE);
		}
		if (n >= 0 && msg.flags & VMQ_MSG_PAGE)
			vmq_page_free(s->q, &msg.page);
	}
	if (n < 0 && n != VMQ_EAGAIN && n != VMQ_ETIMEDOUT) {
		over_in(s, GRACE);
		usleep(2000); /* what has ended does not wait any more */
	}
}

/* Open, work for as long as it goes, close. */
static void session(struct survivor *s, const char *address)
{
	int rc;

	alarm(HANG);
	s->sent = s->received = 0;
	rc = vmq_open(address, NULL, &s->q);
	if (rc) {
		s->refused[-rc % CODES]++;
		usleep(100000);
		return;
	}
	s->sessions++;
	s->over = clock_ns() + IDLE;
	rc = vmq_peer(s->q, s->other, VMQ_MS(1000), &s->peer);
	if (!rc && !s->met)
		printf("endure: met %s\n", s->other);
	s->met |= !rc;
	s->together += !rc;
	while (!rc && clock_ns() < s->over && !enough(s)) {
		alarm(HANG);
		talk(s);
		news(s);
	}
	vmq_close(s->q);
	/* A service does not come back in no time. */
	usleep(50000);
}

int endure(const char *address, const char *other, const char *seconds)
{
	struct survivor s = { .other = other, .peace = time(NULL) + atoi(seconds) };

	while (!enough(&s))
		session(&s, address);
	alarm(0);
	printf("endure: %u sessions, %u of them with %s, %u poisons\n", s.sessions, s.together, other, s.poisons);
	for (int i = 0; i < CODES; i++)
		if (s.refused[i])
			printf("endure: %u times %s\n", s.refused[i], vmq_errname(-i));
	for (int i = 0; i < REASONS; i++)
		if (s.poisoned[i])
			printf("endure: %u times: %s\n", s.poisoned[i], vmq_poison_text(i));
	return s.poisons ? 0 : 1;
}
