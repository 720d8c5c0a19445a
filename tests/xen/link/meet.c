/* SPDX-License-Identifier: BSD-2-Clause */
/* meet.c - endpoints find each other, agree on what they share, and know who is there. */
#include <criterion/criterion.h>
#include <string.h>

#include "fabric.h"

TestSuite(meet, .init = fabric_start, .fini = fabric_stop);

static struct vmq_peer_info info_of(struct vmq *q, uint32_t peer)
{
	struct vmq_peer_info info = { .size = sizeof(info) };

	cr_assert_eq(vmq_peer_info(q, peer, &info), 0);
	return info;
}

static void pair(uint32_t da, const char *an, uint32_t db, const char *bn)
{
	struct vmq *a = fabric_vm(da, an, NULL), *b = fabric_vm(db, bn, NULL);
	uint32_t to_b = both_meet(a, bn, b, an), to_a = (uint32_t)vmq_id(a);
	struct vmq_peer_info info = info_of(a, to_b);

	cr_expect_eq((int64_t)to_b, vmq_id(b));
	cr_expect_str_eq(info.name, bn);
	cr_expect_eq(info.origin, db);
	info = info_of(b, to_a);
	cr_expect_str_eq(info.name, an);
	cr_expect_eq(info.origin, da);
	cr_expect_eq(info_of(a, to_a).origin, 0u, "oneself is not the transport's to say");
	cr_expect(fabric_talk(a, to_b, b, to_a));
	vmq_close(a);
	vmq_close(b);
}

Test(meet, two_domains)
{
	pair(1, "a", 2, "b");
	pair(2, "a", 1, "b");
	pair(3, "b", 4, "a");
}

Test(meet, domain_0)
{
	pair(0, "a", 1, "b");
	pair(5, "a", 0, "b");
}

Test(meet, one_domain)
{
	pair(1, "a", 1, "b");
	pair(0, "z", 0, "a");
}

/* Each end makes what the other wants, as far as it would for itself, or as is free. */
static void sizes(const char *as, const char *bs, uint32_t lane0, uint32_t lane1, uint32_t pool0,
	uint32_t pool1)
{
	struct vmq *a = fabric_vm(1, "a", as), *b = fabric_vm(2, "b", bs);
	const struct vmq_geometry *ga, *gb;

	both_meet(a, "b", b, "a");
	ga = &fabric_chan(a, "b")->geo;
	gb = &fabric_chan(b, "a")->geo;
	cr_expect_eq(memcmp(ga, gb, sizeof(*ga)), 0);
	cr_expect_eq(fabric_chan(a, "b")->side, 0u);
	cr_expect_eq(ga->lane_size[0], lane0, "%s %s: %u", as, bs, ga->lane_size[0]);
	cr_expect_eq(ga->lane_size[1], lane1, "%s %s: %u", as, bs, ga->lane_size[1]);
	cr_expect_eq(ga->pool_pages[0], pool0, "%s %s: %u", as, bs, ga->pool_pages[0]);
	cr_expect_eq(ga->pool_pages[1], pool1, "%s %s: %u", as, bs, ga->pool_pages[1]);
	vmq_close(a);
	vmq_close(b);
}

Test(meet, sizes_agreed_on)
{
	const uint32_t k = 1024, m = k * k;

	fake_xen_grant_limit(65536);
	sizes("lane=4096&pages=3", "lane=8192&pages=5", 8 * k, 4 * k, 3, 5);
	/* Up to 1 MiB for who wants it; more only from who wants more itself. */
	sizes("lane=4096&pages=1", "lane=4194304&pages=1", m, 4 * k, 1, 1);
	sizes("lane=2097152&pages=1", "lane=4194304&pages=1", 2 * m, 2 * m, 1, 1);
	sizes("lane=4194304&pages=1", "lane=4194304&pages=1", 4 * m, 4 * m, 1, 1);
	/* The same of pages that have to be mapped. */
	sizes("lane=4096&pages=5000", "lane=4096&pages=1", 4 * k, 4 * k, 4096, 1);
	sizes("lane=4096&pages=5000", "lane=4096&pages=4500", 4 * k, 4 * k, 4500, 4500);
	sizes("lane=4096&pages=4294967295", "lane=4096&pages=2", 4 * k, 4 * k, 0, 2);
	sizes("lane=4096&pages=4294967295", "lane=4096&pages=4294967295", 4 * k, 4 * k, 0, 0);
}

Test(meet, what_is_asked_for_in_vain)
{
	static const struct {
		const char *settings, *says;
		int code;
	} cases[] = {
		{ "topology=/nowhere.json", "toolstack", VMQ_EINVAL },
		{ "lane=268435456", "in one piece", VMQ_EINVAL },
	};
	struct vmq *q;
	char why[200];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(fabric_open(1, "a", cases[i].settings, &q, why), cases[i].code);
		cr_expect(strstr(why, cases[i].says), "says '%s'", why);
	}
	fake_store_remove(fabric_member(3));
	cr_expect_eq(fabric_open(3, "a", NULL, &q, why), VMQ_ENOENT);
	cr_expect(strstr(why, "no member"), "says '%s'", why);
	fabric_allow(3, "only", NULL);
	cr_expect_eq(fabric_open(3, "a", NULL, &q, why), VMQ_EACCES);
	for (unsigned skip = 0; skip < 6; skip++) {
		fake_xen_fault(FAKE_NO_OPEN, skip, 1);
		cr_expect_lt(fabric_open(1, "a", NULL, &q, why), 0);
		cr_expect_gt(strlen(why), 10u, "says '%s'", why);
	}
	fake_xen_fault(FAKE_NO_OPEN, 0, 0);
	cr_assert_eq(fabric_open(1, "a", NULL, &q, why), 0);
	vmq_close(q);
}

/* A watch that does not tell: the tick finds out. */
Test(meet, deaf)
{
	struct vmq *a = fabric_vm(1, "a", NULL), *b;

	fake_xen_fault(FAKE_DEAF, 0, 1000000);
	b = fabric_vm(2, "b", NULL);
	both_meet(a, "b", b, "a");
	fake_xen_fault(FAKE_DEAF, 0, 0);
	vmq_close(a);
	vmq_close(b);
}

/* Somebody removes an offer that nobody has taken up: it is made again, one day. */
Test(meet, offer_removed)
{
	struct vmq *a = fabric_vm(1, "a", NULL), *b = fabric_vm(2, "b", NULL);
	uint64_t until = now_ns() + PATIENCE;
	uint32_t id;

	cr_assert_eq(vmq_peer(a, "b", VMQ_NOWAIT, &id), VMQ_EAGAIN);
	cr_assert_eq(fabric_chan(a, "b")->its, 0u, "offered, and not answered");
	fake_store_remove(fabric_offer(1, "a", 2, "b"));
	fabric_chan(a, "b")->age = XEN_WAIT_MAX - 1;
	while (!fake_store_there(fabric_offer(1, "a", 2, "b")) && now_ns() < until)
		vmq_peer(a, "b", VMQ_MS(1), &id);
	both_meet(a, "b", b, "a");
	vmq_close(a);
	vmq_close(b);
}
