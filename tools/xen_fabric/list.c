/* SPDX-License-Identifier: BSD-2-Clause */
/* list.c - print fabrics: members, whom each may talk with, and which endpoints it has. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmq/xen.h>

#include "fabric.h"

/* What domains write is shown as it is only where it is a name. */
static void print_endpoints(struct fabric *f, uint32_t domid)
{
	char path[FABRIC_PATH], name[VMQ_NAME_MAX + 1], **list;
	unsigned count = 0;

	snprintf(path, sizeof(path), VMQ_XEN_RECORDS "/%s", domid, f->node);
	list = xs_directory(f->xs, XBT_NULL, path, &count);
	for (unsigned i = 0; list && i < count; i++)
		if (vmq__xen_name(list[i], name))
			printf("  endpoint '%s'\n", name);
	free(list);
}

static void print_names(const char *value)
{
	char node[XEN_NODE_MAX], name[VMQ_NAME_MAX + 1];
	size_t len;

	for (; *value; value += len + (value[len] == ' ')) {
		len = strcspn(value, " ");
		if (len >= sizeof(node))
			continue;
		memcpy(node, value, len);
		node[len] = 0;
		if (!strcmp(node, "*"))
			printf(", any name");
		else if (vmq__xen_name(node, name))
			printf(", name '%s'", name);
	}
}

static void print_talks(struct fabric *f, uint32_t domid)
{
	unsigned n = 0, talks = 0;
	struct xs_permissions *perms;
	char path[FABRIC_PATH];

	snprintf(path, sizeof(path), VMQ_XEN_MEMBERS "/%s/%u", f->node, domid);
	perms = xs_get_permissions(f->xs, XBT_NULL, path, &n);
	for (unsigned i = 1; perms && i < n; i++)
		if (perms[i].id != domid && fabric_member(f, perms[i].id))
			printf("%s%u", talks++ ? ", " : "; may talk with ", perms[i].id);
	if (!talks)
		printf("; may talk with nobody");
	free(perms);
}

/* "lab: 2 members", and a line for each, and for each of its endpoints. */
int fabric_list(struct fabric *f)
{
	if (!f->there)
		return fabric_fail(0, "there is no fabric '%s'", f->name);
	printf("%s: %u member%s%s\n", f->name, f->count, f->count == 1 ? "" : "s",
		f->closed ? ", by a topology" : "");
	fabric_sort(f);
	for (unsigned i = 0; i < f->count; i++) {
		const struct fabric_member *m = &f->members[i];

		printf(" domain %u%s%s%s", m->domid, *m->domain ? " (" : "", m->domain, *m->domain ? ")" : "");
		print_names(m->names);
		print_talks(f, m->domid);
		putchar('\n');
		print_endpoints(f, m->domid);
	}
	return 0;
}

static int list_one(struct fabric *f, const char *node)
{
	int e;

	if (!vmq__xen_name(node, f->name))
		return 0;
	snprintf(f->node, sizeof(f->node), "%s", node);
	fabric_unload(f);
	e = fabric_load(f);
	return e ? fabric_fail(e, "XenStore") : fabric_list(f);
}

int fabric_list_all(struct fabric *f)
{
	unsigned count = 0;
	char **list = xs_directory(f->xs, XBT_NULL, VMQ_XEN_MEMBERS, &count);
	int rc = 0;

	if (!list && errno != ENOENT)
		return fabric_fail(errno, "XenStore");
	for (unsigned i = 0; list && i < count && !rc; i++)
		rc = list_one(f, list[i]);
	free(list);
	return rc;
}
