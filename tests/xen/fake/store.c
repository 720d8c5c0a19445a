/* SPDX-License-Identifier: BSD-2-Clause */
/* store.c - libxenstore over the made-up XenStore. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "handle.h"

#define NODES_MOST 1000u

struct tree fake__tree = { .quota = NODES_MOST, .live = true };
struct xs_handle *fake__handles;

/* ---- the store itself ------------------------------------------------------------------------- */

static void reset(void)
{
	if (fake__handles)
		abort();
	tree_free(&fake__tree);
	memset(fake__tree.owned, 0, sizeof(fake__tree.owned));
	fake__tree.quota = NODES_MOST;
}

/* The kernel has closed it; who has it does not know yet. */
static void die(struct xs_handle *h)
{
	fake__watches_drop(h);
	fake__deals_drop(h);
	h->dead = true;
	eventfd_write(h->fd, 1);
}

static void destroy(uint32_t domid)
{
	char home[64];

	for (struct xs_handle *h = fake__handles; h; h = h->next)
		if (h->domid == domid)
			die(h);
	snprintf(home, sizeof(home), "/local/domain/%u", domid);
	if (tree_find(&fake__tree, home))
		fake_store_remove(home);
	tree_forget(&fake__tree, domid, fake__fire_removed);
}

static void crash(uint32_t process)
{
	for (struct xs_handle *h = fake__handles; h; h = h->next)
		if (h->process == process)
			die(h);
}

static const struct fake_part part = { reset, destroy, crash };

struct tree *fake__store(void)
{
	if (!fake__tree.root) {
		fake_xen_part(&part);
		tree_make(&fake__tree);
		fake_store_create(0, "Domain-0");
	}
	return &fake__tree;
}

void fake_xen_node_quota(unsigned nodes)
{
	fake_xen_lock();
	fake__store()->quota = nodes ? nodes : NODES_MOST;
	fake_xen_free();
}

/* ---- libxenstore: questions --------------------------------------------------------------------- */

/* The tree that a call is about; notes that a transaction has looked there. */
static struct tree *tree_of(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	fake_xen_add(FAKE_STORE_CALLS, h->domid, 1);
	if (h->dead) {
		errno = EBADF;
		return NULL;
	}
	return t ? fake__deal_tree(h, t, path) : fake__store();
}

static struct tree_node *look(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	char *at = fake__path(h, path);
	struct tree *tree = at ? tree_of(h, t, at) : NULL;
	struct tree_node *n = NULL;
	int e = tree ? tree_get(tree, h->domid, at, XS_PERM_READ, &n) : errno;

	free(at);
	errno = e;
	return e ? NULL : n;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
	struct tree_node *n;
	char *value = NULL;

	fake_xen_lock();
	n = look(h, t, path);
	if (n) {
		value = malloc(n->len + 1);
		memcpy(value, n->value, n->len + 1);
		if (len)
			*len = n->len;
	}
	fake_xen_free();
	return value;
}

char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
	size_t size = sizeof(char *);
	char **list = NULL, *to;
	struct tree_node *n;

	fake_xen_lock();
	n = look(h, t, path);
	for (const struct tree_node *c = n ? n->child : NULL; c; c = c->next)
		size += sizeof(char *) + strlen(c->name) + 1;
	if (n) {
		list = malloc(size);
		*num = 0;
		for (const struct tree_node *c = n->child; c; c = c->next)
			++*num;
		to = (char *)(list + *num);
		*num = 0;
		for (const struct tree_node *c = n->child; c; c = c->next) {
			list[(*num)++] = to;
			to = stpcpy(to, c->name) + 1;
		}
	}
	fake_xen_free();
	return list;
}

struct xs_permissions *xs_get_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
	unsigned int *num)
{
	struct xs_permissions *perms = NULL;
	struct tree_node *n;

	fake_xen_lock();
	n = look(h, t, path);
	if (n) {
		perms = malloc(n->perms_count * sizeof(*perms));
		memcpy(perms, n->perms, n->perms_count * sizeof(*perms));
		*num = n->perms_count;
	}
	fake_xen_free();
	return perms;
}

bool xs_is_domain_introduced(struct xs_handle *h, unsigned int domid)
{
	(void)h;
	return fake_xen_exists(domid);
}

/* ---- libxenstore: changes ------------------------------------------------------------------------- */

static bool change(struct xs_handle *h, xs_transaction_t t, struct change c)
{
	struct tree *tree;
	char *at;
	int e;

	fake_xen_lock();
	at = c.path = fake__path(h, c.path);
	tree = at ? tree_of(h, t, at) : NULL;
	e = tree ? fake__change(tree, h->domid, &c) : errno;
	if (!e && t)
		fake__deal_note(h, t, &c);
	free(at);
	fake_xen_free();
	errno = e ? e : errno;
	return !e;
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data, unsigned int len)
{
	return change(h, t, (struct change){ CHANGE_WRITE, (char *)(uintptr_t)path,
		(void *)(uintptr_t)data, len });
}

bool xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	return change(h, t, (struct change){ CHANGE_MKDIR, (char *)(uintptr_t)path, NULL, 0 });
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	return change(h, t, (struct change){ CHANGE_RM, (char *)(uintptr_t)path, NULL, 0 });
}

bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path, struct xs_permissions *perms,
	unsigned int num)
{
	return change(h, t, (struct change){ CHANGE_ALLOW, (char *)(uintptr_t)path, perms, num });
}

/* ---- libxenstore: handles --------------------------------------------------------------------------- */

struct xs_handle *xs_open(unsigned long flags)
{
	struct xs_handle *h;

	(void)flags;
	fake_xen_lock();
	fake__store();
	if (fake_xen_faulty(FAKE_NO_OPEN) || !fake_xen_exists(fake_xen_current())) {
		fake_xen_free();
		errno = ENOENT;
		return NULL;
	}
	h = calloc(1, sizeof(*h));
	h->domid = fake_xen_current();
	h->process = fake_xen_current_process();
	h->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->tail = &h->events;
	h->next = fake__handles;
	fake__handles = h;
	fake_xen_add(FAKE_STORES, h->domid, 1);
	fake_xen_free();
	return h;
}

void xs_close(struct xs_handle *h)
{
	struct xs_handle **at = &fake__handles;

	if (!h)
		return;
	fake_xen_lock();
	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	fake__watches_drop(h);
	fake__deals_drop(h);
	fake_xen_add(FAKE_STORES, h->domid, -1);
	fake_xen_free();
	close(h->fd);
	free(h);
}
