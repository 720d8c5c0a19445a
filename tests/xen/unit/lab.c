/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "lab.h"

char said[256];

const char *fabric(void)
{
	static char name[32];

	snprintf(name, sizeof(name), "lab-%d", getpid());
	return name;
}

static char *slot(void)
{
	static char slots[8][512];
	static unsigned next;

	return slots[next++ % 8];
}

const char *at(unsigned domid, const char *rest)
{
	char *to = slot();

	snprintf(to, 512, "/local/domain/%u/data/vmq/%s%s", domid, fabric(), rest);
	return to;
}

const char *member_at(unsigned domid)
{
	char *to = slot();

	snprintf(to, 512, "/tool/vmq/%s/%u", fabric(), domid);
	return to;
}

static int say(void *ctx, int code, const char *format, ...)
{
	va_list args;

	(void)ctx;
	va_start(args, format);
	vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	return code;
}

const struct xen_why why = { say, NULL };

void lab(void)
{
	static const int all[] = { 0, 1, 2, 3, -1 };
	char name[8];

	fake_xen_reset();
	for (uint32_t d = 0; d < 4; d++) {
		snprintf(name, sizeof(name), "dom%u", d);
		if (d)
			fake_xen_create(d, name);
	}
	for (uint32_t d = 0; d < 4; d++)
		fake_store_member(fabric(), d, "*", all);
}

struct xen_store *store_of(uint32_t domid)
{
	struct xen_store *s = NULL;

	fake_xen_domain(domid);
	cr_assert_eq(vmq__xen_store_open(&s, fabric(), &why), 0, "%s", said);
	return s;
}

int claim(struct xen_store *s, const char *name, struct xen_record *r)
{
	struct xen_record own = { .lane_size = 65536, .pool_pages = 16 };

	snprintf(own.name, sizeof(own.name), "%s", name);
	vmq__uuid_of(name, own.uuid);
	*said = 0;
	*r = own;
	return vmq__xen_store_claim(s, r, &why);
}

struct xen_store *endpoint(uint32_t domid, const char *name, struct xen_record *r)
{
	struct xen_store *s = store_of(domid);

	cr_assert_eq(claim(s, name, r), 0, "%s", said);
	news(s);
	return s;
}

#define MOST 600

struct sight {
	struct xen_record r[MOST];
	unsigned count;
};

static void collect(void *ctx, const struct xen_record *r)
{
	struct sight *l = ctx;

	cr_assert_lt(l->count, MOST);
	l->r[l->count++] = *r;
}

static int by_place(const void *a, const void *b)
{
	const struct xen_record *x = a, *y = b;

	return x->domid != y->domid ? (x->domid > y->domid) - (x->domid < y->domid) : strcmp(x->name, y->name);
}

const char *sees(struct xen_store *s)
{
	static char text[MOST * 52];
	static struct sight l;
	size_t n = 0;

	l.count = 0;
	vmq__xen_store_peers(s, collect, &l);
	qsort(l.r, l.count, sizeof(l.r[0]), by_place);
	*text = 0;
	for (unsigned i = 0; i < l.count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u/%s", i ? " " : "", l.r[i].domid,
			l.r[i].name);
	return text;
}

struct xen_record record_of(struct xen_store *s, const char *name)
{
	static struct sight l;

	l.count = 0;
	vmq__xen_store_peers(s, collect, &l);
	for (unsigned i = 0; i < l.count; i++)
		if (!strcmp(l.r[i].name, name))
			return l.r[i];
	cr_assert_fail("no '%s' in sight", name);
	return l.r[0];
}

bool news(struct xen_store *s)
{
	bool any = false;

	while (vmq__xen_store_news(s))
		any = true;
	return any;
}
