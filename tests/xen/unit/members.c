/* SPDX-License-Identifier: BSD-2-Clause */
/* members.c - who sees whom: as the toolstack says, and whatever domains write. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <xenstore.h>
#include <vmq/vmq.h>

#include "lab.h"
#include "support.h"

#define UUID "000102030405060708090a0b0c0d0eff"

static const int all[] = { 0, 1, 2, 3, -1 }, none[] = { -1 };

TestSuite(xen_members, .init = lab);

/* ---- who may see whom ------------------------------------------------------------------------ */

static bool wakes(struct xen_store *s)
{
	struct pollfd p = { .fd = vmq__xen_store_fd(s), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

Test(xen_members, as_the_toolstack_says)
{
	struct xen_record r;
	struct xen_store *one = endpoint(1, "a", &r), *two = endpoint(2, "b", &r), *host = endpoint(0, "z", &r);

	news(one);
	cr_assert_str_eq(sees(one), "0/z 2/b");
	cr_assert_str_eq(sees(host), "1/a 2/b");
	news(one);
	news(host);
	cr_assert_not(wakes(one));
	/* Domain 0 can read everything, and is none of those whom it may talk to. */
	fake_store_member(fabric(), 1, "*", (const int[]){ 2, -1 });
	cr_assert(wakes(host) && news(host));
	cr_assert_str_eq(sees(host), "2/b");
	fake_store_member(fabric(), 2, "*", none);
	cr_assert(wakes(one) && news(one));
	cr_assert_str_eq(sees(one), "0/z");
	/* Its own side of it is not in their hands. */
	cr_assert_str_eq(fake_store_perms(at(2, "/b")), "n2 r1 r3");
	news(two);
	cr_assert_str_eq(fake_store_perms(at(2, "/b")), "n2");
	fake_store_member(fabric(), 2, "*", all);
	fake_store_member(fabric(), 1, "*", all);
	news(two);
	news(one);
	news(host);
	cr_assert_str_eq(sees(one), "0/z 2/b");
	cr_assert_str_eq(sees(host), "1/a 2/b");
	vmq__xen_store_close(one);
	vmq__xen_store_close(two);
	vmq__xen_store_close(host);
}

/* Readable for all. */
Test(xen_members, by_default)
{
	struct xen_record r;
	struct xen_store *one, *host;

	fake_store_allow(member_at(1), "r0");
	one = endpoint(1, "a", &r);
	cr_assert_str_eq(fake_store_perms(at(1, "/a")), "r1");
	host = endpoint(0, "z", &r);
	cr_assert_str_eq(sees(host), "1/a");
	vmq__xen_store_close(one);
	vmq__xen_store_close(host);
}

Test(xen_members, come_and_go)
{
	struct xen_record r;
	struct xen_store *one, *late, *two;

	fake_store_remove(member_at(3));
	one = endpoint(1, "a", &r);
	two = endpoint(2, "b", &r);
	news(one);
	cr_assert_str_eq(sees(one), "2/b");
	fake_store_member(fabric(), 3, "*", all);
	late = endpoint(3, "c", &r);
	cr_assert(news(one));
	cr_assert_str_eq(sees(one), "2/b 3/c");
	/* A domain is destroyed. */
	fake_xen_destroy(3);
	cr_assert(wakes(one) && news(one));
	cr_assert_str_eq(sees(one), "2/b");
	vmq__xen_store_close(late);
	/* Its successor; the toolstack has to say so. */
	fake_xen_create(5, "dom3");
	fake_store_remove(member_at(3));
	fake_store_member(fabric(), 5, "*", (const int[]){ 1, 2, -1 });
	late = endpoint(5, "c", &r);
	cr_assert(news(one));
	cr_assert_str_eq(sees(one), "2/b 5/c");
	cr_assert_eq(fake_xen_count(FAKE_WATCHES, 1), 5); /* the list; 0, 1, 2, 5 */
	fake_store_remove(member_at(2));
	cr_assert(news(one));
	cr_assert_str_eq(sees(one), "5/c");
	cr_assert_eq(fake_xen_count(FAKE_WATCHES, 1), 4);
	vmq__xen_store_close(one);
	vmq__xen_store_close(two);
	vmq__xen_store_close(late);
}

/* ---- permissions --------------------------------------------------------------------------------- */

/* XenStore lets a domain name four readers; what the toolstack wrote is inherited. */
Test(xen_members, more_readers_than_a_domain_may_name)
{
	static const int many[] = { 2, 3, 11, 12, 13, 14, 15, 16, -1 };
	struct xen_record r;
	struct xen_store *s;

	for (uint32_t d = 11; d <= 16; d++)
		fake_xen_create(d, "more");
	fake_store_member(fabric(), 1, "*", many);
	s = endpoint(1, "a", &r);
	cr_assert_str_eq(fake_store_perms(at(1, "/a")), "n1 r2 r3 r11 r12 r13 r14 r15 r16");
	vmq__xen_store_close(s);
	/* Somebody threw the folder away. */
	fake_store_remove("/local/domain/1/data/vmq");
	s = store_of(1);
	cr_assert_eq(claim(s, "a", &r), VMQ_ENOMEM);
	cr_assert_not(fake_store_there(at(1, "/a")));
	vmq__xen_store_close(s);
	/* Domain 0 need not be named. */
	fake_store_member(fabric(), 1, "*", (const int[]){ 0, 13, 14, 15, 16, -1 });
	fake_store_remove("/local/domain/1/data/vmq");
	s = endpoint(1, "a", &r);
	cr_assert_str_eq(fake_store_perms(at(1, "")), "n1 r13 r14 r15 r16");
	cr_assert_str_eq(fake_store_perms(at(1, "/a")), "n1 r13 r14 r15 r16");
	vmq__xen_store_close(s);
}

/* ---- what domains write ------------------------------------------------------------------------------- */

static void writes(uint32_t domid, const char *rest, const char *value, unsigned len)
{
	struct xs_handle *h;

	fake_xen_domain(domid);
	h = xs_open(0);
	cr_assert(xs_write(h, XBT_NULL, at(domid, rest), value, len));
	xs_close(h);
}

static void lives(uint32_t domid, const char *rest, unsigned id)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "1 %u 00000000deadbeef 4096 0 " UUID, id);

	writes(domid, rest, text, (unsigned)n);
}

Test(xen_members, ill_formed_records)
{
	struct xen_record r;
	struct xen_store *s = endpoint(1, "a", &r);
	char text[] = "1 7 00000000deadbeef 4096 0 " UUID "\0";

	lives(2, "/good", 7);
	writes(2, "/bad", "1 7", 3);
	writes(2, "/empty", "", 0);
	writes(2, "/nul", text, sizeof(text));
	lives(2, "/@zz", 8);
	lives(2, "/@61", 9);
	cr_assert(news(s));
	cr_assert_str_eq(sees(s), "2/good");
	writes(2, "/good", "2", 1);
	cr_assert(news(s));
	cr_assert_str_eq(sees(s), "");
	vmq__xen_store_close(s);
}

Test(xen_members, names_that_are_not_theirs)
{
	struct xen_record r;
	struct xen_store *s;

	fake_store_member(fabric(), 2, "web d@20b", all);
	s = endpoint(1, "a", &r);
	lives(2, "/web", 7);
	lives(2, "/d@20b", 8);
	lives(2, "/d", 9);
	lives(2, "/a", 10);
	news(s);
	cr_assert_str_eq(sees(s), "2/d b 2/web");
	vmq__xen_store_close(s);
}

/* However many there are, so many are looked at. */
Test(xen_members, too_many_records)
{
	struct xen_record r;
	struct xen_store *s = endpoint(1, "a", &r);
	unsigned calls, seen = 0;
	char rest[16];

	sees(s);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(rest, sizeof(rest), "/n%u", i);
		lives(2, rest, 1 + i);
		writes(3, rest, "junk", 4);
	}
	lives(0, "/c", 1000);
	news(s);
	calls = fake_xen_count(FAKE_STORE_CALLS, 1);
	for (const char *c = sees(s); *c; c++)
		seen += *c == '/';
	cr_assert_eq(seen, XEN_RECORDS + 1);
	cr_assert_leq(fake_xen_count(FAKE_STORE_CALLS, 1), calls + 2 * XEN_RECORDS + 10);
	vmq__xen_store_close(s);
}

/* A storm of events: a call takes some, and all of them together make one look. */
Test(xen_members, storm)
{
	struct xen_record r;
	struct xen_store *s = endpoint(1, "a", &r);
	unsigned calls, rounds = 0;

	sees(s);
	for (unsigned i = 0; i < 1000; i++)
		lives(2, "/b", 7);
	calls = fake_xen_count(FAKE_STORE_CALLS, 1);
	cr_assert(vmq__xen_store_news(s));
	cr_assert(wakes(s));
	while (wakes(s) && rounds++ < 1000)
		vmq__xen_store_news(s);
	cr_assert(rounds > 2 && rounds < 100, "%u", rounds);
	cr_assert_eq(fake_xen_count(FAKE_STORE_CALLS, 1), calls);
	cr_assert_str_eq(sees(s), "2/b");
	cr_assert_leq(fake_xen_count(FAKE_STORE_CALLS, 1), calls + 3);
	/* What is none of its business makes no look. */
	lives(2, "/b/3/c", 7);
	calls = fake_xen_count(FAKE_STORE_CALLS, 1);
	cr_assert_not(news(s));
	cr_assert_str_eq(sees(s), "2/b");
	cr_assert_eq(fake_xen_count(FAKE_STORE_CALLS, 1), calls);
	vmq__xen_store_close(s);
}

/* ---- watches ------------------------------------------------------------------------------------------- */

/* As in a static program. */
Test(xen_members, without_watches)
{
	int fds = count_fds();
	struct xen_record r;
	struct xen_store *s, *two;

	fake_xen_fault(FAKE_NO_THREAD, 0, 1000);
	s = endpoint(1, "a", &r);
	cr_assert_eq(fake_xen_count(FAKE_WATCHES, 1), 0);
	fake_xen_fault(FAKE_NO_THREAD, 0, 0);
	two = endpoint(2, "b", &r);
	cr_assert_eq(vmq__xen_store_fd(s), -1);
	cr_assert_not(news(s));
	cr_assert_str_eq(sees(s), "");
	vmq__xen_store_doubt(s);
	cr_assert(news(s));
	cr_assert_str_eq(sees(s), "2/b");
	vmq__xen_store_close(two);
	vmq__xen_store_doubt(s);
	cr_assert(news(s));
	cr_assert_str_eq(sees(s), "");
	vmq__xen_store_close(s);
	cr_assert_eq(count_fds(), fds);
}

/* One that is lost, one that there was no room for: the tick heals both. */
Test(xen_members, doubt)
{
	struct xen_record r;
	struct xen_store *s = store_of(1), *two;

	fake_xen_fault(FAKE_NO_WATCH, 0, 1000);
	cr_assert_eq(claim(s, "a", &r), 0);
	fake_xen_fault(FAKE_NO_WATCH, 0, 0);
	news(s);
	cr_assert_eq(fake_xen_count(FAKE_WATCHES, 1), 1);
	two = endpoint(2, "b", &r);
	cr_assert_str_eq(sees(s), "");
	vmq__xen_store_doubt(s);
	cr_assert(news(s));
	cr_assert_str_eq(sees(s), "2/b");
	cr_assert_eq(fake_xen_count(FAKE_WATCHES, 1), 5);
	news(s);
	fake_xen_fault(FAKE_DEAF, 0, 1000);
	vmq__xen_store_close(two);
	cr_assert_not(news(s));
	cr_assert_str_eq(sees(s), "2/b");
	vmq__xen_store_doubt(s);
	cr_assert(news(s));
	cr_assert_str_eq(sees(s), "");
	vmq__xen_store_close(s);
}
