/* SPDX-License-Identifier: BSD-2-Clause */
/* pages.c - from which size on is handing pages over cheaper than copying? Both ends
 * touch every cache line, as an application would. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

#define SIZE_MAX_TESTED (1u << 20)

static unsigned size;
static char *from, *to;

static void check(int64_t rc)
{
	if (rc < 0)
		bench_fail("pages", rc);
}

static uint64_t read_all(const void *p)
{
	const volatile char *c = p;
	uint64_t sum = 0;

	for (unsigned i = 0; i < size; i += 64)
		sum += (uint64_t)c[i];
	return sum;
}

static double copied(struct bench_pair *b, unsigned count)
{
	double start = bench_now();

	for (unsigned i = 0; i < count; i++) {
		if (b->me) {
			check(vmq_recv(b->q, to, size, NULL, VMQ_FOREVER));
			read_all(to);
		} else {
			memset(from, (int)i, size);
			check(vmq_send(b->q, b->peer, from, size, VMQ_SEND_AUTO, VMQ_FOREVER));
		}
	}
	bench_meet(b);
	return bench_now() - start;
}

static void hand_over(struct bench_pair *b, enum vmq_page_mode mode, unsigned i)
{
	struct vmq_page page;
	struct vmq_msg msg;

	if (b->me) {
		check(vmq_recv(b->q, to, 0, &msg, VMQ_FOREVER));
		read_all(msg.page.addr);
		check(vmq_page_free(b->q, &msg.page));
		return;
	}
	check(vmq_page_alloc(b->q, b->peer, size, &page, VMQ_FOREVER));
	memset(page.addr, (int)i, size);
	check(vmq_page_send(b->q, &page, mode, NULL, 0, VMQ_SEND_AUTO, VMQ_FOREVER));
	if (mode != VMQ_PAGE_MOVE)
		check(vmq_page_free(b->q, &page));
}

static double moved(struct bench_pair *b, unsigned count)
{
	double start = bench_now();

	for (unsigned i = 0; i < count; i++)
		hand_over(b, VMQ_PAGE_MOVE, i);
	bench_meet(b);
	return bench_now() - start;
}

static double lent(struct bench_pair *b, unsigned count)
{
	double start = bench_now();

	for (unsigned i = 0; i < count; i++)
		hand_over(b, VMQ_PAGE_LEND, i);
	bench_meet(b);
	return bench_now() - start;
}

int main(int argc, char **argv)
{
	unsigned rounds = 5;
	struct bench_pair b;
	int opt;

	while ((opt = getopt(argc, argv, "r:")) != -1) {
		if (opt == 'r' && atoi(optarg) > 0 && atoi(optarg) <= BENCH_ROUNDS_MAX)
			rounds = (unsigned)atoi(optarg);
		else
			return fprintf(stderr, "usage: %s [-r rounds]\n", argv[0]), 2;
	}
	from = calloc(1, SIZE_MAX_TESTED);
	to = calloc(1, SIZE_MAX_TESTED);
	bench_start(&b, "&pages=2048", 0);
	for (size = 4096; size <= SIZE_MAX_TESTED; size *= 4) {
		struct bench_ratio m = bench_compare(&b, copied, moved, 500, rounds);
		struct bench_ratio l = bench_compare(&b, copied, lent, 500, rounds);

		if (!b.me)
			printf("%8u bytes: copied %8.1f us   moved %8.1f us (%.2f)   lent %8.1f us (%.2f)\n",
				size, m.limit * 1e6, m.subject * 1e6, m.ratio, l.subject * 1e6, l.ratio);
		fflush(stdout);
	}
	bench_stop(&b);
	return 0;
}
