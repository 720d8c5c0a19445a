/* SPDX-License-Identifier: BSD-2-Clause */
/* domains.c - the domains of this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric.h"

#define DOMAINS "/local/domain"
#define DOMIDS 0x7ff0u         /* domids of domains are below it */

bool fabric_domid(const char *text, uint32_t *domid)
{
	char again[16];

	*domid = (uint32_t)strtoul(text, NULL, 10);
	snprintf(again, sizeof(again), "%u", *domid);
	return !strcmp(text, again) && *domid < DOMIDS;
}

/* XenStore takes no permissions for a domain that it has not been told of. */
bool fabric_domain_there(struct fabric *f, uint32_t domid)
{
	return !domid || xs_is_domain_introduced(f->xs, domid);
}

void fabric_domain_name(struct fabric *f, uint32_t domid, char name[VMQ_NAME_MAX + 1])
{
	char path[FABRIC_PATH], *value;

	snprintf(path, sizeof(path), DOMAINS "/%u/name", domid);
	value = xs_read(f->xs, XBT_NULL, path, NULL);
	snprintf(name, VMQ_NAME_MAX + 1, "%s", value && strlen(value) <= VMQ_NAME_MAX ? value : "");
	free(value);
}

static bool is_called(struct fabric *f, uint32_t domid, const char *name)
{
	char path[FABRIC_PATH], *value;
	bool same;

	snprintf(path, sizeof(path), DOMAINS "/%u/name", domid);
	value = xs_read(f->xs, XBT_NULL, path, NULL);
	same = value && !strcmp(value, name);
	free(value);
	return same;
}

bool fabric_domain_find(struct fabric *f, const char *name, uint32_t *domid)
{
	unsigned count = 0;
	bool found = false;
	char **list;

	if (fabric_domid(name, domid))
		return fabric_domain_there(f, *domid);
	list = xs_directory(f->xs, XBT_NULL, DOMAINS, &count);
	for (unsigned i = 0; list && i < count && !found; i++)
		found = fabric_domid(list[i], domid) && is_called(f, *domid, name) &&
			fabric_domain_there(f, *domid);
	free(list);
	return found;
}
