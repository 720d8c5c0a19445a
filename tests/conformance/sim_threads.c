/* SPDX-License-Identifier: BSD-2-Clause */
/* sim_threads.c - the suite over sim: with VMs that are threads. */
#include <stdio.h>

#include "conformance.h"

static bool start(void)
{
	return true;
}

static void stop(void)
{
}

static void uri(const char *vm, char *text, size_t len)
{
	snprintf(text, len, "sim:conformance?name=%s", vm);
}

const struct conf_fabric conf_fabric = {
	.name = "sim-threads",
	.caps = VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_UNMAP | VMQ_CAP_READONLY | VMQ_CAP_VOUCHED |
		VMQ_CAP_WAKE | VMQ_CAP_EXIT | VMQ_CAP_ENFORCED,
	.start = start,
	.stop = stop,
	.uri = uri,
};
