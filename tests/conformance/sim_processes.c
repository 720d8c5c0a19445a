/* SPDX-License-Identifier: BSD-2-Clause */
/* sim_processes.c - the suite over sim: with a hub and VMs that are processes. */
#include <stdio.h>

#include "conformance.h"

static struct hub_proc hub;

static bool start(void)
{
	return hub_start(&hub, NULL, 0);
}

static void stop(void)
{
	hub_stop(&hub);
}

static void uri(const char *vm, char *text, size_t len)
{
	snprintf(text, len, "sim:unix=%s?name=%s", hub.path, vm);
}

const struct conf_fabric conf_fabric = {
	.name = "sim-processes",
	.processes = true,
	.caps = VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_UNMAP | VMQ_CAP_READONLY | VMQ_CAP_ISOLATED |
		VMQ_CAP_VOUCHED | VMQ_CAP_WAKE | VMQ_CAP_EXIT | VMQ_CAP_TICK,
	.start = start,
	.stop = stop,
	.uri = uri,
};
