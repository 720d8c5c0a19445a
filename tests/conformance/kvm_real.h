/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm_real.h - what the fabrics with real guests share. */
#ifndef KVM_REAL_H
#define KVM_REAL_H

#include "kvm_vmm.h"
#include "remote.h"

/* As kvm_vmm_stop(), after the end of all guests. */
void kvm_real_stop(void);

#endif
