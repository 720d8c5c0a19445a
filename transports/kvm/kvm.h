/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm.h - what the files of the KVM transport's VMM side share. */
#ifndef VMQ_KVM_INTERNAL_H
#define VMQ_KVM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <vmq/kvm.h>

#define KVM_PEERS_DEFAULT 30u
#define KVM_PEERS_MAX 1024u
#define KVM_REGISTERS 8u /* bytes: doorbell and command */

/* One channel, by the number that the guest knows it by. */
struct kvm_slot {
	struct vmq_vmm_link *link; /* NULL: free */
	uint32_t peer;
	bool left;
	bool ringing[2];           /* an ioeventfd is registered for DATA, for SPACE */
	int doorbell[2];           /* own copies of the peer's, or -1 */
};

struct vmq_kvm {
	struct vmq_kvm_config config;
	struct vmq_vmm *vmm;
	struct vmq_vm *vm;
	uint8_t *window;           /* the guest's: what it sees */
	struct vmq_boot *boot;     /* the same first pages, writable; never read back */
	size_t boot_size;
	uint32_t peers, seq;
	int irq;                   /* eventfd: the guest's doorbell */
	bool slot_set, routed, irq_set;
	/* Slots change under the VMM's lock and this one, which is the inner of the
	 * two. Commands hold `commands` around both. */
	pthread_mutex_t lock, commands;
	struct kvm_slot *slots;
	_Atomic uint64_t returns, doorbells, written, faults, refused;
};

/* slots.c: the channels of a guest, as vmm.h's callbacks bring them */
int vmq__kvm_attach(void *ctx, const struct vmq_vmm_channel *channel);
void vmq__kvm_leave(void *ctx, struct vmq_vmm_link *link, int reason);
/* Take a slot away from the guest: its link, to be detached, or NULL. */
struct vmq_vmm_link *vmq__kvm_slot_free(struct vmq_kvm *k, uint32_t slot);
void vmq__kvm_slots_clear(struct vmq_kvm *k);
struct vmq_boot_slot *vmq__kvm_boot_slot(const struct vmq_kvm *k, uint32_t slot);

/* bell.c: doorbells between a guest and the kernel */
int vmq__kvm_irq_open(struct vmq_kvm *k);
void vmq__kvm_irq_close(struct vmq_kvm *k);
int vmq__kvm_ring_open(struct vmq_kvm *k, uint32_t slot);
void vmq__kvm_ring_close(struct vmq_kvm *k, uint32_t slot);

#endif
