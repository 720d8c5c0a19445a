/* SPDX-License-Identifier: BSD-2-Clause */
/* far.c - what the peer granted, mapped. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/atomic.h"
#include "half.h"
#include "internal.h"

#define MAP_MAX 65536u /* pages of one call; gntdev's limit, as it is by default */

/* gntdev gives EINVAL for each grant that Xen does not let it map: there is none, it is
 * another domain's, or read-only. Out of memory is another error. */
static int map(xengnttab_handle *tab, uint32_t domid, const uint32_t *refs, uint32_t count, bool writable,
	void **at)
{
	int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;

	if (count > MAP_MAX)
		return VMQ_ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		if (!refs[i])
			return VMQ_EPEER;
	*at = xengnttab_map_domain_grant_refs(tab, count, domid, (uint32_t *)(uintptr_t)refs, prot);
	if (*at)
		return 0;
	return errno == EINVAL ? VMQ_EPEER : errno == ENOSPC ? VMQ_ENOMEM : vmq__errno(errno);
}

static void unmap(xengnttab_handle *tab, const void *at, uint32_t pages)
{
	if (at)
		xengnttab_unmap(tab, (void *)(uintptr_t)at, pages);
}

/* ---- the root page -------------------------------------------------------------------------- */

/* Each word once: what is checked is what is used. */
static void root_copy(struct vmq_xen_root *to, const struct vmq_xen_root *from)
{
	const vmq_le32 *f = (const void *)from;
	uint32_t w[sizeof(*to) / sizeof(vmq_le32)];

	/* Acquire: pairs with the release of who has written it. The magic is the first. */
	w[0] = vmq__le32(vmq__load_acquire(f));
	for (size_t i = 1; i < sizeof(w) / sizeof(w[0]); i++)
		w[i] = vmq__le32(vmq__load(f + i));
	memcpy(to, w, sizeof(*to));
}

static bool living(uint32_t alive)
{
	return alive & 0xff; /* the byte that the kernel clears */
}

static int root_check(const struct vmq_xen_root *r, const struct xen_far *f, uint32_t serial)
{
	if (vmq__le32(r->magic) != VMQ_XEN_MAGIC)
		return VMQ_EPEER;
	if (vmq__le16(r->major) != VMQ_XEN_MAJOR)
		return VMQ_EVERSION;
	if (!living(vmq__le32(r->alive)))
		return VMQ_EGONE;
	if (vmq__le32(r->serial) != serial || vmq__le32(r->lane_size) != f->lane_pages << VMQ_PAGE_SHIFT ||
	    vmq__le32(r->ctl_pages) != f->ctl_pages || vmq__le32(r->pool_pages) != f->pool_pages ||
	    vmq__le32(r->lists) != f->lists)
		return VMQ_EPEER;
	return 0;
}

/* ---- to map ----------------------------------------------------------------------------------- */

static int lists_map(struct xen_far *f, xengnttab_handle *tab, const struct vmq_xen_root *r)
{
	uint32_t refs[VMQ_XEN_LISTS];
	void *at;
	int rc;

	for (uint32_t i = 0; i < f->lists; i++)
		refs[i] = vmq__le32(r->list[i]);
	rc = map(tab, f->domid, refs, f->lists, false, &at);
	if (!rc)
		f->refs = at;
	return rc;
}

/* References from place `from` of the lists on, read once each; to be freed. */
static uint32_t *refs_copy(const struct xen_far *f, uint32_t from, uint32_t count)
{
	uint32_t *refs = calloc(count, sizeof(*refs));

	for (uint32_t i = 0; refs && i < count; i++)
		refs[i] = vmq__load(&f->refs[from + i]);
	return refs;
}

static int body_map(struct xen_far *f, xengnttab_handle *tab)
{
	uint32_t pages = f->ctl_pages + f->lane_pages, *refs = refs_copy(f, 0, pages);
	int rc = refs ? map(tab, f->domid, refs, pages, false, &f->body) : VMQ_ENOMEM;

	free(refs);
	if (rc)
		return rc;
	f->ctl = f->body;
	f->lane = (uint8_t *)f->body + ((size_t)f->ctl_pages << VMQ_PAGE_SHIFT);
	return 0;
}

/* All of it at once: so a page that changes hands costs no hypercall, and is there even when
 * its sender is no more. */
static int pool_map(struct xen_far *f, xengnttab_handle *tab)
{
	uint32_t *refs;
	int rc = 0;
	void *at;

	if (!f->pool_pages)
		return 0;
	refs = refs_copy(f, f->ctl_pages + f->lane_pages, f->pool_pages);
	if (!refs)
		return VMQ_ENOMEM;
	for (int writable = 0; writable < 2 && !rc; writable++) {
		rc = map(tab, f->domid, refs, f->pool_pages, writable, &at);
		if (!rc)
			f->pool[writable] = at;
	}
	free(refs);
	return rc;
}

/* What has to be there, by the geometry that both ends have computed. */
static int plan(struct xen_far *f, unsigned side, const struct vmq_geometry *geo)
{
	uint64_t all;

	f->ctl_pages = (uint32_t)(geo->ctl_size >> VMQ_PAGE_SHIFT);
	f->lane_pages = geo->lane_size[!side] >> VMQ_PAGE_SHIFT;
	f->pool_pages = geo->pool_pages[!side];
	all = (uint64_t)f->ctl_pages + f->lane_pages + f->pool_pages;
	f->lists = (uint32_t)((all + VMQ_XEN_LIST_REFS - 1) / VMQ_XEN_LIST_REFS);
	return f->lists > VMQ_XEN_LISTS ? VMQ_ENOMEM : 0;
}

int vmq__xen_far_map(struct xen_far *f, xengnttab_handle *tab, uint32_t domid, unsigned side,
	uint32_t root_ref, uint32_t serial, const struct vmq_geometry *geo)
{
	struct vmq_xen_root copy;
	void *root;
	int rc;

	memset(f, 0, sizeof(*f));
	f->domid = domid;
	rc = plan(f, side, geo);
	if (!rc)
		rc = map(tab, domid, &root_ref, 1, false, &root);
	if (rc)
		return rc;
	f->root = root;
	root_copy(&copy, f->root);
	rc = root_check(&copy, f, serial);
	if (!rc)
		rc = lists_map(f, tab, &copy);
	if (!rc)
		rc = body_map(f, tab);
	if (!rc)
		rc = pool_map(f, tab);
	if (rc)
		vmq__xen_far_unmap(f, tab);
	return rc;
}

void vmq__xen_far_leave(struct xen_far *f, xengnttab_handle *tab)
{
	struct xen_far root = { .root = f->root, .domid = f->domid };

	for (int writable = 0; writable < 2; writable++)
		unmap(tab, f->pool[writable], f->pool_pages);
	unmap(tab, f->body, f->ctl_pages + f->lane_pages);
	unmap(tab, f->refs, f->lists);
	*f = root;
}

void vmq__xen_far_unmap(struct xen_far *f, xengnttab_handle *tab)
{
	vmq__xen_far_leave(f, tab);
	unmap(tab, f->root, 1);
	memset(f, 0, sizeof(*f));
}

/* ---- to look at --------------------------------------------------------------------------------- */

bool vmq__xen_far_alive(const struct xen_far *f)
{
	return living(vmq__load(&f->root->alive));
}

bool vmq__xen_far_done(const struct xen_far *f)
{
	return vmq__load_acquire(&f->root->done);
}
