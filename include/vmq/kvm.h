/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm.h - message queues for the guests of a VMM on Linux's KVM.
 *
 * On top of vmm.h: gives a VM its window (a memory slot of its own, with the
 * boot-information area of boot.h at its start), doorbells out of it (ioeventfds:
 * exits that stay in the kernel, and end in the peer's irqfd) and into it (an irqfd),
 * and takes all of that back. The VMM keeps its vCPUs and its loop:
 *
 *	struct vmq_kvm_config c = { .size = sizeof(c), .name = "a", .vm_fd = vm,
 *		.memory_slot = 1, .window = 0xc0000000, .window_size = 16 << 20,
 *		.bus = VMQ_BOOT_PORT, .doorbell = 0x510, .gsi = 5, .vector = 0x40,
 *		.flags = VMQ_KVM_ROUTE };
 *	vmq_kvm_add(vmm, &c, &kvm);
 *	while (ioctl(vcpu, KVM_RUN, 0) == 0 || errno == EINTR)
 *		if (!vmq_kvm_exit(kvm, run))
 *			... the VMM's own devices
 *
 * Numbers and structs of the kernel's interface: linux/kvm.h and the kernel's
 * Documentation/virt/kvm/api.rst.
 *
 * Results as in vmq.h. Threads: every function may be called by any thread, and
 * vmq_kvm_exit() by those of several vCPUs at once, each with its own struct kvm_run;
 * but vmq_kvm_remove() only when no other call is under way and no vCPU runs.
 */
#ifndef VMQ_KVM_H
#define VMQ_KVM_H

#include <vmq/boot.h>
#include <vmq/vmm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kvm_run;
struct vmq_kvm;

#define VMQ_KVM_EXITS (1u << 0) /* no ioeventfds: each doorbell leaves KVM_RUN, and
                                 * vmq_kvm_exit() rings the peer */
#define VMQ_KVM_ROUTE (1u << 1) /* make one MSI route, for gsi, the VM's whole GSI
                                 * routing table. Else the VMM has a route for it */

struct vmq_kvm_config {
	size_t size;          /* sizeof(struct vmq_kvm_config) */
	const char *name;     /* 1 to VMQ_NAME_MAX bytes, unique among those there */
	const uint8_t *uuid;  /* 16 bytes; NULL: derived from the name */
	uint32_t lane_size;   /* bytes of each lane that this VM receives on, power of
	                       * two; 0: 262,144 */
	uint32_t pool_pages;  /* pages of the pool it has with each peer; 0: 256;
	                       * VMQ_NO_PAGES: none */
	int vm_fd;            /* KVM_CREATE_VM's, with an interrupt controller in the
	                       * kernel; the caller's, open until vmq_kvm_remove() */
	uint32_t flags;       /* VMQ_KVM_* */
	uint32_t memory_slot; /* a number that the VMM does not use */
	uint32_t peers;       /* most channels at a time; 0: 30, at most 1,024 */
	uint64_t window;      /* guest-physical address, page-aligned, free */
	uint64_t window_size; /* bytes, page-aligned. A channel takes 2 lanes, 2 pools
	                       * and a few pages: 2.5 MiB by default */
	uint64_t doorbell;    /* of the registers' 8 bytes: an I/O port, or a
	                       * guest-physical address that no memory slot covers,
	                       * both a multiple of 8 */
	uint32_t bus;         /* enum vmq_boot_bus */
	uint32_t gsi;         /* of the irqfd that is the guest's doorbell */
	uint32_t vector;      /* 32 to 255: what the guest is told, and VMQ_KVM_ROUTE's
	                       * MSI has: fixed, edge, to the VM's APIC number 0 */
	/* The guest wrote where its window is read-only (a page that was lent to it, a
	 * lane that it reads), or may not write at all: nothing has happened. May be
	 * NULL: it is counted. From within vmq_kvm_exit(), on its thread and without a
	 * lock. */
	void (*fault)(void *ctx, uint64_t address, uint32_t len);
	void *ctx;
};

/*
 * Give a VM its queue. Its window's memory is reserved and becomes a memory slot, its
 * doorbells are registered, and it is added to the VMM: from then on peers may send
 * to it. Before or while its vCPUs run.
 * Errors: as vmq_vmm_add(); VMQ_EINVAL, VMQ_ENOTSUP (this kernel lacks irqfd or
 * ioeventfd, or the library the kvm transport), VMQ_ESYS (KVM refused: that slot,
 * address or GSI is taken).
 */
VMQ_API int vmq_kvm_add(struct vmq_vmm *vmm, const struct vmq_kvm_config *config,
	struct vmq_kvm **kvm);

/* Take a VM's queue back: peers see the VM leave; doorbells, slot and memory are gone.
 * VMQ_EBADF for NULL. */
VMQ_API int vmq_kvm_remove(struct vmq_kvm *kvm);

/* The VM as vmm.h knows it: for vmq_vmm_stats(), vmq_vmm_halt(), vmq_vmm_watch(). It
 * ends with vmq_kvm_remove(); do not remove it otherwise. */
VMQ_API struct vmq_vm *vmq_kvm_vm(const struct vmq_kvm *kvm);

/* The window as the VMM sees it: the same pages as the guest's. *size (size may be NULL)
 * is its bytes. */
VMQ_API void *vmq_kvm_window(const struct vmq_kvm *kvm, size_t *size);

/*
 * A vCPU returned from KVM_RUN (with 0 or with EINTR): a doorbell or a command of the
 * guest's is carried out, anything else is a natural exit, and what was sent lazily is
 * drained. A vCPU that shut down, or cannot go on, halts the VM: its channels end.
 * Returns 1: it was the queue's, enter the guest again; 0: the exit is the VMM's to
 * handle. VMQ_EBADF, VMQ_EINVAL.
 */
VMQ_API int vmq_kvm_exit(struct vmq_kvm *kvm, struct kvm_run *run);

struct vmq_kvm_stats {
	size_t size;        /* set by the caller */
	uint64_t returns;   /* calls of vmq_kvm_exit(), of which: */
	uint64_t doorbells; /* ... rang (with VMQ_KVM_EXITS) */
	uint64_t commands;  /* ... were written to the command register */
	uint64_t faults;    /* ... wrote where the window is read-only */
	uint64_t refused;   /* doorbells and commands that named no channel */
};

/* Counters beside vmq_vmm_stats(). VMQ_EBADF, VMQ_EINVAL. */
VMQ_API int vmq_kvm_stats(struct vmq_kvm *kvm, struct vmq_kvm_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
