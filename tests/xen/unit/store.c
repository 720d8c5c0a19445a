/* SPDX-License-Identifier: BSD-2-Clause */
/* store.c - an endpoint's record: who gets a name and an id, and when they are free again. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <vmq/vmq.h>

#include "lab.h"
#include "support.h"

static int fds;

static void setup(void)
{
	fds = count_fds();
	lab();
}

TestSuite(xen_store, .init = setup);

static void none_left(void)
{
	for (uint32_t d = 0; d < 4; d++) {
		cr_assert_eq(fake_xen_count(FAKE_STORES, d), 0);
		cr_assert_eq(fake_xen_count(FAKE_WATCHES, d), 0);
		cr_assert_eq(fake_xen_count(FAKE_TRANSACTIONS, d), 0);
	}
	cr_assert_eq(count_fds(), fds);
}

Test(xen_store, two_see_each_other)
{
	unsigned nodes = fake_xen_count(FAKE_NODES, 1);
	struct xen_record a, b, seen;
	struct xen_store *one = endpoint(1, "a", &a), *two = endpoint(2, "b", &b);

	cr_assert_eq(a.domid, 1);
	cr_assert_str_eq(sees(two), "1/a");
	cr_assert(news(one));
	cr_assert_str_eq(sees(one), "2/b");
	seen = record_of(one, "b");
	cr_assert_arr_eq(&seen, &b, sizeof(b));
	vmq__xen_store_close(two);
	cr_assert(news(one));
	cr_assert_str_eq(sees(one), "");
	vmq__xen_store_close(one);
	cr_assert_eq(fake_xen_count(FAKE_NODES, 1), nodes);
	none_left();
}

static int opened(uint32_t domid, const char *fabric)
{
	struct xen_store *s = NULL;
	int rc;

	*said = 0;
	fake_xen_domain(domid);
	rc = vmq__xen_store_open(&s, fabric, &why);
	if (!rc)
		vmq__xen_store_close(s);
	return rc;
}

Test(xen_store, open_fails)
{
	cr_assert_eq(opened(1, ""), VMQ_EURI);
	cr_assert_eq(opened(1, "a/b"), VMQ_EURI);
	cr_assert_eq(opened(1, "other"), VMQ_ENOENT);
	cr_assert(strstr(said, "domain 1 is no member of a fabric 'other': `vmq-xen-fabric`"));
	fake_xen_fault(FAKE_NO_OPEN, 0, 1);
	cr_assert_eq(opened(1, fabric()), VMQ_ECONN);
	fake_xen_fault(FAKE_NO_WATCH, 0, 1);
	cr_assert_eq(opened(1, fabric()), VMQ_ENOMEM);
	fake_store_remove("/local/domain/1/domid");
	cr_assert_eq(opened(1, fabric()), VMQ_ECONN);
	fake_store_write("/local/domain/1/domid", "1x");
	cr_assert_eq(opened(1, fabric()), VMQ_ECONN);
	fake_store_remove(member_at(2));
	cr_assert_eq(opened(2, fabric()), VMQ_ENOENT);
	cr_assert_eq(opened(3, fabric()), 0);
	none_left();
}

Test(xen_store, a_name_is_one_endpoints)
{
	struct xen_store *one = store_of(1), *same = store_of(1), *two = store_of(2);
	struct xen_record r, other;

	cr_assert_eq(claim(one, "a b", &r), 0);
	cr_assert(fake_store_there(at(1, "/a@20b")));
	cr_assert_eq(claim(same, "a b", &other), VMQ_EEXIST);
	cr_assert(strstr(said, "another process of this domain"));
	cr_assert_eq(claim(two, "a b", &other), VMQ_EEXIST);
	cr_assert(strstr(said, "' has the name 'a b'"));
	cr_assert_not(fake_store_there(at(2, "/a@20b")));
	/* Another one is free, in the same endpoint, too. */
	cr_assert_eq(claim(same, "b", &other), 0, "%s", said);
	vmq__xen_store_close(one);
	cr_assert_eq(claim(two, "a b", &r), 0, "%s", said);
	vmq__xen_store_close(same);
	vmq__xen_store_close(two);
	none_left();
}

Test(xen_store, names_that_the_toolstack_gives)
{
	static const int all[] = { 0, 1, 2, 3, -1 };
	struct xen_record r;
	struct xen_store *one, *two;

	fake_store_member(fabric(), 1, "web db", all);
	one = store_of(1);
	cr_assert_eq(claim(one, "mail", &r), VMQ_EACCES);
	cr_assert(strstr(said, "does not let domain 1 have the name 'mail'"));
	cr_assert_eq(claim(one, "db", &r), 0);
	/* A name that the other may not have is free, whatever it writes. */
	fake_store_write(at(1, "/mail"), fake_store_value(at(1, "/db")));
	two = store_of(2);
	cr_assert_eq(claim(two, "mail", &r), 0, "%s", said);
	cr_assert_str_eq(sees(two), "1/db");
	vmq__xen_store_close(one);
	vmq__xen_store_close(two);
}

Test(xen_store, out_of_sight_is_no_rival)
{
	static const int few[] = { 1, -1 };
	struct xen_record r;
	struct xen_store *one, *two;

	fake_store_member(fabric(), 1, "*", few);
	fake_store_member(fabric(), 2, "*", few + 1);
	one = endpoint(1, "a", &r);
	two = endpoint(2, "a", &r);
	cr_assert_str_eq(sees(two), "");
	vmq__xen_store_close(one);
	vmq__xen_store_close(two);
}

Test(xen_store, ids)
{
	struct xen_record a, b, again, blocked, found;
	struct xen_store *s = endpoint(1, "a", &a), *t = endpoint(2, "b", &b);
	char record[128];

	cr_assert(a.id && a.id < 4096 && a.id != b.id && a.life && a.life != b.life);
	vmq__xen_store_close(s);
	s = endpoint(3, "a", &again);
	cr_assert_eq(again.id, a.id);
	cr_assert_neq(again.life, a.life);
	vmq__xen_store_close(s);
	/* Another one has it. */
	blocked = a;
	vmq__xen_record_text(&blocked, record, sizeof(record));
	fake_store_write(at(3, "/z"), record);
	s = endpoint(1, "a", &again);
	cr_assert(again.id != a.id && again.id != b.id && again.id);
	found = record_of(t, "a");
	cr_assert_eq(found.id, again.id);
	vmq__xen_store_close(s);
	vmq__xen_store_close(t);
}

/* Two of one id, or one name, cannot come in at once: 400 rounds of two that race. */
struct racer {
	pthread_t thread;
	uint32_t domid;
	struct xen_store *s;
	struct xen_record r;
	const char *name;
	int rc;
	atomic_uint *go;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	struct xen_record own = { .lane_size = 65536 };

	fake_xen_domain(r->domid);
	strcpy(own.name, r->name);
	atomic_fetch_sub(r->go, 1);
	while (atomic_load(r->go))
		;
	r->rc = vmq__xen_store_claim(r->s, &own, NULL);
	r->r = own;
	return NULL;
}

static void both(struct racer r[2], const char *first, const char *second)
{
	atomic_uint go = 2;

	for (unsigned i = 0; i < 2; i++) {
		r[i] = (struct racer){ .domid = i + 1, .s = store_of(i + 1), .name = i ? second : first, .go = &go };
		cr_assert_eq(pthread_create(&r[i].thread, NULL, race, &r[i]), 0);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(r[i].thread, NULL);
	for (unsigned i = 0; i < 2; i++)
		vmq__xen_store_close(r[i].s);
}

Test(xen_store, two_race_for_a_name)
{
	struct racer r[2];

	for (unsigned n = 0; n < 200; n++) {
		both(r, "a", "a");
		cr_assert_eq(r[0].rc + r[1].rc, VMQ_EEXIST, "%d and %d", r[0].rc, r[1].rc);
	}
	none_left();
}

/* Their ids do not tell them apart: another one has that of the name. */
Test(xen_store, two_race_for_a_name_by_other_ids)
{
	struct xen_record a, third;
	struct xen_store *s = endpoint(3, "acc", &third);
	struct racer r[2];

	for (unsigned n = 0; n < 200; n++) {
		both(r, "acm", "acm");
		cr_assert_eq(r[0].rc + r[1].rc, VMQ_EEXIST, "%d and %d", r[0].rc, r[1].rc);
		a = r[r[0].rc != 0].r;
		cr_assert_neq(a.id, third.id);
	}
	vmq__xen_store_close(s);
	none_left();
}

/* "acc" and "acm" want the same id. */
Test(xen_store, two_race_for_an_id)
{
	struct xen_record a, b;
	struct xen_store *s = endpoint(1, "acc", &a);
	struct racer r[2];

	vmq__xen_store_close(s);
	s = endpoint(1, "acm", &b);
	vmq__xen_store_close(s);
	cr_assert_eq(a.id, b.id);
	for (unsigned n = 0; n < 200; n++) {
		both(r, "acc", "acm");
		cr_assert_eq(r[0].rc | r[1].rc, 0);
		cr_assert_neq(r[0].r.id, r[1].r.id);
	}
	none_left();
}

/* ---- what the dead left behind ------------------------------------------------------------------- */

Test(xen_store, the_dead_are_swept)
{
	struct xen_record r, kept;
	struct xen_store *dead, *lives, *s;

	lives = endpoint(1, "lives", &kept);
	fake_xen_process(7);
	dead = endpoint(1, "dead", &r);
	fake_xen_process(0);
	fake_store_write(at(1, "/dead/2/x"), "an offer");
	fake_store_write(at(1, "/@junk"), "");
	fake_xen_crash(7);
	fake_xen_unlock(fabric(), 1, "dead");
	vmq__xen_store_close(dead);
	cr_assert(fake_store_there(at(1, "/dead/2/x")));
	s = endpoint(1, "new", &r);
	cr_assert_not(fake_store_there(at(1, "/dead")));
	cr_assert_not(fake_store_there(at(1, "/@junk")));
	cr_assert(fake_store_there(at(1, "/lives")));
	news(lives);
	cr_assert_not(vmq__xen_store_lost(lives));
	vmq__xen_store_close(s);
	vmq__xen_store_close(lives);
	none_left();
}

/* Its offers were the dead one's. */
Test(xen_store, the_own_name_of_the_dead)
{
	struct xen_record r, again;
	struct xen_store *dead, *s;

	fake_xen_process(7);
	dead = endpoint(1, "a", &r);
	fake_xen_process(0);
	fake_store_write(at(1, "/a/2/x"), "an offer");
	fake_xen_crash(7);
	fake_xen_unlock(fabric(), 1, "a");
	vmq__xen_store_close(dead);
	s = endpoint(1, "a", &again);
	cr_assert(again.id == r.id && again.life != r.life);
	cr_assert_not(fake_store_there(at(1, "/a/2")));
	vmq__xen_store_close(s);
}

/* ---- XenStore's limits ------------------------------------------------------------------------------ */

Test(xen_store, transactions_that_fail)
{
	struct xen_record r;
	struct xen_store *s = store_of(1);

	fake_xen_fault(FAKE_CONFLICT, 0, 5);
	cr_assert_eq(claim(s, "a", &r), 0);
	vmq__xen_store_close(s);
	fake_xen_fault(FAKE_CONFLICT, 0, 100000);
	s = store_of(1);
	cr_assert_eq(claim(s, "a", &r), VMQ_ESYS);
	cr_assert(strstr(said, "no transaction came to an end"));
	cr_assert_not(fake_store_there(at(1, "/a")));
	cr_assert_not(vmq__xen_locked(fabric(), 1, "a"));
	vmq__xen_store_close(s);
	none_left();
}

Test(xen_store, quota)
{
	struct xen_record r;
	struct xen_store *s = store_of(1);

	fake_xen_node_quota(fake_xen_count(FAKE_NODES, 1));
	cr_assert_eq(claim(s, "a", &r), VMQ_ENOMEM);
	cr_assert(strstr(said, "quota"));
	fake_xen_node_quota(fake_xen_count(FAKE_NODES, 1) + 1);
	cr_assert_eq(claim(s, "a", &r), 0);
	vmq__xen_store_close(s);
	none_left();
}

/* ---- being thrown off --------------------------------------------------------------------------------- */

static struct xen_store *safe(struct xen_record *r)
{
	struct xen_store *s;

	lab();
	s = endpoint(1, "a", r);
	cr_assert_not(vmq__xen_store_lost(s));
	return s;
}

Test(xen_store, lost)
{
	struct xen_record r, other;
	struct xen_store *s = safe(&r);
	char text[128];

	fake_store_remove(at(1, "/a"));
	cr_assert(news(s) && vmq__xen_store_lost(s));
	vmq__xen_store_close(s);

	s = safe(&r);
	fake_store_remove("/local/domain/1/data/vmq");
	cr_assert(news(s) && vmq__xen_store_lost(s));
	vmq__xen_store_close(s);

	s = safe(&r);
	fake_store_remove(member_at(1));
	cr_assert(news(s) && vmq__xen_store_lost(s));
	vmq__xen_store_close(s);
	cr_assert_not(fake_store_there(at(1, "/a")));

	s = safe(&r);
	fake_store_write(member_at(1), "b c");
	cr_assert(news(s) && vmq__xen_store_lost(s));
	vmq__xen_store_close(s);

	/* Another life's record is not for it to remove. */
	s = safe(&r);
	other = r;
	other.life++;
	vmq__xen_record_text(&other, text, sizeof(text));
	fake_store_write(at(1, "/a"), text);
	cr_assert(news(s) && vmq__xen_store_lost(s));
	vmq__xen_store_close(s);
	cr_assert_str_eq(fake_store_value(at(1, "/a")), text);
	none_left();
}

/* No watch told it. */
Test(xen_store, lost_unheard)
{
	struct xen_record r;
	struct xen_store *s = safe(&r);

	fake_xen_fault(FAKE_DEAF, 0, 1000);
	fake_store_remove(at(1, "/a"));
	cr_assert_not(news(s));
	cr_assert_not(vmq__xen_store_lost(s));
	vmq__xen_store_doubt(s);
	cr_assert(news(s) && vmq__xen_store_lost(s));
	vmq__xen_store_close(s);
	none_left();
}
