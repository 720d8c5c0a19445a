/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm_hosts.c - the suite over endpoints on a VMM of the test's process, whose peers are
 * host programs that come over a bridge. */
#include "kvm_vmm.h"

static int open_on_vmm(const char *vm, const char *settings, uint32_t flags, struct vmq **q)
{
	return vm[0] == 'a' ? kvm_vmm_open(vm, settings, flags, q) : 1;
}

const struct conf_fabric conf_fabric = {
	.name = "kvm-hosts",
	.processes = true,
	.caps = VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_UNMAP | VMQ_CAP_READONLY | VMQ_CAP_VOUCHED |
		VMQ_CAP_WAKE | VMQ_CAP_EXIT | VMQ_CAP_ENFORCED,
	.start = kvm_vmm_start,
	.stop = kvm_vmm_stop,
	.uri = kvm_vmm_uri,
	.open = open_on_vmm,
};
