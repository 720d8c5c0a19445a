/* SPDX-License-Identifier: BSD-2-Clause */
/* members.c - who is on a fabric, and who of them may talk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmq/xen.h>

#include "fabric.h"
#include "name.h"

struct fabric_member *fabric_member(struct fabric *f, uint32_t domid)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->members[i].domid == domid)
			return &f->members[i];
	return NULL;
}

static struct fabric_member *new_member(struct fabric *f, uint32_t domid)
{
	struct fabric_member *m = realloc(f->members, (f->count + 1) * sizeof(*m));

	if (!m)
		return NULL;
	f->members = m;
	m += f->count++;
	memset(m, 0, sizeof(*m));
	m->domid = domid;
	fabric_domain_name(f, domid, m->domain);
	return m;
}

int fabric_add(struct fabric *f, uint32_t domid, const char *names)
{
	struct fabric_member *m = fabric_member(f, domid);

	if (!m)
		m = new_member(f, domid);
	if (!m)
		return fabric_fail(ENOMEM, "members");
	snprintf(m->names, sizeof(m->names), "%s", names);
	m->asked = true;
	return 0;
}

static int load_member(struct fabric *f, uint32_t domid)
{
	char path[FABRIC_PATH], *value;
	struct fabric_member *m;

	if (!f->look && !fabric_domain_there(f, domid)) {
		fabric_note(f, "domain %u is no more: taken off '%s'", domid, f->name);
		return fabric_drop(f, domid);
	}
	snprintf(path, sizeof(path), VMQ_XEN_MEMBERS "/%s/%u", f->node, domid);
	value = xs_read(f->xs, f->t, path, NULL);
	m = value ? new_member(f, domid) : NULL;
	if (m)
		snprintf(m->names, sizeof(m->names), "%s", value);
	free(value);
	return m ? 0 : errno;
}

int fabric_load(struct fabric *f)
{
	char path[FABRIC_PATH], *value, **list;
	unsigned count = 0;
	uint32_t domid;
	int e = 0;

	snprintf(path, sizeof(path), VMQ_XEN_MEMBERS "/%s", f->node);
	value = xs_read(f->xs, f->t, path, NULL);
	if (!value)
		return errno == ENOENT ? 0 : errno;
	f->there = true;
	f->closed = !strcmp(value, FABRIC_CLOSED);
	free(value);
	list = xs_directory(f->xs, f->t, path, &count);
	if (!list)
		return errno;
	for (unsigned i = 0; i < count && !e; i++)
		if (fabric_domid(list[i], &domid))
			e = load_member(f, domid);
	free(list);
	return e;
}

void fabric_unload(struct fabric *f)
{
	free(f->members);
	free(f->dropped);
	f->members = NULL;
	f->dropped = NULL;
	f->count = f->dropped_count = 0;
	f->closed = f->there = false;
}

static int by_domid(const void *a, const void *b)
{
	const struct fabric_member *x = a, *y = b;

	return (x->domid > y->domid) - (x->domid < y->domid);
}

void fabric_sort(struct fabric *f)
{
	if (f->count)
		qsort(f->members, f->count, sizeof(f->members[0]), by_domid);
}

/* ---- the topology ---------------------------------------------------------------------------- */

static int add_vm(struct fabric *f, const char *name)
{
	char node[XEN_NODE_MAX];
	struct fabric_member *m;
	uint32_t domid;

	if (!fabric_domain_find(f, name, &domid)) {
		fabric_note(f, "there is no domain '%s' now: left out", name);
		return 0;
	}
	m = fabric_member(f, domid);
	if (m && m->asked)
		return 0;
	vmq__xen_node(name, node);
	return fabric_add(f, domid, node);
}

static int leave_out(struct fabric *f, uint32_t domid)
{
	unsigned i = (unsigned)(fabric_member(f, domid) - f->members);

	memmove(&f->members[i], &f->members[i + 1], (--f->count - i) * sizeof(f->members[0]));
	return fabric_drop(f, domid);
}

int fabric_follow(struct fabric *f)
{
	int e = 0;

	for (size_t i = 0; i < f->topology->vm_count && !e; i++)
		e = add_vm(f, f->topology->vms[i].name);
	for (unsigned i = f->count; i-- && !e && !f->topology->open;)
		if (!f->members[i].asked)
			e = leave_out(f, f->members[i].domid);
	return e;
}

static bool is(const char *rule, const struct fabric_member *m)
{
	return !strcmp(rule, "*") || !strcmp(rule, m->domain);
}

/* The last word on a pair counts. */
bool fabric_may_talk(const struct fabric *f, const struct fabric_member *a, const struct fabric_member *b)
{
	if (!f->topology)
		return true;
	for (size_t i = f->topology->rule_count; i--;) {
		const struct sim_rule *r = &f->topology->rules[i];

		if ((is(r->a, a) && is(r->b, b)) || (is(r->a, b) && is(r->b, a)))
			return r->allow;
	}
	return !f->topology->closed;
}
