/* SPDX-License-Identifier: BSD-2-Clause */
/* vms_see.c - what can be seen of a guest from outside: its window, all counters. */
#include <criterion/criterion.h>
#include <string.h>

#include "vms.h"

/* ---- its window -------------------------------------------------------------------------- */

/* The guest's CPU writes it meanwhile. */
static uint32_t word_at(const vmq_le32 *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

const struct vmq_boot_slot *vms_slot(const struct vms_guest *g, const char *peer)
{
	const struct vmq_boot *boot = vmq_kvm_window(g->kvm, NULL);
	const struct vmq_boot_slot *slot = (const void *)(boot + 1);

	for (uint32_t i = 0; i < boot->slots; i++)
		if (word_at(&slot[i].state) != VMQ_BOOT_FREE && !strcmp(slot[i].name, peer))
			return &slot[i];
	return NULL;
}

uint32_t vms_slot_number(const struct vms_guest *g, const char *peer)
{
	const struct vmq_boot *boot = vmq_kvm_window(g->kvm, NULL);
	const struct vmq_boot_slot *slot = vms_slot(g, peer);

	cr_assert_not_null(slot, "%s has no channel with %s", g->name, peer);
	return (uint32_t)(slot - (const struct vmq_boot_slot *)(boot + 1));
}

const struct vmq_layout_ctl *vms_ctl(const struct vms_guest *g, const char *peer)
{
	const uint8_t *window = vmq_kvm_window(g->kvm, NULL);
	const struct vmq_boot_slot *slot = vms_slot(g, peer);
	const struct vmq_layout_header *h;

	cr_assert_not_null(slot, "%s has no channel with %s", g->name, peer);
	h = (const void *)(window + slot->offset);
	return (const void *)(window + slot->offset + h->part[VMQ_PART_CTL0 + slot->side].off);
}

bool vms_armed(const struct vms_guest *g, const char *peer)
{
	return (word_at(&vms_ctl(g, peer)->arm) & VMQ_ARM_MASK) == VMQ_ARM_ARMED;
}

void vms_asleep(const struct vms_guest *g, const char *peer)
{
	const struct vmq_layout_ctl *ctl = vms_ctl(g, peer);
	uint32_t beat;

	do {
		VMS_WHILE(!vms_armed(g, peer));
		beat = word_at(&ctl->heartbeat);
		cr_assert(thread_sleeps(g->tid));
	} while (word_at(&ctl->heartbeat) != beat || !vms_armed(g, peer));
}

/* ---- counters ----------------------------------------------------------------------------- */

struct vmq_vmm_stats vms_stats(const struct vms_guest *g)
{
	struct vmq_vmm_stats s = { .size = sizeof(s) };

	cr_assert_eq(vmq_vmm_stats(vmq_kvm_vm(g->kvm), &s), 0);
	return s;
}

struct vmq_kvm_stats vms_kvm_stats(const struct vms_guest *g)
{
	struct vmq_kvm_stats s = { .size = sizeof(s) };

	cr_assert_eq(vmq_kvm_stats(g->kvm, &s), 0);
	return s;
}
