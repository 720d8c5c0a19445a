/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_perms.c - who may read what. The toolstack says it by the permissions of a member's
 * node, and it is what the records' permissions have to be.
 *
 * XenStore lets a domain but 0 give a node few permissions (5 by default), so the toolstack
 * gives the records' folder those that they are to have, and they inherit them. Here only
 * what is not so is put right, as far as that goes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "store_state.h"

static struct xs_permissions *of_member(struct xen_store *s, uint32_t domid, unsigned *count)
{
	char path[XEN_PATH];

	vmq__xen_member_path(s, domid, path);
	return xs_get_permissions(s->xs, XBT_NULL, path, count);
}

/* The first is the owner's, and says what others may do. */
static bool listed(const struct xs_permissions *perms, unsigned count, uint32_t domid)
{
	for (unsigned i = 1; i < count; i++)
		if (perms[i].id == domid)
			return perms[i].perms & XS_PERM_READ;
	return count && perms[0].perms & XS_PERM_READ;
}

/* Domain 0 can read everything: it may talk with whom it is listed with. */
bool vmq__xen_visible(struct xen_store *s, uint32_t domid)
{
	unsigned count = 0;
	struct xs_permissions *perms;
	bool visible;

	if (domid == s->domid)
		return true;
	perms = of_member(s, domid, &count);
	visible = perms && listed(perms, count, s->domid);
	free(perms);
	return visible;
}

/* Domain 0 need not be listed. In place; how many are left. */
static unsigned wanted(const struct xen_store *s, struct xs_permissions *perms, unsigned count)
{
	unsigned n = 1;

	perms[0].id = s->domid;
	perms[0].perms &= XS_PERM_READ;
	for (unsigned i = 1; i < count; i++)
		if (perms[i].id != s->domid && perms[i].id && perms[i].perms & XS_PERM_READ)
			perms[n++] = (struct xs_permissions){ perms[i].id, XS_PERM_READ };
	return n;
}

static bool covers(const struct xs_permissions *a, unsigned an, const struct xs_permissions *b, unsigned bn)
{
	for (unsigned i = 1; i < bn; i++)
		if (b[i].perms & XS_PERM_READ && b[i].id && b[i].id != b[0].id && !listed(a, an, b[i].id))
			return false;
	return true;
}

/* May the same domains read it, and nobody write it? */
static bool same(const struct xs_permissions *have, unsigned n, const struct xs_permissions *want, unsigned wn)
{
	for (unsigned i = 0; i < n; i++)
		if (have[i].perms & XS_PERM_WRITE && have[i].id != have[0].id)
			return false;
	return !((have[0].perms ^ want[0].perms) & XS_PERM_READ) && have[0].id == want[0].id &&
		!(have[0].perms & XS_PERM_WRITE) && covers(have, n, want, wn) && covers(want, wn, have, n);
}

int vmq__xen_perms(struct xen_store *s, xs_transaction_t t, const char *path)
{
	unsigned count = 0, have_count = 0;
	struct xs_permissions *want = of_member(s, s->domid, &count);
	struct xs_permissions *have = want ? xs_get_permissions(s->xs, t, path, &have_count) : NULL;
	int e = 0;

	if (!want || !have) {
		e = errno;
	} else {
		count = wanted(s, want, count);
		if (!same(have, have_count, want, count) && !xs_set_permissions(s->xs, t, path, want, count))
			e = errno;
	}
	free(want);
	free(have);
	return e;
}

bool vmq__xen_perms_one(struct xen_store *s, const char *path, uint32_t domid)
{
	struct xs_permissions perms[2] = { { s->domid, XS_PERM_NONE }, { domid, XS_PERM_READ } };

	return xs_set_permissions(s->xs, XBT_NULL, path, perms, domid == s->domid ? 1 : 2);
}
