/* SPDX-License-Identifier: BSD-2-Clause */
/* machine.h - the smallest PC that runs 64-bit code under KVM: one vCPU, memory, an
 * interrupt controller in the kernel, and nothing else. */
#ifndef MACHINE_H
#define MACHINE_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_MEMORY (16u << 20)
#define MACHINE_IMAGE 0x100000u   /* flat binaries are loaded and entered here */
#define MACHINE_STACK 0x100000u   /* grows down */
#define MACHINE_WINDOW 0x40000000u /* where queues go; mapped as all below 4 GiB is */
#define MACHINE_WINDOW_SIZE (64u << 20)

struct machine {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	uint8_t *memory;
};

/* Build a PC and load a flat binary; its first argument (RDI) will be `argument`.
 * Returns 0, or -1 with errno: no /dev/kvm, no such file, too large. */
int machine_open(struct machine *m, const char *image, uint64_t argument);
void machine_close(struct machine *m);

/* KVM_RUN, once. Returns what it returned; EINTR is 0, with KVM_EXIT_INTR. */
int machine_run(struct machine *m);

/* Have a thread's machine_run() return soon: the next one does, too. To be followed
 * by a signal to the thread, if it may be in the kernel. Safe in a signal handler. */
void machine_kick(struct machine *m);

#endif
