/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm_programs.c - the suite over host programs that come over a bridge, whose peers are
 * endpoints on the VMM at its other end. */
#include "kvm_vmm.h"

static int open_on_vmm(const char *vm, const char *settings, uint32_t flags, struct vmq **q)
{
	return vm[0] == 'a' ? 1 : kvm_vmm_open(vm, settings, flags, q);
}

const struct conf_fabric conf_fabric = {
	.name = "kvm-programs",
	.caps = VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_UNMAP | VMQ_CAP_READONLY | VMQ_CAP_ISOLATED |
		VMQ_CAP_VOUCHED | VMQ_CAP_WAKE,
	.start = kvm_vmm_start,
	.stop = kvm_vmm_stop,
	.uri = kvm_vmm_uri,
	.open = open_on_vmm,
};
