/* SPDX-License-Identifier: BSD-2-Clause */
/* far.c - the peer's half: mapped if it is what it has to be, and refused if not. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "core/atomic.h"
#include "ends.h"
#include "support.h"

TestSuite(far, .init = ends_open, .fini = ends_close, .timeout = 30);

static const vmq_le32 *list_entry(const struct xen_half *h, uint32_t at)
{
	return (const vmq_le32 *)h->body + at;
}

static vmq_le32 *own_entry(struct xen_half *h, uint32_t at)
{
	return (vmq_le32 *)h->body + at;
}

Test(far, maps_what_was_granted)
{
	struct vmq_geometry geo = geometry(4, 2, 3, 5);
	struct xen_half h = low_half(&geo);
	unsigned calls = fake_xen_count(FAKE_MAP_CALLS, HIGH);
	struct xen_far f;

	pattern(h.ctl, VMQ_PAGE_SIZE, 1);
	pattern(h.lane, 4 * VMQ_PAGE_SIZE, 2);
	cr_assert_eq(high_far(&f, &h, &geo), 0);
	cr_assert_eq(fake_xen_count(FAKE_MAP_CALLS, HIGH) - calls, 5, "root, lists, body, the pool twice");
	cr_assert_eq(fake_xen_count(FAKE_MAPPINGS, HIGH), 1 + 1 + 1 + 4 + 3 + 3);
	cr_assert_eq(f.lane_pages, 4);
	cr_assert_eq(f.pool_pages, 3);
	cr_assert(matches(f.ctl, VMQ_PAGE_SIZE, 1));
	cr_assert(matches(f.lane, 4 * VMQ_PAGE_SIZE, 2));
	h.lane[5000] ^= 1;
	cr_assert_eq(f.lane[5000], h.lane[5000], "one memory");
	vmq__xen_far_unmap(&f, high.tab);
	cr_assert_null(f.root);
	cr_assert_eq(fake_xen_count(FAKE_MAPPINGS, HIGH), 0);
	vmq__xen_half_free(&h, low.shr);
}

Test(far, is_read_only)
{
	struct vmq_geometry geo = geometry(1, 1, 1, 1);
	struct xen_half h = low_half(&geo);
	struct xen_far f;

	cr_assert_eq(high_far(&f, &h, &geo), 0);
	cr_assert(write_faults((void *)(uintptr_t)f.root));
	cr_assert(write_faults((void *)(uintptr_t)f.refs));
	cr_assert(write_faults(f.ctl));
	cr_assert(write_faults(f.lane));
	cr_assert(write_faults(f.pool[0]));
	cr_assert(!write_faults(f.pool[1]), "all but the pool, which is there both ways");
	vmq__xen_far_unmap(&f, high.tab);
	vmq__xen_half_free(&h, low.shr);
}

/* Lists of several pages are one array, up to the pool's last page. */
Test(far, several_lists)
{
	struct vmq_geometry geo = geometry(1024, 1, 1200, 0);
	struct xen_half h;
	struct xen_far f;

	fake_xen_grant_limit(5000);
	h = low_half(&geo);
	pattern(h.lane, 1024 * VMQ_PAGE_SIZE, 3);
	cr_assert_eq(high_far(&f, &h, &geo), 0);
	cr_assert_eq(f.lists, 3);
	cr_assert(matches(f.lane, 1024 * VMQ_PAGE_SIZE, 3));
	pattern(h.pool, 1200 * VMQ_PAGE_SIZE, 4);
	cr_assert(matches(f.pool[0], 1200 * VMQ_PAGE_SIZE, 4));
	cr_assert(matches(f.pool[1], 1200 * VMQ_PAGE_SIZE, 4));
	vmq__xen_far_unmap(&f, high.tab);
	vmq__xen_half_free(&h, low.shr);
}

Test(far, both_ends)
{
	struct vmq_geometry geo = geometry(1, 2, 3, 4);
	struct xen_half h = low_half(&geo), other;
	struct xen_far f, back;

	cr_assert_eq(vmq__xen_half_make(&other, high.shr, LOW, 1, &geo, 9, high.bell[VMQ_FD_CONTROL].in), 0);
	cr_assert_eq(high_far(&f, &h, &geo), 0);
	cr_assert_eq(vmq__xen_far_map(&back, low.tab, HIGH, 0, other.root_ref, 9, &geo), 0);
	cr_assert_eq(back.lane_pages, 2);
	cr_assert_eq(back.pool_pages, 4);
	pattern(other.lane, 2 * VMQ_PAGE_SIZE, 5);
	cr_assert(matches(back.lane, 2 * VMQ_PAGE_SIZE, 5));
	vmq__xen_far_unmap(&back, low.tab);
	vmq__xen_far_unmap(&f, high.tab);
	vmq__xen_half_free(&other, high.shr);
	vmq__xen_half_free(&h, low.shr);
}

/* ---- root pages that are not what they have to be ------------------------------------------ */

struct lie {
	size_t off;
	uint32_t value;
	int rc;
};

#define AT(field) offsetof(struct vmq_xen_root, field)

static const struct lie lies[] = {
	{ AT(magic), 0, VMQ_EPEER },
	{ AT(magic), VMQ_XEN_MAGIC ^ 1, VMQ_EPEER },
	{ AT(major), VMQ_XEN_MAJOR + 1, VMQ_EVERSION },
	{ AT(major), 0, VMQ_EVERSION },
	{ AT(alive), 0, VMQ_EGONE },
	{ AT(alive), 0x100, VMQ_EGONE }, /* the first byte was cleared */
	{ AT(serial), SERIAL + 1, VMQ_EPEER },
	{ AT(lane_size), 0, VMQ_EPEER },
	{ AT(lane_size), 2 * VMQ_PAGE_SIZE, VMQ_EPEER },
	{ AT(lane_size), VMQ_PAGE_SIZE + 1, VMQ_EPEER },
	{ AT(lane_size), UINT32_MAX, VMQ_EPEER },
	{ AT(ctl_pages), 0, VMQ_EPEER },
	{ AT(ctl_pages), 2, VMQ_EPEER },
	{ AT(ctl_pages), UINT32_MAX, VMQ_EPEER },
	{ AT(pool_pages), 0, VMQ_EPEER },
	{ AT(pool_pages), 1, VMQ_EPEER },
	{ AT(pool_pages), 3, VMQ_EPEER },
	{ AT(pool_pages), UINT32_MAX, VMQ_EPEER },
	{ AT(lists), 0, VMQ_EPEER },
	{ AT(lists), 2, VMQ_EPEER },
	{ AT(lists), VMQ_XEN_LISTS, VMQ_EPEER },
	{ AT(lists), VMQ_XEN_LISTS + 1, VMQ_EPEER },
	{ AT(lists), UINT32_MAX, VMQ_EPEER },
	{ AT(list), 0, VMQ_EPEER },
	{ AT(list), 1, VMQ_EPEER },
	{ AT(list), UINT32_MAX, VMQ_EPEER },
};

Test(far, each_lie_is_seen)
{
	struct vmq_geometry geo = geometry(1, 1, 2, 2);
	struct xen_half h = low_half(&geo);
	uint8_t good[VMQ_PAGE_SIZE];
	struct xen_far f;

	memcpy(good, h.root, sizeof(good));
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		vmq_le32 word = vmq__le32(lies[i].value);

		memcpy((uint8_t *)h.root + lies[i].off, &word, sizeof(word));
		cr_assert_eq(high_far(&f, &h, &geo), lies[i].rc, "lie %u", i);
		cr_assert_eq(fake_xen_count(FAKE_MAPPINGS, HIGH), 0, "lie %u", i);
		memcpy(h.root, good, sizeof(good));
	}
	cr_assert_eq(high_far(&f, &h, &geo), 0);
	vmq__xen_far_unmap(&f, high.tab);
	vmq__xen_half_free(&h, low.shr);
}

/* What a later minor version adds is not looked at. */
Test(far, later_minor_version)
{
	struct vmq_geometry geo = geometry(1, 1, 2, 2);
	struct xen_half h = low_half(&geo);
	struct xen_far f;

	h.root->minor = vmq__le16(9);
	memset(h.root->reserved, 0xaa, sizeof(h.root->reserved));
	vmq__store(&h.root->list[1], 12345);
	cr_assert_eq(high_far(&f, &h, &geo), 0);
	vmq__xen_far_unmap(&f, high.tab);
	vmq__xen_half_free(&h, low.shr);
}

/* ---- references that stand for nothing that this domain may map ----------------------------- */

static void refused(struct xen_half *h, const struct vmq_geometry *geo, vmq_le32 *at, uint32_t ref)
{
	uint32_t good = vmq__load(at);
	struct xen_far f;

	vmq__store(at, ref);
	cr_assert_eq(high_far(&f, h, geo), VMQ_EPEER, "%u", ref);
	cr_assert_eq(fake_xen_count(FAKE_MAPPINGS, HIGH), 0);
	cr_assert_null(f.root);
	vmq__store(at, good);
}

Test(far, wrong_references)
{
	struct vmq_geometry geo = geometry(2, 2, 1, 1);
	struct xen_half h = low_half(&geo), third, own;
	struct xen_far f;

	fake_xen_create(7, "third");
	cr_assert_eq(vmq__xen_half_make(&third, low.shr, 7, 0, &geo, SERIAL, low.bell[VMQ_FD_CONTROL].in), 0);
	cr_assert_eq(vmq__xen_half_make(&own, high.shr, LOW, 1, &geo, SERIAL, high.bell[VMQ_FD_CONTROL].in), 0);
	const uint32_t wrong[] = { 0, 1, UINT32_MAX, 1u << 18, third.root_ref, vmq__load(list_entry(&third, 0)),
		own.root_ref };

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cr_assert_eq(vmq__xen_far_map(&f, high.tab, LOW, 1, wrong[i], SERIAL, &geo), VMQ_EPEER);
		refused(&h, &geo, &h.root->list[0], wrong[i]);
		for (uint32_t at = 0; at < h.ctl_pages + h.lane_pages + h.pool_pages; at++)
			refused(&h, &geo, own_entry(&h, at), wrong[i]);
	}
	/* Granted, and something else: a list instead of the root. */
	cr_assert_eq(vmq__xen_far_map(&f, high.tab, LOW, 1, vmq__load(&h.root->list[0]), SERIAL, &geo), VMQ_EPEER);
	/* Another domain's. */
	cr_assert_eq(vmq__xen_far_map(&f, high.tab, 0, 1, h.root_ref, SERIAL, &geo), VMQ_EPEER);
	cr_assert_eq(high_far(&f, &h, &geo), 0);
	vmq__xen_far_unmap(&f, high.tab);
	vmq__xen_half_free(&own, high.shr);
	vmq__xen_half_free(&third, low.shr);
	vmq__xen_half_free(&h, low.shr);
}

/* A pool of pages that are there only to be read. */
Test(far, pool_that_cannot_be_written)
{
	struct vmq_geometry geo = geometry(2, 2, 1, 1);
	struct xen_half h = low_half(&geo);

	refused(&h, &geo, own_entry(&h, h.ctl_pages + h.lane_pages), vmq__load(own_entry(&h, h.ctl_pages)));
	vmq__xen_half_free(&h, low.shr);
}

/* Two ends that are over let go of each other in steps: nothing is freed that is mapped. */
Test(far, over_and_done)
{
	struct vmq_geometry geo = geometry(1, 1, 2, 2);
	struct xen_half h = low_half(&geo);
	struct xen_far f;

	cr_assert_eq(high_far(&f, &h, &geo), 0);
	cr_assert(vmq__xen_far_alive(&f));
	cr_assert(!vmq__xen_far_done(&f));
	vmq__xen_half_over(&h);
	cr_assert(!vmq__xen_far_alive(&f));
	cr_assert(vmq__xen_far_done(&f));
	vmq__xen_far_leave(&f, high.tab);
	cr_assert_eq(fake_xen_count(FAKE_MAPPINGS, HIGH), 1);
	cr_assert(vmq__xen_far_done(&f), "the root page is there");
	vmq__xen_half_strip(&h, low.shr);
	cr_assert_eq(fake_xen_count(FAKE_GRANTS, LOW), 1);
	cr_assert(vmq__xen_far_done(&f));
	vmq__xen_far_unmap(&f, high.tab);
	vmq__xen_half_free(&h, low.shr);
	cr_assert_eq(fake_xen_count(FAKE_GRANTS, LOW), 0);
}

/* ---- no fault of the peer's -------------------------------------------------------------------- */

Test(far, each_mapping_may_fail)
{
	struct vmq_geometry geo = geometry(2, 2, 1, 1);
	struct xen_half h = low_half(&geo);
	struct xen_far f;
	int maps;

	for (unsigned n = 0; n < 5; n++) {
		fake_xen_fault(FAKE_NO_MAP, n, 1);
		maps = count_maps();
		cr_assert_eq(high_far(&f, &h, &geo), VMQ_ENOMEM, "%u", n);
		cr_assert_null(f.root);
		cr_assert_eq(fake_xen_count(FAKE_MAPPINGS, HIGH), 0);
		cr_assert_eq(count_maps(), maps);
		vmq__xen_far_unmap(&f, high.tab);
	}
	vmq__xen_half_free(&h, low.shr);
}

Test(far, more_than_one_call_maps)
{
	struct vmq_geometry geo = geometry(1u << 17, 1, 0, 0), too_much = geometry(1u << 17, 1, 1u << 20, 0);
	struct xen_half h;
	struct xen_far f;

	fake_xen_grant_limit(1u << 20);
	h = low_half(&geo);
	cr_assert_eq(high_far(&f, &h, &geo), VMQ_ENOMEM);
	cr_assert_eq(high_far(&f, &h, &too_much), VMQ_ENOMEM);
	cr_assert_eq(fake_xen_count(FAKE_MAPPINGS, HIGH), 0);
	vmq__xen_half_free(&h, low.shr);
}

/* Its process died before it was looked at; its nodes may be there for a while. */
Test(far, died_before)
{
	struct vmq_geometry geo = geometry(1, 1, 1, 1);
	struct xen_half h = low_half(&geo);
	struct xen_far f;

	fake_xen_crash(LOW);
	cr_assert_eq(high_far(&f, &h, &geo), VMQ_EPEER, "Linux took the grants back");
	vmq__xen_half_free(&h, low.shr);
}

/* A domain that is destroyed: nobody clears the byte, and what is mapped stays. */
Test(far, domain_destroyed)
{
	struct vmq_geometry geo = geometry(1, 1, 1, 1);
	struct xen_half h = low_half(&geo);
	struct xen_far f, again;

	memcpy(h.lane, "committed", 10);
	cr_assert_eq(high_far(&f, &h, &geo), 0);
	fake_xen_destroy(LOW);
	cr_assert(vmq__xen_far_alive(&f));
	cr_assert_str_eq((const char *)f.lane, "committed");
	cr_assert_eq(high_far(&again, &h, &geo), VMQ_EPEER);
	vmq__xen_far_unmap(&f, high.tab);
	vmq__xen_half_free(&h, low.shr);
}
