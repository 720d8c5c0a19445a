/* SPDX-License-Identifier: BSD-2-Clause */
/* stress_region.c - the stress programs over the file of a region, in place of sim:. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../stress/stress.h"

#define SIZE (1ll << 30) /* of addresses: most of it is never written to */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int fd;

static void make(void)
{
	fd = memfd_create("region", MFD_CLOEXEC);
	CHECK(fd >= 0 && ftruncate(fd, SIZE) == 0);
}

struct vmq *__wrap_stress_vm(const char *name, const char *settings, uint32_t flags);
struct vmq *__wrap_stress_vm(const char *name, const char *settings, uint32_t flags)
{
	char why[200] = "", uri[300];
	struct vmq_options o = { .size = sizeof(o), .flags = flags, .errmsg = why, .errlen = sizeof(why) };
	struct vmq *q = NULL;

	pthread_once(&once, make);
	snprintf(uri, sizeof(uri), "ivshmem:file=/proc/self/fd/%d?name=%s&%s", fd, name, settings);
	if (vmq_open(uri, &o, &q))
		stress_fail(__FILE__, __LINE__, why);
	return q;
}
