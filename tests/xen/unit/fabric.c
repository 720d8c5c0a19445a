/* SPDX-License-Identifier: BSD-2-Clause */
/* fabric.c - `vmq-xen-fabric`: what it writes in XenStore, and what it says. */
#include <criterion/criterion.h>
#include <getopt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenstore.h>

#include "lab.h"
#include "support.h"

int fabric_main(int argc, char **argv); /* the tool's main() */

static char out[8192], err[8192];

/* No fabric yet; domains 1 to 4, dom1 to dom4. */
static void setup(void)
{
	char name[8];

	fake_xen_reset();
	for (uint32_t d = 1; d <= 4; d++) {
		snprintf(name, sizeof(name), "dom%u", d);
		fake_xen_create(d, name);
	}
}

TestSuite(xen_fabric, .init = setup);

static void slurp(FILE *f, char *to, size_t len, int fd, int old)
{
	fflush(NULL);
	rewind(f);
	to[fread(to, 1, len - 1, f)] = 0;
	fclose(f);
	dup2(old, fd);
	close(old);
}

/* Run it; what it prints stands in out and err. Its exit code. */
static int run(const char *first, ...)
{
	char *argv[16] = { "vmq-xen-fabric", (char *)(uintptr_t)first };
	FILE *o = tmpfile(), *e = tmpfile();
	int argc = 1, code, old[2];
	va_list args;

	va_start(args, first);
	while (argv[argc] && argc < 14)
		argv[++argc] = va_arg(args, char *);
	va_end(args);
	fflush(NULL);
	old[0] = dup(1);
	old[1] = dup(2);
	dup2(fileno(o), 1);
	dup2(fileno(e), 2);
	optind = 0;
	fake_xen_domain(0);
	code = fabric_main(argc, argv);
	slurp(o, out, sizeof(out), 1, old[0]);
	slurp(e, err, sizeof(err), 2, old[1]);
	return code;
}

static const char *list_perms(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tool/vmq/%s", fabric());
	return fake_store_perms(path);
}

/* ---- members ---------------------------------------------------------------------------------- */

Test(xen_fabric, members)
{
	cr_assert_eq(run(fabric(), "dom1", "2=web,a b", "0", NULL), 0, "%s", err);
	cr_assert_str_eq(err, "");
	cr_assert_str_eq(fake_store_value(member_at(1)), "*");
	cr_assert_str_eq(fake_store_value(member_at(2)), "web a@20b");
	cr_assert_str_eq(list_perms(), "n0 r1 r2");
	cr_assert_str_eq(fake_store_perms(member_at(1)), "n0 r0 r1 r2");
	cr_assert_str_eq(fake_store_perms(member_at(0)), "n0 r1 r2");
	cr_assert_str_eq(fake_store_perms(at(1, "")), "n1 r2");
	cr_assert_str_eq(fake_store_perms(at(0, "")), "n0 r1 r2");
	/* One more; its names change. */
	cr_assert_eq(run(fabric(), "3", NULL), 0);
	cr_assert_eq(run(fabric(), "3=x", NULL), 0);
	cr_assert_str_eq(fake_store_value(member_at(3)), "x");
	cr_assert_str_eq(fake_store_value(member_at(2)), "web a@20b");
	cr_assert_str_eq(fake_store_perms(member_at(1)), "n0 r0 r1 r2 r3");
	cr_assert_str_eq(fake_store_perms(at(1, "")), "n1 r2 r3");
	cr_assert_str_eq(list_perms(), "n0 r1 r2 r3");
}

/* It is what endpoints need; and takes the records along. */
Test(xen_fabric, endpoints_meet)
{
	struct xen_record r;
	struct xen_store *one, *two, *late;

	cr_assert_eq(run(fabric(), "1", "2", NULL), 0);
	one = endpoint(1, "a", &r);
	two = endpoint(2, "b", &r);
	news(one);
	cr_assert_str_eq(sees(one), "2/b");
	cr_assert_eq(run(fabric(), "3", NULL), 0);
	cr_assert_str_eq(fake_store_perms(at(1, "/a")), "n1 r2 r3");
	late = endpoint(3, "c", &r);
	cr_assert_str_eq(sees(late), "1/a 2/b");
	news(one);
	cr_assert_str_eq(sees(one), "2/b 3/c");
	cr_assert_eq(run(fabric(), "--remove", "dom2", NULL), 0);
	cr_assert_not(fake_store_there(member_at(2)));
	cr_assert_str_eq(fake_store_perms(at(1, "/a")), "n1 r3");
	cr_assert(news(one) && news(two));
	cr_assert_str_eq(sees(one), "3/c");
	cr_assert(vmq__xen_store_lost(two));
	cr_assert_not(vmq__xen_store_lost(one));
	vmq__xen_store_close(one);
	vmq__xen_store_close(two);
	vmq__xen_store_close(late);
}

/* Nobody is woken by what changes nothing. */
Test(xen_fabric, idempotent)
{
	struct xen_record r;
	struct xen_store *one;

	cr_assert_eq(run(fabric(), "1", "2", "0", NULL), 0);
	one = endpoint(1, "a", &r);
	sees(one);
	news(one);
	cr_assert_eq(run(fabric(), "1", "2", "0", NULL), 0);
	cr_assert_eq(run(fabric(), NULL), 0);
	cr_assert_not(news(one));
	vmq__xen_store_close(one);
}

Test(xen_fabric, domains_that_are_no_more)
{
	cr_assert_eq(run(fabric(), "1", "2", NULL), 0);
	cr_assert_eq(run(fabric(), "3", NULL), 0);
	fake_xen_destroy(3);
	cr_assert_eq(run(fabric(), "--list", NULL), 0);
	cr_assert(fake_store_there(member_at(3)));
	cr_assert_eq(run(fabric(), NULL), 0);
	cr_assert(strstr(err, "domain 3 is no more: taken off"));
	cr_assert_not(fake_store_there(member_at(3)));
	cr_assert_not(fake_store_there("/local/domain/3"));
	cr_assert_str_eq(fake_store_perms(member_at(1)), "n0 r1 r2");
	/* By its number, one can go before that. */
	cr_assert_eq(run(fabric(), "4", NULL), 0);
	fake_xen_destroy(4);
	cr_assert_eq(run(fabric(), "--remove", "4", NULL), 0);
	cr_assert_not(fake_store_there(member_at(4)));
	/* Nor does it make nodes of one that stays on the list for now. */
	cr_assert_eq(run(fabric(), "3", NULL), 1);
	fake_xen_create(5, "dom5");
	cr_assert_eq(run(fabric(), "5", NULL), 0);
	fake_xen_destroy(5);
	cr_assert_eq(run(fabric(), "--remove", "2", NULL), 0);
	cr_assert(fake_store_there(member_at(5)));
	cr_assert_not(fake_store_there("/local/domain/5"));
}

Test(xen_fabric, removed)
{
	unsigned nodes;
	char path[64];

	fake_store_write("/tool/vmq", "");
	nodes = fake_xen_count(FAKE_NODES, 0);
	cr_assert_eq(run(fabric(), "1", "2", NULL), 0);
	cr_assert_eq(run("-r", fabric(), NULL), 0);
	snprintf(path, sizeof(path), "/tool/vmq/%s", fabric());
	cr_assert_not(fake_store_there(path));
	cr_assert_not(fake_store_there(at(1, "")));
	cr_assert_eq(fake_xen_count(FAKE_NODES, 0), nodes);
	cr_assert_eq(run("-r", fabric(), NULL), 1);
	cr_assert(strstr(err, "there is no fabric"));
}

/* ---- topologies -------------------------------------------------------------------------------- */

static char dir[64], file[128];

static void topology(const char *text)
{
	scratch_make(dir, sizeof(dir));
	scratch_file(dir, "t.json", text, file, sizeof(file));
}

Test(xen_fabric, topology)
{
	topology("{ \"vms\": [ { \"name\": \"dom1\" }, { \"name\": \"dom2\" }, { \"name\": \"dom3\" },"
		" { \"name\": \"later\" } ], \"allow\": [ [ \"dom1\", \"*\" ] ], \"refuse\": [ [ \"dom3\", \"dom1\" ] ] }");
	cr_assert_eq(run(fabric(), "4", NULL), 0);
	cr_assert_eq(run("-t", file, fabric(), NULL), 0, "%s", err);
	cr_assert(strstr(err, "there is no domain 'later' now: left out"));
	cr_assert_str_eq(fake_store_value(member_at(1)), "dom1");
	cr_assert_str_eq(fake_store_perms(member_at(1)), "n0 r1 r2");
	cr_assert_str_eq(fake_store_perms(member_at(2)), "n0 r1 r2");
	cr_assert_str_eq(fake_store_perms(member_at(3)), "n0 r3");
	cr_assert_str_eq(fake_store_perms(at(2, "")), "n2 r1");
	cr_assert_not(fake_store_there(member_at(4)));
	/* With one who is named, under the file's rules. */
	cr_assert_eq(run("-t", file, fabric(), "4=x", NULL), 0);
	cr_assert_str_eq(fake_store_value(member_at(4)), "x");
	cr_assert_str_eq(fake_store_perms(member_at(4)), "n0 r1 r4");
	/* What it keeps apart, no call without it joins. */
	cr_assert_eq(run(fabric(), "4", NULL), 1);
	cr_assert(strstr(err, "has a topology"));
	cr_assert_eq(run(fabric(), NULL), 0);
	cr_assert_str_eq(fake_store_perms(member_at(3)), "n0 r3");
	cr_assert_eq(run("--remove", fabric(), "dom2", NULL), 0);
	cr_assert_str_eq(fake_store_perms(member_at(1)), "n0 r1 r4");
	cr_assert_eq(run(fabric(), "--list", NULL), 0);
	cr_assert(strstr(out, ": 3 members, by a topology\n"));
	scratch_remove(dir);
}

Test(xen_fabric, topology_that_is_wrong)
{
	topology("{\n\"vms\": 7 }");
	cr_assert_eq(run(fabric(), "--topology", file, NULL), 1);
	cr_assert(strstr(err, "t.json:2: vms: must be a list"));
	cr_assert_eq(run(fabric(), "--topology", "/nonexistent", NULL), 1);
	cr_assert(strstr(err, "/nonexistent: No such file"));
	scratch_remove(dir);
}

/* ---- what it says ------------------------------------------------------------------------------- */

Test(xen_fabric, list)
{
	struct xen_record r;
	struct xen_store *one;
	char want[512];

	cr_assert_eq(run("-l", NULL), 0);
	cr_assert_str_eq(out, "");
	cr_assert_eq(run(fabric(), "1", "dom2=web,a b", NULL), 0);
	one = endpoint(1, "my name", &r);
	snprintf(want, sizeof(want), "%s: 2 members\n"
		" domain 1 (dom1), any name; may talk with 2\n"
		"  endpoint 'my name'\n"
		" domain 2 (dom2), name 'web', name 'a b'; may talk with 1\n", fabric());
	cr_assert_eq(run(fabric(), "--list", NULL), 0);
	cr_assert_str_eq(out, want);
	cr_assert_eq(run("--list", NULL), 0);
	cr_assert_str_eq(out, want);
	vmq__xen_store_close(one);
	cr_assert_eq(run("other", "--list", NULL), 1);
}

Test(xen_fabric, called_wrongly)
{
	cr_assert_eq(run(NULL), 2);
	cr_assert(strstr(err, "vmq-xen-fabric: the name of a FABRIC is needed; see vmq-xen-fabric --help\n"));
	cr_assert_eq(run("--help", NULL), 0);
	cr_assert(strstr(out, "Exit codes:"));
	cr_assert_eq(run("--what", "lab", NULL), 2);
	cr_assert_eq(run("--remove", NULL), 2);
	cr_assert_eq(run("--list", "a", "b", NULL), 2);
	cr_assert_eq(run("--remove", "--list", "a", NULL), 2);
	cr_assert_eq(run("--remove", "-t", "x", "a", NULL), 2);
	cr_assert_eq(run("a/b", "1", NULL), 2);
}

/* Nothing has changed then. */
Test(xen_fabric, failures)
{
	cr_assert_eq(run(fabric(), "1", "nobody", NULL), 1);
	cr_assert(strstr(err, "there is no domain 'nobody'"));
	cr_assert_eq(run(fabric(), "9", NULL), 1);
	cr_assert_eq(run(fabric(), "1=", NULL), 1);
	cr_assert(strstr(err, "'' cannot be an endpoint's name"));
	cr_assert_eq(run(fabric(), "1=a,b/c", NULL), 1);
	cr_assert_eq(run(fabric(), NULL), 1);
	cr_assert_eq(run(fabric(), "--remove", NULL), 1);
	cr_assert_not(fake_store_there(member_at(1)));
	cr_assert_eq(run(fabric(), "1", NULL), 0);
	cr_assert_eq(run(fabric(), "--remove", "1", "2", NULL), 1);
	cr_assert(strstr(err, "'2' is no member"));
	cr_assert(fake_store_there(member_at(1)));
	cr_assert_eq(run(fabric(), "4", NULL), 0);
	fake_xen_destroy(4);
	cr_assert_eq(run(fabric(), "nobody", NULL), 1);
	cr_assert(fake_store_there(member_at(4)));
	fake_xen_fault(FAKE_NO_OPEN, 0, 1);
	cr_assert_eq(run(fabric(), "1", NULL), 1);
	cr_assert(strstr(err, "no way to XenStore"));
	/* Others write at the same time; somebody always. */
	fake_xen_fault(FAKE_CONFLICT, 0, 3);
	cr_assert_eq(run(fabric(), "2", NULL), 0);
	cr_assert(fake_store_there(member_at(2)));
	fake_xen_fault(FAKE_CONFLICT, 0, 100000);
	cr_assert_eq(run(fabric(), "3", NULL), 1);
	cr_assert_not(fake_store_there(member_at(3)));
	cr_assert_eq(fake_xen_count(FAKE_TRANSACTIONS, 0) + fake_xen_count(FAKE_STORES, 0), 0);
}

/* Endpoints come at any time while it runs: each gets the permissions of either side of it. */
struct comer {
	pthread_t thread;
	atomic_bool go;
	int rc;
	struct xen_store *s;
};

static void *come(void *arg)
{
	struct comer *c = arg;
	struct xen_record r;

	fake_xen_domain(1);
	while (!atomic_load(&c->go))
		;
	c->rc = claim(c->s, "a", &r);
	return NULL;
}

Test(xen_fabric, while_endpoints_come)
{
	for (unsigned i = 0; i < 100; i++) {
		struct comer c = { .rc = 0 };

		cr_assert_eq(run(fabric(), "1", "2", NULL), 0);
		c.s = store_of(1);
		cr_assert_eq(pthread_create(&c.thread, NULL, come, &c), 0);
		atomic_store(&c.go, true);
		cr_assert_eq(run(fabric(), "3", NULL), 0, "%s", err);
		pthread_join(c.thread, NULL);
		cr_assert_eq(c.rc, 0);
		news(c.s);
		cr_assert_str_eq(fake_store_perms(at(1, "/a")), "n1 r2 r3");
		vmq__xen_store_close(c.s);
		cr_assert_eq(run(fabric(), "--remove", NULL), 0);
	}
}

/* A member that writes all the time keeps nobody from running it. */
static char path[512];

static void *churn(void *arg)
{
	atomic_bool *go = arg;
	struct xs_handle *h;
	char value[16];

	fake_xen_domain(1);
	h = xs_open(0);
	for (unsigned i = 0; atomic_load(go); i++) {
		snprintf(value, sizeof(value), "%u", i);
		xs_write(h, XBT_NULL, path, value, (unsigned)strlen(value));
		xs_rm(h, XBT_NULL, path);
	}
	xs_close(h);
	return NULL;
}

Test(xen_fabric, while_a_member_churns)
{
	atomic_bool go = true;
	pthread_t thread;

	cr_assert_eq(run(fabric(), "1", "2", NULL), 0);
	snprintf(path, sizeof(path), "%s", at(1, "/churn"));
	cr_assert_eq(pthread_create(&thread, NULL, churn, &go), 0);
	for (unsigned i = 0; i < 50; i++) {
		cr_assert_eq(run(fabric(), "3", NULL), 0, "%s", err);
		cr_assert_str_eq(fake_store_perms(member_at(1)), "n0 r1 r2 r3");
		cr_assert_eq(run(fabric(), "--remove", "3", NULL), 0, "%s", err);
		cr_assert_str_eq(fake_store_perms(at(1, "")), "n1 r2");
	}
	atomic_store(&go, false);
	pthread_join(thread, NULL);
}
