/* SPDX-License-Identifier: BSD-2-Clause */
/* bare.c - what the machine can do at all: rings and ping-pongs without any check. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pair.h"

#define SLOTS 4096u
#define BATCH 32u

static void reset(struct bench_pair *b)
{
	if (!b->me) {
		atomic_store(&b->shared->head, 0);
		atomic_store(&b->shared->tail, 0);
	}
	bench_meet(b);
}

static unsigned load(const atomic_uint *word)
{
	return atomic_load_explicit(word, memory_order_acquire);
}

static void produce(struct bench_shared *s, unsigned count, unsigned batch)
{
	unsigned head = 0, seen = 0;
	char m[64] = { 0 };

	for (uint64_t i = 0; i < count;) {
		for (unsigned k = 0; k < batch; k++, i++) {
			while (head - seen == SLOTS)
				seen = load(&s->tail);
			memcpy(m, &i, sizeof(i));
			memcpy(s->slots + (head++ % SLOTS) * 64, m, 64);
		}
		atomic_store_explicit(&s->head, head, memory_order_release);
	}
}

static void consume(struct bench_shared *s, unsigned count, unsigned batch)
{
	unsigned tail = 0, seen = 0;
	uint64_t sum = 0, x;
	char m[64];

	for (uint64_t i = 0; i < count;) {
		unsigned n;

		while (tail == seen)
			seen = load(&s->head);
		n = seen - tail < batch ? seen - tail : batch;
		for (i += n; n; n--, tail++) {
			memcpy(m, s->slots + (tail % SLOTS) * 64, 64);
			/* All 64 bytes are to be read, as an application would. */
			__asm__ volatile("" ::"r"(m) : "memory");
			memcpy(&x, m, sizeof(x));
			sum += x;
		}
		atomic_store_explicit(&s->tail, tail, memory_order_release);
	}
	if (sum != (uint64_t)count * (count - 1) / 2)
		bench_fail("bare ring", VMQ_EPROTO);
}

static double ring(struct bench_pair *b, unsigned count, unsigned batch)
{
	double start;

	reset(b);
	start = bench_now();
	if (b->me)
		consume(b->shared, count, batch);
	else
		produce(b->shared, count, batch);
	bench_meet(b);
	return bench_now() - start;
}

double bare_ring_single(struct bench_pair *b, unsigned count)
{
	return ring(b, count, 1);
}

double bare_ring_batch(struct bench_pair *b, unsigned count)
{
	return ring(b, count, BATCH);
}

double bare_bounce(struct bench_pair *b, unsigned count)
{
	struct bench_shared *s = b->shared;
	double start;

	reset(b);
	start = bench_now();
	for (unsigned i = 1; i <= count; i++) {
		if (!b->me)
			atomic_store_explicit(&s->head, i, memory_order_release);
		while (load(b->me ? &s->head : &s->tail) != i)
			;
		if (b->me)
			atomic_store_explicit(&s->tail, i, memory_order_release);
	}
	return bench_now() - start;
}

double bare_eventfd(struct bench_pair *b, unsigned count)
{
	uint64_t one = 1, got;
	double start = bench_now();

	for (unsigned i = 0; i < count; i++) {
		if (!b->me && write(b->efd[0], &one, sizeof(one)) < 0)
			bench_fail("eventfd", VMQ_ESYS);
		if (read(b->efd[!b->me], &got, sizeof(got)) < 0)
			bench_fail("eventfd", VMQ_ESYS);
		if (b->me && write(b->efd[1], &one, sizeof(one)) < 0)
			bench_fail("eventfd", VMQ_ESYS);
	}
	return bench_now() - start;
}
