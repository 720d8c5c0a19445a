/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xen.c - libvmq beside libxenvchan, between two domains of one boot.
 *
 *	bench-xen far ADDRESS NEAR DOMID VCHAN-PATH
 *	bench-xen near ADDRESS FAR DOMID VCHAN-PATH [ROUNDS]
 *
 * NEAR and FAR are the other's name, and DOMID its domain. VCHAN-PATH is in the far domain's
 * nodes. The near one prints.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <vmq/xen.h>

#include "xen.h"

#define MEET VMQ_MS(60000)

double xen_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void xen_fail(const char *what, int64_t code)
{
	printf("bench-xen: %s: %s\n", what, vmq_strerror((int)code));
	exit(1);
}

void xen_check(const char *what, int64_t code)
{
	if (code < 0)
		xen_fail(what, code);
}

/* ---- what is measured --------------------------------------------------------------------------- */

static void trips(struct xen_end *e, const struct xen_order *o, bool near)
{
	for (uint32_t i = 0; i < o->count; i++) {
		if (near)
			xen_send(e, o, o->size);
		xen_recv(e, o, o->size);
		if (!near)
			xen_send(e, o, o->size);
	}
}

/* The last message is answered, so that the time is until all were received. */
static void flow(struct xen_end *e, const struct xen_order *o, bool near)
{
	static const struct xen_order small[XEN_CARRIERS] = {
		[XEN_VCHAN] = { .carrier = XEN_VCHAN }, [XEN_VMQ] = { .carrier = XEN_VMQ },
		[XEN_BATCH] = { .carrier = XEN_VMQ }, [XEN_LEND] = { .carrier = XEN_VMQ },
		[XEN_MOVE] = { .carrier = XEN_VMQ },
	};
	uint32_t step = o->carrier == XEN_BATCH ? XEN_BATCH_LEN : 1;

	for (uint32_t i = 0; i < o->count; i += step) {
		if (near)
			xen_send(e, o, o->size);
		else
			xen_recv(e, o, o->size);
	}
	if (near)
		xen_recv(e, &small[o->carrier], 64);
	else
		xen_send(e, &small[o->carrier], 64);
}

static void perform(struct xen_end *e, const struct xen_order *o, bool near)
{
	if (o->what == XEN_TRIPS)
		trips(e, o, near);
	else if (o->what == XEN_FLOW)
		flow(e, o, near);
	else if (near)
		xen_map(e, o);
	else
		xen_grant(e, o);
}

/* ---- the far end ----------------------------------------------------------------------------------- */

/* When a measurement is over, it tells its own doorbells and those of room. */
struct done {
	uint64_t kicks, room;
};

static struct done kicks_of(const struct xen_end *e)
{
	struct vmq_stats s = { .size = sizeof(s) };

	vmq_stats(e->q, &s);
	return (struct done){ s.kicks_sent, s.kicks_space };
}

static void obey(struct xen_end *e)
{
	struct xen_order o;
	struct done d;

	for (;;) {
		xen_check("order", vmq_recv(e->q, &o, sizeof(o), NULL, VMQ_FOREVER));
		if (o.what == XEN_OVER)
			return;
		perform(e, &o, false);
		d = kicks_of(e);
		xen_check("done", vmq_send(e->q, e->peer, &d, sizeof(d), VMQ_SEND_AUTO, VMQ_FOREVER));
	}
}

/* ---- the near end ------------------------------------------------------------------------------------ */

/* Seconds that each of `count` takes; the doorbells of both ends until now. */
static double measure(struct xen_end *e, const struct xen_order *o, struct done *d)
{
	double start, seconds;
	struct done mine;

	xen_check("order", vmq_send(e->q, e->peer, o, sizeof(*o), VMQ_SEND_AUTO, VMQ_FOREVER));
	start = xen_now();
	perform(e, o, true);
	seconds = xen_now() - start;
	xen_check("done", vmq_recv(e->q, d, sizeof(*d), NULL, VMQ_FOREVER));
	mine = kicks_of(e);
	d->kicks += mine.kicks;
	d->room += mine.room;
	return seconds / o->count;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), by_value);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void compare(struct xen_end *e, const char *what, struct xen_order o, enum xen_carrier subject, unsigned rounds)
{
	double vchan[XEN_ROUNDS_MAX], vmq[XEN_ROUNDS_MAX], ratio[XEN_ROUNDS_MAX];
	struct done before, after;
	double kicks = 0;

	for (unsigned i = 0; i < rounds; i++) {
		o.carrier = XEN_VCHAN;
		vchan[i] = measure(e, &o, &before);
		o.carrier = subject;
		vmq[i] = measure(e, &o, &after);
		ratio[i] = vchan[i] / vmq[i];
		/* The order and its end ring, too. */
		kicks += (double)(after.kicks + after.room - before.kicks - before.room) / o.count / rounds;
	}
	printf("%-34s libxenvchan %9.1f us   libvmq %9.1f us   ratio %6.2f   doorbells %.4f\n", what,
		1e6 * median(vchan, rounds), 1e6 * median(vmq, rounds), median(ratio, rounds), kicks);
	fflush(stdout);
}

static void pages(struct xen_end *e, uint32_t n, uint32_t count, unsigned rounds)
{
	struct xen_order map = { XEN_GRANT, 0, n * VMQ_PAGE_SIZE, count };
	struct xen_order lend = { XEN_FLOW, XEN_LEND, n * VMQ_PAGE_SIZE, count };
	struct xen_order copy = { XEN_FLOW, XEN_VMQ, n * VMQ_PAGE_SIZE, count };
	double mapped[XEN_ROUNDS_MAX], lent[XEN_ROUNDS_MAX], copied[XEN_ROUNDS_MAX];
	struct done d;

	for (unsigned i = 0; i < rounds; i++) {
		mapped[i] = measure(e, &map, &d);
		lent[i] = measure(e, &lend, &d);
		copied[i] = measure(e, &copy, &d);
	}
	printf("%2u page%s: map and unmap alone %9.1f us   lent, mapping kept %9.1f us   copied %9.1f us\n", n,
		n > 1 ? "s" : " ", 1e6 * median(mapped, rounds), 1e6 * median(lent, rounds), 1e6 * median(copied, rounds));
	fflush(stdout);
}

static void schedule(struct xen_end *e, unsigned rounds)
{
	struct xen_order over = { .what = XEN_OVER };

	printf("medians of %u rounds in turn; ratio: libxenvchan's time / libvmq's; rings and lanes of %u bytes\n",
		rounds, XEN_RING);
	compare(e, "round trip, 64 bytes", (struct xen_order){ XEN_TRIPS, 0, 64, 200 }, XEN_VMQ, rounds);
	compare(e, "round trip, 4 KiB", (struct xen_order){ XEN_TRIPS, 0, 4096, 200 }, XEN_VMQ, rounds);
	compare(e, "one way, 64 bytes", (struct xen_order){ XEN_FLOW, 0, 64, 319488 }, XEN_VMQ, rounds);
	compare(e, "one way, 64 bytes, batches of 32", (struct xen_order){ XEN_FLOW, 0, 64, 319488 }, XEN_BATCH, rounds);
	compare(e, "one way, 4 KiB", (struct xen_order){ XEN_FLOW, 0, 4096, 1000 }, XEN_VMQ, rounds);
	compare(e, "one way, 1 MiB, copied", (struct xen_order){ XEN_FLOW, 0, XEN_BIG, 8 }, XEN_VMQ, rounds);
	compare(e, "one way, 1 MiB, pages lent", (struct xen_order){ XEN_FLOW, 0, XEN_BIG, 8 }, XEN_LEND, rounds);
	compare(e, "one way, 1 MiB, pages moved", (struct xen_order){ XEN_FLOW, 0, XEN_BIG, 8 }, XEN_MOVE, rounds);
	pages(e, 1, 200, rounds);
	pages(e, 64, 50, rounds);
	xen_check("over", vmq_send(e->q, e->peer, &over, sizeof(over), VMQ_SEND_AUTO, VMQ_FOREVER));
}

/* ---- both ------------------------------------------------------------------------------------------ */

static void start(struct xen_end *e, char **argv, bool near)
{
	struct vmq_options o = { .size = sizeof(o), .transport = &vmq_transport_xen, .lane_size = XEN_RING,
		.pool_pages = 2 * XEN_BIG / VMQ_PAGE_SIZE };
	double end = xen_now() + 60;

	xen_check("vmq_open", vmq_open(argv[2], &o, &e->q));
	e->domid = (uint32_t)atoi(argv[4]);
	e->out = calloc(1, XEN_BIG);
	e->in = calloc(1, XEN_BIG);
	if (!near)
		e->v = libxenvchan_server_init(NULL, (int)e->domid, argv[5], XEN_RING, XEN_RING);
	xen_check("vmq_peer", vmq_peer(e->q, argv[3], MEET, &e->peer));
	while (near && !e->v && xen_now() < end)
		if (!(e->v = libxenvchan_client_init(NULL, (int)e->domid, argv[5])))
			usleep(20000);
	if (!e->v || !e->out || !e->in)
		xen_fail("libxenvchan", VMQ_ESYS);
	e->v->blocking = 1;
}

int main(int argc, char **argv)
{
	bool near = argc > 1 && !strcmp(argv[1], "near");
	struct xen_end e = { 0 };
	unsigned rounds = argc > 6 ? (unsigned)atoi(argv[6]) : 5;

	if (argc < 6 || !rounds || rounds > XEN_ROUNDS_MAX)
		return fprintf(stderr, "usage: %s near|far ADDRESS NAME DOMID VCHAN-PATH [ROUNDS]\n", argv[0]), 2;
	start(&e, argv, near);
	if (near)
		schedule(&e, rounds);
	else
		obey(&e);
	vmq_close(e.q);
	libxenvchan_close(e.v);
	return 0;
}
