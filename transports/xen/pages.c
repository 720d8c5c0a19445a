/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pages.c - where pages of both pools are.
 *
 * Both pools are granted and mapped when a channel is made: the peer's twice, to read what is
 * lent, and to write the rest. So a page that changes hands costs no hypercall; and what its
 * sender committed before it closed or died is still there, as Xen keeps a page for as long as
 * somebody has it mapped. What this end moved away stays in its own addresses: whose it is,
 * the table of libvmq says.
 */
#include "xen.h"

static bool within(uint32_t first, uint32_t count, const struct vmq_page *run)
{
	return run->first >= first && run->first - first <= count && run->count <= count - (run->first - first);
}

int vmq__xen_pages_map(const struct xen_chan *c, struct vmq_page *run, unsigned mode)
{
	uint32_t home = c->side ? 0 : c->geo.pool_pages[0];

	if (within(c->mine.home, c->geo.pool_pages[c->side], run)) {
		run->addr = c->mine.window + ((size_t)run->first << VMQ_PAGE_SHIFT);
		return 0;
	}
	/* A peer may say that a run goes across both pools. */
	if (!within(home, c->geo.pool_pages[!c->side], run))
		return VMQ_EPEER;
	run->addr = c->theirs.pool[mode != VMQ_PAGE_LEND] + ((size_t)(run->first - home) << VMQ_PAGE_SHIFT);
	return 0;
}
