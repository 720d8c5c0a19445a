/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * window.c - the two windows on the channel to oneself: lib/region.h over the guest's
 * own page tables.
 *
 * Both show the same pages of memory at addresses of their own; a page that was moved
 * out of a window shows zeros there. The region is one for the guest's life, as its
 * endpoint is.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "region.h"
#include "rt.h"

#define VIEW ((AGENT_WINDOW - AGENT_VIEWS) / 2) /* bytes for each of the two */

static uintptr_t views;
static uint8_t *region;

void window_start(uintptr_t at)
{
	views = at;
}

int vmq__region_create(const struct vmq_geometry *geo, const struct vmq_ident ident[2])
{
	if (geo->region_size > VIEW)
		return VMQ_ENOMEM;
	region = heap_pages(geo->region_size >> VMQ_PAGE_SHIFT);
	if (!region)
		return VMQ_ENOMEM;
	vmq_layout_write(region, geo, ident);
	return 0;
}

static int map_run(struct vmq__window *w, uint32_t first, uint32_t count, uint8_t state)
{
	for (uint32_t p = first; p < first + count; p++) {
		size_t off = w->geo.pool_off[0] + ((size_t)p << VMQ_PAGE_SHIFT);
		uint8_t *page = state == WINDOW_ZERO ? heap_pages(1) : region + off;

		if (!page)
			return VMQ_ENOMEM;
		cpu_map((uintptr_t)w->base + off, page, state != WINDOW_READ);
		w->state[p] = state;
	}
	return (int)count;
}

int vmq__window_open(struct vmq__window **out, int fd, const struct vmq_geometry *geo, unsigned side,
	void *at)
{
	uint32_t pages = geo->pool_pages[0] + geo->pool_pages[1];
	struct vmq__window *w = calloc(1, sizeof(*w) + pages);

	if (!w || at)
		return VMQ_ENOMEM;
	w->base = (uint8_t *)(views + side * VIEW);
	w->fd = fd;
	w->geo = *geo;
	for (size_t off = 0; off < geo->pool_off[0]; off += VMQ_PAGE_SIZE)
		cpu_map((uintptr_t)w->base + off, region + off, true);
	*out = w;
	return map_run(w, 0, pages, WINDOW_WRITE) < 0 ? VMQ_ENOMEM : 0;
}

void vmq__window_close(struct vmq__window *w)
{
	free(w);
}

int vmq__window_set(struct vmq__window *w, uint32_t first, uint32_t count, uint8_t state)
{
	int changed = 0, rc;

	for (uint32_t p = first; p < first + count; p++) {
		if (w->state[p] == state)
			continue;
		rc = map_run(w, p, 1, state);
		if (rc < 0)
			return rc;
		changed += rc;
	}
	return changed;
}
