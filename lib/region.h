/* SPDX-License-Identifier: BSD-2-Clause */
/* region.h - a channel's region as a memfd, and one VM's window on it. */
#ifndef VMQ_REGION_H
#define VMQ_REGION_H

#include <vmq/core.h>

/* One VM's view of a region: all of its addresses, of which those of pages that
 * are not the VM's read as fresh zero pages. */
struct vmq__window {
	uint8_t *base;
	int fd;                  /* of the region; the window's own */
	bool placed;             /* in memory that somebody else reserved */
	struct vmq_geometry geo;
	uint8_t state[];         /* of each page: WINDOW_* */
};

enum { WINDOW_ZERO, WINDOW_READ, WINDOW_WRITE };

/* A memfd of zeros that cannot change its size. Returns the fd or a negative error. */
int vmq__sealed_create(const char *name, uint64_t size);

/* Is this descriptor, which another process made, memory of at least that size that
 * cannot shrink under a mapping? 0 or VMQ_EPROTO. */
int vmq__sealed_check(int fd, uint64_t size);

/* A sealed memfd with a written header. Returns the fd or a negative error. */
int vmq__region_create(const struct vmq_geometry *geo, const struct vmq_ident ident[2]);

/* Map a region for its side's end, at `at` (page-aligned, region_size bytes that
 * may be replaced) or anywhere. Takes a dup of fd. */
int vmq__window_open(struct vmq__window **w, int fd, const struct vmq_geometry *geo, unsigned side,
	void *at);

/* Unmap; where memory was reserved, fresh zero pages are left. */
void vmq__window_close(struct vmq__window *w);

/* Make a run of pages read as `state` says. Returns how many changed, or
 * VMQ_ENOMEM. */
int vmq__window_set(struct vmq__window *w, uint32_t first, uint32_t count, uint8_t state);

static inline uint8_t *vmq__window_pool(const struct vmq__window *w)
{
	return w->base + w->geo.pool_off[0];
}

#endif
