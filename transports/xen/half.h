/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * half.h - the two halves of a channel: what this end grants, and what it maps.
 *
 * Grants are read-only but for the pool's. Nothing of the other half is written, and each
 * word of it that is looked at is read once and checked.
 */
#ifndef VMQ_XEN_HALF_H
#define VMQ_XEN_HALF_H

#include <stdbool.h>
#include <stdint.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <vmq/core.h>
#include <vmq/xen.h>

/* What this end grants. */
struct xen_half {
	struct vmq_xen_root *root; /* granted alone: its owner's end is told by it. NULL: no half */
	uint32_t root_ref;
	uint8_t *body;           /* lists, control area, lane: in this order, one grant call */
	uint32_t lists, ctl_pages, lane_pages, pool_pages;
	struct vmq_layout_ctl *ctl;
	uint8_t *lane;
	uint8_t *window;         /* addresses of both pools: reserved; the own pool stands in
	                          * it. NULL: no pages at all */
	uint64_t window_size;
	uint8_t *pool;           /* in the window; NULL: none */
	uint32_t home, domid;    /* first page number of the own pool; whom all is granted to */
};

/*
 * Grant an end's half to a domain. notify: the own port that the kernel is to notify when
 * this process ends. geo: of the channel. VMQ_ENOMEM (gntalloc's limit, the grant table, or
 * memory), VMQ_ESYS.
 */
int vmq__xen_half_make(struct xen_half *h, xengntshr_handle *shr, uint32_t domid, unsigned side,
	const struct vmq_geometry *geo, uint32_t serial, evtchn_port_t notify);
void vmq__xen_half_free(struct xen_half *h, xengntshr_handle *shr);

/*
 * A page that is freed while the peer has it mapped stays for long: Linux looks at ten of them
 * in a second. So an end is first over, after far_leave(), which the peer sees in the root
 * page; and when it sees the same of the peer, all but the root page may go.
 */
void vmq__xen_half_over(struct xen_half *h);
void vmq__xen_half_strip(struct xen_half *h, xengntshr_handle *shr);

/* What the peer granted, mapped. */
struct xen_far {
	const struct vmq_xen_root *root; /* NULL: no half */
	const vmq_le32 *refs;    /* its lists, mapped as one array */
	uint32_t lists, ctl_pages, lane_pages, pool_pages;
	void *body;              /* control area and lane, one mapping */
	struct vmq_layout_ctl *ctl;
	uint8_t *lane;
	uint8_t *pool[2];        /* to read, and to write; NULL: it has none */
	uint32_t domid;
};

/*
 * Map the peer's half: one hypercall each for the root, the lists, and the rest, and two for
 * its pool; only that is writable, and only once.
 * geo, serial: what has to stand in the root page. side: the own one. VMQ_EPEER (a reference
 * is wrong, or the root page is not what it has to be), VMQ_EVERSION, VMQ_EGONE (its process
 * has ended), VMQ_ENOMEM.
 */
int vmq__xen_far_map(struct xen_far *f, xengnttab_handle *tab, uint32_t domid, unsigned side,
	uint32_t root_ref, uint32_t serial, const struct vmq_geometry *geo);
void vmq__xen_far_unmap(struct xen_far *f, xengnttab_handle *tab);

/* Unmap all but the root page, which still says when the peer has done the same. */
void vmq__xen_far_leave(struct xen_far *f, xengnttab_handle *tab);

/* Is the peer's end there? Has it unmapped what it had of this one's? */
bool vmq__xen_far_alive(const struct xen_far *f);
bool vmq__xen_far_done(const struct xen_far *f);

#endif
