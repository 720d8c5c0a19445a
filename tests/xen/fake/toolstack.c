/* SPDX-License-Identifier: BSD-2-Clause */
/* toolstack.c - what a toolstack does in the made-up XenStore. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"

#define VALUE_MOST 2048u

static struct xs_permissions *parsed(const char *text, struct xs_permissions perms[TREE_PERMS], unsigned *n)
{
	for (*n = 0; *text && *n < TREE_PERMS; (*n)++) {
		char *end;

		perms[*n].perms = *text == 'r' ? XS_PERM_READ : *text == 'w' ? XS_PERM_WRITE :
			*text == 'b' ? XS_PERM_READ | XS_PERM_WRITE : XS_PERM_NONE;
		perms[*n].id = (unsigned)strtoul(text + 1, &end, 10);
		text = end + (*end == ' ');
	}
	return perms;
}

static void must(const struct change *c)
{
	fake_xen_lock();
	if (fake__change(fake__store(), 0, c))
		abort();
	fake_xen_free();
}

void fake_store_write(const char *path, const char *value)
{
	must(&(struct change){ CHANGE_WRITE, (char *)(uintptr_t)path, (char *)(uintptr_t)value,
		(unsigned)strlen(value) });
}

void fake_store_remove(const char *path)
{
	must(&(struct change){ .what = CHANGE_RM, .path = (char *)(uintptr_t)path });
}

void fake_store_allow(const char *path, const char *perms)
{
	struct xs_permissions list[TREE_PERMS];
	struct change c = { .what = CHANGE_ALLOW, .path = (char *)(uintptr_t)path };

	c.value = parsed(perms, list, &c.len);
	must(&c);
}

const char *fake_store_value(const char *path)
{
	static _Thread_local char value[VALUE_MOST + 1];
	const struct tree_node *n;

	fake_xen_lock();
	n = tree_find(fake__store(), path);
	snprintf(value, sizeof(value), "%s", n ? (const char *)n->value : "");
	fake_xen_free();
	return value;
}

bool fake_store_there(const char *path)
{
	bool there;

	fake_xen_lock();
	there = tree_find(fake__store(), path);
	fake_xen_free();
	return there;
}

const char *fake_store_perms(const char *path)
{
	static _Thread_local char text[TREE_PERMS * 8];
	const struct tree_node *n;
	size_t len = 0;

	fake_xen_lock();
	n = tree_find(fake__store(), path);
	*text = 0;
	for (unsigned i = 0; n && i < n->perms_count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%c%u", i ? " " : "",
			"nrwb"[n->perms[i].perms & 3], n->perms[i].id);
	fake_xen_free();
	return text;
}

void fake_store_create(uint32_t domid, const char *name)
{
	char path[96], perms[32], number[16];

	snprintf(number, sizeof(number), "%u", domid);
	snprintf(perms, sizeof(perms), "n0 r%u", domid);
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	fake_store_write(path, "");
	fake_store_allow(path, domid ? perms : "n0");
	snprintf(path, sizeof(path), "/local/domain/%u/domid", domid);
	fake_store_write(path, number);
	snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	fake_store_write(path, name);
	snprintf(path, sizeof(path), "/local/domain/%u/data", domid);
	fake_store_write(path, "");
	snprintf(perms, sizeof(perms), "n%u", domid);
	fake_store_allow(path, perms);
}

/* Owner, then who may read it; domain 0, who may anyway, if it is among those meant. */
static void readable(const char *path, uint32_t owner, uint32_t self, const int *others)
{
	char perms[TREE_PERMS * 8];
	int n = snprintf(perms, sizeof(perms), "n%u", owner);

	if (self != owner)
		n += snprintf(perms + n, sizeof(perms) - (size_t)n, " r%u", self);
	for (; *others >= 0; others++)
		if ((uint32_t)*others != self && (!owner || *others))
			n += snprintf(perms + n, sizeof(perms) - (size_t)n, " r%d", *others);
	fake_store_allow(path, perms);
}

/* The fabric's own node is for all to read: who is on it is no secret to tests. */
void fake_store_member(const char *fabric, uint32_t domid, const char *names, const int *others)
{
	char path[256];

	snprintf(path, sizeof(path), "/tool/vmq/%s", fabric);
	if (!fake_store_there(path))
		fake_store_write(path, "");
	fake_store_allow(path, "r0");
	snprintf(path, sizeof(path), "/tool/vmq/%s/%u", fabric, domid);
	fake_store_write(path, names);
	readable(path, 0, domid, others);
	snprintf(path, sizeof(path), "/local/domain/%u/data/vmq/%s", domid, fabric);
	if (!fake_store_there(path))
		fake_store_write(path, "");
	readable(path, domid, domid, others);
}
