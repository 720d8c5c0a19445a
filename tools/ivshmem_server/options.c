/* SPDX-License-Identifier: BSD-2-Clause */
/* options.c - numbers, sizes, users and groups on the command line. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "srv.h"

/* A number without a sign; *end is where it ends. */
static bool digits(const char *text, int base, unsigned long long *n, char **end)
{
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*n = strtoull(text, end, base);
	return !errno;
}

bool srv_parse_number(const char *text, unsigned long min, unsigned long max, uint32_t *n)
{
	unsigned long long v;
	char *end;

	if (!digits(text, 10, &v, &end) || *end || v < min || v > max)
		return false;
	*n = (uint32_t)v;
	return true;
}

static unsigned shift(const char *unit)
{
	static const char units[] = "KMGT";
	const char *at;

	if (!*unit)
		return 0;
	at = strchr(units, *unit & ~0x20);
	return at && *at && !unit[1] ? 10 * (unsigned)(at - units + 1) : 64;
}

bool srv_parse_size(const char *text, uint64_t *size)
{
	unsigned long long v;
	unsigned by;
	char *end;

	if (!digits(text, 10, &v, &end))
		return false;
	by = shift(end);
	if (by > 63 || v > SRV_SIZE_MAX >> by)
		return false;
	*size = v << by;
	return *size >= VMQ_IVSHMEM_REGION_MIN && !(*size & (*size - 1));
}

bool srv_parse_mode(const char *text, uint32_t *mode)
{
	unsigned long long v;
	char *end;

	if (!digits(text, 8, &v, &end) || *end || v > 0777)
		return false;
	*mode = (uint32_t)v;
	return true;
}

/* ---- users and groups: names or numbers -------------------------------------------- */

/* -1 stands for nobody in chown() and here. */
static bool user(const char *name, uint32_t *id)
{
	const struct passwd *p;

	if (srv_parse_number(name, 0, UINT32_MAX - 1, id))
		return true;
	p = getpwnam(name);
	if (p)
		*id = p->pw_uid;
	return p;
}

static bool group(const char *name, uint32_t *id)
{
	const struct group *g;

	if (srv_parse_number(name, 0, UINT32_MAX - 1, id))
		return true;
	g = getgrnam(name);
	if (g)
		*id = g->gr_gid;
	return g;
}

bool srv_parse_owner(const char *text, uid_t *owner, gid_t *grp)
{
	const char *colon = strchr(text, ':');
	uint32_t uid = (uid_t)-1, gid = (gid_t)-1;
	char *name = strndup(text, colon ? (size_t)(colon - text) : strlen(text));
	bool good = name && (*name || colon) && (!*name || user(name, &uid)) &&
		(!colon || !colon[1] || group(colon + 1, &gid));

	free(name);
	*owner = uid;
	*grp = gid;
	return good && (uid != (uid_t)-1 || gid != (gid_t)-1);
}

/* Names with commas between them, added to those that are there. */
static bool list(const char *text, struct srv_list *to, bool (*one)(const char *, uint32_t *))
{
	char *copy = strdup(text), *save = copy, *name;
	bool good = copy && *copy;

	while (good && (name = strsep(&save, ","))) {
		good = to->n < SRV_LIST && *name && one(name, &to->id[to->n]);
		to->n += good;
	}
	free(copy);
	return good;
}

bool srv_parse_users(const char *text, struct srv_list *to)
{
	return list(text, to, user);
}

bool srv_parse_groups(const char *text, struct srv_list *to)
{
	return list(text, to, group);
}
