/* SPDX-License-Identifier: BSD-2-Clause */
/* exit.c - a vCPU left for the VMM: for the queue's sake, or naturally. */
#include <linux/kvm.h>
#include <string.h>

#include "core/atomic.h"
#include "internal.h"
#include "kvm.h"

/* Linux 6.8 and later; KVM_RUN fails with EFAULT. */
#define EXIT_MEMORY_FAULT 39u

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- the two registers ------------------------------------------------------------------ */

static uint32_t peer_of(struct vmq_kvm *k, uint32_t slot)
{
	uint32_t peer = 0;

	pthread_mutex_lock(&k->lock);
	if (slot < k->peers && k->slots[slot].link)
		peer = k->slots[slot].peer;
	pthread_mutex_unlock(&k->lock);
	return peer;
}

static void doorbell(struct vmq_kvm *k, uint32_t value)
{
	uint32_t peer = peer_of(k, value >> 1);

	count(&k->doorbells);
	if (!peer)
		count(&k->refused);
	vmq_vmm_doorbell(k->vm, peer, value & 1 ? VMQ_KICK_SPACE : VMQ_KICK_DATA);
}

static void sync_pages(struct vmq_kvm *k, uint32_t slot)
{
	struct vmq_vmm_link *link = NULL;
	int rc;

	pthread_mutex_lock(&k->lock);
	if (slot < k->peers)
		link = k->slots[slot].link;
	pthread_mutex_unlock(&k->lock);
	if (!link) {
		count(&k->refused);
		return;
	}
	rc = vmq_vmm_pages(link, 0, 0);
	vmq__store_release(&vmq__kvm_boot_slot(k, slot)->result, (uint32_t)rc);
}

static void detach(struct vmq_kvm *k, uint32_t slot)
{
	struct vmq_vmm_link *link = vmq__kvm_slot_free(k, slot);

	if (link)
		vmq_vmm_detach(link);
	else
		count(&k->refused);
}

static void command(struct vmq_kvm *k, uint32_t value)
{
	uint32_t arg = VMQ_BOOT_ARG(value);

	count(&k->written);
	/* One at a time: a link that one vCPU uses, another may detach. */
	pthread_mutex_lock(&k->commands);
	if (VMQ_BOOT_OP(value) == VMQ_BOOT_EXIT && arg < VMQ_EXIT_REASONS)
		vmq_vmm_exit(k->vm, (enum vmq_exit_reason)arg);
	else if (VMQ_BOOT_OP(value) == VMQ_BOOT_PAGES)
		sync_pages(k, arg);
	else if (VMQ_BOOT_OP(value) == VMQ_BOOT_DETACH)
		detach(k, arg);
	else
		count(&k->refused);
	pthread_mutex_unlock(&k->commands);
}

/* An access to the registers: one value or, by a string instruction, several. */
static void registers(struct vmq_kvm *k, uint64_t address, const void *data, uint32_t len)
{
	uint32_t value;

	if (len != sizeof(value) || address % sizeof(value)) {
		count(&k->refused);
		return;
	}
	memcpy(&value, data, sizeof(value));
	if (address == k->config.doorbell)
		doorbell(k, vmq__le32(value));
	else
		command(k, vmq__le32(value));
}

static bool is_register(const struct vmq_kvm *k, uint32_t bus, uint64_t address)
{
	return k->config.bus == bus && address - k->config.doorbell < KVM_REGISTERS;
}

/* ---- exits by kind ------------------------------------------------------------------------ */

static bool port_access(struct vmq_kvm *k, struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	if (!is_register(k, VMQ_BOOT_PORT, run->io.port))
		return false;
	if (run->io.direction == KVM_EXIT_IO_IN) {
		memset(data, 0, (size_t)run->io.size * run->io.count);
		return true;
	}
	for (uint32_t i = 0; i < run->io.count; i++)
		registers(k, run->io.port, data + (size_t)i * run->io.size, run->io.size);
	return true;
}

static bool in_window(const struct vmq_kvm *k, uint64_t address)
{
	return address - k->config.window < k->config.window_size;
}

static void fault(struct vmq_kvm *k, uint64_t address, uint32_t len)
{
	count(&k->faults);
	if (k->config.fault)
		k->config.fault(k->config.ctx, address, len);
}

static bool memory_access(struct vmq_kvm *k, struct kvm_run *run)
{
	bool reg = is_register(k, VMQ_BOOT_MEMORY, run->mmio.phys_addr);

	if (!reg && !in_window(k, run->mmio.phys_addr))
		return false;
	if (!run->mmio.is_write)
		memset(run->mmio.data, 0, sizeof(run->mmio.data));
	else if (reg)
		registers(k, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	else
		fault(k, run->mmio.phys_addr, run->mmio.len);
	return true;
}

/* A KVM that cannot emulate the write gives up on it: so do we on the VM, which would
 * write for ever. */
static void memory_fault(struct vmq_kvm *k, const struct kvm_run *run)
{
	uint64_t said[3]; /* flags, address, size */

	memcpy(said, run->padding, sizeof(said));
	if (!in_window(k, said[1]))
		return;
	fault(k, said[1], (uint32_t)said[2]);
	vmq_vmm_halt(k->vm);
}

static enum vmq_exit_reason reason_of(const struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_INTR:
		return VMQ_EXIT_TIMER;
	case KVM_EXIT_HLT:
		return VMQ_EXIT_WAIT;
	default:
		return VMQ_EXIT_IO;
	}
}

static bool is_over(const struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
	case KVM_EXIT_FAIL_ENTRY:
	case KVM_EXIT_INTERNAL_ERROR:
	case KVM_EXIT_SYSTEM_EVENT:
		return true;
	default:
		return false;
	}
}

int vmq_kvm_exit(struct vmq_kvm *k, struct kvm_run *run)
{
	bool ours = false;

	if (!k || !run)
		return k ? VMQ_EINVAL : VMQ_EBADF;
	count(&k->returns);
	if (run->exit_reason == KVM_EXIT_IO)
		ours = port_access(k, run);
	else if (run->exit_reason == KVM_EXIT_MMIO)
		ours = memory_access(k, run);
	if (ours)
		return 1;
	if (run->exit_reason == EXIT_MEMORY_FAULT)
		memory_fault(k, run);
	else if (is_over(run))
		vmq_vmm_halt(k->vm);
	vmq_vmm_exit(k->vm, reason_of(run));
	return 0;
}

int vmq_kvm_stats(struct vmq_kvm *k, struct vmq_kvm_stats *stats)
{
	if (!k)
		return VMQ_EBADF;
	if (!stats || !vmq__sized_out(stats, sizeof(*stats)))
		return VMQ_EINVAL;
	*stats = (struct vmq_kvm_stats){
		.size = sizeof(*stats),
		.returns = atomic_load(&k->returns),
		.doorbells = atomic_load(&k->doorbells),
		.commands = atomic_load(&k->written),
		.faults = atomic_load(&k->faults),
		.refused = atomic_load(&k->refused),
	};
	return 0;
}
