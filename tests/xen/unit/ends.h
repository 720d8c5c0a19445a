/* SPDX-License-Identifier: BSD-2-Clause */
/* ends.h - two domains with a channel's worth of grants and ports between them. */
#ifndef TESTS_XEN_ENDS_H
#define TESTS_XEN_ENDS_H

#include "bell.h"
#include "fake.h"
#include "half.h"

#define LOW 3u   /* side 0 */
#define HIGH 5u  /* side 1 */
#define SERIAL 77u

struct end {
	uint32_t domid;
	xengntshr_handle *shr;
	xengnttab_handle *tab;
	struct xen_bell bell[VMQ_FDS];
};

/* Handles of both domains, each a process of its own (its domid); all closed by ends_close(),
 * which sees to it that nothing is left. */
extern struct end low, high;
void ends_open(void);
void ends_close(void);
/* Nothing granted, mapped or bound but the bells' own loops. */
bool nothing_left(void);

/* A channel: pages in lanes, and in pools. */
struct vmq_geometry geometry(uint32_t lane0, uint32_t lane1, uint32_t pool0, uint32_t pool1);

/* LOW's half for HIGH, and HIGH's look at it. */
struct xen_half low_half(const struct vmq_geometry *geo);
int high_far(struct xen_far *f, const struct xen_half *h, const struct vmq_geometry *geo);

bool bell_rung(const struct xen_bell *b); /* without silencing it */

#endif
