/* SPDX-License-Identifier: BSD-2-Clause */
/* no_sim.c - a library without the simulation says so, in words. */
#include <stdio.h>
#include <string.h>

#include <vmq/vmm.h>

int main(void)
{
	char why[100] = "";
	struct vmq_options o = { .size = sizeof(o), .errmsg = why, .errlen = sizeof(why) };
	struct vmq_hub_options ho = { .size = sizeof(ho), .path = "unused", .errmsg = why,
		.errlen = sizeof(why) };
	struct vmq_hub *hub;
	struct vmq_vmm *vmm;
	struct vmq *q;

	if (vmq_open("sim:lab?name=a", &o, &q) != VMQ_ENOTSUP || !strstr(why, "no transport 'sim'"))
		return 1;
	puts(why);
	if (vmq_hub_open(&ho, &hub) != VMQ_ENOTSUP || !strstr(why, "without the sim transport"))
		return 2;
	puts(why);
	return vmq_vmm_create(NULL, &vmm) || vmq_vmm_destroy(vmm);
}
