/* SPDX-License-Identifier: BSD-2-Clause */
/* half.c - what this end grants. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/atomic.h"
#include "half.h"
#include "internal.h"

static size_t bytes(uint32_t pages)
{
	return (size_t)pages << VMQ_PAGE_SHIFT;
}

/* gntalloc's limit and a full grant table are ENOSPC. */
static int code(int e)
{
	return e == ENOSPC ? VMQ_ENOMEM : vmq__errno(e);
}

/* A child process does not get what is granted: it would keep the grants alive. */
static void not_inherited(void *at, uint32_t pages)
{
	madvise(at, bytes(pages), MADV_DONTFORK);
}

static void ungrant(xengntshr_handle *shr, void *at, uint32_t pages)
{
	if (at)
		xengntshr_unshare(shr, at, pages);
}

/* ---- to make ----------------------------------------------------------------------------- */

/* Place `at` of the array that the lists stand for. */
static vmq_le32 *entry(const struct xen_half *h, uint32_t at)
{
	return (vmq_le32 *)h->body + at;
}

static uint32_t before_pool(const struct xen_half *h)
{
	return h->ctl_pages + h->lane_pages;
}

/* refs: room for those of the body. */
static int body_make(struct xen_half *h, xengntshr_handle *shr, uint32_t *refs)
{
	uint32_t rest = before_pool(h);

	h->body = xengntshr_share_pages(shr, h->domid, (int)(h->lists + rest), refs, 0);
	if (!h->body)
		return code(errno);
	not_inherited(h->body, h->lists + rest);
	h->ctl = (void *)(h->body + bytes(h->lists));
	h->lane = h->body + bytes(h->lists + h->ctl_pages);
	for (uint32_t i = 0; i < rest; i++)
		vmq__store(entry(h, i), refs[h->lists + i]);
	return 0;
}

/* refs: of the lists. The lists are filled in already. */
static int root_make(struct xen_half *h, xengntshr_handle *shr, const uint32_t *refs, uint32_t serial,
	evtchn_port_t notify)
{
	struct vmq_xen_root *r = xengntshr_share_page_notify(shr, h->domid, &h->root_ref, 0,
		offsetof(struct vmq_xen_root, alive), notify);

	if (!r)
		return code(errno);
	not_inherited(r, 1);
	r->major = vmq__le16(VMQ_XEN_MAJOR);
	r->minor = vmq__le16(VMQ_XEN_MINOR);
	vmq__store(&r->serial, serial);
	vmq__store(&r->lane_size, h->lane_pages << VMQ_PAGE_SHIFT);
	vmq__store(&r->ctl_pages, h->ctl_pages);
	vmq__store(&r->pool_pages, h->pool_pages);
	vmq__store(&r->lists, h->lists);
	for (uint32_t i = 0; i < h->lists; i++)
		vmq__store(&r->list[i], refs[i]);
	vmq__store(&r->alive, 1);
	/* Release: who reads the magic reads the rest. */
	vmq__store_release(&r->magic, VMQ_XEN_MAGIC);
	h->root = r;
	return 0;
}

static int window_make(struct xen_half *h, uint64_t size)
{
	void *at;

	if (!size)
		return 0;
	at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return code(errno);
	h->window = at;
	h->window_size = size;
	return 0;
}

/* Move what was granted to its place in the window. */
static int pool_move(struct xen_half *h, void *from)
{
	uint8_t *place = h->window + bytes(h->home);
	size_t size = bytes(h->pool_pages);

	if (mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place) != MAP_FAILED) {
		h->pool = place;
		return 0;
	}
	/* It may have been cleared before that went wrong: nobody else is to get the place. */
	mmap(place, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	return VMQ_ENOMEM;
}

/* refs: room for those of the pool. */
static int pool_make(struct xen_half *h, xengntshr_handle *shr, uint32_t *refs)
{
	void *at;

	if (!h->pool_pages)
		return 0;
	at = xengntshr_share_pages(shr, h->domid, (int)h->pool_pages, refs, 1);
	if (!at)
		return code(errno);
	if (pool_move(h, at)) {
		ungrant(shr, at, h->pool_pages);
		return VMQ_ENOMEM;
	}
	not_inherited(h->pool, h->pool_pages);
	for (uint32_t i = 0; i < h->pool_pages; i++)
		vmq__store(entry(h, before_pool(h) + i), refs[i]);
	return 0;
}

static void plan(struct xen_half *h, unsigned side, const struct vmq_geometry *geo)
{
	uint64_t all;

	h->ctl_pages = (uint32_t)(geo->ctl_size >> VMQ_PAGE_SHIFT);
	h->lane_pages = geo->lane_size[side] >> VMQ_PAGE_SHIFT;
	h->pool_pages = geo->pool_pages[side];
	h->home = side ? geo->pool_pages[0] : 0;
	all = (uint64_t)before_pool(h) + h->pool_pages;
	h->lists = (uint32_t)((all + VMQ_XEN_LIST_REFS - 1) / VMQ_XEN_LIST_REFS);
}

/* The root last: who can map it finds the rest. */
int vmq__xen_half_make(struct xen_half *h, xengntshr_handle *shr, uint32_t domid, unsigned side,
	const struct vmq_geometry *geo, uint32_t serial, evtchn_port_t notify)
{
	uint32_t *refs;
	int rc;

	memset(h, 0, sizeof(*h));
	h->domid = domid;
	plan(h, side, geo);
	if (h->lists > VMQ_XEN_LISTS)
		return VMQ_ENOMEM;
	refs = calloc((size_t)h->lists + before_pool(h) + h->pool_pages, sizeof(*refs));
	if (!refs)
		return VMQ_ENOMEM;
	rc = body_make(h, shr, refs);
	if (!rc)
		rc = window_make(h, ((uint64_t)geo->pool_pages[0] + geo->pool_pages[1]) << VMQ_PAGE_SHIFT);
	if (!rc)
		rc = pool_make(h, shr, refs + h->lists + before_pool(h));
	if (!rc)
		rc = root_make(h, shr, refs, serial, notify);
	free(refs);
	if (rc)
		vmq__xen_half_free(h, shr);
	return rc;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* In one step each, and no byte that is not ours any more: another thread may get an address
 * as soon as it is free. */
static void window_free(struct xen_half *h, xengntshr_handle *shr)
{
	uint8_t *end = h->window + h->window_size, *pool = h->pool, *rest;

	if (!h->window)
		return;
	if (!pool) {
		munmap(h->window, h->window_size);
		return;
	}
	rest = pool + bytes(h->pool_pages);
	if (pool > h->window)
		munmap(h->window, (size_t)(pool - h->window));
	if (rest < end)
		munmap(rest, (size_t)(end - rest));
	ungrant(shr, pool, h->pool_pages);
}

/* Release: what was written here, and unmapped of the peer's, was so before. */
void vmq__xen_half_over(struct xen_half *h)
{
	vmq__store(&h->root->done, 1);
	vmq__store_release(&h->root->alive, 0);
}

void vmq__xen_half_strip(struct xen_half *h, xengntshr_handle *shr)
{
	window_free(h, shr);
	ungrant(shr, h->body, h->lists + before_pool(h));
	h->window = h->pool = h->body = h->lane = NULL;
	h->ctl = NULL;
}

/* The root goes first: the peer hears of it, as it would if the process died. */
void vmq__xen_half_free(struct xen_half *h, xengntshr_handle *shr)
{
	ungrant(shr, h->root, 1);
	vmq__xen_half_strip(h, shr);
	memset(h, 0, sizeof(*h));
}
