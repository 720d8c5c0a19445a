/* SPDX-License-Identifier: BSD-2-Clause */
/* latency.c - round trips of 64 bytes between two processes: busy-polled beside a
 * bounce of two cache lines, blocking beside a ping-pong of eventfds. */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "pair.h"

static void check(int64_t rc, int64_t want)
{
	if (rc != want)
		bench_fail("round trip", rc);
}

static int64_t take(struct bench_pair *b, char *m, int64_t timeout)
{
	int64_t rc;

	do {
		rc = vmq_recv(b->q, m, 64, NULL, timeout);
	} while (rc == VMQ_EAGAIN);
	return rc;
}

static double trip(struct bench_pair *b, unsigned count, int64_t timeout)
{
	double start = bench_now();
	char m[64] = { 0 };

	for (unsigned i = 0; i < count; i++) {
		if (!b->me)
			check(vmq_send(b->q, b->peer, m, 64, VMQ_SEND_AUTO, VMQ_FOREVER), 0);
		check(take(b, m, timeout), 64);
		if (b->me)
			check(vmq_send(b->q, b->peer, m, 64, VMQ_SEND_AUTO, VMQ_FOREVER), 0);
	}
	return bench_now() - start;
}

static double polled(struct bench_pair *b, unsigned count)
{
	return trip(b, count, VMQ_NOWAIT);
}

/* As an event loop does it: take all, then sleep on the descriptor. */
static int64_t take_by_fd(struct bench_pair *b, char *m)
{
	struct pollfd p = { .fd = vmq_fd(b->q), .events = POLLIN };
	int64_t rc;

	while ((rc = vmq_recv(b->q, m, 64, NULL, VMQ_NOWAIT)) == VMQ_EAGAIN)
		poll(&p, 1, -1);
	return rc;
}

static double by_fd(struct bench_pair *b, unsigned count)
{
	double start = bench_now();
	char m[64] = { 0 };

	for (unsigned i = 0; i < count; i++) {
		if (!b->me)
			check(vmq_send(b->q, b->peer, m, 64, VMQ_SEND_AUTO, VMQ_FOREVER), 0);
		check(take_by_fd(b, m), 64);
		if (b->me)
			check(vmq_send(b->q, b->peer, m, 64, VMQ_SEND_AUTO, VMQ_FOREVER), 0);
	}
	return bench_now() - start;
}

static double blocking(struct bench_pair *b, unsigned count)
{
	return trip(b, count, VMQ_FOREVER);
}

static void say(const struct bench_pair *b, const char *what, struct bench_ratio r)
{
	if (!b->me)
		printf("%-40s bare %8.0f ns   vmq %8.0f ns   ratio %.2f\n", what, r.limit * 1e9,
			r.subject * 1e9, r.ratio);
}

static void compare(const char *settings, uint32_t flags, const char *what, bench_fn limit, bench_fn subject,
	unsigned count, unsigned rounds)
{
	struct bench_pair b;
	struct bench_ratio r;

	bench_start(&b, settings, flags);
	r = bench_compare(&b, limit, subject, count, rounds);
	say(&b, what, r);
	fflush(stdout);
	bench_stop(&b);
}

int main(int argc, char **argv)
{
	unsigned rounds = 11;
	int opt;

	while ((opt = getopt(argc, argv, "r:")) != -1) {
		if (opt == 'r' && atoi(optarg) > 0 && atoi(optarg) <= BENCH_ROUNDS_MAX)
			rounds = (unsigned)atoi(optarg);
		else
			return fprintf(stderr, "usage: %s [-r rounds]\n", argv[0]), 2;
	}
	compare("", 0, "busy-polled, beside two cache lines", bare_bounce, polled, 100000, rounds);
	/* Strict, and without a look first: each end sleeps each time. */
	compare("&spin_us=4294967295", VMQ_OPEN_STRICT, "blocking, beside eventfds", bare_eventfd,
		blocking, 4000, rounds);
	compare("", 0, "vmq_fd and poll, beside eventfds", bare_eventfd, by_fd, 4000, rounds);
	compare("", 0, "blocking as by default: looks 50 us first", bare_eventfd, blocking, 4000, rounds);
	return 0;
}
