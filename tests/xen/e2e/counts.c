/* SPDX-License-Identifier: BSD-2-Clause */
/* counts.c - how many pages this domain's user space has granted: the kernel does not say,
 * but refuses one more exactly if its limit would be passed. The limit can be set. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <xengnttab.h>

#include "member.h"

#define LIMIT "/sys/module/xen_gntalloc/parameters/limit"

static bool limit_is(int *limit)
{
	FILE *f = fopen(LIMIT, "re");
	bool ok = f && fscanf(f, "%d", limit) == 1;

	if (f)
		fclose(f);
	return ok;
}

static bool limit_set(int limit)
{
	FILE *f = fopen(LIMIT, "we");
	bool ok = f && fprintf(f, "%d", limit) > 0;

	return f && !fclose(f) && ok;
}

static bool one_more(xengntshr_handle *shr)
{
	uint32_t ref;
	void *page = xengntshr_share_pages(shr, 0, 1, &ref, 0);

	if (page)
		xengntshr_unshare(shr, page, 1);
	return page;
}

int grants(void)
{
	xengntshr_handle *shr = xengntshr_open(NULL, 0);
	int limit, low = 0, high;

	if (!shr || !limit_is(&limit))
		return 1;
	/* `low` pages and fewer are granted: for certain; more than `high` are not. */
	for (high = limit; low < high;) {
		int middle = low + (high - low) / 2;

		if (!limit_set(middle + 1))
			return 1;
		if (one_more(shr))
			high = middle;
		else
			low = middle + 1;
	}
	limit_set(limit);
	xengntshr_close(shr);
	printf("%d\n", low);
	return 0;
}
