/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pair.h - two processes, pinned to two cores, that go through the same schedule of
 * measurements: a limit (bare.c) and its subject in turn, several times.
 *
 * On a shared machine the bare figures themselves move by a factor of four within
 * minutes, so what counts is the median of the pairwise ratios.
 */
#ifndef VMQ_BENCH_PAIR_H
#define VMQ_BENCH_PAIR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmq/vmm.h>

#define BENCH_ROUNDS_MAX 101

/* Memory that both processes share. */
struct bench_shared {
	_Alignas(128) atomic_uint barrier[2];
	_Alignas(128) atomic_uint head;
	_Alignas(128) atomic_uint tail;
	_Alignas(128) char slots[4096 * 64];
	double seconds[2];
	struct vmq_stats stats[2];
};

struct bench_pair {
	struct bench_shared *shared;
	unsigned me;       /* 0 sends, on core 0; 1 receives, on core 1 */
	unsigned round;    /* of the barrier */
	struct vmq *q;
	uint32_t peer;
	int child, hub;    /* process ids */
	int efd[2];        /* for the bare ping-pong */
};

/* Start a hub and the second process; both return from here, with an endpoint
 * each. Settings as in the address ("&pages=..."), may be ""; flags: VMQ_OPEN_*.
 * Exits on failure. */
void bench_start(struct bench_pair *b, const char *settings, uint32_t flags);
/* Both meet here, spinning. */
void bench_meet(struct bench_pair *b);
/* Close; the second process ends here. */
void bench_stop(struct bench_pair *b);

double bench_now(void);
void bench_fail(const char *what, int64_t code);
double bench_median(double *values, unsigned n);

/* One measurement is a function that both run; each returns its seconds, and the
 * first's are kept. */
typedef double (*bench_fn)(struct bench_pair *b, unsigned count);

struct bench_ratio {
	double limit, subject; /* medians, seconds each thing takes */
	double ratio;          /* median of the pairwise ratios subject/limit */
};

/* Limit and subject in turn, `rounds` times. */
struct bench_ratio bench_compare(struct bench_pair *b, bench_fn limit, bench_fn subject,
	unsigned count, unsigned rounds);

/* bare.c: the limits, with no checks at all */
double bare_ring_single(struct bench_pair *b, unsigned count);
double bare_ring_batch(struct bench_pair *b, unsigned count); /* 32 at a time */
double bare_bounce(struct bench_pair *b, unsigned count);     /* two cache lines */
double bare_eventfd(struct bench_pair *b, unsigned count);

#endif
