/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm_order.h - what bench-kvm asks of its guest. */
#ifndef VMQ_BENCH_KVM_ORDER_H
#define VMQ_BENCH_KVM_ORDER_H

#include <stdint.h>

enum { BENCH_KVM_NOTHING, BENCH_KVM_RING, BENCH_KVM_EXIT };

struct bench_kvm_order {
	uint32_t what, count;
};

#endif
