/* SPDX-License-Identifier: BSD-2-Clause */
/* watch.c - watches of the made-up XenStore. One that fires tells only those who may read
 * the node, or could before. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "handle.h"

#define WATCHES_MOST 128u

static bool below(const char *path, const char *top)
{
	size_t len = strlen(top);

	if (!strcmp(top, "/"))
		return true;
	return !strncmp(path, top, len) && (!path[len] || path[len] == '/');
}

static void tell(struct xs_handle *h, const struct watch *w, const char *path)
{
	size_t home = strlen(w->path) - strlen(w->given);
	struct event *e = calloc(1, sizeof(*e));

	/* To one that was asked for with a relative path, with a relative path. */
	e->path = strdup(*w->given == '/' || *w->given == '@' ? path : path + home);
	e->token = strdup(w->token);
	*h->tail = e;
	h->tail = &e->next;
	eventfd_write(h->fd, 1);
}

static void fire(struct xs_handle *h, const char *path, bool exact)
{
	for (const struct watch *w = h->watches; w; w = w->next) {
		if (exact ? strcmp(path, w->path) : !below(path, w->path))
			continue;
		if (!fake_xen_faulty(FAKE_DEAF))
			tell(h, w, path);
	}
}

/* Who could read it before it changed is told right here, for all of us are locked in. */
static void fire_tree(struct xs_handle *h, const struct tree_node *n, bool exact, bool tree_goes)
{
	char path[2048];

	tree_path(n, path, sizeof(path));
	if (tree_may(n, h->domid) & XS_PERM_READ)
		fire(h, path, exact);
	for (const struct tree_node *c = n->child; c && tree_goes; c = c->next)
		fire_tree(h, c, true, true);
}

static bool told(const struct xs_handle *h, const char *path)
{
	const struct tree_node *n = tree_find(&fake__tree, path);

	return !h->dead && n && tree_may(n, h->domid) & XS_PERM_READ;
}

/* Handles that were told before are marked, to be told once. */
static struct xs_handle *marked[256];
static unsigned marks;

void fake__fire_before(const char *path, bool tree_goes)
{
	const struct tree_node *n = tree_find(&fake__tree, path);

	marks = 0;
	for (struct xs_handle *h = fake__handles; h; h = h->next) {
		if (!n || !told(h, path) || marks == sizeof(marked) / sizeof(marked[0]))
			continue;
		marked[marks++] = h;
		fire_tree(h, n, false, tree_goes);
	}
}

void fake__fire_after(const char *path)
{
	for (struct xs_handle *h = fake__handles; h; h = h->next) {
		unsigned i = 0;

		while (i < marks && marked[i] != h)
			i++;
		if (i == marks && told(h, path))
			fire(h, path, false);
	}
	marks = 0;
}

void fake__fire_removed(const struct tree_node *n)
{
	for (struct xs_handle *h = fake__handles; h; h = h->next)
		if (!h->dead)
			fire_tree(h, n, false, true);
}

/* ---- the calls -------------------------------------------------------------------------------- */

static int watch(struct xs_handle *h, const char *path, const char *token)
{
	struct watch *w;
	char *at;

	if (h->dead)
		return EBADF;
	if (fake_xen_faulty(FAKE_NO_WATCH))
		return ENOMEM;
	if (h->domid && fake_xen_count(FAKE_WATCHES, h->domid) >= WATCHES_MOST)
		return E2BIG;
	at = fake__path(h, path);
	if (!at)
		return errno;
	for (w = h->watches; w; w = w->next)
		if (!strcmp(w->path, at) && !strcmp(w->token, token))
			break;
	if (w) {
		free(at);
		return EEXIST;
	}
	w = calloc(1, sizeof(*w));
	*w = (struct watch){ h->watches, at, strdup(path), strdup(token) };
	h->watches = w;
	fake_xen_add(FAKE_WATCHES, h->domid, 1);
	tell(h, w, at);
	return fake_xen_faulty(FAKE_NO_THREAD) ? EINVAL : 0;
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
	int e;

	fake_xen_lock();
	fake_xen_add(FAKE_STORE_CALLS, h->domid, 1);
	e = watch(h, path, token);
	fake_xen_free();
	errno = e ? e : errno;
	return !e;
}

static void drop(struct xs_handle *h, struct watch **at)
{
	struct watch *w = *at;

	*at = w->next;
	free(w->path);
	free(w->given);
	free(w->token);
	free(w);
	fake_xen_add(FAKE_WATCHES, h->domid, -1);
}

static char **take(struct xs_handle *h)
{
	struct event *e = h->events;
	size_t path = strlen(e->path) + 1, token = strlen(e->token) + 1;
	char **vec = malloc(2 * sizeof(*vec) + path + token);
	eventfd_t n;

	vec[XS_WATCH_PATH] = (char *)(vec + 2);
	vec[XS_WATCH_TOKEN] = (char *)(vec + 2) + path;
	memcpy(vec[XS_WATCH_PATH], e->path, path);
	memcpy(vec[XS_WATCH_TOKEN], e->token, token);
	h->events = e->next;
	if (!h->events) {
		h->tail = &h->events;
		eventfd_read(h->fd, &n);
	}
	free(e->path);
	free(e->token);
	free(e);
	return vec;
}

/* What it has told and nobody has taken goes too. */
bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
	struct watch **w = &h->watches;
	struct event *e;
	unsigned n = 0;

	fake_xen_lock();
	fake_xen_add(FAKE_STORE_CALLS, h->domid, 1);
	while (*w && (strcmp((*w)->given, path) || strcmp((*w)->token, token)))
		w = &(*w)->next;
	if (!*w) {
		fake_xen_free();
		errno = ENOENT;
		return false;
	}
	drop(h, w);
	for (e = h->events; e; e = e->next)
		n++;
	/* Others' go round, in their order. */
	while (n--) {
		e = h->events;
		if (!strcmp(e->token, token)) {
			free(take(h));
			continue;
		}
		h->events = e->next;
		if (!h->events)
			h->tail = &h->events;
		e->next = NULL;
		*h->tail = e;
		h->tail = &e->next;
	}
	fake_xen_free();
	return true;
}

char **xs_check_watch(struct xs_handle *h)
{
	char **vec = NULL;

	fake_xen_lock();
	if (!h->dead && h->events)
		vec = take(h);
	else
		errno = h->dead ? EBADF : EAGAIN;
	fake_xen_free();
	return vec;
}

char **xs_read_watch(struct xs_handle *h, unsigned int *num)
{
	struct pollfd p = { .fd = h->fd, .events = POLLIN };
	char **vec;

	do
		vec = xs_check_watch(h);
	while (!vec && errno == EAGAIN && poll(&p, 1, -1) >= 0);
	*num = 2;
	return vec;
}

int xs_fileno(struct xs_handle *h)
{
	return h->fd;
}

void fake__watches_drop(struct xs_handle *h)
{
	while (h->watches)
		drop(h, &h->watches);
	while (h->events)
		free(take(h));
}
