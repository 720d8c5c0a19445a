/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * write.c - a fabric's nodes. The endpoints' folders are made here, too: a domain may give a
 * node few permissions, and what it makes in a folder inherits those that stand there. It
 * owns it, and could spoil each transaction that looks there: so that comes afterwards.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmq/xen.h>

#include "fabric.h"

/* ---- one node -------------------------------------------------------------------------------- */

static int put_value(struct fabric *f, const char *path, const char *value)
{
	char *have = xs_read(f->xs, f->t, path, NULL);
	bool same = have && !strcmp(have, value);

	free(have);
	return same || xs_write(f->xs, f->t, path, value, (unsigned)strlen(value)) ? 0 : errno;
}

static int put_perms(struct fabric *f, const char *path, struct xs_permissions *perms, unsigned count)
{
	unsigned n = 0;
	struct xs_permissions *have = xs_get_permissions(f->xs, f->t, path, &n);
	bool same = have && n == count;

	for (unsigned i = 0; same && i < n; i++)
		same = have[i].id == perms[i].id && have[i].perms == perms[i].perms;
	free(have);
	return same || xs_set_permissions(f->xs, f->t, path, perms, count) ? 0 : errno;
}

static int gone(struct fabric *f, const char *path)
{
	return xs_rm(f->xs, f->t, path) || errno == ENOENT ? 0 : errno;
}

/* ---- members ---------------------------------------------------------------------------------- */

static void member_path(const struct fabric *f, uint32_t domid, char path[FABRIC_PATH])
{
	snprintf(path, FABRIC_PATH, VMQ_XEN_MEMBERS "/%s/%u", f->node, domid);
}

/* Those who may talk with it, and itself. */
static unsigned readers(const struct fabric *f, const struct fabric_member *m, struct xs_permissions *perms)
{
	unsigned n = 0;

	perms[n++] = (struct xs_permissions){ 0, XS_PERM_NONE };
	for (unsigned i = 0; i < f->count; i++) {
		const struct fabric_member *o = &f->members[i];

		if (o == m ? o->domid != 0 : fabric_may_talk(f, m, o))
			perms[n++] = (struct xs_permissions){ o->domid, XS_PERM_READ };
	}
	return n;
}

static int put_member(struct fabric *f, const struct fabric_member *m, struct xs_permissions *perms)
{
	char path[FABRIC_PATH];
	int e;

	member_path(f, m->domid, path);
	e = put_value(f, path, m->names);
	return e ? e : put_perms(f, path, perms, readers(f, m, perms));
}

static int put_list(struct fabric *f, struct xs_permissions *perms)
{
	char path[FABRIC_PATH];
	unsigned n = 0;
	int e;

	perms[n++] = (struct xs_permissions){ 0, XS_PERM_NONE };
	for (unsigned i = 0; i < f->count; i++)
		if (f->members[i].domid)
			perms[n++] = (struct xs_permissions){ f->members[i].domid, XS_PERM_READ };
	snprintf(path, sizeof(path), VMQ_XEN_MEMBERS "/%s", f->node);
	e = put_value(f, path, f->topology ? FABRIC_CLOSED : FABRIC_OPEN);
	return e ? e : put_perms(f, path, perms, n);
}

int fabric_write(struct fabric *f)
{
	struct xs_permissions *perms = calloc(f->count + 2, sizeof(*perms));
	int e = ENOMEM;

	fabric_sort(f);
	if (perms)
		e = put_list(f, perms);
	for (unsigned i = 0; i < f->count && !e; i++)
		e = put_member(f, &f->members[i], perms);
	free(perms);
	return e;
}

/* ---- taking away --------------------------------------------------------------------------------- */

int fabric_drop(struct fabric *f, uint32_t domid)
{
	uint32_t *dropped = realloc(f->dropped, (f->dropped_count + 1) * sizeof(*dropped));
	char path[FABRIC_PATH];

	if (!dropped)
		return ENOMEM;
	f->dropped = dropped;
	dropped[f->dropped_count++] = domid;
	member_path(f, domid, path);
	return gone(f, path);
}

static bool among(uint32_t domid, const uint32_t *domids, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (domids[i] == domid)
			return true;
	return false;
}

/* Those who stay keep what they have, but for those who go. */
static int forget(struct fabric *f, const char *path, const uint32_t *domids, unsigned count)
{
	unsigned n = 0, kept = 1;
	struct xs_permissions *perms = xs_get_permissions(f->xs, f->t, path, &n);
	int e;

	if (!perms)
		return errno;
	for (unsigned i = 1; i < n; i++)
		if (!among(perms[i].id, domids, count))
			perms[kept++] = perms[i];
	e = put_perms(f, path, perms, kept);
	free(perms);
	return e;
}

int fabric_remove(struct fabric *f, const uint32_t *domids, unsigned count)
{
	char path[FABRIC_PATH];
	int e = 0;

	for (unsigned i = 0; i < f->count && !e; i++) {
		member_path(f, f->members[i].domid, path);
		if (!count || among(f->members[i].domid, domids, count))
			e = fabric_drop(f, f->members[i].domid);
		else
			e = forget(f, path, domids, count);
	}
	snprintf(path, sizeof(path), VMQ_XEN_MEMBERS "/%s", f->node);
	if (e)
		return e;
	return count ? forget(f, path, domids, count) : gone(f, path);
}

/* ---- the endpoints' folders ------------------------------------------------------------------------ */

static void folder_path(const struct fabric *f, uint32_t domid, char path[FABRIC_PATH])
{
	snprintf(path, FABRIC_PATH, VMQ_XEN_RECORDS "/%s", domid, f->node);
}

/* What stands at the member's node, for a node that the domain owns. Domain 0, which may read
 * all, need not be named. In place; how many are left. */
static unsigned owned(uint32_t domid, struct xs_permissions *perms, unsigned count)
{
	unsigned n = 1;

	perms[0] = (struct xs_permissions){ domid, XS_PERM_NONE };
	for (unsigned i = 1; i < count; i++)
		if (perms[i].id && perms[i].id != domid)
			perms[n++] = perms[i];
	return n;
}

/* Records come and go meanwhile. */
static int put_records(struct fabric *f, const char *folder, struct xs_permissions *perms, unsigned n)
{
	char path[FABRIC_PATH], **list;
	unsigned count = 0;
	int e = 0;

	list = xs_directory(f->xs, f->t, folder, &count);
	if (!list)
		return errno;
	for (unsigned i = 0; i < count && !e; i++) {
		if (snprintf(path, sizeof(path), "%s/%s", folder, list[i]) < (int)sizeof(path))
			e = put_perms(f, path, perms, n);
		e = e == ENOENT ? 0 : e;
	}
	free(list);
	return e;
}

static int put_folder(struct fabric *f, uint32_t domid)
{
	char path[FABRIC_PATH];
	unsigned count = 0;
	struct xs_permissions *perms;
	int e;

	member_path(f, domid, path);
	perms = xs_get_permissions(f->xs, f->t, path, &count);
	if (!perms)
		return errno == ENOENT ? 0 : errno;
	count = owned(domid, perms, count);
	folder_path(f, domid, path);
	e = xs_mkdir(f->xs, f->t, path) ? put_perms(f, path, perms, count) : errno;
	if (!e)
		e = put_records(f, path, perms, count);
	free(perms);
	return e;
}

/* Of a domain that has gone meanwhile, there is nothing to make. */
int fabric_settle(struct fabric *f)
{
	char path[FABRIC_PATH];
	int e = 0;

	for (unsigned i = 0; i < f->dropped_count && !e; i++) {
		folder_path(f, f->dropped[i], path);
		e = gone(f, path);
	}
	for (unsigned i = 0; i < f->count && !e; i++)
		if (fabric_domain_there(f, f->members[i].domid))
			e = put_folder(f, f->members[i].domid);
	return e;
}
