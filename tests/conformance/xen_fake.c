/* SPDX-License-Identifier: BSD-2-Clause */
/* xen_fake.c - the suite over the xen transport and a Xen within this process: a Xen is not
 * needed. Who is called a... is in one domain, and everybody else in another; each endpoint
 * is a process of its own there, whose power can be cut. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vmq/xen.h>

#include "conformance.h"
#include "fake.h"

#define LIVES 4096u
#define LIMIT 65536u /* granted pages: an administrator's choice, as the default is small */

enum { DOMAIN_A = 1, DOMAIN_B = 2 };

static atomic_uint processes;
static char fabric[32]; /* of this process: names are locked for all of a machine */
static struct vmq *endpoint[LIVES];

static bool start(void)
{
	snprintf(fabric, sizeof(fabric), "conformance-%ld", (long)getpid());
	fake_xen_reset();
	fake_xen_create(DOMAIN_A, "a");
	fake_xen_create(DOMAIN_B, "b");
	fake_xen_grant_limit(LIMIT);
	fake_store_member(fabric, DOMAIN_A, "*", (int[]){ DOMAIN_A, DOMAIN_B, -1 });
	fake_store_member(fabric, DOMAIN_B, "*", (int[]){ DOMAIN_A, DOMAIN_B, -1 });
	return true;
}

static void stop(void)
{
	fake_xen_reset();
}

static void uri(const char *vm, char *text, size_t len)
{
	snprintf(text, len, "xen:%s?name=%s", fabric, vm);
}

static int open_one(const char *vm, const char *settings, uint32_t flags, struct vmq **q)
{
	char address[512], why[200] = "";
	struct vmq_options o = {
		.size = sizeof(o), .flags = flags, .errmsg = why, .errlen = sizeof(why),
		.transport = &vmq_transport_xen,
	};
	unsigned process = atomic_fetch_add(&processes, 1) % LIVES;
	int rc;

	uri(vm, address, sizeof(address));
	if (settings && *settings)
		snprintf(address + strlen(address), sizeof(address) - strlen(address), "&%s", settings);
	fake_xen_domain(vm[0] == 'a' ? DOMAIN_A : DOMAIN_B);
	fake_xen_process(process);
	rc = vmq_open(address, &o, q);
	if (rc)
		fprintf(stderr, "%s: %s: %s\n", address, vmq_errname(rc), why);
	else
		endpoint[process] = *q;
	return rc;
}

/* What is left in this process's memory, its kernel would have freed. */
static void die(struct vmq *q)
{
	unsigned process = 0;

	while (endpoint[process] != q)
		process++;
	fake_xen_crash(process);
	endpoint[process] = NULL;
	vmq_close(q);
}

const struct conf_fabric conf_fabric = {
	.name = "xen-fake",
	.caps = VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_READONLY | VMQ_CAP_ISOLATED | VMQ_CAP_VOUCHED |
		VMQ_CAP_WAKE | VMQ_CAP_EXIT,
	.start = start,
	.stop = stop,
	.uri = uri,
	.open = open_one,
	.die = die,
};
