/* SPDX-License-Identifier: BSD-2-Clause */
/* deal.c - transactions of the made-up XenStore: each works on a copy, and comes true if
 * nothing that it looked at has changed since. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"

#define DEALS_MOST 10u
#define GROW 64u

char *fake__path(const struct xs_handle *h, const char *path)
{
	char *at;

	if (*path == '/') {
		at = strdup(path);
	} else {
		size_t len = strlen(path) + 64;

		at = malloc(len);
		snprintf(at, len, "/local/domain/%u/%s", h->domid, path);
	}
	if (tree_path_ok(at) || *path == '@')
		return at;
	free(at);
	errno = EINVAL;
	return NULL;
}

static int carry_out(struct tree *t, uint32_t domid, const struct change *c)
{
	switch (c->what) {
	case CHANGE_WRITE:
		return tree_write(t, domid, c->path, c->value, c->len);
	case CHANGE_MKDIR:
		return tree_mkdir(t, domid, c->path);
	case CHANGE_RM:
		return tree_rm(t, domid, c->path);
	default:
		return tree_allow(t, domid, c->path, c->value, c->len);
	}
}

/* May it be done? Watches are told before, while those who lose it can still be seen. */
static bool will_do(const struct tree *t, uint32_t domid, const struct change *c)
{
	struct tree try;
	int e;

	tree_copy(&try, t);
	e = carry_out(&try, domid, c);
	tree_free(&try);
	return !e;
}

int fake__change(struct tree *t, uint32_t domid, const struct change *c)
{
	int e;

	if (!t->live || !will_do(t, domid, c))
		return carry_out(t, domid, c);
	if (c->what == CHANGE_MKDIR && tree_find(t, c->path))
		return 0;
	fake__fire_before(c->path, c->what == CHANGE_RM);
	e = carry_out(t, domid, c);
	fake__fire_after(c->path);
	return e;
}

/* ---- what a transaction has seen and done ------------------------------------------------------- */

static struct deal *deal(const struct xs_handle *h, xs_transaction_t t)
{
	struct deal *d = h->deals;

	while (d && d->id != t)
		d = d->next;
	if (!d)
		errno = ENOENT;
	return d;
}

static void *grown(void *list, unsigned count, size_t each)
{
	return count % GROW ? list : realloc(list, (count + GROW) * each);
}

struct tree *fake__deal_tree(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	struct deal *d = deal(h, t);
	const struct tree_node *n;

	if (!d)
		return NULL;
	for (unsigned i = 0; i < d->seen_count; i++)
		if (!strcmp(d->seen[i].path, path))
			return &d->tree;
	n = tree_find(&d->tree, path);
	d->seen = grown(d->seen, d->seen_count, sizeof(*d->seen));
	d->seen[d->seen_count].path = strdup(path);
	d->seen[d->seen_count++].gen = n ? n->gen : 0;
	return &d->tree;
}

void fake__deal_note(struct xs_handle *h, xs_transaction_t t, const struct change *c)
{
	size_t size = c->what == CHANGE_ALLOW ? c->len * sizeof(struct xs_permissions) : c->len;
	struct deal *d = deal(h, t);
	struct change *to;

	d->change = grown(d->change, d->change_count, sizeof(*d->change));
	to = &d->change[d->change_count++];
	*to = *c;
	to->path = strdup(c->path);
	to->value = calloc(1, size + 1);
	if (size)
		memcpy(to->value, c->value, size);
}

static void drop(struct xs_handle *h, struct deal *d)
{
	struct deal **at = &h->deals;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	for (unsigned i = 0; i < d->seen_count; i++)
		free(d->seen[i].path);
	for (unsigned i = 0; i < d->change_count; i++) {
		free(d->change[i].path);
		free(d->change[i].value);
	}
	tree_free(&d->tree);
	free(d->seen);
	free(d->change);
	free(d);
	h->deal_count--;
	fake_xen_add(FAKE_TRANSACTIONS, h->domid, -1);
}

void fake__deals_drop(struct xs_handle *h)
{
	while (h->deals)
		drop(h, h->deals);
}

/* ---- the calls ------------------------------------------------------------------------------------- */

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
	static xs_transaction_t last;
	xs_transaction_t id = XBT_NULL;
	struct deal *d;

	fake_xen_lock();
	fake_xen_add(FAKE_STORE_CALLS, h->domid, 1);
	if (h->dead || (h->domid && h->deal_count >= DEALS_MOST)) {
		errno = h->dead ? EBADF : ENOSPC;
	} else {
		d = calloc(1, sizeof(*d));
		tree_copy(&d->tree, &fake__tree);
		id = d->id = ++last;
		d->next = h->deals;
		h->deals = d;
		h->deal_count++;
		fake_xen_add(FAKE_TRANSACTIONS, h->domid, 1);
	}
	fake_xen_free();
	return id;
}

static bool still_so(const struct deal *d)
{
	for (unsigned i = 0; i < d->seen_count; i++) {
		const struct tree_node *n = tree_find(&fake__tree, d->seen[i].path);

		if ((n ? n->gen : 0) != d->seen[i].gen)
			return false;
	}
	return true;
}

static int come_true(struct xs_handle *h, struct deal *d)
{
	int e = 0;

	if (fake_xen_faulty(FAKE_CONFLICT) || !still_so(d))
		return EAGAIN;
	for (unsigned i = 0; i < d->change_count && !e; i++)
		e = fake__change(&fake__tree, h->domid, &d->change[i]);
	return e;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool stop)
{
	struct deal *d;
	int e = ENOENT;

	fake_xen_lock();
	fake_xen_add(FAKE_STORE_CALLS, h->domid, 1);
	d = deal(h, t);
	if (d) {
		e = stop ? 0 : come_true(h, d);
		drop(h, d);
	}
	fake_xen_free();
	errno = e ? e : errno;
	return !e;
}
