/* SPDX-License-Identifier: BSD-2-Clause */
/* store.c - the way to XenStore, and offers. */
#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmq/xen.h>

#include "internal.h"
#include "store_state.h"

#define TEXT 192

int vmq__xen_store_say(const struct xen_store *s, int code, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return s->why.say ? s->why.say(s->why.ctx, code, "%s", text) : code;
}

/* ---- paths and values ------------------------------------------------------------------------ */

void vmq__xen_member_path(const struct xen_store *s, uint32_t domid, char path[XEN_PATH])
{
	snprintf(path, XEN_PATH, VMQ_XEN_MEMBERS "/%s/%u", s->fabric_node, domid);
}

void vmq__xen_record_path(const struct xen_store *s, uint32_t domid, const char *name, char path[XEN_PATH])
{
	int n = snprintf(path, XEN_PATH, VMQ_XEN_RECORDS "/%s", domid, s->fabric_node);
	char node[XEN_NODE_MAX];

	if (!name)
		return;
	vmq__xen_node(name, node);
	snprintf(path + n, XEN_PATH - (size_t)n, "/%s", node);
}

/* From one's record to another. */
static void offer_path(const struct xen_store *s, uint32_t from, const char *name, uint32_t to,
	const char *peer, char path[XEN_PATH])
{
	char node[XEN_NODE_MAX];
	size_t n;

	vmq__xen_record_path(s, from, name, path);
	n = strlen(path);
	vmq__xen_node(peer ? peer : "", node);
	snprintf(path + n, XEN_PATH - n, "/%u%s%s", to, peer ? "/" : "", node);
}

char *vmq__xen_store_get(struct xen_store *s, xs_transaction_t t, const char *path)
{
	unsigned len = 0;
	char *value = xs_read(s->xs, t, path, &len);

	if (value && strlen(value) != len) {
		free(value);
		value = NULL;
		errno = EINVAL;
	}
	return value;
}

bool vmq__xen_domid(const char *text, uint32_t *domid)
{
	char again[16];

	*domid = (uint32_t)strtoul(text, NULL, 10);
	snprintf(again, sizeof(again), "%u", *domid);
	return !strcmp(text, again) && *domid < XEN_DOMIDS;
}

/* ---- open and close ------------------------------------------------------------------------------ */

static int find_domid(struct xen_store *s)
{
	char *text = vmq__xen_store_get(s, XBT_NULL, "domid");
	bool good = text && vmq__xen_domid(text, &s->domid);

	free(text);
	return good ? 0 : vmq__xen_store_say(s, VMQ_ECONN, "XenStore does not say which domain this is");
}

static int find_fabric(struct xen_store *s)
{
	char path[XEN_PATH], *value;

	vmq__xen_member_path(s, s->domid, path);
	value = vmq__xen_store_get(s, XBT_NULL, path);
	free(value);
	return value ? 0 : vmq__xen_store_say(s, VMQ_ENOENT, "domain %u is no member of a fabric '%s': "
		"`vmq-xen-fabric` in domain 0 makes it one", s->domid, s->fabric);
}

static int reach(struct xen_store *s)
{
	s->xs = xs_open(0);
	if (!s->xs && (errno == ENOMEM || errno == EMFILE || errno == ENFILE))
		return vmq__errno(errno);
	if (!s->xs)
		return vmq__xen_store_say(s, VMQ_ECONN, "no way to XenStore: %s", strerror(errno));
	return find_domid(s);
}

/* Is this program static? Then libxenstore was built without threads, and takes a watch's
 * event for the answer to a question. */
static int interpreted(struct dl_phdr_info *info, size_t size, void *yes)
{
	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			*(bool *)yes = true;
	return 1;
}

/* 0 or an errno; EINVAL: watches and questions do not go together, by now not even questions. */
static int listen_to_list(struct xen_store *s)
{
	char path[XEN_PATH], *value;
	bool threads = false;

	dl_iterate_phdr(interpreted, &threads);
	if (!threads)
		return EINVAL;
	snprintf(path, sizeof(path), VMQ_XEN_MEMBERS "/%s", s->fabric_node);
	if (!xs_watch(s->xs, path, "list"))
		return errno;
	value = vmq__xen_store_get(s, XBT_NULL, "domid");
	free(value);
	return value ? 0 : errno;
}

static int start_again_deaf(struct xen_store *s)
{
	s->deaf = true;
	xs_close(s->xs);
	return reach(s);
}

static int start(struct xen_store *s)
{
	int rc = reach(s), e;

	if (rc)
		return rc;
	e = listen_to_list(s);
	if (e == EINVAL)
		rc = start_again_deaf(s);
	else if (e)
		rc = vmq__xen_store_say(s, vmq__errno(e), "XenStore refuses a watch: %s", strerror(e));
	return rc ? rc : find_fabric(s);
}

int vmq__xen_store_open(struct xen_store **out, const char *fabric, const struct xen_why *why)
{
	struct xen_store *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return VMQ_ENOMEM;
	s->lock = -1;
	s->list_dirty = true;
	if (why)
		s->why = *why;
	if (!vmq__name_ok(fabric)) {
		rc = vmq__xen_store_say(s, VMQ_EURI, "'%.60s' cannot be a fabric's name", fabric ? fabric : "");
	} else {
		snprintf(s->fabric, sizeof(s->fabric), "%s", fabric);
		vmq__xen_node(fabric, s->fabric_node);
		rc = start(s);
	}
	/* Why the endpoint could not be opened is all that it is for. */
	if (rc)
		vmq__xen_store_close(s);
	else
		*out = s;
	return rc;
}

/* Another life's record is left alone. */
static void remove_own(struct xen_store *s)
{
	struct xen_record r = { 0 };
	char path[XEN_PATH], *value;

	vmq__xen_record_path(s, s->domid, s->own.name, path);
	value = vmq__xen_store_get(s, XBT_NULL, path);
	if (value && (!vmq__xen_record_parse(value, &r) || r.life == s->own.life))
		xs_rm(s->xs, XBT_NULL, path);
	free(value);
}

void vmq__xen_store_close(struct xen_store *s)
{
	if (!s)
		return;
	if (s->own.life)
		remove_own(s);
	if (s->xs)
		xs_close(s->xs);
	/* The name is free only when its record has gone. */
	if (s->lock >= 0)
		close(s->lock);
	vmq__xen_members_free(s);
	free(s);
}

/* ---- the own record --------------------------------------------------------------------------------- */

static bool is_member(struct xen_store *s)
{
	char path[XEN_PATH], *names;
	bool may;

	vmq__xen_member_path(s, s->domid, path);
	names = vmq__xen_store_get(s, XBT_NULL, path);
	may = names ? vmq__xen_allowed(names, s->own.name) : errno == ENOMEM;
	free(names);
	return may;
}

static bool stands(struct xen_store *s)
{
	struct xen_record r = { 0 };
	char path[XEN_PATH], *value;
	bool good;

	vmq__xen_record_path(s, s->domid, s->own.name, path);
	value = vmq__xen_store_get(s, XBT_NULL, path);
	good = value ? vmq__xen_record_parse(value, &r) && r.life == s->own.life : errno == ENOMEM;
	free(value);
	return good;
}

bool vmq__xen_store_lost(struct xen_store *s)
{
	if (s->own_dirty && s->own.life && !s->lost) {
		s->own_dirty = false;
		s->lost = !is_member(s) || !stands(s);
	}
	return s->lost;
}

/* ---- offers -------------------------------------------------------------------------------------------- */

int vmq__xen_store_offer(struct xen_store *s, const struct xen_record *peer, const struct xen_offer *o)
{
	char path[XEN_PATH], text[TEXT];
	int n = vmq__xen_offer_text(o, text, sizeof(text));

	if (n < 0)
		return n;
	if (vmq__xen_store_lost(s))
		return VMQ_ECONN;
	/* What is made below it is readable as it is. */
	offer_path(s, s->domid, s->own.name, peer->domid, NULL, path);
	if (!xs_mkdir(s->xs, XBT_NULL, path) || !vmq__xen_perms_one(s, path, peer->domid))
		return errno == ENOSPC ? VMQ_ENOMEM : vmq__errno(errno);
	offer_path(s, s->domid, s->own.name, peer->domid, peer->name, path);
	if (!xs_write(s->xs, XBT_NULL, path, text, (unsigned)n))
		return errno == ENOSPC ? VMQ_ENOMEM : vmq__errno(errno);
	return 0;
}

/* Its folder goes with the last offer to that domain: domains come and go. */
void vmq__xen_store_withdraw(struct xen_store *s, const struct xen_record *peer)
{
	char path[XEN_PATH], **list;
	unsigned count = 0;

	if (vmq__xen_store_lost(s))
		return;
	offer_path(s, s->domid, s->own.name, peer->domid, peer->name, path);
	xs_rm(s->xs, XBT_NULL, path);
	offer_path(s, s->domid, s->own.name, peer->domid, NULL, path);
	list = xs_directory(s->xs, XBT_NULL, path, &count);
	if (list && !count)
		xs_rm(s->xs, XBT_NULL, path);
	free(list);
}

static int read_offer(struct xen_store *s, const struct xen_record *peer, struct xen_offer *o)
{
	char path[XEN_PATH], *value;
	int rc;

	offer_path(s, peer->domid, peer->name, s->domid, s->own.name, path);
	value = vmq__xen_store_get(s, XBT_NULL, path);
	if (!value)
		return errno == EINVAL ? VMQ_EPROTO : VMQ_ENOENT;
	rc = vmq__xen_offer_parse(value, o) ? 0 : VMQ_EPROTO;
	free(value);
	return rc;
}

int vmq__xen_store_read_offer(struct xen_store *s, const struct xen_record *peer, struct xen_offer *o)
{
	struct xen_member *m = vmq__xen_member(s, peer->domid);

	for (uint32_t i = 0; m && i < m->count; i++) {
		struct xen_seen *seen = &m->seen[i];

		if (strcmp(seen->r.name, peer->name))
			continue;
		if (seen->stale)
			seen->offered = read_offer(s, peer, &seen->offer);
		seen->stale = false;
		*o = seen->offer;
		return seen->offered;
	}
	return VMQ_ENOENT;
}
