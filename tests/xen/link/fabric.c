/* SPDX-License-Identifier: BSD-2-Clause */
/* fabric.c - endpoints in domains of the fake Xen. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fabric.h"
#include "internal.h"

#define LIMIT 8192u
#define PROCESSES 65536u

static char fabric[32];
static unsigned processes;
static struct {
	struct vmq *q;
	unsigned process;
} opened[64];

static const int all[] = { 0, 1, 2, 3, 4, 5, -1 };

void fabric_start(void)
{
	snprintf(fabric, sizeof(fabric), "lab-%ld", (long)getpid());
	fake_xen_reset();
	fake_xen_grant_limit(LIMIT);
	/* What is allowed to a domain that is not there yet, XenStore forgets. */
	for (uint32_t d = 1; d < DOMAINS; d++)
		fake_xen_create(d, "domain");
	for (uint32_t d = 0; d < DOMAINS; d++)
		fabric_allow(d, "*", all);
}

void fabric_stop(void)
{
	fake_xen_reset();
}

void fabric_allow(uint32_t domid, const char *names, const int *others)
{
	fake_store_member(fabric, domid, names, others ? others : all);
}

/* ---- endpoints --------------------------------------------------------------------------- */

static unsigned place_of(const struct vmq *q)
{
	unsigned i = 0;

	while (i < sizeof(opened) / sizeof(opened[0]) && opened[i].q != q)
		i++;
	cr_assert_lt(i, sizeof(opened) / sizeof(opened[0]));
	return i;
}

int fabric_open(uint32_t domid, const char *name, const char *settings, struct vmq **q, char *why)
{
	char uri[256];
	struct vmq_options o = {
		.size = sizeof(o), .transport = &vmq_transport_xen, .errmsg = why, .errlen = why ? 200 : 0,
	};
	unsigned process = ++processes % PROCESSES, i;
	int rc;

	fake_xen_domain(domid);
	fake_xen_process(process);
	snprintf(uri, sizeof(uri), "xen:%s?name=%s%s%s", fabric, name, settings ? "&" : "",
		settings ? settings : "");
	rc = vmq_open(uri, &o, q);
	fake_xen_domain(0);
	if (rc)
		return rc;
	/* A handle that was closed may come again. */
	for (i = 0; opened[i].q && opened[i].q != *q && vmq_id(opened[i].q) >= 0; i++)
		cr_assert_lt(i, sizeof(opened) / sizeof(opened[0]) - 1);
	opened[i].q = *q;
	opened[i].process = process;
	fabric_xen(*q)->linger = 0; /* its peers are this thread's */
	return 0;
}

struct vmq *fabric_vm(uint32_t domid, const char *name, const char *settings)
{
	struct vmq *q = NULL;
	char why[200] = "";

	cr_assert_eq(fabric_open(domid, name, settings, &q, why), 0, "%s: %s", name, why);
	return q;
}

void fabric_crash(struct vmq *q)
{
	fake_xen_crash(opened[place_of(q)].process);
}

void fabric_forget(struct vmq *q)
{
	cr_assert_eq(vmq_close(q), 0);
}

void fabric_kill(struct vmq *q)
{
	fabric_crash(q);
	fabric_forget(q);
}

static bool buried(struct vmq *q)
{
	for (const struct xen_chan *c = fabric_xen(q)->chans; c; c = c->next)
		if (c->buried)
			return true;
	return false;
}

void fabric_quiet(struct vmq *q)
{
	uint64_t until = now_ns() + PATIENCE;
	uint32_t nobody;

	do {
		fabric_settle(q);
		vmq_peer(q, "nobody", VMQ_MS(10), &nobody);
	} while (buried(q) && now_ns() < until);
}

struct xen *fabric_xen(struct vmq *q)
{
	return q->state;
}

struct xen_chan *fabric_chan(struct vmq *q, const char *peer)
{
	struct xen_chan *c = fabric_xen(q)->chans;

	while (c && strcmp(c->who.name, peer))
		c = c->next;
	cr_assert_not_null(c);
	return c;
}

/* Earlier lives' ends are said in between. */
static int64_t hear(struct vmq *q)
{
	char buf[8];
	int64_t n;

	do {
		n = vmq_recv(q, buf, sizeof(buf), NULL, PATIENCE);
	} while (n == VMQ_EGONE);
	return n;
}

bool fabric_talk(struct vmq *a, uint32_t to_b, struct vmq *b, uint32_t to_a)
{
	return !vmq_send(a, to_b, "ping", 4, 0, PATIENCE) && hear(b) == 4 &&
		!vmq_send(b, to_a, "pong", 4, 0, PATIENCE) && hear(a) == 4;
}

void fabric_settle(struct vmq *q)
{
	char c;

	vmq_flush(q);
	while (vmq_recv(q, &c, sizeof(c), NULL, VMQ_MS(1)) == VMQ_EGONE)
		;
	vmq_flush(q);
}

uint32_t fabric_event(struct vmq *q, struct vmq *other, struct vmq_event *e)
{
	uint64_t until = now_ns() + PATIENCE;
	uint32_t nobody;
	char buf[64];

	e->size = sizeof(*e);
	while (now_ns() < until) {
		if (other)
			vmq_peer(other, "nobody", VMQ_US(100), &nobody);
		vmq_recv(q, buf, sizeof(buf), NULL, VMQ_MS(1));
		if (!vmq_event(q, e, VMQ_NOWAIT))
			return e->type;
	}
	return 0;
}

/* ---- nodes --------------------------------------------------------------------------------- */

const char *fabric_member(uint32_t domid)
{
	static char path[128];

	snprintf(path, sizeof(path), "/tool/vmq/%s/%u", fabric, domid);
	return path;
}

const char *fabric_record(uint32_t domid, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "/local/domain/%u/data/vmq/%s/%s", domid, fabric, name);
	return path;
}

const char *fabric_offer(uint32_t domid, const char *name, uint32_t to, const char *peer)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%u/%s", fabric_record(domid, name), to, peer);
	return path;
}

/* ---- counts ---------------------------------------------------------------------------------- */

void fabric_count(struct fabric_counts *c)
{
	for (unsigned what = 0; what < FAKE_STORE_CALLS; what++)
		for (uint32_t d = 0; d < DOMAINS; d++)
			c->n[what][d] = fake_xen_count((enum fake_count)what, d);
	c->fds = count_fds();
	c->maps = count_maps();
}

bool fabric_same(const struct fabric_counts *then)
{
	static const char *const name[FAKE_STORE_CALLS] = {
		"nodes", "watches", "transactions", "stores", "grants", "mappings", "ports", "gntshrs",
		"gnttabs", "evtchns",
	};
	struct fabric_counts now;
	bool same = true;

	fabric_count(&now);
	for (unsigned what = 0; what < FAKE_STORE_CALLS; what++)
		for (uint32_t d = 0; d < DOMAINS; d++) {
			if (now.n[what][d] == then->n[what][d])
				continue;
			fprintf(stderr, "domain %u: %u %s, and %u before\n", d, now.n[what][d], name[what],
				then->n[what][d]);
			same = false;
		}
	if (now.fds != then->fds)
		fprintf(stderr, "%d descriptors, and %d before\n", now.fds, then->fds);
	return same && now.fds == then->fds;
}
