/* SPDX-License-Identifier: BSD-2-Clause */
/* host_vmm.c - a VMM in the test's process that listens, and programs that come. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "host_vmm.h"

char vmm_path[96], why[200];
struct vmq_vmm *vmm;
struct vmq_bridge *bridge;

static char dir[64];
static pthread_t server;
static bool serving;

void vmm_prepare(void)
{
	signal(SIGPIPE, SIG_IGN);
	scratch_make(dir, sizeof(dir));
	snprintf(vmm_path, sizeof(vmm_path), "%s/vmm", dir);
}

void vmm_listen(uint32_t first_id)
{
	struct vmq_vmm_options v = { .size = sizeof(v), .first_id = first_id };
	struct vmq_bridge_options b = { .size = sizeof(b), .path = vmm_path };

	cr_assert_eq(vmq_vmm_create(&v, &vmm), 0);
	cr_assert_eq(vmq_bridge_open(vmm, &b, &bridge), 0);
}

static void *serve(void *arg)
{
	(void)arg;
	if (vmq_bridge_run(bridge, VMQ_FOREVER))
		abort();
	return NULL;
}

void serve_start(void)
{
	serving = true;
	cr_assert_eq(pthread_create(&server, NULL, serve, NULL), 0);
}

void serve_stop(void)
{
	vmq_bridge_stop(bridge);
	pthread_join(server, NULL);
	serving = false;
}

void vmm_stop(void)
{
	if (serving)
		serve_stop();
	if (bridge)
		vmq_bridge_close(bridge);
	if (vmm)
		vmq_vmm_destroy(vmm);
	scratch_remove(dir);
}

int try_open(const char *name, struct vmq **q)
{
	struct vmq_options o = { .size = sizeof(o), .pool_pages = 4, .spin_us = VMQ_SPIN_NONE,
		.lazy_max_us = 60000000, .errmsg = why, .errlen = sizeof(why) };
	char uri[200];

	snprintf(uri, sizeof(uri), "kvm:unix=%s?name=%s", vmm_path, name);
	return vmq_open(uri, &o, q);
}

struct vmq *program(const char *name)
{
	struct vmq *q = NULL;
	int rc = try_open(name, &q);

	cr_assert_eq(rc, 0, "%s: %s", vmq_errname(rc), why);
	return q;
}

struct vmq *on_vmm(const char *name)
{
	struct vmq_options o = { .size = sizeof(o), .name = name, .spin_us = VMQ_SPIN_NONE };
	struct vmq *q = NULL;

	cr_assert_eq(vmq_vmm_open(vmm, &o, &q), 0);
	return q;
}
