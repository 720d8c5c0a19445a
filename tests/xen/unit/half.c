/* SPDX-License-Identifier: BSD-2-Clause */
/* half.c - what an end grants: which pages, to whom, and how it ends. */
#define _DEFAULT_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/atomic.h"
#include "ends.h"
#include "support.h"

TestSuite(half, .init = ends_open, .fini = ends_close, .timeout = 30);

/* Can that domain map the page in that way? Gives its first byte. */
static int first_byte(struct end *e, uint32_t ref, int prot)
{
	uint8_t *at = xengnttab_map_domain_grant_refs(e->tab, 1, LOW, &ref, prot);
	int byte;

	if (!at)
		return -1;
	byte = at[0];
	xengnttab_unmap(e->tab, at, 1);
	return byte;
}

static void mark(uint8_t *at, uint32_t pages, uint8_t base)
{
	for (uint32_t i = 0; i < pages; i++)
		at[(size_t)i * VMQ_PAGE_SIZE] = (uint8_t)(base + i);
}

/* Place `at` of the lists, as somebody reads them who knows vmq/xen.h alone. */
static uint32_t listed(const struct xen_half *h, uint32_t at)
{
	uint32_t ref = vmq__load(&h->root->list[at / VMQ_XEN_LIST_REFS]), entry;
	vmq_le32 *list = xengnttab_map_domain_grant_refs(high.tab, 1, LOW, &ref, PROT_READ);

	cr_assert(list);
	entry = vmq__load(&list[at % VMQ_XEN_LIST_REFS]);
	xengnttab_unmap(high.tab, list, 1);
	return entry;
}

static void check_root(const struct xen_half *h, uint32_t lists)
{
	const struct vmq_xen_root *r = h->root;

	cr_assert_eq(vmq__load(&r->magic), VMQ_XEN_MAGIC);
	cr_assert_eq(vmq__le16(r->major), VMQ_XEN_MAJOR);
	cr_assert_eq(vmq__le16(r->minor), VMQ_XEN_MINOR);
	cr_assert(vmq__load(&r->alive) & 0xff);
	cr_assert_eq(vmq__load(&r->serial), SERIAL);
	cr_assert_eq(vmq__load(&r->lane_size), h->lane_pages * VMQ_PAGE_SIZE);
	cr_assert_eq(vmq__load(&r->ctl_pages), h->ctl_pages);
	cr_assert_eq(vmq__load(&r->pool_pages), h->pool_pages);
	cr_assert_eq(vmq__load(&r->lists), lists);
	cr_assert(zeros(r->reserved, sizeof(r->reserved)));
	cr_assert(zeros(&r->list[lists], sizeof(r->list) - lists * sizeof(r->list[0])));
}

/* All that is in the lists is what it has to be. */
static void check_lists(struct xen_half *h)
{
	uint32_t body = h->ctl_pages + h->lane_pages;

	mark((uint8_t *)h->ctl, h->ctl_pages, 10);
	mark(h->lane, h->lane_pages, 50);
	for (uint32_t i = 0; i < body; i++) {
		uint8_t want = (uint8_t)(i < h->ctl_pages ? 10 + i : 50 + i - h->ctl_pages);

		cr_assert_eq(first_byte(&high, listed(h, i), PROT_READ), want, "page %u", i);
	}
	mark(h->pool, h->pool_pages, 100);
	for (uint32_t i = 0; i < h->pool_pages; i++)
		cr_assert_eq(first_byte(&high, listed(h, body + i), PROT_READ | PROT_WRITE), (uint8_t)(100 + i),
			"pool %u", i);
	if ((body + h->pool_pages) % VMQ_XEN_LIST_REFS)
		cr_assert_eq(listed(h, body + h->pool_pages), 0);
}

/* ctl 2 pages, lane 1, and pools so that the lists are just full, or not. */
Test(half, lists_at_their_borders)
{
	const uint32_t pool[] = { 1, 1020, 1021, 1022, 2044, 2045, 2046 };

	fake_xen_grant_limit(5000);
	for (unsigned i = 0; i < sizeof(pool) / sizeof(pool[0]); i++) {
		struct vmq_geometry geo = geometry(1, 1, pool[i], 0);
		uint32_t all = (uint32_t)(geo.ctl_size / VMQ_PAGE_SIZE) + 1 + pool[i];
		struct xen_half h = low_half(&geo);

		cr_assert_eq(h.lists, all / 1024 + (all % 1024 != 0));
		check_root(&h, h.lists);
		check_lists(&h);
		vmq__xen_half_free(&h, low.shr);
		cr_assert(nothing_left());
	}
}

Test(half, lane_over_lists)
{
	struct vmq_geometry geo = geometry(1024, 1, 3, 5);
	struct xen_half h;

	fake_xen_grant_limit(5000);
	h = low_half(&geo);
	cr_assert_eq(h.lists, 2);
	check_root(&h, 2);
	check_lists(&h);
	vmq__xen_half_free(&h, low.shr);
}

/* The second side's lane, pool and first page number. */
Test(half, side_1)
{
	struct vmq_geometry geo = geometry(2, 4, 3, 5);
	struct xen_half h;

	cr_assert_eq(vmq__xen_half_make(&h, low.shr, HIGH, 1, &geo, SERIAL, low.bell[VMQ_FD_CONTROL].in), 0);
	cr_assert_eq(h.lane_pages, 4);
	cr_assert_eq(h.pool_pages, 5);
	cr_assert_eq(h.home, 3);
	check_root(&h, 1);
	check_lists(&h);
	cr_assert_eq(h.pool, h.window + 3 * VMQ_PAGE_SIZE);
	vmq__xen_half_free(&h, low.shr);
}

Test(half, no_pools)
{
	struct vmq_geometry geo = geometry(1, 1, 0, 0);
	struct xen_half h = low_half(&geo);

	cr_assert_null(h.window);
	cr_assert_null(h.pool);
	check_root(&h, 1);
	vmq__xen_half_free(&h, low.shr);
}

/* Peer's domain and no other; and to write, no more than the pool. */
Test(half, granted_to_one_domain)
{
	struct vmq_geometry geo = geometry(1, 1, 1, 1);
	struct xen_half h = low_half(&geo);
	uint32_t ref[5];

	ref[0] = h.root_ref;
	ref[1] = vmq__load(&h.root->list[0]);
	for (unsigned i = 0; i < 3; i++)
		ref[2 + i] = listed(&h, i);
	fake_xen_create(7, "third");
	fake_xen_domain(7);
	for (unsigned i = 0; i < 5; i++) {
		struct end third = { .tab = xengnttab_open(NULL, 0) };

		cr_assert_eq(first_byte(&third, ref[i], PROT_READ), -1, "%u", i);
		cr_assert_eq(first_byte(&low, ref[i], PROT_READ), -1, "%u", i);
		cr_assert_neq(first_byte(&high, ref[i], PROT_READ), -1, "%u", i);
		cr_assert_eq(first_byte(&high, ref[i], PROT_READ | PROT_WRITE) != -1, i == 4, "%u", i);
		xengnttab_close(third.tab);
	}
	vmq__xen_half_free(&h, low.shr);
}

/* ---- the pool ----------------------------------------------------------------------------- */

Test(half, pool_has_its_place)
{
	struct vmq_geometry geo = geometry(1, 1, 4, 2);
	struct xen_half h = low_half(&geo);

	cr_assert_eq(h.window_size, 6 * VMQ_PAGE_SIZE);
	cr_assert_eq(h.pool, h.window);
	memset(h.pool, 1, 4 * VMQ_PAGE_SIZE);
	cr_assert(write_faults(h.pool + 4 * VMQ_PAGE_SIZE), "the peer's place stays reserved");
	vmq__xen_half_free(&h, low.shr);
}

/* gntalloc's limit: there is no half without its pool. */
Test(half, pool_over_the_limit)
{
	struct vmq_geometry geo = geometry(1, 1, 200, 0);
	struct xen_half h;

	fake_xen_grant_limit(150);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(vmq__xen_half_make(&h, low.shr, HIGH, 0, &geo, SERIAL, low.bell[VMQ_FD_CONTROL].in),
			VMQ_ENOMEM);
	cr_assert(nothing_left());
	fake_xen_grant_limit(0);
	h = low_half(&geo);
	memset(h.pool, 1, 200 * VMQ_PAGE_SIZE);
	vmq__xen_half_free(&h, low.shr);
}

/* ---- faults, and the end --------------------------------------------------------------------- */

Test(half, each_step_may_fail)
{
	struct vmq_geometry geo = geometry(1, 1, 4, 4);
	struct xen_half h = low_half(&geo);
	int maps;

	vmq__xen_half_free(&h, low.shr);
	maps = count_maps();
	for (unsigned n = 0; n < 3; n++) {
		fake_xen_fault(FAKE_NO_GRANT, n, 1);
		cr_assert_eq(vmq__xen_half_make(&h, low.shr, HIGH, 0, &geo, SERIAL, low.bell[VMQ_FD_CONTROL].in),
			VMQ_ENOMEM, "%u", n);
		cr_assert_null(h.root);
		cr_assert(nothing_left());
		cr_assert_eq(count_maps(), maps);
		vmq__xen_half_free(&h, low.shr);
	}
	/* No such port to notify. */
	cr_assert_eq(vmq__xen_half_make(&h, low.shr, HIGH, 0, &geo, SERIAL, 999), VMQ_ESYS);
	cr_assert(nothing_left());
	cr_assert_eq(count_maps(), maps);
}

Test(half, more_than_lists_can_say)
{
	struct vmq_geometry geo = geometry(1u << 17, 1, 1u << 20, 0);
	struct xen_half h;

	fake_xen_grant_limit(1u << 20);
	cr_assert_eq(vmq__xen_half_make(&h, low.shr, HIGH, 0, &geo, SERIAL, low.bell[VMQ_FD_CONTROL].in),
		VMQ_ENOMEM);
	cr_assert(nothing_left());
}

/* No grant, and no address is kept, whether it goes in one step or two, on either side. */
Test(half, leaves_nothing)
{
	struct vmq_geometry geo = geometry(2, 2, 3, 3);
	struct xen_half h;
	int maps = 0;

	for (unsigned i = 0; i < 40; i++) {
		cr_assert_eq(vmq__xen_half_make(&h, low.shr, HIGH, i & 1, &geo, i, low.bell[VMQ_FD_CONTROL].in), 0);
		if (i & 2)
			vmq__xen_half_strip(&h, low.shr);
		vmq__xen_half_free(&h, low.shr);
		cr_assert_null(h.root);
		cr_assert(nothing_left());
		if (i == 4)
			maps = count_maps();
	}
	cr_assert_eq(count_maps(), maps);
}

/* The process ends, in one way or another: the peer sees it in the root page and hears it,
 * and what is mapped stays. */
static void ends(void (*end)(struct xen_half *h))
{
	struct vmq_geometry geo = geometry(1, 1, 2, 2);
	struct xen_bells mine, theirs;
	struct xen_half h;
	struct xen_far f;

	cr_assert_eq(vmq__xen_bells_make(low.bell, HIGH, &mine), 0);
	cr_assert_eq(vmq__xen_bells_bind(high.bell, LOW, mine.port, &theirs), 0);
	cr_assert_eq(vmq__xen_half_make(&h, low.shr, HIGH, 0, &geo, SERIAL, mine.port[VMQ_FD_CONTROL]), 0);
	memcpy(h.lane, "committed", 10);
	cr_assert_eq(high_far(&f, &h, &geo), 0);
	for (unsigned i = 0; i < VMQ_FDS; i++)
		vmq__xen_bell_drain(&high.bell[i]);
	cr_assert(vmq__xen_far_alive(&f));

	end(&h);
	cr_assert(!vmq__xen_far_alive(&f));
	cr_assert(vmq__xen_bell_drain(&high.bell[VMQ_FD_CONTROL]));
	cr_assert(!bell_rung(&high.bell[VMQ_FD_DATA]));
	cr_assert_str_eq((const char *)f.lane, "committed");
	/* Root, list, control area, lane, and a pool of two. */
	cr_assert_eq(fake_xen_count(FAKE_GRANTS, LOW), 6);
	vmq__xen_far_unmap(&f, high.tab);
	cr_assert_eq(fake_xen_count(FAKE_GRANTS, LOW), 0);
	vmq__xen_bells_free(high.bell, &theirs);
	vmq__xen_half_free(&h, low.shr);
	vmq__xen_bells_free(low.bell, &mine);
}

static void by_crash(struct xen_half *h)
{
	(void)h;
	fake_xen_crash(LOW);
}

static void by_free(struct xen_half *h)
{
	vmq__xen_half_free(h, low.shr);
}

Test(half, crash_is_heard)
{
	ends(by_crash);
}

Test(half, end_is_heard)
{
	ends(by_free);
}

/* A child process would keep grants alive after the end of its parent. */
Test(half, not_inherited)
{
	struct vmq_geometry geo = geometry(1, 1, 2, 2);
	struct xen_half h = low_half(&geo);
	unsigned char in;
	int status;
	pid_t pid;

	cr_assert_eq(mincore(h.root, 1, &in) | mincore(h.body, 1, &in) | mincore(h.pool, 1, &in), 0);
	pid = fork();
	if (!pid)
		_exit(mincore(h.root, 1, &in) && mincore(h.body, 1, &in) && mincore(h.pool, 1, &in) ? 0 : 1);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	vmq__xen_half_free(&h, low.shr);
}
