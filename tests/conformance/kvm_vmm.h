/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm_vmm.h - a VMM of the test's own process that other processes' endpoints come to
 * over a bridge. */
#ifndef KVM_VMM_H
#define KVM_VMM_H

#include "conformance.h"

/* For start, stop and uri of a struct conf_fabric. */
bool kvm_vmm_start(void);
void kvm_vmm_stop(void);
void kvm_vmm_uri(const char *vm, char *uri, size_t len);
struct vmq_vmm *kvm_vmm(void);
/* As conf_open(), on that VMM. */
int kvm_vmm_open(const char *vm, const char *settings, uint32_t flags, struct vmq **q);

#endif
