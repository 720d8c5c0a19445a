/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_claim.c - to take a name.
 *
 * In this domain a lock says who has it. In others a look does: at their records of that
 * name, in one transaction with the own record, so that of two who race one has to look
 * again. An id is found by a look before, and a look after.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "store_state.h"

#define TRIES 16u              /* for an id that another one took at the same time */
#define DEALS 64u              /* transactions that came to nothing */
#define TEXT 192

/* ---- ids ------------------------------------------------------------------------------------- */

struct ids {
	bool taken[VMQ__PEERS];
};

static void note(void *ctx, const struct xen_record *r)
{
	struct ids *ids = ctx;

	ids->taken[r->id] = true;
}

static void look_for_ids(struct xen_store *s, struct ids *ids)
{
	memset(ids, 0, sizeof(*ids));
	vmq__xen_store_doubt(s);
	vmq__xen_store_peers(s, note, ids);
}

/* Each life of a name is to have the same id, and other names others, with nobody to ask. */
static uint32_t hash(const char *name)
{
	uint32_t h = 2166136261u;

	while (*name)
		h = (h ^ (uint8_t)*name++) * 16777619u;
	return h ^ h >> 16;
}

/* Where that one is taken, any: two who look for another at once are to find different ones.
 * 0: there is none. */
static uint32_t choose(const struct ids *ids, const struct xen_record *own)
{
	uint32_t id = 1 + hash(own->name) % (VMQ__PEERS - 1);

	if (!ids->taken[id])
		return id;
	id = (uint32_t)(own->life % (VMQ__PEERS - 1));
	for (uint32_t i = 0; i < VMQ__PEERS - 1; i++)
		if (!ids->taken[1 + (id + i) % (VMQ__PEERS - 1)])
			return 1 + (id + i) % (VMQ__PEERS - 1);
	return 0;
}

/* ---- the transaction ------------------------------------------------------------------------------ */

/* What processes of this domain left behind. Who holds a lock did so before it wrote, so
 * that a record that was written since makes the transaction fail. */
static int clear(struct xen_store *s, xs_transaction_t t, const char *folder)
{
	char name[VMQ_NAME_MAX + 1], path[XEN_PATH], **list;
	unsigned count = 0;

	list = xs_directory(s->xs, t, folder, &count);
	if (!list)
		return errno == ENOENT || errno == EACCES ? 0 : errno;
	for (unsigned i = 0; i < count && i < 4 * XEN_RECORDS; i++) {
		bool ours = vmq__xen_name(list[i], name) && strcmp(name, s->own.name) &&
			vmq__xen_locked(s->fabric, s->domid, name);

		if (ours || snprintf(path, sizeof(path), "%s/%s", folder, list[i]) >= (int)sizeof(path))
			continue;
		if (!xs_rm(s->xs, t, path) && errno != ENOENT) {
			free(list);
			return errno;
		}
	}
	free(list);
	return 0;
}

/* Has a member that may have it the name? 0, EEXIST, or another errno. */
static int rivals(struct xen_store *s, xs_transaction_t t)
{
	char path[XEN_PATH], *value;
	struct xen_record r = { 0 };
	bool there;

	for (const struct xen_member *m = s->members; m; m = m->next) {
		if (m->domid == s->domid || !vmq__xen_allowed(m->names, s->own.name))
			continue;
		vmq__xen_record_path(s, m->domid, s->own.name, path);
		value = vmq__xen_store_get(s, t, path);
		there = value && vmq__xen_record_parse(value, &r);
		free(value);
		if (there)
			return EEXIST;
	}
	return 0;
}

static int put(struct xen_store *s, xs_transaction_t t, const char *text)
{
	char path[XEN_PATH];
	int e = rivals(s, t);

	if (e)
		return e;
	vmq__xen_record_path(s, s->domid, NULL, path);
	e = clear(s, t, path);
	if (!e && !xs_mkdir(s->xs, t, path))
		e = errno;
	if (!e)
		e = vmq__xen_perms(s, t, path);
	vmq__xen_record_path(s, s->domid, s->own.name, path);
	if (!e && !xs_write(s->xs, t, path, text, (unsigned)strlen(text)))
		e = errno;
	return e ? e : vmq__xen_perms(s, t, path);
}

static int deal(struct xen_store *s, const char *text)
{
	xs_transaction_t t = xs_transaction_start(s->xs);
	int e;

	/* A domain can have some at a time. */
	if (t == XBT_NULL)
		return errno == ENOSPC ? EAGAIN : errno;
	e = put(s, t, text);
	if (!xs_transaction_end(s->xs, t, e != 0) && !e)
		e = errno;
	return e;
}

static int said(const struct xen_store *s, int e)
{
	switch (e) {
	case 0:
		return 0;
	case EEXIST:
		return vmq__xen_store_say(s, VMQ_EEXIST, "another domain of '%s' has the name '%s'", s->fabric,
			s->own.name);
	case ENOSPC:
	case E2BIG:
		return vmq__xen_store_say(s, VMQ_ENOMEM, "XenStore's quota for domain %u does not allow the "
			"record, or as many readers of it as the toolstack says", s->domid);
	case EAGAIN:
		return vmq__xen_store_say(s, VMQ_ESYS, "XenStore is too busy: no transaction came to an end");
	default:
		return vmq__xen_store_say(s, vmq__errno(e), "XenStore does not take the record: %s", strerror(e));
	}
}

static int write_own(struct xen_store *s)
{
	struct timespec pause = { 0 };
	char text[TEXT];
	int n = vmq__xen_record_text(&s->own, text, sizeof(text)), e = EAGAIN;

	if (n < 0)
		return n;
	for (unsigned i = 0; i < DEALS && e == EAGAIN; i++) {
		e = deal(s, text);
		pause.tv_nsec = (long)(i + 1) * 100000;
		if (e == EAGAIN)
			nanosleep(&pause, NULL);
	}
	return said(s, e);
}

static void take_back(struct xen_store *s)
{
	char path[XEN_PATH];

	vmq__xen_record_path(s, s->domid, s->own.name, path);
	xs_rm(s->xs, XBT_NULL, path);
}

/* ---- all of it --------------------------------------------------------------------------------------- */

static int new_life(struct xen_record *own)
{
	own->life = 0;
	while (!own->life)
		if (getrandom(&own->life, sizeof(own->life), 0) < 0 && errno != EINTR)
			return vmq__errno(errno);
	return 0;
}

/* One record that nobody else's is in the way of. EAGAIN: another one took the id. */
static int try_once(struct xen_store *s)
{
	struct ids *ids = calloc(1, sizeof(*ids));
	int rc = ids ? new_life(&s->own) : VMQ_ENOMEM;

	if (rc)
		goto out;
	look_for_ids(s, ids);
	s->own.id = choose(ids, &s->own);
	if (s->own.id)
		rc = write_own(s);
	else
		rc = vmq__xen_store_say(s, VMQ_ENOMEM, "no id is free on '%s'", s->fabric);
	if (rc)
		goto out;
	look_for_ids(s, ids);
	if (ids->taken[s->own.id]) {
		take_back(s);
		rc = VMQ_EAGAIN;
	}
out:
	free(ids);
	return rc;
}

static int may_have(struct xen_store *s, const char *name)
{
	char path[XEN_PATH], *names;
	bool may;

	vmq__xen_member_path(s, s->domid, path);
	names = vmq__xen_store_get(s, XBT_NULL, path);
	may = names && vmq__xen_allowed(names, name);
	free(names);
	return may ? 0 : vmq__xen_store_say(s, VMQ_EACCES, "the toolstack does not let domain %u have the name "
		"'%s' on '%s'", s->domid, name, s->fabric);
}

int vmq__xen_store_claim(struct xen_store *s, struct xen_record *own, const struct xen_why *why)
{
	int rc;

	if (why)
		s->why = *why;
	own->domid = s->domid;
	s->own = *own;
	s->own.life = 0;
	rc = may_have(s, own->name);
	if (rc)
		return rc;
	rc = vmq__xen_lock(s->fabric, s->domid, own->name);
	if (rc < 0)
		return rc == VMQ_EEXIST ? vmq__xen_store_say(s, rc, "another process of this domain has the name "
			"'%s'", own->name) : rc;
	s->lock = rc;
	rc = VMQ_EAGAIN;
	for (unsigned i = 0; i < TRIES && rc == VMQ_EAGAIN; i++)
		rc = try_once(s);
	if (rc == VMQ_EAGAIN)
		rc = vmq__xen_store_say(s, VMQ_ENOMEM, "others take each id on '%s' that is chosen", s->fabric);
	if (rc) {
		s->own.life = 0;
		close(s->lock);
		s->lock = -1;
		return rc;
	}
	*own = s->own;
	return 0;
}
