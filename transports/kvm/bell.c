/* SPDX-License-Identifier: BSD-2-Clause */
/* bell.c - doorbells that need no VMM: an ioeventfd for each peer that the guest may
 * ring, and the irqfd that interrupts it. */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"
#include "kvm.h"

#define MSI_BASE 0xfee00000u /* APIC number 0, physical, no redirection hint */

/* ---- into the guest -------------------------------------------------------------------- */

static int set_route(const struct vmq_kvm *k)
{
	const struct kvm_irq_routing_entry entry = {
		.gsi = k->config.gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = MSI_BASE, .data = k->config.vector },
	};
	union {
		struct kvm_irq_routing head;
		uint8_t bytes[sizeof(struct kvm_irq_routing) + sizeof(entry)];
	} table = { .head.nr = 1 };

	memcpy(table.head.entries, &entry, sizeof(entry));
	return ioctl(k->config.vm_fd, KVM_SET_GSI_ROUTING, &table) ? VMQ_ESYS : 0;
}

static int irqfd(const struct vmq_kvm *k, uint32_t flags)
{
	struct kvm_irqfd i = { .fd = (uint32_t)k->irq, .gsi = k->config.gsi, .flags = flags };

	return ioctl(k->config.vm_fd, KVM_IRQFD, &i) ? VMQ_ESYS : 0;
}

int vmq__kvm_irq_open(struct vmq_kvm *k)
{
	int rc = k->config.flags & VMQ_KVM_ROUTE ? set_route(k) : 0;

	if (rc)
		return rc;
	k->irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (k->irq < 0)
		return vmq__errno(errno);
	rc = irqfd(k, 0);
	k->irq_set = !rc;
	return rc;
}

void vmq__kvm_irq_close(struct vmq_kvm *k)
{
	if (k->irq_set)
		irqfd(k, KVM_IRQFD_FLAG_DEASSIGN);
	if (k->irq >= 0)
		close(k->irq);
	k->irq = -1;
}

/* ---- out of the guest ---------------------------------------------------------------------- */

static int ioeventfd(const struct vmq_kvm *k, uint32_t slot, unsigned space, uint32_t flags)
{
	struct kvm_ioeventfd e = {
		.datamatch = VMQ_BOOT_RING(slot, space), .addr = k->config.doorbell, .len = 4,
		.fd = k->slots[slot].doorbell[space], .flags = flags | KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	if (k->config.bus == VMQ_BOOT_PORT)
		e.flags |= KVM_IOEVENTFD_FLAG_PIO;
	return ioctl(k->config.vm_fd, KVM_IOEVENTFD, &e) ? VMQ_ESYS : 0;
}

/* A peer that has no eventfd is rung by the VMM: the doorbell then leaves KVM_RUN. */
int vmq__kvm_ring_open(struct vmq_kvm *k, uint32_t slot)
{
	struct kvm_slot *s = &k->slots[slot];
	int rc = 0;

	if (k->config.flags & VMQ_KVM_EXITS)
		return 0;
	for (unsigned space = 0; space < 2 && !rc; space++) {
		if (s->doorbell[space] < 0)
			continue;
		rc = ioeventfd(k, slot, space, 0);
		s->ringing[space] = !rc;
	}
	if (rc)
		vmq__kvm_ring_close(k, slot);
	return rc;
}

void vmq__kvm_ring_close(struct vmq_kvm *k, uint32_t slot)
{
	struct kvm_slot *s = &k->slots[slot];

	for (unsigned space = 0; space < 2; space++) {
		if (s->ringing[space])
			ioeventfd(k, slot, space, KVM_IOEVENTFD_FLAG_DEASSIGN);
		s->ringing[space] = false;
	}
}
