/* SPDX-License-Identifier: BSD-2-Clause */
/* tree.c - the nodes of the made-up XenStore. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree.h"

#define PATH_MOST 2048u

static uint64_t clock_gen;

/* ---- making and copying --------------------------------------------------------------------- */

static void own(struct tree *t, uint32_t domid, int more)
{
	if (domid >= FAKE_DOMAINS)
		return;
	t->owned[domid] += (unsigned)more;
	if (t->live)
		fake_xen_add(FAKE_NODES, domid, more);
}

static struct tree_node *node_new(struct tree_node *parent, const char *name, size_t len)
{
	struct tree_node *n = calloc(1, sizeof(*n));

	n->name = strndup(name, len);
	n->value = calloc(1, 1);
	n->parent = parent;
	n->gen = ++clock_gen;
	if (parent) {
		n->next = parent->child;
		parent->child = n;
	}
	return n;
}

static void node_free(struct tree *t, struct tree_node *n)
{
	while (n->child) {
		struct tree_node *next = n->child->next;

		node_free(t, n->child);
		n->child = next;
	}
	own(t, n->perms[0].id, -1);
	free(n->name);
	free(n->value);
	free(n);
}

static struct tree_node *node_copy(const struct tree_node *from, struct tree_node *parent)
{
	struct tree_node *n = malloc(sizeof(*n)), **tail = &n->child;

	*n = *from;
	n->parent = parent;
	n->name = strdup(from->name);
	n->value = malloc(from->len + 1);
	memcpy(n->value, from->value, from->len + 1);
	n->next = NULL;
	*tail = NULL;
	for (const struct tree_node *c = from->child; c; c = c->next) {
		*tail = node_copy(c, n);
		tail = &(*tail)->next;
	}
	return n;
}

void tree_make(struct tree *t)
{
	t->root = node_new(NULL, "", 0);
	t->root->perms_count = 1;
	own(t, 0, 1);
}

void tree_copy(struct tree *to, const struct tree *from)
{
	*to = *from;
	to->live = false;
	to->root = node_copy(from->root, NULL);
}

void tree_free(struct tree *t)
{
	if (t->root)
		node_free(t, t->root);
	t->root = NULL;
}

/* ---- finding ------------------------------------------------------------------------------------ */

bool tree_path_ok(const char *path)
{
	static const char valid[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/_@";
	size_t len = strlen(path);

	return len && len < PATH_MOST && strspn(path, valid) == len && !strstr(path, "//") &&
		(len == 1 || path[len - 1] != '/') && *path == '/';
}

static struct tree_node *child(const struct tree_node *n, const char *name, size_t len)
{
	for (struct tree_node *c = n->child; c; c = c->next)
		if (strlen(c->name) == len && !memcmp(c->name, name, len))
			return c;
	return NULL;
}

/* As far as the path leads; *rest is what there is no node for. */
static struct tree_node *walk(const struct tree *t, const char *path, const char **rest)
{
	struct tree_node *n = t->root, *c;
	size_t len;

	for (path++; *path; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		c = child(n, path, len);
		if (!c)
			break;
		n = c;
	}
	*rest = path;
	return n;
}

struct tree_node *tree_find(const struct tree *t, const char *path)
{
	const char *rest;
	struct tree_node *n = walk(t, path, &rest);

	return *rest ? NULL : n;
}

unsigned tree_may(const struct tree_node *n, uint32_t domid)
{
	if (!domid || n->perms[0].id == domid)
		return XS_PERM_READ | XS_PERM_WRITE | XS_PERM_OWNER;
	for (unsigned i = 1; i < n->perms_count; i++)
		if (n->perms[i].id == domid)
			return n->perms[i].perms;
	return n->perms[0].perms;
}

int tree_get(const struct tree *t, uint32_t domid, const char *path, unsigned want, struct tree_node **n)
{
	const char *rest;
	struct tree_node *at = walk(t, path, &rest);

	if (!*rest && (tree_may(at, domid) & want) == want) {
		*n = at;
		return 0;
	}
	if (!*rest)
		return EACCES;
	return tree_may(at, domid) & want ? ENOENT : EACCES;
}

void tree_path(const struct tree_node *n, char *path, size_t len)
{
	char up[PATH_MOST] = "";

	if (n->parent && n->parent->parent)
		tree_path(n->parent, up, sizeof(up));
	snprintf(path, len, "%s/%s", up, n->name);
}

/* ---- changing -------------------------------------------------------------------------------------- */

static unsigned entry_size(const struct tree_node *n, unsigned len, size_t more)
{
	size_t size = 16 + 8 * n->perms_count + len + more;

	for (const struct tree_node *c = n->child; c; c = c->next)
		size += strlen(c->name) + 1;
	return (unsigned)size;
}

/* A node that a domain makes is its own; for the rest, it is as its parent. */
static struct tree_node *add(struct tree *t, uint32_t domid, struct tree_node *n, const char *name, size_t len)
{
	struct tree_node *c = node_new(n, name, len);

	n->gen = clock_gen;
	memcpy(c->perms, n->perms, sizeof(c->perms));
	c->perms_count = n->perms_count;
	if (domid)
		c->perms[0].id = domid;
	own(t, c->perms[0].id, 1);
	return c;
}

/* ENOSPC before anything has changed. */
static int room(const struct tree *t, uint32_t domid, const struct tree_node *n, const char *rest)
{
	unsigned more = *rest != 0;

	if (!domid)
		return 0;
	for (const char *p = rest; *p; p++)
		more += *p == '/';
	if (*rest && entry_size(n, n->len, strcspn(rest, "/") + 1) > TREE_ENTRY)
		return ENOSPC;
	return t->owned[domid] + more > t->quota ? ENOSPC : 0;
}

static int make(struct tree *t, uint32_t domid, const char *path, struct tree_node **made)
{
	const char *rest;
	struct tree_node *n = walk(t, path, &rest);
	int e;

	if (!(tree_may(n, domid) & XS_PERM_WRITE))
		return EACCES;
	e = room(t, domid, n, rest);
	if (e)
		return e;
	while (*rest) {
		size_t len = strcspn(rest, "/");

		n = add(t, domid, n, rest, len);
		rest += len + (rest[len] == '/');
	}
	*made = n;
	return 0;
}

int tree_write(struct tree *t, uint32_t domid, const char *path, const void *value, unsigned len)
{
	struct tree_node *n = tree_find(t, path);
	char *copy;
	int e;

	if (domid && (n ? entry_size(n, len, 0) : 32 + len) > TREE_ENTRY)
		return ENOSPC;
	e = make(t, domid, path, &n);
	if (e)
		return e;
	copy = malloc(len + 1);
	memcpy(copy, value, len);
	copy[len] = 0;
	free(n->value);
	n->value = copy;
	n->len = len;
	n->gen = ++clock_gen;
	return 0;
}

int tree_mkdir(struct tree *t, uint32_t domid, const char *path)
{
	struct tree_node *n;

	return make(t, domid, path, &n);
}

static void cut(struct tree *t, struct tree_node *n)
{
	struct tree_node **at = &n->parent->child;

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	n->parent->gen = ++clock_gen;
	node_free(t, n);
}

int tree_rm(struct tree *t, uint32_t domid, const char *path)
{
	struct tree_node *n, *parent;
	const char *rest;
	int e = tree_get(t, domid, path, XS_PERM_WRITE, &n);

	if (e == ENOENT) {
		/* It is not there: as asked for, if only its parent is. */
		parent = walk(t, path, &rest);
		return parent && !strchr(rest, '/') ? 0 : ENOENT;
	}
	if (e)
		return e;
	if (!n->parent)
		return EINVAL;
	cut(t, n);
	return 0;
}

int tree_allow(struct tree *t, uint32_t domid, const char *path, const struct xs_permissions *perms,
	unsigned count)
{
	struct tree_node *n;
	int e;

	if (!count || count > TREE_PERMS)
		return EINVAL;
	if (domid && count > TREE_DOMAIN_PERMS)
		return ENOSPC;
	e = tree_get(t, domid, path, XS_PERM_OWNER, &n);
	if (e)
		return e;
	if (domid && perms[0].id != domid)
		return EPERM;
	own(t, n->perms[0].id, -1);
	memcpy(n->perms, perms, count * sizeof(*perms));
	n->perms_count = count;
	own(t, n->perms[0].id, 1);
	/* Of a domain that is not there yet, or no more: of nobody. */
	for (unsigned i = 1; i < count; i++)
		if (!fake_xen_exists(n->perms[i].id))
			n->perms[i].id = UINT32_MAX;
	n->gen = ++clock_gen;
	return 0;
}

static void forget_node(struct tree *t, struct tree_node *n, uint32_t domid,
	void (*removed)(const struct tree_node *n))
{
	struct tree_node *next;

	for (unsigned i = 1; i < n->perms_count; i++)
		if (n->perms[i].id == domid)
			n->perms[i].id = UINT32_MAX;
	for (struct tree_node *c = n->child; c; c = next) {
		next = c->next;
		if (c->perms[0].id == domid) {
			removed(c);
			cut(t, c);
		} else {
			forget_node(t, c, domid, removed);
		}
	}
}

void tree_forget(struct tree *t, uint32_t domid, void (*removed)(const struct tree_node *n))
{
	forget_node(t, t->root, domid, removed);
}
