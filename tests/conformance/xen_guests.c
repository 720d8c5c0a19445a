/* SPDX-License-Identifier: BSD-2-Clause */
/* xen_guests.c - the suite over xen: with peers in a domU. The build says where the tests
 * run (LAB_HOST): in dom0, or in another domU. */
#include <stdio.h>
#include <string.h>
#include <vmq/xen.h>

#include "lab.h"

const struct lab_plan lab_plan = { .host = LAB_HOST, .line_is_input = true };

static bool start(void)
{
	return lab_inside();
}

static void stop(void)
{
}

static void uri(const char *vm, char *text, size_t len)
{
	snprintf(text, len, "xen:lab?name=%s", vm);
}

/* With the transport that is in this program. */
static int open_linked(const char *vm, const char *settings, uint32_t flags, struct vmq **q)
{
	char text[256], why[200] = "";
	struct vmq_options o = { .size = sizeof(o), .flags = flags, .errmsg = why, .errlen = sizeof(why),
		.transport = &vmq_transport_xen };
	int rc;

	uri(vm, text, sizeof(text));
	if (settings && *settings)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "&%s", settings);
	rc = vmq_open(text, &o, q);
	if (rc)
		fprintf(stderr, "%s: %s: %s\n", text, vmq_errname(rc), why);
	return rc;
}

const struct conf_fabric conf_fabric = {
	.name = "xen-guests",
	.processes = true,
	.slow = 16, /* QEMU without KVM, one processor for all domains */
	.caps = VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_READONLY | VMQ_CAP_ISOLATED | VMQ_CAP_VOUCHED |
		VMQ_CAP_WAKE | VMQ_CAP_EXIT,
	.start = start,
	.stop = stop,
	.uri = uri,
	.open = open_linked,
	.spawn = lab_spawn,
	.join = lab_join,
};
