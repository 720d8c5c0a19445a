/* SPDX-License-Identifier: BSD-2-Clause */
/* slots.c - channels come and go in a guest's boot-information area. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/atomic.h"
#include "internal.h"
#include "kvm.h"
#include "loop.h"

struct vmq_boot_slot *vmq__kvm_boot_slot(const struct vmq_kvm *k, uint32_t slot)
{
	return (struct vmq_boot_slot *)(k->boot + 1) + slot;
}

/* Release: who sees the state sees the rest of the slot; who sees the number, both. */
static void publish(struct vmq_kvm *k, uint32_t slot, enum vmq_boot_state state)
{
	vmq__store_release(&vmq__kvm_boot_slot(k, slot)->state, state);
	vmq__store_release(&k->boot->seq, ++k->seq);
}

static void describe(struct vmq_kvm *k, uint32_t slot, const struct vmq_vmm_channel *c)
{
	struct vmq_boot_slot *b = vmq__kvm_boot_slot(k, slot);

	b->reason = b->result = 0;
	b->peer = vmq__le32(c->peer);
	b->side = vmq__le32(c->side);
	b->epoch = vmq__le32(c->epoch);
	b->offset = vmq__le64((uint64_t)((uint8_t *)c->region - k->window));
	b->size = vmq__le64(c->region_size);
	memcpy(b->uuid, c->peer_uuid, sizeof(b->uuid));
	strcpy(b->name, c->peer_name);
}

/* The peer's doorbells are valid during the call only. */
static int copy_doorbells(struct kvm_slot *s, const struct vmq_vmm_channel *c)
{
	for (unsigned i = 0; i < 2; i++) {
		s->doorbell[i] = c->doorbell[i] < 0 ? -1 : fcntl(c->doorbell[i], F_DUPFD_CLOEXEC, 3);
		if (c->doorbell[i] >= 0 && s->doorbell[i] < 0)
			return VMQ_EMFILE;
	}
	return 0;
}

static void drop_doorbells(struct kvm_slot *s)
{
	for (unsigned i = 0; i < 2; i++) {
		if (s->doorbell[i] >= 0)
			close(s->doorbell[i]);
		s->doorbell[i] = -1;
	}
}

static int fill(struct vmq_kvm *k, uint32_t slot, const struct vmq_vmm_channel *c)
{
	struct kvm_slot *s = &k->slots[slot];
	int rc;

	*s = (struct kvm_slot){ .peer = c->peer, .doorbell = { -1, -1 } };
	rc = copy_doorbells(s, c);
	if (!rc)
		rc = vmq__kvm_ring_open(k, slot);
	if (rc) {
		drop_doorbells(s);
		return rc;
	}
	s->link = c->link;
	describe(k, slot, c);
	publish(k, slot, VMQ_BOOT_THERE);
	return 0;
}

int vmq__kvm_attach(void *ctx, const struct vmq_vmm_channel *c)
{
	struct vmq_kvm *k = ctx;
	uint32_t slot = 0;
	int rc = VMQ_ENOMEM;

	pthread_mutex_lock(&k->lock);
	while (slot < k->peers && k->slots[slot].link)
		slot++;
	if (slot < k->peers)
		rc = fill(k, slot, c);
	pthread_mutex_unlock(&k->lock);
	if (!rc)
		vmq__loop_ring(k->irq);
	return rc;
}

static void leave(struct vmq_kvm *k, uint32_t slot, int reason)
{
	struct kvm_slot *s = &k->slots[slot];

	s->left = true;
	vmq__kvm_ring_close(k, slot);
	drop_doorbells(s);
	vmq__store(&vmq__kvm_boot_slot(k, slot)->reason, (uint32_t)-reason);
	publish(k, slot, VMQ_BOOT_LEFT);
}

/* The VMM rings after this. */
void vmq__kvm_leave(void *ctx, struct vmq_vmm_link *link, int reason)
{
	struct vmq_kvm *k = ctx;

	pthread_mutex_lock(&k->lock);
	for (uint32_t slot = 0; slot < k->peers; slot++)
		if (k->slots[slot].link == link && !k->slots[slot].left)
			leave(k, slot, reason);
	pthread_mutex_unlock(&k->lock);
}

struct vmq_vmm_link *vmq__kvm_slot_free(struct vmq_kvm *k, uint32_t slot)
{
	struct vmq_vmm_link *link = NULL;

	pthread_mutex_lock(&k->lock);
	if (slot < k->peers && k->slots[slot].link) {
		link = k->slots[slot].link;
		vmq__kvm_ring_close(k, slot);
		drop_doorbells(&k->slots[slot]);
		k->slots[slot].link = NULL;
		publish(k, slot, VMQ_BOOT_FREE);
	}
	pthread_mutex_unlock(&k->lock);
	return link;
}

void vmq__kvm_slots_clear(struct vmq_kvm *k)
{
	for (uint32_t slot = 0; slot < k->peers; slot++)
		vmq__kvm_slot_free(k, slot);
}
