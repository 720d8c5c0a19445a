/* SPDX-License-Identifier: BSD-2-Clause */
/* bell.c - doorbells over event channels. */
#include <criterion/criterion.h>

#include "ends.h"

TestSuite(bell, .init = ends_open, .fini = ends_close, .timeout = 30);

/* A channel's ports between the two: LOW offers, HIGH binds. Both are silent. */
static void connect(struct xen_bells *a, struct xen_bells *b)
{
	cr_assert_eq(vmq__xen_bells_make(low.bell, HIGH, a), 0);
	cr_assert_eq(vmq__xen_bells_bind(high.bell, LOW, a->port, b), 0);
	for (unsigned i = 0; i < VMQ_FDS; i++) {
		cr_assert(vmq__xen_bell_drain(&high.bell[i]), "binding rings once");
		vmq__xen_bell_drain(&low.bell[i]);
	}
}

static void disconnect(struct xen_bells *a, struct xen_bells *b)
{
	vmq__xen_bells_free(low.bell, a);
	vmq__xen_bells_free(high.bell, b);
}

Test(bell, rings_itself)
{
	struct xen_bell *b = &low.bell[VMQ_FD_DATA];

	cr_assert(!vmq__xen_bell_drain(b));
	for (int i = 0; i < 3; i++) {
		vmq__xen_bell_ring_self(b);
		cr_assert(bell_rung(b));
		cr_assert(!bell_rung(&low.bell[VMQ_FD_SPACE]));
		cr_assert(vmq__xen_bell_drain(b));
		cr_assert(!bell_rung(b));
		cr_assert(!vmq__xen_bell_drain(b));
	}
}

/* Of many rings at once two are heard: the first, and one of all that came after it. */
Test(bell, rings_add_up)
{
	struct xen_bell *b = &low.bell[VMQ_FD_DATA];

	for (int i = 0; i < 10; i++)
		vmq__xen_bell_ring_self(b);
	cr_assert(vmq__xen_bell_drain(b));
	cr_assert(vmq__xen_bell_drain(b));
	cr_assert(!vmq__xen_bell_drain(b));
	cr_assert(!bell_rung(b));
}

Test(bell, without_loop)
{
	struct xen_bell b;

	fake_xen_domain(LOW);
	cr_assert_eq(vmq__xen_bell_open(&b, LOW, false), 0);
	vmq__xen_bell_ring_self(&b);
	cr_assert(!vmq__xen_bell_drain(&b));
	vmq__xen_bell_close(&b);
	cr_assert_eq(b.fd, -1);
	vmq__xen_bell_close(&b);
}

Test(bell, each_kind_rings_its_own, .description = "and no other bell, either way")
{
	struct xen_bells a, b;

	connect(&a, &b);
	for (unsigned kind = 0; kind < VMQ_FDS; kind++) {
		cr_assert_eq(vmq__xen_bell_ring(&low.bell[kind], a.port[kind]), 0);
		for (unsigned i = 0; i < VMQ_FDS; i++)
			cr_assert_eq(bell_rung(&high.bell[i]), i == kind);
		cr_assert(vmq__xen_bell_drain(&high.bell[kind]));
		cr_assert_eq(vmq__xen_bell_ring(&high.bell[kind], b.port[kind]), 0);
		for (unsigned i = 0; i < VMQ_FDS; i++)
			cr_assert_eq(bell_rung(&low.bell[i]), i == kind);
		cr_assert(vmq__xen_bell_drain(&low.bell[kind]));
	}
	disconnect(&a, &b);
}

/* 100 peers have rung: who drains is held up by 64 of them, and hears of the rest. */
Test(bell, drains_so_many_at_a_time)
{
	struct xen_bells a[100], b[100];
	struct xen_bell *hears = &low.bell[VMQ_FD_DATA];

	for (unsigned i = 0; i < 100; i++)
		connect(&a[i], &b[i]);
	for (unsigned i = 0; i < 100; i++)
		vmq__xen_bell_ring(&high.bell[VMQ_FD_DATA], b[i].port[VMQ_FD_DATA]);
	cr_assert(vmq__xen_bell_drain(hears));
	cr_assert(bell_rung(hears));
	cr_assert(vmq__xen_bell_drain(hears));
	cr_assert(!bell_rung(hears));
	for (unsigned i = 0; i < 100; i++)
		disconnect(&a[i], &b[i]);
}

Test(bell, binds_what_was_offered_only)
{
	struct xen_bells a, b, other;
	uint32_t theirs[VMQ_FDS];

	cr_assert_eq(vmq__xen_bells_make(low.bell, HIGH, &a), 0);
	cr_assert_eq(vmq__xen_bells_make(low.bell, 0, &other), 0);
	for (unsigned i = 0; i < VMQ_FDS; i++) {
		const uint32_t wrong[] = { 0, 1023, 1024, UINT32_MAX, other.port[i], a.port[(i + 1) % VMQ_FDS],
			low.bell[i].in };

		for (unsigned w = 0; w < sizeof(wrong) / sizeof(wrong[0]); w++) {
			memcpy(theirs, a.port, sizeof(theirs));
			theirs[i] = wrong[w];
			if (i == VMQ_FDS - 1 || wrong[w] != a.port[i + 1]) /* twice, in this order */
				cr_assert_eq(vmq__xen_bells_bind(high.bell, LOW, theirs, &b), VMQ_EPEER,
					"%u: %u", i, theirs[i]);
			cr_assert_eq(fake_xen_count(FAKE_PORTS, HIGH), 6);
		}
	}
	cr_assert_eq(vmq__xen_bells_bind(high.bell, 0, a.port, &b), VMQ_EPEER);
	cr_assert_eq(vmq__xen_bells_bind(high.bell, 9, a.port, &b), VMQ_EPEER);
	/* They are still to be had. */
	cr_assert_eq(vmq__xen_bells_bind(high.bell, LOW, a.port, &b), 0);
	disconnect(&a, &b);
	vmq__xen_bells_free(low.bell, &other);
}

Test(bell, no_port_free)
{
	struct xen_bells a, b;
	struct xen_bell one;

	for (unsigned n = 0; n < VMQ_FDS; n++) {
		fake_xen_fault(FAKE_NO_PORT, n, 1);
		cr_assert_eq(vmq__xen_bells_make(low.bell, HIGH, &a), VMQ_ENOMEM);
		cr_assert(nothing_left());
	}
	cr_assert_eq(vmq__xen_bells_make(low.bell, HIGH, &a), 0);
	for (unsigned n = 0; n < VMQ_FDS; n++) {
		fake_xen_fault(FAKE_NO_PORT, n, 1);
		cr_assert_eq(vmq__xen_bells_bind(high.bell, LOW, a.port, &b), VMQ_ENOMEM);
		cr_assert_eq(fake_xen_count(FAKE_PORTS, HIGH), 6);
	}
	vmq__xen_bells_free(low.bell, &a);
	for (unsigned n = 0; n < 2; n++) {
		fake_xen_fault(FAKE_NO_PORT, n, 1);
		cr_assert_eq(vmq__xen_bell_open(&one, 0, true), VMQ_ENOMEM);
		cr_assert_eq(one.fd, -1);
		cr_assert_eq(fake_xen_count(FAKE_EVTCHNS, 0), 0);
	}
	fake_xen_fault(FAKE_NO_OPEN, 0, 1);
	cr_assert_eq(vmq__xen_bell_open(&one, 0, true), VMQ_EMFILE);
}

/* Who never listens to a bell can still be rung after channels have come and gone. */
Test(bell, unheard_lives)
{
	struct xen_bells a, b;

	for (int i = 0; i < 300; i++) {
		cr_assert_eq(vmq__xen_bells_make(low.bell, HIGH, &a), 0);
		cr_assert_eq(vmq__xen_bells_bind(high.bell, LOW, a.port, &b), 0);
		disconnect(&a, &b);
	}
	connect(&a, &b);
	for (unsigned i = 0; i < VMQ_FDS; i++) {
		while (vmq__xen_bell_drain(&high.bell[i]))
			;
		cr_assert(!bell_rung(&high.bell[i]));
		cr_assert_eq(vmq__xen_bell_ring(&low.bell[i], a.port[i]), 0);
		cr_assert(bell_rung(&high.bell[i]));
	}
	disconnect(&a, &b);
}

/* A ring of one channel is not lost when another one ends. */
Test(bell, ring_outlives_others)
{
	struct xen_bells a[2], b[2];

	connect(&a[0], &b[0]);
	connect(&a[1], &b[1]);
	for (unsigned i = 0; i < VMQ_FDS; i++)
		vmq__xen_bell_ring(&low.bell[i], a[0].port[i]);
	vmq__xen_bells_free(high.bell, &b[1]);
	for (unsigned i = 0; i < VMQ_FDS; i++)
		cr_assert(vmq__xen_bell_drain(&high.bell[i]));
	vmq__xen_bells_free(low.bell, &a[1]);
	disconnect(&a[0], &b[0]);
}

Test(bell, peer_is_dead)
{
	struct xen_bells a, b, again;

	connect(&a, &b);
	fake_xen_crash(LOW);
	for (unsigned i = 0; i < VMQ_FDS; i++) {
		vmq__xen_bell_ring(&high.bell[i], b.port[i]);
		cr_assert_eq(vmq__xen_bell_ring(&low.bell[i], a.port[i]), VMQ_ESYS);
		cr_assert(!vmq__xen_bell_drain(&high.bell[i]));
		cr_assert(!vmq__xen_bell_drain(&low.bell[i]));
	}
	cr_assert_neq(vmq__xen_bells_make(low.bell, HIGH, &again), 0);
	disconnect(&a, &b);
}
