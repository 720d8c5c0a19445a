/* SPDX-License-Identifier: BSD-2-Clause */
/* gntshr.c - libxengnttab's granting half, as gntalloc has it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "grant.h"

#define PAGE 4096u

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger, unsigned open_flags)
{
	(void)logger;
	(void)open_flags;
	return fake_grant_open(true);
}

int xengntshr_close(xengntshr_handle *h)
{
	return h ? fake_grant_close(h) : 0;
}

/* ---- to share ------------------------------------------------------------------------------ */

static int take(const xengntshr_handle *h, struct area *a)
{
	if (h->dead)
		return EBADF;
	if (fake_xen_faulty(FAKE_NO_GRANT) ||
	    fake_pages_granted(h->domid) + a->count > fake_xen_grant_limit_now())
		return ENOSPC;
	if (!fake_pages_new(a->count, a->page))
		return ENOMEM;
	if (a->notify_port && !fake_evtchn_get(h->domid, a->notify_port))
		return EINVAL;
	a->at = fake_pages_mmap(a->page, a->count, PROT_READ | PROT_WRITE);
	if (a->at)
		return 0;
	if (a->notify_port)
		fake_evtchn_put(h->domid, a->notify_port);
	return ENOMEM;
}

static void added(xengntshr_handle *h, struct area *a, uint32_t domid, uint32_t *refs, int writable)
{
	for (uint32_t i = 0; i < a->count; i++) {
		fake_page_hold(a->page[i]);
		fake_page_grant(a->page[i], h->domid, domid, writable);
		refs[i] = fake_page_ref(a->page[i]);
	}
	fake_area_moved(a->at);
	a->counts = true;
	a->next = h->areas;
	h->areas = a;
}

static void *share(xengntshr_handle *h, uint32_t domid, uint32_t count, uint32_t *refs, int writable,
	uint32_t byte, uint32_t port)
{
	struct area *a = calloc(1, sizeof(*a));
	int e;

	a->page = calloc(count, sizeof(*a->page));
	a->count = count;
	a->notify_at = byte < PAGE ? (uint16_t)byte : NO_BYTE;
	a->notify_port = port == UINT32_MAX ? 0 : port;
	fake_xen_lock();
	e = take(h, a);
	if (!e)
		added(h, a, domid, refs, writable);
	fake_xen_free();
	if (!e)
		return a->at;
	free(a->page);
	free(a);
	errno = e;
	return NULL;
}

void *xengntshr_share_pages(xengntshr_handle *h, uint32_t domid, int count, uint32_t *refs, int writable)
{
	return share(h, domid, (uint32_t)count, refs, writable, UINT32_MAX, UINT32_MAX);
}

void *xengntshr_share_page_notify(xengntshr_handle *h, uint32_t domid, uint32_t *ref, int writable,
	uint32_t notify_offset, evtchn_port_t notify_port)
{
	return share(h, domid, 1, ref, writable, notify_offset, notify_port);
}

/* ---- to take back --------------------------------------------------------------------------- */

/* The share at an address: where it was made, or where it was moved to; which may be where
 * another one was made that was moved as well. */
static struct area **find(xengntshr_handle *h, const void *at)
{
	struct area **p = &h->areas;
	uint32_t page;

	if (!fake_page_at(at, &page))
		abort();
	while (*p && (*p)->page[0] != page)
		p = &(*p)->next;
	return p;
}

int xengntshr_unshare(xengntshr_handle *h, void *at, uint32_t count)
{
	struct area **p, *a;
	int rc;

	fake_xen_lock();
	p = find(h, at);
	a = *p;
	/* The real one would unmap what it is told, and break the rest. */
	if (!a || a->count != count)
		abort();
	*p = a->next;
	rc = munmap(at, (size_t)count * PAGE);
	fake_area_end(h, a);
	fake_xen_free();
	return rc;
}
