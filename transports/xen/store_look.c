/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_look.c - what there is to see of a fabric. It is kept in memory; watches tell what
 * of it is to be read again, and how often they fire does not change what that costs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmq/xen.h>

#include "internal.h"
#include "store_state.h"

#define EVENTS 64u             /* of watches, in one call */

/* ---- watches ------------------------------------------------------------------------------- */

static void watch(struct xen_store *s, struct xen_member *m)
{
	char path[XEN_PATH], token[16];

	vmq__xen_record_path(s, m->domid, NULL, path);
	snprintf(token, sizeof(token), "%u", m->domid);
	m->watched = !s->deaf && (xs_watch(s->xs, path, token) || errno == EEXIST);
}

static void unwatch(struct xen_store *s, struct xen_member *m)
{
	char path[XEN_PATH], token[16];

	vmq__xen_record_path(s, m->domid, NULL, path);
	snprintf(token, sizeof(token), "%u", m->domid);
	if (m->watched)
		xs_unwatch(s->xs, path, token);
}

/* The own record has changed, or what is above it. What is below is by this endpoint. */
static void told_own(struct xen_store *s, const char *rest)
{
	char node[XEN_NODE_MAX];

	vmq__xen_node(s->own.name, node);
	if (!*rest || !strcmp(rest + 1, node))
		s->own_dirty = true;
}

/* What is offered by one endpoint of the domain, or by all (len 0), is to be read again. */
static void mark(struct xen_member *m, const char *name, size_t len)
{
	char node[XEN_NODE_MAX];

	for (uint32_t i = 0; i < m->count; i++) {
		vmq__xen_node(m->seen[i].r.name, node);
		if (!len || (strlen(node) == len && !memcmp(node, name, len)))
			m->seen[i].stale = true;
	}
}

/* Is an offer, or the folder of those to a domain, for this endpoint? */
static bool to_own(const struct xen_store *s, const char *to)
{
	char own[XEN_NODE_MAX + 16];
	int n = snprintf(own, sizeof(own), "%u", s->domid);

	if (!strcmp(to, own))
		return true;
	own[n++] = '/';
	vmq__xen_node(s->own.name, own + n);
	return !strcmp(to, own);
}

/* Something at a domain's records has changed. True: of what this endpoint looks at. */
static bool told(struct xen_store *s, const char *path, uint32_t domid)
{
	struct xen_member *m = vmq__xen_member(s, domid);
	char top[XEN_PATH];
	size_t len;

	vmq__xen_record_path(s, domid, NULL, top);
	len = strlen(top);
	if (!m)
		return false;
	path += strncmp(path, top, len) ? strlen(path) : len;
	if (domid == s->domid)
		told_own(s, path);
	len = *path ? strcspn(path + 1, "/") : 0;
	if (!*path || !path[1 + len])
		m->dirty = true;
	else if (!to_own(s, path + 2 + len))
		return false;
	mark(m, path + 1, len);
	return true;
}

static bool told_list(struct xen_store *s)
{
	s->list_dirty = s->perms_dirty = s->own_dirty = true;
	return true;
}

/* The own record is to be readable by whom the toolstack says now. */
static void put_right(struct xen_store *s)
{
	char path[XEN_PATH];

	s->perms_dirty = false;
	if (!s->own.life || vmq__xen_store_lost(s))
		return;
	vmq__xen_record_path(s, s->domid, NULL, path);
	vmq__xen_perms(s, XBT_NULL, path);
	vmq__xen_record_path(s, s->domid, s->own.name, path);
	vmq__xen_perms(s, XBT_NULL, path);
}

bool vmq__xen_store_news(struct xen_store *s)
{
	bool any = s->doubt;
	uint32_t domid;
	char **event;

	for (unsigned n = 0; n < EVENTS && !s->deaf && (event = xs_check_watch(s->xs)); n++) {
		if (vmq__xen_domid(event[XS_WATCH_TOKEN], &domid))
			any |= told(s, event[XS_WATCH_PATH], domid);
		else
			any |= told_list(s);
		free(event);
	}
	s->doubt = false;
	if (s->perms_dirty)
		put_right(s);
	return any;
}

int vmq__xen_store_fd(struct xen_store *s)
{
	return s->deaf ? -1 : xs_fileno(s->xs);
}

void vmq__xen_store_doubt(struct xen_store *s)
{
	told_list(s);
	s->doubt = true;
	for (struct xen_member *m = s->members; m; m = m->next) {
		m->dirty = true;
		for (uint32_t i = 0; i < m->count; i++)
			m->seen[i].stale = true;
	}
}

/* ---- members -------------------------------------------------------------------------------------- */

struct xen_member *vmq__xen_member(struct xen_store *s, uint32_t domid)
{
	struct xen_member *m = s->members;

	while (m && m->domid != domid)
		m = m->next;
	return m;
}

static void member_free(struct xen_member *m)
{
	free(m->names);
	free(m);
}

void vmq__xen_members_free(struct xen_store *s)
{
	while (s->members) {
		struct xen_member *m = s->members;

		s->members = m->next;
		member_free(m);
	}
}

static void member(struct xen_store *s, uint32_t domid)
{
	struct xen_member *m = vmq__xen_member(s, domid);
	char path[XEN_PATH], *names;

	vmq__xen_member_path(s, domid, path);
	names = vmq__xen_visible(s, domid) ? vmq__xen_store_get(s, XBT_NULL, path) : NULL;
	if (!names)
		return;
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m) {
			free(names);
			return;
		}
		m->domid = domid;
		m->next = s->members;
		s->members = m;
	}
	m->dirty |= !m->names || strcmp(names, m->names);
	free(m->names);
	m->names = names;
	m->kept = true;
	if (!m->watched)
		watch(s, m);
}

/* Those who are off the list, or out of sight. */
static void sweep(struct xen_store *s)
{
	for (struct xen_member **at = &s->members, *m; (m = *at);) {
		if (m->kept) {
			m->kept = false;
			at = &m->next;
			continue;
		}
		*at = m->next;
		unwatch(s, m);
		member_free(m);
	}
}

static void look_list(struct xen_store *s)
{
	char path[XEN_PATH], **list;
	unsigned count = 0;
	uint32_t domid;

	s->list_dirty = false;
	snprintf(path, sizeof(path), VMQ_XEN_MEMBERS "/%s", s->fabric_node);
	list = xs_directory(s->xs, XBT_NULL, path, &count);
	for (unsigned i = 0; list && i < count; i++)
		if (vmq__xen_domid(list[i], &domid))
			member(s, domid);
	free(list);
	sweep(s);
}

/* ---- records ---------------------------------------------------------------------------------------- */

static bool read_record(struct xen_store *s, const struct xen_member *m, const char *node, struct xen_record *r)
{
	char path[XEN_PATH], *value;
	bool good;

	*r = (struct xen_record){ .domid = m->domid };
	if (!vmq__xen_name(node, r->name) || !vmq__xen_allowed(m->names, r->name))
		return false;
	vmq__xen_record_path(s, m->domid, r->name, path);
	value = vmq__xen_store_get(s, XBT_NULL, path);
	good = value && vmq__xen_record_parse(value, r);
	free(value);
	return good;
}

/* What was known of an offer stays so for the same life. */
static void take(struct xen_member *m, const struct xen_record *r, const struct xen_seen *old, uint32_t count)
{
	struct xen_seen *to = &m->seen[m->count++];

	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(old[i].r.name, r->name) || old[i].r.life != r->life)
			continue;
		*to = old[i];
		to->r = *r;
		return;
	}
	*to = (struct xen_seen){ .r = *r, .stale = true };
}

static void look_records(struct xen_store *s, struct xen_member *m)
{
	struct xen_seen old[XEN_RECORDS];
	uint32_t count = m->count;
	char path[XEN_PATH], **list;
	struct xen_record r;
	unsigned n = 0;

	m->dirty = false;
	m->count = 0;
	memcpy(old, m->seen, sizeof(old));
	vmq__xen_record_path(s, m->domid, NULL, path);
	list = xs_directory(s->xs, XBT_NULL, path, &n);
	for (unsigned i = 0; list && i < n && i < XEN_RECORDS; i++)
		if (read_record(s, m, list[i], &r))
			take(m, &r, old, count);
	free(list);
}

void vmq__xen_look(struct xen_store *s)
{
	if (s->list_dirty)
		look_list(s);
	for (struct xen_member *m = s->members; m; m = m->next)
		if (m->dirty)
			look_records(s, m);
}

void vmq__xen_store_peers(struct xen_store *s, void (*each)(void *ctx, const struct xen_record *r), void *ctx)
{
	vmq__xen_look(s);
	for (struct xen_member *m = s->members; m; m = m->next)
		for (uint32_t i = 0; i < m->count; i++)
			if (m->domid != s->domid || strcmp(m->seen[i].r.name, s->own.name))
				each(ctx, &m->seen[i].r);
}
