/* SPDX-License-Identifier: BSD-2-Clause */
/* lies.c - an endpoint that is none: records, offers and root pages that nobody should believe. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <vmq/xen.h>

#include "member.h"

#define STEP_US 10000
#define HANG 20u
#define POOL 256u
#define LANE 65536u

struct liar {
	struct xs_handle *xs;
	const char *fabric;
	char base[160];             /* the own record's node */
	uint32_t root;              /* a page that is granted to dom0 */
	struct vmq_xen_root *page;
	uint64_t life;
	unsigned turn;
};

/* What a victim says: another domain's record and offer to us, if they are there. */
struct victim {
	uint32_t domid;
	const char *name;
	uint64_t life;
	uint32_t serial;
};

static bool put(struct liar *l, const char *path, const char *value)
{
	return xs_write(l->xs, XBT_NULL, path, value, (unsigned)strlen(value));
}

static char *get(struct liar *l, const char *path)
{
	unsigned len;

	return xs_read(l->xs, XBT_NULL, path, &len);
}

static uint32_t own_domid(struct liar *l)
{
	char *text = get(l, "domid");
	uint32_t domid = text ? (uint32_t)atoi(text) : 0;

	free(text);
	return domid;
}

/* ---- records ------------------------------------------------------------------------------------ */

static const char *const records[] = {
	"", "1", "0 0 0 0 0 0", "2 9 0123456789abcdef 65536 256 00000000000000000000000000000000",
	"1 9 0000000000000000 65536 256 00000000000000000000000000000000",
	"1 4294967295 0123456789abcdef 65536 256 00000000000000000000000000000000",
	"1 99999999999999999999 0123456789abcdef 65536 256 00000000000000000000000000000000",
	"1 -1 0123456789abcdef 65536 256 00000000000000000000000000000000",
	"1 9 0123456789abcdef 1 256 00000000000000000000000000000000",
	"1 9 0123456789abcdef 4294967295 4294967295 00000000000000000000000000000000",
	"1 9 0123456789abcdef 1073741824 1048576 00000000000000000000000000000000",
	"1 9 0123456789abcdef 65536 256 xyz", "\x01\xff\x7f garbage \n%s%n",
};

static void lie_in_record(struct liar *l)
{
	char huge[3000], path[200];

	put(l, l->base, records[l->turn % (sizeof(records) / sizeof(records[0]))]);
	usleep(STEP_US);
	memset(huge, '7', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = 0;
	put(l, l->base, huge);
	snprintf(path, sizeof(path), "data/vmq/%s/@zz@", l->fabric);
	put(l, path, huge);
	snprintf(path, sizeof(path), "data/vmq/%s/dom0", l->fabric);
	put(l, path, "1 0 0123456789abcdef 65536 256 00000000000000000000000000000000");
	usleep(STEP_US);
	xs_rm(l->xs, XBT_NULL, path);
}

/* ---- offers --------------------------------------------------------------------------------------- */

static void look_at(struct liar *l, struct victim *v, uint32_t own)
{
	char path[300], *text;

	snprintf(path, sizeof(path), "/local/domain/%u/data/vmq/%s/%s", v->domid, l->fabric, v->name);
	text = get(l, path);
	if (text)
		sscanf(text, "%*s %*s %" SCNx64, &v->life);
	free(text);
	snprintf(path, sizeof(path), "/local/domain/%u/data/vmq/%s/%s/%u/" LIAR, v->domid, l->fabric, v->name, own);
	text = get(l, path);
	if (text)
		sscanf(text, "%*s %*s %u", &v->serial);
	free(text);
}

static uint32_t wrong_number(const struct liar *l)
{
	static const uint32_t numbers[] = { 0, 1, 2, 7, 8, 500, 4095, 65535, 0x7fffffff, 0xffffffff };

	return numbers[l->turn % (sizeof(numbers) / sizeof(numbers[0]))];
}

/* A root page that is right but for one word. */
static void root_page(struct liar *l, uint32_t serial)
{
	*l->page = (struct vmq_xen_root){ .magic = VMQ_XEN_MAGIC, .major = VMQ_XEN_MAJOR, .alive = 1, .serial = serial,
		.lane_size = LANE, .ctl_pages = 1, .pool_pages = POOL, .lists = 1, .list = { l->root } };
	switch (l->turn % 8) {
	case 0: l->page->magic ^= 1; break;
	case 1: l->page->major++; break;
	case 2: l->page->lists = wrong_number(l); break;
	case 3: l->page->list[0] = wrong_number(l); break;
	case 4: l->page->ctl_pages = wrong_number(l); break;
	case 5: l->page->lane_size = wrong_number(l); break;
	case 6: l->page->alive = 0; break;
	default: break; /* the list is the root page itself */
	}
}

static void lie_in_offer(struct liar *l, struct victim *v, uint32_t own)
{
	char path[300], value[200];

	look_at(l, v, own);
	root_page(l, v->serial);
	snprintf(path, sizeof(path), "%s/%u/%s", l->base, v->domid, v->name);
	snprintf(value, sizeof(value), "1 %016" PRIx64 " %u %u %u %u %u %u", v->life, l->turn + 1,
		v->serial, l->turn % 2 ? l->root : wrong_number(l), wrong_number(l), wrong_number(l), l->turn % 5);
	put(l, path, value);
	usleep(STEP_US);
	if (l->turn % 4 == 3)
		put(l, path, "1 a lie -5 99999999999999999999");
	usleep(STEP_US);
}

static void good_record(struct liar *l)
{
	char value[120];

	l->life = l->life * 6364136223846793005u + 1442695040888963407u;
	snprintf(value, sizeof(value), "1 40 %016" PRIx64 " %u %u %032x", l->life | 1, LANE, POOL, 40);
	put(l, l->base, value);
	usleep(2 * STEP_US);
}

int lie(const char *fabric, const char *other, unsigned turn)
{
	struct liar l = { .xs = xs_open(0), .fabric = fabric, .life = now_ms(), .turn = turn };
	xengntshr_handle *shr = xengntshr_open(NULL, 0);
	struct victim victims[2] = { { .domid = 0, .name = CHIEF }, { .name = other } };
	uint32_t own;

	alarm(HANG);
	if (!l.xs || !shr)
		return 1;
	own = own_domid(&l);
	victims[1].domid = own + 1;
	snprintf(l.base, sizeof(l.base), "data/vmq/%s/" LIAR, fabric);
	l.page = xengntshr_share_pages(shr, 0, 1, &l.root, 0);
	if (!l.page)
		return 1;
	for (unsigned end = turn + LIES; l.turn < end; l.turn++) {
		if (l.turn % 3 == 2)
			lie_in_record(&l);
		good_record(&l);
		lie_in_offer(&l, &victims[0], own);
		lie_in_offer(&l, &victims[1], own);
	}
	xs_rm(l.xs, XBT_NULL, l.base);
	say("hostile: lies up to %u", l.turn);
	return 0;
}
