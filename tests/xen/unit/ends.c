/* SPDX-License-Identifier: BSD-2-Clause */
/* ends.c - two domains with a channel's worth of grants and ports between them. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>

#include "ends.h"

struct end low, high;

static void open_one(struct end *e, uint32_t domid)
{
	fake_xen_create(domid, "vm");
	fake_xen_domain(domid);
	fake_xen_process(domid);
	e->domid = domid;
	e->shr = xengntshr_open(NULL, 0);
	e->tab = xengnttab_open(NULL, 0);
	cr_assert(e->shr && e->tab);
	for (unsigned i = 0; i < VMQ_FDS; i++) {
		cr_assert_eq(vmq__xen_bell_open(&e->bell[i], domid, true), 0);
		vmq__xen_bell_drain(&e->bell[i]);
	}
}

void ends_open(void)
{
	fake_xen_reset();
	open_one(&low, LOW);
	open_one(&high, HIGH);
	fake_xen_domain(0);
}

static void close_one(struct end *e)
{
	for (unsigned i = 0; i < VMQ_FDS; i++)
		vmq__xen_bell_close(&e->bell[i]);
	xengnttab_close(e->tab);
	xengntshr_close(e->shr);
}

void ends_close(void)
{
	bool clean = nothing_left();

	close_one(&low);
	close_one(&high);
	clean &= !fake_xen_count(FAKE_PORTS, LOW) && !fake_xen_count(FAKE_PORTS, HIGH);
	fake_xen_reset();
	if (!clean)
		abort(); /* an assertion would be ignored here */
}

static bool none(uint32_t domid)
{
	unsigned bells = fake_xen_count(FAKE_EVTCHNS, domid);

	return !fake_xen_count(FAKE_GRANTS, domid) && !fake_xen_count(FAKE_MAPPINGS, domid) &&
		fake_xen_count(FAKE_PORTS, domid) == 2 * bells;
}

bool nothing_left(void)
{
	return none(LOW) && none(HIGH);
}

struct vmq_geometry geometry(uint32_t lane0, uint32_t lane1, uint32_t pool0, uint32_t pool1)
{
	const uint32_t lane[2] = { lane0 * VMQ_PAGE_SIZE, lane1 * VMQ_PAGE_SIZE }, pool[2] = { pool0, pool1 };
	struct vmq_geometry geo;

	cr_assert_eq(vmq_layout_plan(lane, pool, &geo), 0);
	return geo;
}

struct xen_half low_half(const struct vmq_geometry *geo)
{
	struct xen_half h;

	cr_assert_eq(vmq__xen_half_make(&h, low.shr, HIGH, 0, geo, SERIAL, low.bell[VMQ_FD_CONTROL].in), 0);
	return h;
}

int high_far(struct xen_far *f, const struct xen_half *h, const struct vmq_geometry *geo)
{
	return vmq__xen_far_map(f, high.tab, LOW, 1, h->root_ref, SERIAL, geo);
}

bool bell_rung(const struct xen_bell *b)
{
	struct pollfd p = { .fd = b->fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}
