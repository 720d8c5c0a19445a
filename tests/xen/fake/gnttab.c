/* SPDX-License-Identifier: BSD-2-Clause */
/* gnttab.c - libxengnttab's handles and mappings, as gntdev has them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "grant.h"

#define PAGE 4096u

static struct xengntdev_handle *handles;

/* ---- ends ------------------------------------------------------------------------------- */

/* Xen's side of it: grants taken back, or mappings gone. dying: a kernel does it for a
 * process, and not a domain that is no more. */
static void uncount(struct xengntdev_handle *h, struct area *a, bool dying)
{
	if (!a->counts)
		return;
	a->counts = false;
	if (h->shr && dying && a->notify_at != NO_BYTE)
		fake_page_clear(a->page[0], a->notify_at);
	if (h->shr && a->notify_port) {
		if (dying)
			fake_evtchn_notify(h->domid, a->notify_port);
		fake_evtchn_put(h->domid, a->notify_port);
	}
	for (uint32_t i = 0; i < a->count; i++) {
		if (h->shr)
			fake_page_ungrant(a->page[i]);
		else
			fake_page_unmap(a->page[i], h->domid);
	}
}

static void area_free(struct area *a)
{
	for (uint32_t i = 0; i < a->count; i++)
		fake_page_drop(a->page[i]);
	free(a->page);
	free(a);
}

static void die(struct xengntdev_handle *h, bool dying)
{
	if (h->dead)
		return;
	h->dead = true;
	for (struct area *a = h->areas; a; a = a->next)
		uncount(h, a, dying);
	fake_xen_add(h->shr ? FAKE_GNTSHRS : FAKE_GNTTABS, h->domid, -1);
}

static void destroy(uint32_t domid)
{
	for (struct xengntdev_handle *h = handles; h; h = h->next)
		if (h->domid == domid)
			die(h, false);
}

static void crash(uint32_t process)
{
	for (struct xengntdev_handle *h = handles; h; h = h->next)
		if (h->process == process)
			die(h, true);
}

/* What is still there was leaked: nobody has it from here on. */
static void reset(void)
{
	handles = NULL;
	fake_pages_reset();
}

/* ---- handles ------------------------------------------------------------------------------ */

struct xengntdev_handle *fake_grant_open(bool shr)
{
	static const struct fake_part part = { reset, destroy, crash };
	struct xengntdev_handle *h = NULL;

	fake_xen_lock();
	fake_xen_part(&part);
	if (!fake_xen_faulty(FAKE_NO_OPEN))
		h = calloc(1, sizeof(*h));
	if (h) {
		h->shr = shr;
		h->domid = fake_xen_current();
		h->process = fake_xen_current_process();
		h->next = handles;
		handles = h;
		fake_xen_add(shr ? FAKE_GNTSHRS : FAKE_GNTTABS, h->domid, 1);
	}
	fake_xen_free();
	if (!h)
		errno = EMFILE;
	return h;
}

/* What is mapped stays, also in the counters: that is a leak. */
int fake_grant_close(struct xengntdev_handle *h)
{
	struct xengntdev_handle **p = &handles;

	fake_xen_lock();
	while (*p && *p != h)
		p = &(*p)->next;
	if (!*p)
		abort();
	*p = h->next;
	if (!h->dead)
		fake_xen_add(h->shr ? FAKE_GNTSHRS : FAKE_GNTTABS, h->domid, -1);
	while (h->areas) {
		struct area *a = h->areas;

		h->areas = a->next;
		free(a->page);
		free(a);
	}
	free(h);
	fake_xen_free();
	return 0;
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned open_flags)
{
	(void)logger;
	(void)open_flags;
	return fake_grant_open(false);
}

int xengnttab_close(xengnttab_handle *h)
{
	return h ? fake_grant_close(h) : 0;
}

/* ---- mappings --------------------------------------------------------------------------------- */

static int find_all(const xengnttab_handle *h, struct area *a, uint32_t domid, const uint32_t *refs,
	int prot)
{
	if (h->dead)
		return EBADF;
	if (fake_xen_faulty(FAKE_NO_MAP))
		return ENOMEM;
	for (uint32_t i = 0; i < a->count; i++)
		if (!fake_page_find(domid, refs[i], h->domid, prot & PROT_WRITE, &a->page[i]))
			return EINVAL;
	a->at = fake_pages_mmap(a->page, a->count, prot);
	return a->at ? 0 : ENOMEM;
}

static void added(xengnttab_handle *h, struct area *a)
{
	for (uint32_t i = 0; i < a->count; i++) {
		fake_page_map(a->page[i], h->domid);
		fake_page_hold(a->page[i]);
	}
	a->counts = true;
	a->next = h->areas;
	h->areas = a;
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *h, uint32_t count, uint32_t domid, uint32_t *refs,
	int prot)
{
	struct area *a = calloc(1, sizeof(*a));
	int e;

	a->page = calloc(count, sizeof(*a->page));
	a->count = count;
	fake_xen_lock();
	fake_xen_add(FAKE_MAP_CALLS, h->domid, 1);
	e = find_all(h, a, domid, refs, prot);
	if (!e)
		added(h, a);
	fake_xen_free();
	if (!e)
		return a->at;
	free(a->page);
	free(a);
	errno = e;
	return NULL;
}

int xengnttab_unmap(xengnttab_handle *h, void *at, uint32_t count)
{
	struct area **p = &h->areas, *a;

	fake_xen_lock();
	while (*p && (*p)->at != at)
		p = &(*p)->next;
	a = *p;
	if (a && a->count == count) {
		*p = a->next;
		uncount(h, a, true);
		munmap(at, (size_t)count * PAGE);
		area_free(a);
	} else {
		a = NULL;
	}
	fake_xen_free();
	errno = EINVAL;
	return a ? 0 : -1;
}

/* ---- for gntshr.c ------------------------------------------------------------------------------- */

void fake_area_end(struct xengntdev_handle *h, struct area *a)
{
	uncount(h, a, true);
	area_free(a);
}

/* An address that a share has now is not another's any more. */
void fake_area_moved(const void *at)
{
	for (struct xengntdev_handle *h = handles; h; h = h->next)
		for (struct area *a = h->shr ? h->areas : NULL; a; a = a->next)
			if (a->at == at)
				a->at = NULL;
}
