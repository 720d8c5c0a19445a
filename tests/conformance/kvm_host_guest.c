/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm_host_guest.c - the suite over endpoints of the host, whose peers are real guests
 * under /dev/kvm. */
#include "kvm_real.h"

static int open_either(const char *vm, const char *settings, uint32_t flags, struct vmq **q)
{
	return vm[0] == 'a' ? kvm_vmm_open(vm, settings, flags, q) :
		remote_open(kvm_vmm(), vm, settings, flags, q);
}

const struct conf_fabric conf_fabric = {
	.name = "kvm-host-guest",
	.caps = VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_UNMAP | VMQ_CAP_READONLY | VMQ_CAP_VOUCHED |
		VMQ_CAP_WAKE | VMQ_CAP_EXIT | VMQ_CAP_ENFORCED,
	.start = kvm_vmm_start,
	.stop = kvm_real_stop,
	.uri = kvm_vmm_uri,
	.open = open_either,
	.die = remote_die,
};
