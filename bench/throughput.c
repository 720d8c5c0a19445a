/* SPDX-License-Identifier: BSD-2-Clause */
/* throughput.c - one-way 64-byte messages between two processes, beside a bare ring;
 * and how many doorbells they cost. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

#define BATCH 32u

static uint32_t when = VMQ_SEND_AUTO;

/* The last message is answered, so that the time is until it was received. */
static void finish(struct bench_pair *b)
{
	char m[64];
	int64_t rc = b->me ? vmq_send(b->q, b->peer, m, 0, VMQ_SEND_AUTO, VMQ_FOREVER) :
		vmq_recv(b->q, m, sizeof(m), NULL, VMQ_FOREVER);

	if (rc < 0)
		bench_fail("finish", rc);
}

static void check(uint64_t sum, unsigned count)
{
	if (sum != (uint64_t)count * (count - 1) / 2)
		bench_fail("sum", VMQ_EPROTO);
}

static void send_single(struct bench_pair *b, unsigned count)
{
	char m[64] = { 0 };

	for (uint64_t i = 0; i < count; i++) {
		int rc;

		memcpy(m, &i, sizeof(i));
		rc = vmq_send(b->q, b->peer, m, sizeof(m), when, VMQ_FOREVER);
		if (rc)
			bench_fail("send", rc);
	}
}

static void recv_single(struct bench_pair *b, unsigned count)
{
	uint64_t sum = 0, x;
	char m[64];

	for (unsigned i = 0; i < count; i++) {
		int64_t rc = vmq_recv(b->q, m, sizeof(m), NULL, VMQ_FOREVER);

		if (rc != (int64_t)sizeof(m))
			bench_fail("recv", rc);
		memcpy(&x, m, sizeof(x));
		sum += x;
	}
	check(sum, count);
}

static void send_batch(struct bench_pair *b, unsigned count)
{
	static char m[BATCH][64];
	struct vmq_iovec iov[BATCH];

	for (unsigned k = 0; k < BATCH; k++)
		iov[k] = (struct vmq_iovec){ m[k], sizeof(m[k]) };
	for (uint64_t i = 0; i < count;) {
		int rc;

		for (unsigned k = 0; k < BATCH; k++, i++)
			memcpy(m[k], &i, sizeof(i));
		rc = vmq_send_batch(b->q, b->peer, iov, BATCH, when, VMQ_FOREVER);
		if (rc != (int)BATCH)
			bench_fail("send_batch", rc);
	}
}

static void recv_batch(struct bench_pair *b, unsigned count)
{
	static char m[BATCH][64];
	struct vmq_msg msgs[BATCH];
	uint64_t sum = 0, x;

	for (unsigned k = 0; k < BATCH; k++)
		msgs[k] = (struct vmq_msg){ .data = m[k], .cap = sizeof(m[k]) };
	for (unsigned i = 0; i < count;) {
		int n = vmq_recv_batch(b->q, msgs, BATCH, VMQ_FOREVER);

		if (n < 0)
			bench_fail("recv_batch", n);
		for (int k = 0; k < n; k++) {
			memcpy(&x, m[k], sizeof(x));
			sum += x;
		}
		i += (unsigned)n;
	}
	check(sum, count);
}

static double single(struct bench_pair *b, unsigned count)
{
	double start = bench_now();

	if (b->me)
		recv_single(b, count);
	else
		send_single(b, count);
	finish(b);
	return bench_now() - start;
}

static double batch(struct bench_pair *b, unsigned count)
{
	double start = bench_now();

	if (b->me)
		recv_batch(b, count);
	else
		send_batch(b, count);
	finish(b);
	return bench_now() - start;
}

static void say(const char *what, struct bench_ratio r)
{
	printf("%-34s bare %6.1f M/s   vmq %6.1f M/s   ratio %.2f\n", what, 1e-6 / r.limit,
		1e-6 / r.subject, 1 / r.ratio);
	fflush(stdout);
}

/* All doorbells so far: for messages, and for room in a lane that was full. */
static void kicks(struct bench_pair *b, uint64_t *data, uint64_t *space)
{
	struct vmq_stats *s = b->shared->stats;

	s[b->me].size = sizeof(s[b->me]);
	vmq_stats(b->q, &s[b->me]);
	bench_meet(b);
	*data = s[0].kicks_sent + s[1].kicks_sent;
	*space = s[0].kicks_space + s[1].kicks_space;
	bench_meet(b);
}

static void kicks_of(struct bench_pair *b, const char *name, uint32_t mode, unsigned count)
{
	uint64_t data, space, data_before, space_before;

	kicks(b, &data_before, &space_before);
	when = mode;
	if (b->me)
		recv_single(b, count);
	else
		send_single(b, count);
	kicks(b, &data, &space);
	if (!b->me)
		printf("%-34s %.6f kicks a message, %.6f for room\n", name,
			(double)(data - data_before) / count, (double)(space - space_before) / count);
	when = VMQ_SEND_AUTO;
}

int main(int argc, char **argv)
{
	unsigned rounds = 11, count = 2000000 / BATCH * BATCH;
	struct bench_pair b;
	struct bench_ratio one, many, bounce;
	int opt;

	while ((opt = getopt(argc, argv, "r:n:")) != -1) {
		if (opt == 'r' && atoi(optarg) > 0 && atoi(optarg) <= BENCH_ROUNDS_MAX)
			rounds = (unsigned)atoi(optarg);
		else if (opt == 'n' && atoi(optarg) >= (int)BATCH)
			count = (unsigned)atoi(optarg) / BATCH * BATCH;
		else
			return fprintf(stderr, "usage: %s [-r rounds] [-n messages]\n", argv[0]), 2;
	}
	bench_start(&b, "", 0);
	bounce = bench_compare(&b, bare_bounce, bare_bounce, 100000, 3);
	one = bench_compare(&b, bare_ring_single, single, count, rounds);
	many = bench_compare(&b, bare_ring_batch, batch, count, rounds);
	if (!b.me) {
		printf("cache-line bounce %.0f ns; %u messages of 64 bytes, %u rounds\n",
			bounce.limit * 1e9, count, rounds);
		say("single calls, AUTO", one);
		say("batches of 32, AUTO", many);
	}
	kicks_of(&b, "AUTO under sustained load", VMQ_SEND_AUTO, count);
	kicks_of(&b, "LAZY", VMQ_SEND_LAZY, count);
	bench_stop(&b);
	return 0;
}
