/* SPDX-License-Identifier: BSD-2-Clause */
/* storm.c - a peer does something without end: rings, changes its record, its offers. What
 * that costs the others is bounded, and they go on. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "fabric.h"

#define TALKS 500u
#define LOOKS 60u /* questions to XenStore that a tick asks, at most */

TestSuite(storm, .init = fabric_start, .fini = fabric_stop);

static struct vmq *a, *b, *c;
static uint32_t to_b, to_c;
static atomic_bool over;
static atomic_uint done;

static void open_all(uint32_t da, uint32_t db)
{
	a = fabric_vm(da, "a", NULL);
	b = fabric_vm(db, "b", NULL);
	c = fabric_vm(5, "c", NULL);
	to_c = both_meet(a, "c", c, "a");
	to_b = both_meet(a, "b", b, "a");
	atomic_store(&over, false);
	atomic_store(&done, 0);
}

static void close_all(void)
{
	vmq_close(a);
	vmq_close(b);
	vmq_close(c);
}

/* a and c talk, while somebody does what it does. Seconds that it took, and one. */
static unsigned talk_meanwhile(void *(*body)(void *), void *arg)
{
	uint64_t from = now_ns();
	pthread_t thread;
	uint32_t nobody;

	cr_assert_eq(pthread_create(&thread, NULL, body, arg), 0);
	for (unsigned i = 0; i < TALKS || atomic_load(&done) < 2000 || now_ns() - from < VMQ_MS(1500); i++) {
		cr_assert(fabric_talk(a, to_c, c, (uint32_t)vmq_id(a)));
		/* ... and look at the fabric all the time. */
		for (unsigned look = 0; look < 8; look++)
			cr_assert_eq(vmq_peer(a, "nobody", VMQ_NOWAIT, &nobody), VMQ_EAGAIN);
		cr_assert_lt(now_ns() - from, (uint64_t)PATIENCE);
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	return (unsigned)((now_ns() - from) / 1000000000u) + 1;
}

/* ---- doorbells ------------------------------------------------------------------------------ */

static void *ring(void *arg)
{
	struct xen *x = fabric_xen(b);
	const struct xen_bells *bells = arg;

	while (!atomic_load(&over)) {
		for (unsigned k = 0; k < VMQ_FDS; k++)
			vmq__xen_bell_ring(&x->bell[k], bells->port[k]);
		atomic_fetch_add(&done, 1);
	}
	return NULL;
}

Test(storm, of_events)
{
	struct xen_bells bells;
	unsigned asked, seconds;

	open_all(1, 2);
	bells = fabric_chan(b, "a")->bells;
	asked = fake_xen_count(FAKE_STORE_CALLS, 1);
	seconds = talk_meanwhile(ring, &bells);
	asked = fake_xen_count(FAKE_STORE_CALLS, 1) - asked;
	cr_expect_leq(asked, LOOKS * (seconds + 1), "%u questions in %u s for %u rings", asked, seconds,
		atomic_load(&done));
	/* Who rings is none the worse for it. */
	cr_expect(fabric_talk(a, to_b, b, (uint32_t)vmq_id(a)));
	close_all();
}

/* ---- XenStore ----------------------------------------------------------------------------------- */

static void new_life(const char *record, unsigned long life)
{
	char text[256];

	snprintf(text, sizeof(text), "1 77 %016lx 262144 256 0123456789abcdef0123456789abcdef", life);
	fake_store_write(record, text);
}

/* New lives, all the time. */
static void *reborn(void *arg)
{
	for (unsigned long life = 1; !atomic_load(&over); life++) {
		new_life(arg, life);
		atomic_fetch_add(&done, 1);
	}
	return NULL;
}

/* Looked at each, side 0 would grant something for each. */
Test(storm, of_lives_looked_at)
{
	struct vmq *q = fabric_vm(1, "a", NULL);
	uint32_t serial = fabric_xen(q)->serial, nobody;
	uint64_t from = now_ns();

	for (unsigned long life = 1; life <= 2000; life++) {
		new_life(fabric_record(2, "b"), life);
		vmq_peer(q, "nobody", VMQ_NOWAIT, &nobody);
	}
	cr_expect_leq(fabric_xen(q)->serial - serial, XEN_TRIES * ((now_ns() - from) / 1000000000u + 2));
	cr_expect_geq(fabric_xen(q)->serial - serial, XEN_TRIES);
	vmq_close(q);
}

Test(storm, of_lives)
{
	struct fabric_counts before;
	uint32_t serial;
	unsigned seconds;
	char record[128];

	open_all(1, 2);
	strcpy(record, fabric_record(2, "b"));
	vmq_close(b);
	fabric_quiet(a);
	fabric_count(&before);
	serial = fabric_xen(a)->serial;
	seconds = talk_meanwhile(reborn, record);
	cr_expect_leq(fabric_xen(a)->serial - serial, XEN_TRIES * (seconds + 1));
	cr_expect_gt(fabric_xen(a)->serial - serial, 2u);
	fake_store_remove(record);
	while (fabric_xen(a)->chans->next)
		vmq_peer(a, "b", VMQ_MS(1), &to_b);
	cr_expect(fabric_same(&before));
	b = fabric_vm(2, "b", NULL);
	to_b = both_meet(a, "b", b, "a");
	cr_expect(fabric_talk(a, to_b, b, (uint32_t)vmq_id(a)));
	close_all();
}

struct offers {
	char path[256];
	uint64_t life;
};

/* Offers that lead nowhere, each another one. */
static void *offering(void *arg)
{
	const struct offers *o = arg;
	char text[256];

	for (unsigned n = 1; !atomic_load(&over); n++) {
		snprintf(text, sizeof(text), "1 %016llx %u 0 %u %u %u %u", (unsigned long long)o->life, n, n % 5000,
			n % 64, n % 63, n % 62);
		fake_store_write(o->path, text);
		atomic_fetch_add(&done, 1);
	}
	return NULL;
}

Test(storm, of_offers)
{
	struct fabric_counts before;
	struct offers o;
	uint32_t serial;
	unsigned seconds;

	open_all(3, 2);
	strcpy(o.path, fabric_offer(2, "b", 3, "a"));
	o.life = fabric_xen(a)->me.life;
	serial = fabric_xen(a)->serial;
	seconds = talk_meanwhile(offering, &o);
	cr_expect_leq(fabric_xen(a)->serial - serial, XEN_TRIES * (seconds + 1));
	vmq_close(b);
	fabric_quiet(a);
	while (vmq_peer(a, "b", VMQ_MS(1), &to_b) != VMQ_ETIMEDOUT)
		;
	fabric_quiet(a);
	fabric_count(&before);
	cr_expect_leq(before.n[FAKE_GRANTS][3], 330u, "the channel with c is left");
	b = fabric_vm(2, "b", NULL);
	to_b = both_meet(a, "b", b, "a");
	cr_expect(fabric_talk(a, to_b, b, (uint32_t)vmq_id(a)));
	close_all();
}
