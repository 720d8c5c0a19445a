/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm_none.c - the KVM functions of a library that was built without that transport:
 * the same symbols, so that programs link, and an honest answer. */
#include <vmq/kvm.h>

int vmq_kvm_add(struct vmq_vmm *vmm, const struct vmq_kvm_config *config, struct vmq_kvm **kvm)
{
	if (!vmm)
		return VMQ_EBADF;
	return config && kvm ? VMQ_ENOTSUP : VMQ_EINVAL;
}

int vmq_kvm_remove(struct vmq_kvm *kvm)
{
	(void)kvm;
	return VMQ_EBADF;
}

struct vmq_vm *vmq_kvm_vm(const struct vmq_kvm *kvm)
{
	(void)kvm;
	return NULL;
}

void *vmq_kvm_window(const struct vmq_kvm *kvm, size_t *size)
{
	(void)kvm;
	(void)size;
	return NULL;
}

int vmq_kvm_exit(struct vmq_kvm *kvm, struct kvm_run *run)
{
	(void)kvm;
	(void)run;
	return VMQ_EBADF;
}

int vmq_kvm_stats(struct vmq_kvm *kvm, struct vmq_kvm_stats *stats)
{
	(void)kvm;
	(void)stats;
	return VMQ_EBADF;
}
