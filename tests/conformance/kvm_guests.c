/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm_guests.c - the suite over guests of one VMM: every endpoint is a real guest under
 * /dev/kvm, on whose CPU its own libvmq runs. */
#include "kvm_real.h"

static int open_guest(const char *vm, const char *settings, uint32_t flags, struct vmq **q)
{
	return remote_open(kvm_vmm(), vm, settings, flags, q);
}

const struct conf_fabric conf_fabric = {
	.name = "kvm-guests",
	.caps = VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_UNMAP | VMQ_CAP_READONLY | VMQ_CAP_ISOLATED |
		VMQ_CAP_VOUCHED | VMQ_CAP_WAKE | VMQ_CAP_EXIT | VMQ_CAP_ENFORCED,
	.start = kvm_vmm_start,
	.stop = kvm_real_stop,
	.uri = kvm_vmm_uri,
	.open = open_guest,
	.die = remote_die,
	.no_fd = true,
};
