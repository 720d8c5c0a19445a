/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xen.h - two programs in two domains that go through the same schedule: libxenvchan and
 * libvmq in turn, several times. The near one has the schedule and the clock; the far one
 * does as it is told. What counts is the median of the pairwise ratios.
 */
#ifndef BENCH_XEN_H
#define BENCH_XEN_H

#include <stdint.h>

#include <libxenvchan.h>
#include <vmq/vmq.h>

#define XEN_RING 262144u   /* bytes, of libxenvchan's rings and of libvmq's lanes */
#define XEN_BIG (1u << 20)
#define XEN_ROUNDS_MAX 31

#define XEN_BATCH_LEN 32u      /* messages of a batch */

enum xen_carrier { XEN_VCHAN, XEN_VMQ, XEN_BATCH, XEN_LEND, XEN_MOVE, XEN_CARRIERS };

struct xen_end {
	struct vmq *q;
	uint32_t peer;
	uint32_t domid;            /* the other's */
	struct libxenvchan *v;
	uint8_t *out, *in;         /* the user's buffers */
};

/* What both do: `count` messages of `size` bytes, there and back, or one way and then a word
 * back. */
enum xen_what { XEN_TRIPS, XEN_FLOW, XEN_GRANT, XEN_OVER };

struct xen_order {
	uint32_t what, carrier, size, count;
};

/* End the program: nothing here can go on after an error. */
void xen_fail(const char *what, int64_t code) __attribute__((noreturn));
void xen_check(const char *what, int64_t code); /* ... if it is one */
double xen_now(void);

/* xen_carry.c: each byte is written by who sends, and read by who receives. A batch is of
 * XEN_BATCH_LEN messages of that size. */
void xen_send(struct xen_end *e, const struct xen_order *o, uint32_t size);
void xen_recv(struct xen_end *e, const struct xen_order *o, uint32_t size);

/* xen_grants.c: what a mapping costs without a library around it. The far end grants pages
 * when it is told; the near one maps and unmaps them, `size` bytes at a time. */
void xen_grant(struct xen_end *e, const struct xen_order *o);
void xen_map(struct xen_end *e, const struct xen_order *o);

#endif
