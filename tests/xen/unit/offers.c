/* SPDX-License-Identifier: BSD-2-Clause */
/* offers.c - offers from one endpoint to another. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>
#include <vmq/vmq.h>

#include "lab.h"
#include "support.h"

static struct xen_store *one, *two, *three;
static struct xen_record a, b, c;

static void setup(void)
{
	lab();
	one = endpoint(1, "a", &a);
	two = endpoint(2, "b", &b);
	three = endpoint(3, "c", &c);
	sees(one);
	sees(two);
	sees(three);
	news(one);
	news(two);
	news(three);
}

TestSuite(xen_offers, .init = setup);

static void done(void)
{
	vmq__xen_store_close(one);
	vmq__xen_store_close(two);
	vmq__xen_store_close(three);
}

static struct xen_offer offer(uint32_t serial)
{
	return (struct xen_offer){ .life = b.life, .serial = serial, .root = 9, .port = { 1, 2, 3 } };
}

/* May that domain read it? */
static bool readable(uint32_t domid, const char *path)
{
	struct xs_handle *h;
	void *value;

	fake_xen_domain(domid);
	h = xs_open(0);
	value = xs_read(h, XBT_NULL, path, NULL);
	free(value);
	xs_close(h);
	return value;
}

Test(xen_offers, there_and_back)
{
	struct xen_offer o = offer(7), got = { 0 };

	cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), VMQ_ENOENT);
	cr_assert_eq(vmq__xen_store_offer(one, &b, &o), 0);
	cr_assert(news(two));
	cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), 0);
	cr_assert_arr_eq(&got, &o, sizeof(o));
	/* Another one in its place. */
	o = offer(8);
	cr_assert_eq(vmq__xen_store_offer(one, &b, &o), 0);
	cr_assert(news(two));
	cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), 0);
	cr_assert_eq(got.serial, 8);
	vmq__xen_store_withdraw(one, &b);
	cr_assert(news(two));
	cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), VMQ_ENOENT);
	done();
}

/* That one alone; and who is not meant is not even woken, once the folder is there. */
Test(xen_offers, only_the_peer_reads_it)
{
	struct xen_offer o = offer(7);

	cr_assert_eq(vmq__xen_store_offer(one, &b, &o), 0);
	cr_assert(readable(2, at(1, "/a/2/b")));
	cr_assert_not(readable(3, at(1, "/a/2/b")));
	cr_assert_not(readable(3, at(1, "/a/2")));
	cr_assert_str_eq(fake_store_perms(at(1, "/a/2/b")), "n1 r2");
	news(three);
	o = offer(8);
	cr_assert_eq(vmq__xen_store_offer(one, &b, &o), 0);
	cr_assert_not(news(three));
	cr_assert_not(news(one));
	cr_assert(news(two));
	done();
}

/* Questions are asked only after an answer may have changed. */
Test(xen_offers, are_remembered)
{
	struct xen_offer o = offer(7), got;
	unsigned calls;

	cr_assert_eq(vmq__xen_store_offer(one, &b, &o), 0);
	news(two);
	sees(two);
	cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), 0);
	calls = fake_xen_count(FAKE_STORE_CALLS, 2);
	for (unsigned i = 0; i < 100; i++) {
		cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), 0);
		cr_assert_eq(vmq__xen_store_read_offer(two, &c, &got), VMQ_ENOENT);
		cr_assert_not(vmq__xen_store_news(two));
		cr_assert_not(vmq__xen_store_lost(two));
		cr_assert_str_eq(sees(two), "1/a 3/c");
	}
	/* One of them had never been asked. */
	cr_assert_leq(fake_xen_count(FAKE_STORE_CALLS, 2), calls + 1);
	done();
}

Test(xen_offers, ill_formed)
{
	struct xen_offer o = offer(7), got;
	struct xs_handle *h;

	cr_assert_eq(vmq__xen_store_offer(one, &b, &o), 0);
	fake_xen_domain(1);
	h = xs_open(0);
	cr_assert(xs_write(h, XBT_NULL, at(1, "/a/2/b"), "1 zz", 4));
	cr_assert(news(two));
	cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), VMQ_EPROTO);
	cr_assert(xs_write(h, XBT_NULL, at(1, "/a/2/b"), "1 00000000deadbeef 7 0 1 3 4 5\0x", 33));
	cr_assert(news(two));
	cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), VMQ_EPROTO);
	xs_close(h);
	done();
}

/* However it goes: the record's folder, the record, the offers' folder, the domain. */
Test(xen_offers, gone_with_what_is_above)
{
	static const char *const above[] = { "/a/2/b", "/a/2", "/a", "" };
	struct xen_offer o = offer(7), got;

	for (unsigned i = 0; i < 4; i++) {
		char record[128];

		cr_assert_eq(vmq__xen_store_offer(one, &b, &o), 0);
		news(two);
		cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), 0);
		strcpy(record, fake_store_value(at(1, "/a")));
		fake_store_remove(at(1, above[i]));
		/* The same record once more, but no offer. */
		if (i >= 2) {
			fake_store_write(at(1, "/a"), record);
			fake_store_allow(at(1, ""), "n1 r2 r3");
			fake_store_allow(at(1, "/a"), "n1 r2 r3");
		}
		cr_assert(news(two));
		cr_assert_str_eq(sees(two), "1/a 3/c");
		cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), VMQ_ENOENT, "%s", above[i]);
	}
	done();
}

/* A watch that did not tell. */
Test(xen_offers, doubt)
{
	struct xen_offer o = offer(7), got;

	cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), VMQ_ENOENT);
	fake_xen_fault(FAKE_DEAF, 0, 1000);
	cr_assert_eq(vmq__xen_store_offer(one, &b, &o), 0);
	cr_assert_not(news(two));
	cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), VMQ_ENOENT);
	vmq__xen_store_doubt(two);
	cr_assert(news(two));
	cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), 0);
	done();
}

/* Nor does what another life offered count, where not each watch told of it. */
Test(xen_offers, of_another_life)
{
	struct xen_offer o = offer(7), got;
	struct xen_record other = a;
	char text[128];

	cr_assert_eq(vmq__xen_store_offer(one, &b, &o), 0);
	news(two);
	cr_assert_eq(vmq__xen_store_read_offer(two, &a, &got), 0);
	fake_xen_fault(FAKE_DEAF, 0, 1000);
	fake_store_remove(at(1, "/a/2"));
	other.life++;
	vmq__xen_record_text(&other, text, sizeof(text));
	fake_store_write(at(1, "/a"), text);
	fake_xen_fault(FAKE_DEAF, 0, 0);
	fake_store_write(at(1, "/new"), "");
	fake_store_allow(at(1, "/new"), "n1 r2");
	cr_assert(news(two));
	other = record_of(two, "a");
	cr_assert_neq(other.life, a.life);
	cr_assert_eq(vmq__xen_store_read_offer(two, &other, &got), VMQ_ENOENT);
	done();
}

/* As many nodes as before; the folder of a domain goes with the last offer to it. */
Test(xen_offers, leave_nothing)
{
	unsigned nodes = fake_xen_count(FAKE_NODES, 1);
	struct xen_record d;
	struct xen_store *also = endpoint(2, "d", &d);
	struct xen_offer o = offer(7);

	for (unsigned i = 0; i < 10; i++) {
		cr_assert_eq(vmq__xen_store_offer(one, &b, &o), 0);
		cr_assert_eq(vmq__xen_store_offer(one, &d, &o), 0);
		cr_assert_eq(vmq__xen_store_offer(one, &c, &o), 0);
		vmq__xen_store_withdraw(one, &b);
		cr_assert(fake_store_there(at(1, "/a/2/d")));
		vmq__xen_store_withdraw(one, &d);
		cr_assert_not(fake_store_there(at(1, "/a/2")));
		vmq__xen_store_withdraw(one, &c);
		vmq__xen_store_withdraw(one, &c);
		cr_assert_eq(fake_xen_count(FAKE_NODES, 1), nodes);
	}
	vmq__xen_store_close(also);
	done();
}

/* Two endpoints of one domain; and domain 0. */
Test(xen_offers, within_a_domain)
{
	struct xen_record d, z;
	struct xen_store *also = endpoint(1, "d", &d), *host = endpoint(0, "z", &z);
	struct xen_offer o = offer(7), got;

	cr_assert_eq(vmq__xen_store_offer(one, &d, &o), 0);
	sees(also);
	cr_assert_eq(vmq__xen_store_read_offer(also, &a, &got), 0);
	cr_assert_not(readable(2, at(1, "/a/1/d")));
	cr_assert_eq(vmq__xen_store_offer(host, &a, &o), 0);
	news(one);
	sees(one);
	cr_assert_eq(vmq__xen_store_read_offer(one, &z, &got), 0);
	cr_assert_not(readable(2, at(0, "/z/1/a")));
	vmq__xen_store_close(also);
	vmq__xen_store_close(host);
	done();
}

/* Off the fabric: it leaves no nodes that nobody would remove. */
Test(xen_offers, not_when_lost)
{
	struct xen_offer o = offer(7);

	fake_store_remove(at(1, "/a"));
	news(one);
	cr_assert_eq(vmq__xen_store_offer(one, &b, &o), VMQ_ECONN);
	cr_assert_not(fake_store_there(at(1, "/a")));
	done();
}

Test(xen_offers, quota)
{
	struct xen_offer o = offer(7);

	fake_xen_node_quota(fake_xen_count(FAKE_NODES, 1));
	cr_assert_eq(vmq__xen_store_offer(one, &b, &o), VMQ_ENOMEM);
	fake_xen_node_quota(0);
	cr_assert_eq(vmq__xen_store_offer(one, &b, &o), 0);
	done();
}
