/* SPDX-License-Identifier: BSD-2-Clause */
/* xen_grants.c - grants mapped and unmapped, and nothing else. */
#include <sys/mman.h>
#include <xengnttab.h>

#include "xen.h"

#define MOST 64u

void xen_grant(struct xen_end *e, const struct xen_order *o)
{
	xengntshr_handle *shr = xengntshr_open(NULL, 0);
	uint32_t refs[MOST], n = o->size / VMQ_PAGE_SIZE;
	void *pages = shr ? xengntshr_share_pages(shr, e->domid, (int)n, refs, 1) : NULL;

	if (!pages)
		xen_fail("xengntshr_share_pages", VMQ_ESYS);
	xen_check("refs", vmq_send(e->q, e->peer, refs, sizeof(refs), VMQ_SEND_AUTO, VMQ_FOREVER));
	xen_check("mapped", vmq_recv(e->q, refs, sizeof(refs), NULL, VMQ_FOREVER));
	xengntshr_unshare(shr, pages, n);
	xengntshr_close(shr);
}

void xen_map(struct xen_end *e, const struct xen_order *o)
{
	xengnttab_handle *tab = xengnttab_open(NULL, 0);
	uint32_t refs[MOST], n = o->size / VMQ_PAGE_SIZE;

	xen_check("refs", vmq_recv(e->q, refs, sizeof(refs), NULL, VMQ_FOREVER));
	for (uint32_t i = 0; i < o->count; i++) {
		uint8_t *pages = tab ? xengnttab_map_domain_grant_refs(tab, n, e->domid, refs, PROT_READ) : NULL;

		if (!pages)
			xen_fail("xengnttab_map_domain_grant_refs", VMQ_ESYS);
		for (uint32_t k = 0; k < n; k++)
			(void)*(volatile uint8_t *)(pages + k * VMQ_PAGE_SIZE);
		xengnttab_unmap(tab, pages, n);
	}
	xengnttab_close(tab);
	xen_check("mapped", vmq_send(e->q, e->peer, NULL, 0, VMQ_SEND_AUTO, VMQ_FOREVER));
}
