/* SPDX-License-Identifier: BSD-2-Clause */
/* threads_hub.c - who logs for a hub may ask it: also for the counters of the VM that it
 * is just told has left. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

static struct vmq_hub *hub;
static int asked = 1; /* what vmq_hub_stats() answered; 1: it was not asked */

static void logged(void *ctx, const char *line)
{
	struct vmq_vmm_stats s = { .size = sizeof(s) };
	char name[VMQ_NAME_MAX + 1] = "";
	bool there = true;

	(void)ctx;
	if (!strstr(line, "a left: "))
		return;
	asked = vmq_hub_stats(hub, "a", &s);
	cr_expect_eq(vmq_hub_next(hub, name, &there), 0);
	cr_expect_str_eq(name, "a");
	cr_expect_not(there);
	vmq_hub_stop(hub);
}

static void *leave(void *path)
{
	char uri[160];
	struct vmq *q;

	snprintf(uri, sizeof(uri), "sim:unix=%s?name=a", (const char *)path);
	if (vmq_open(uri, NULL, &q))
		return path;
	return vmq_close(q) ? path : NULL;
}

Test(threads_hub, tells_who_logs)
{
	struct vmq_hub_options o = { .size = sizeof(o), .log = logged };
	char dir[64], path[96];
	void *failed;
	pthread_t t;

	scratch_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/hub", dir);
	o.path = path;
	cr_assert_eq(vmq_hub_open(&o, &hub), 0);
	pthread_create(&t, NULL, leave, path);
	cr_expect_eq(vmq_hub_run(hub, PATIENCE), 0);
	pthread_join(t, &failed);
	cr_expect_null(failed);
	cr_expect_eq(asked, 0, "%s", vmq_errname(asked));
	vmq_hub_close(hub);
	scratch_remove(dir);
}
