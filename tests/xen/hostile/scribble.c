/* SPDX-License-Identifier: BSD-2-Clause */
/* scribble.c - a peer overwrites all that it grants: the root page, the lists, its control
 * area, its lane, its pool. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "fabric.h"

#define PAGE VMQ_PAGE_SIZE

TestSuite(scribble, .init = fabric_start, .fini = fabric_stop);

static uint64_t state;

static uint64_t noise(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

enum { ROOT, LISTS, CTL, LANE, POOL, PARTS };

static uint8_t *part_of(struct xen_half *h, unsigned part, size_t *size)
{
	size_t lists = (size_t)h->lists * PAGE, ctl = (size_t)h->ctl_pages * PAGE;

	switch (part) {
	case ROOT:
		*size = PAGE;
		return (uint8_t *)h->root;
	case LISTS:
		*size = lists;
		return h->body;
	case CTL:
		*size = ctl;
		return h->body + lists;
	case LANE:
		*size = (size_t)h->lane_pages * PAGE;
		return h->lane;
	default:
		*size = (size_t)h->pool_pages * PAGE;
		return h->pool;
	}
}

static void scribble(struct xen_half *h, unsigned part, unsigned how)
{
	size_t size, words;
	uint8_t *at = part_of(h, part, &size);

	/* Who does not say that it is there is not looked at any further. */
	if (part == CTL && how % 2) {
		at += offsetof(struct vmq_layout_ctl, prod);
		size -= offsetof(struct vmq_layout_ctl, prod);
	}
	if (how < 2) {
		memset(at, how ? 0xff : 0, size);
		return;
	}
	/* Everywhere, or here and there. */
	words = how == 2 ? size / 4 : 8;
	for (size_t i = 0; i < words; i++) {
		uint32_t w = (uint32_t)noise();

		memcpy(at + (how == 2 ? i : noise() % (size / 4)) * 4, &w, 4);
	}
}

/* a uses the channel in all ways, and comes to an end of each. */
static bool use(struct vmq *a, uint32_t to_b)
{
	struct vmq_page page;
	struct vmq_msg msg;
	unsigned sent = 0;
	bool broken = false;
	char buf[64];
	int64_t rc;

	/* Until the lane is full: then the peer's index counts. */
	do {
		rc = vmq_send(a, to_b, "some bytes", 10, VMQ_SEND_LAZY, VMQ_NOWAIT);
	} while (!rc && sent++ < 65536);
	broken |= rc == VMQ_EPEER;
	for (int i = 0; i < 20; i++) {
		rc = vmq_send(a, to_b, "some bytes", 10, VMQ_SEND_NOW, VMQ_NOWAIT);
		broken |= rc == VMQ_EPEER;
		if (!vmq_page_alloc(a, to_b, PAGE, &page, VMQ_NOWAIT) &&
				vmq_page_send(a, &page, VMQ_PAGE_MOVE, NULL, 0, 0, VMQ_NOWAIT))
			vmq_page_free(a, &page);
		rc = vmq_recv(a, buf, sizeof(buf), &msg, VMQ_NOWAIT);
		broken |= rc == VMQ_EPEER;
		if (rc >= 0 && msg.flags & VMQ_MSG_PAGE)
			vmq_page_free(a, &msg.page);
		vmq_yield(a);
	}
	return broken;
}

static void attack(uint32_t da, uint32_t db, unsigned part, unsigned how, unsigned *poisoned)
{
	struct vmq *a = fabric_vm(da, "a", NULL), *b = fabric_vm(db, "b", NULL), *c = fabric_vm(4, "c", NULL);
	uint32_t to_b = both_meet(a, "b", b, "a"), to_c = both_meet(a, "c", c, "a"), id;
	struct vmq_page page;
	struct xen_chan *own = fabric_chan(b, "a");

	cr_expect(fabric_talk(a, to_b, b, (uint32_t)vmq_id(a)));
	if (!vmq_page_alloc(b, (uint32_t)vmq_id(a), PAGE, &page, VMQ_NOWAIT))
		vmq_page_send(b, &page, VMQ_PAGE_LEND, NULL, 0, 0, VMQ_NOWAIT);
	scribble(&own->mine, part, how);
	*poisoned += use(a, to_b);
	vmq_peer(a, "c", VMQ_MS(1), &id);
	cr_expect(fabric_talk(a, to_c, c, (uint32_t)vmq_id(a)), "part %u, way %u", part, how);
	vmq_close(b);
	/* Its next life is as good as any. */
	b = fabric_vm(db, "b", NULL);
	while (vmq_recv(a, NULL, 0, NULL, VMQ_MS(1)) != VMQ_ETIMEDOUT)
		;
	to_b = both_meet(a, "b", b, "a");
	cr_expect(vmq_send(a, to_b, "x", 1, 0, PATIENCE) == 0 || use(a, to_b));
	vmq_close(a);
	vmq_close(b);
	vmq_close(c);
}

static void attack_part(unsigned part, unsigned least)
{
	struct fabric_counts before;
	unsigned poisoned = 0;

	fabric_count(&before);
	for (unsigned round = 0; round < 12; round++) {
		state = 0x9e3779b97f4a7c15u + round * PARTS + part;
		attack(1 + round % 2, 2 - round % 2, part, round < 4 ? round : 2 + round % 2, &poisoned);
		cr_assert(fabric_same(&before), "part %u, round %u", part, round);
	}
	cr_expect_geq(poisoned, least, "%u", poisoned);
}

Test(scribble, root)
{
	attack_part(ROOT, 0);
}

Test(scribble, lists)
{
	attack_part(LISTS, 0);
}

Test(scribble, control_area)
{
	attack_part(CTL, 1);
}

Test(scribble, lane)
{
	attack_part(LANE, 3);
}

Test(scribble, pool)
{
	attack_part(POOL, 0);
}

/* A page record that names a page of the other pool, both, or none: poison, and nobody maps
 * anything. */
Test(scribble, wrong_pages)
{
	static const uint32_t first[] = { 0, 255, 511, 512, UINT32_MAX, 256 };
	static const uint32_t count[] = { 1, 2, 2, 1, 1, 1000 };

	for (unsigned i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		struct vmq *a = fabric_vm(1, "a", NULL), *b = fabric_vm(2, "b", NULL);
		uint32_t to_a = (uint32_t)vmq_id(a);
		struct vmq_layout_page *desc;
		struct vmq_page page;
		struct vmq_msg msg;
		uint8_t *lane;

		both_meet(a, "b", b, "a");
		cr_assert_eq(vmq_page_alloc(b, to_a, PAGE, &page, VMQ_NOWAIT), 0);
		cr_assert_eq(vmq_page_send(b, &page, VMQ_PAGE_SHARE, "mark", 4, VMQ_SEND_LAZY, VMQ_NOWAIT), 0);
		lane = memmem(fabric_chan(b, "a")->mine.lane, 65536, "mark", 4);
		cr_assert_not_null(lane);
		desc = (void *)(lane - sizeof(*desc));
		memcpy(&desc->first, &first[i], 4);
		memcpy(&desc->count, &count[i], 4);
		cr_expect_eq(vmq_recv(a, NULL, 0, &msg, PATIENCE), VMQ_EPEER);
		vmq_close(a);
		vmq_close(b);
	}
}

/* Pages that were not granted. */
Test(scribble, wrong_grants)
{
	struct vmq *a = fabric_vm(2, "a", NULL), *b = fabric_vm(1, "b", NULL);
	struct xen_half *h;
	uint32_t id, good;
	vmq_le32 *refs;

	cr_expect_neq(vmq_peer(b, "a", VMQ_NOWAIT, &id), 0);
	h = &fabric_chan(b, "a")->mine;
	refs = (vmq_le32 *)h->body + h->ctl_pages + h->lane_pages + h->pool_pages - 1;
	memcpy(&good, refs, 4);
	memset(refs, 0x7f, 4);
	cr_expect_eq(vmq_peer(a, "b", PATIENCE, &id), VMQ_EPEER);
	memcpy(refs, &good, 4);
	id = both_meet(a, "b", b, "a");
	cr_expect(fabric_talk(a, id, b, (uint32_t)vmq_id(a)));
	vmq_close(a);
	vmq_close(b);
}
