/* SPDX-License-Identifier: BSD-2-Clause */
/* guest.c - a guest's way from its boot-information area to its channels. */
#include <string.h>

#include <vmq/guest.h>

#include "core/atomic.h"
#include "platform.h"

/* ---- the boot-information area ---------------------------------------------------------- */

static const struct vmq_boot *boot_of(const struct vmq_guest *g)
{
	return (const void *)g->window;
}

static int boot_check(const struct vmq_guest *g)
{
	uint64_t end = g->slot_off + (uint64_t)g->slots * g->slot_size;

	if (g->slot_size < sizeof(struct vmq_boot_slot) || g->slot_off % 8 || g->slot_size % 8)
		return VMQ_EPROTO;
	if (g->slot_off < sizeof(struct vmq_boot) || end > g->window_size)
		return VMQ_EPROTO;
	return g->bus == VMQ_BOOT_PORT || g->bus == VMQ_BOOT_MEMORY ? 0 : VMQ_EPROTO;
}

int vmq_guest_init(struct vmq_guest *g, void *window)
{
	const struct vmq_boot *b = window;

	if (!window || (uintptr_t)window % VMQ_PAGE_SIZE)
		return VMQ_EINVAL;
	/* Acquire: the VMM writes the magic last. */
	if (vmq__load_acquire(&b->magic[0]) != VMQ_BOOT_MAGIC_LO || vmq__load(&b->magic[1]) != VMQ_BOOT_MAGIC_HI)
		return VMQ_EPROTO;
	if (vmq__le16(b->major) != VMQ_BOOT_MAJOR)
		return VMQ_EVERSION;
	g->window = window;
	g->window_size = vmq__le64(b->window_size);
	g->doorbell = vmq__le64(b->doorbell);
	g->bus = vmq__load(&b->bus);
	g->vector = vmq__load(&b->vector);
	g->slots = vmq__load(&b->slots);
	g->slot_off = vmq__load(&b->slot_off);
	g->slot_size = vmq__load(&b->slot_size);
	g->seq = vmq__load(&b->seq) - 1;
	g->self.id = vmq__load(&b->id);
	memcpy(g->self.uuid, b->uuid, sizeof(g->self.uuid));
	memcpy(g->self.name, b->name, VMQ_NAME_MAX);
	g->self.name[VMQ_NAME_MAX] = 0;
	return boot_check(g);
}

bool vmq_guest_changed(struct vmq_guest *g)
{
	uint32_t seq = vmq__load_acquire(&boot_of(g)->seq);
	bool changed = seq != g->seq;

	g->seq = seq;
	return changed;
}

static const struct vmq_boot_slot *slot_of(const struct vmq_guest *g, uint32_t slot)
{
	return (const void *)(g->window + g->slot_off + (size_t)slot * g->slot_size);
}

int vmq_guest_slot(const struct vmq_guest *g, uint32_t slot, struct vmq_guest_slot *info)
{
	const struct vmq_boot_slot *b;
	uint64_t offset;

	if (slot >= g->slots)
		return VMQ_ENOENT;
	b = slot_of(g, slot);
	memset(info, 0, sizeof(*info));
	/* Acquire: the VMM writes the state last. */
	info->state = vmq__load_acquire(&b->state);
	if (info->state == VMQ_BOOT_FREE)
		return 0;
	info->reason = -(int32_t)vmq__load(&b->reason);
	info->peer = vmq__load(&b->peer);
	info->side = vmq__load(&b->side);
	info->epoch = vmq__load(&b->epoch);
	info->size = vmq__le64(b->size);
	offset = vmq__le64(b->offset);
	if (offset > g->window_size || info->size > g->window_size - offset)
		return VMQ_EPROTO;
	info->region = g->window + offset;
	memcpy(info->uuid, b->uuid, sizeof(info->uuid));
	memcpy(info->name, b->name, VMQ_NAME_MAX);
	return 0;
}

/* ---- ways out ------------------------------------------------------------------------------ */

static void write_register(struct vmq_guest *g, unsigned offset, uint32_t value)
{
	if (g->bus == VMQ_BOOT_PORT)
		platform_out((uint16_t)(g->doorbell + offset), vmq__le32(value));
	else
		*(volatile uint32_t *)(uintptr_t)(g->doorbell + offset) = vmq__le32(value);
}

static void command(struct vmq_guest *g, uint32_t arg, enum vmq_boot_op op)
{
	write_register(g, 4, VMQ_BOOT_COMMAND(arg, op));
}

void vmq_guest_kick(struct vmq_guest *g, uint32_t slot, unsigned what)
{
	for (unsigned space = 0; space < 2; space++) {
		if (!(what & 1u << space))
			continue;
		write_register(g, 0, VMQ_BOOT_RING(slot, space));
		g->kicks++;
	}
}

void vmq_guest_exit(struct vmq_guest *g, unsigned reason)
{
	command(g, reason, VMQ_BOOT_EXIT);
}

int vmq_guest_pages(struct vmq_guest *g, uint32_t slot)
{
	if (slot >= g->slots)
		return VMQ_ENOENT;
	command(g, slot, VMQ_BOOT_PAGES);
	return (int)vmq__load_acquire(&slot_of(g, slot)->result);
}

void vmq_guest_detach(struct vmq_guest *g, uint32_t slot)
{
	command(g, slot, VMQ_BOOT_DETACH);
}

/* ---- channels -------------------------------------------------------------------------------- */

int vmq_guest_attach(struct vmq_guest *g, uint32_t slot, struct vmq_chan *ch,
	struct vmq_page_entry *entries, uint32_t n, uint32_t max_msg)
{
	struct vmq_chan_config c = { .max_msg = max_msg, .strict = true, .self = g->self };
	struct vmq_guest_slot info;
	struct vmq_geometry geo;
	int rc = vmq_guest_slot(g, slot, &info);

	if (rc)
		return rc;
	if (info.state != VMQ_BOOT_THERE)
		return VMQ_EGONE;
	rc = vmq_layout_read(info.region, info.size, &geo);
	if (rc)
		return rc;
	if (entries && n < geo.pool_pages[0] + geo.pool_pages[1])
		return VMQ_ENOMEM;
	c.side = info.side;
	c.epoch = info.epoch;
	c.entries = entries;
	rc = vmq_chan_attach(ch, info.region, &geo, &c);
	if (!rc)
		vmq_guest_kick(g, slot, VMQ_KICK_DATA);
	return rc;
}

void *vmq_guest_page(const struct vmq_chan *ch, uint32_t page)
{
	const struct vmq_layout_header *h = ch->region;

	/* The header is the VMM's, and read-only here. */
	return (uint8_t *)(uintptr_t)ch->region + vmq__le64(h->part[VMQ_PART_POOL0].off) +
		((size_t)page << VMQ_PAGE_SHIFT);
}

int vmq_guest_progress(struct vmq_guest *g, uint32_t slot, struct vmq_chan *ch)
{
	int rc;

	vmq_rx_wake(&ch->rx);
	rc = vmq_chan_progress(ch);
	if (rc > 0)
		vmq_guest_kick(g, slot, VMQ_KICK_DATA);
	return rc;
}

int vmq_guest_send(struct vmq_guest *g, uint32_t slot, struct vmq_chan *ch, unsigned kind,
	const void *data, uint32_t len, enum vmq_when when)
{
	int rc = vmq_tx_put(&ch->tx, kind, data, len);

	if (!rc && vmq_tx_kick_due(&ch->tx, when))
		vmq_guest_kick(g, slot, VMQ_KICK_DATA);
	return rc;
}

void vmq_guest_next(struct vmq_guest *g, uint32_t slot, struct vmq_chan *ch)
{
	if (vmq_rx_next(&ch->rx) & VMQ_RX_KICK)
		vmq_guest_kick(g, slot, VMQ_KICK_SPACE);
}

/* ---- sleeping --------------------------------------------------------------------------------- */

void vmq_guest_interrupt(struct vmq_guest *g)
{
	g->interrupts++;
	g->rung = 1;
}

bool vmq_guest_ack(struct vmq_guest *g)
{
	if (!g->rung)
		return false;
	g->rung = 0;
	/* From here on the next one may come. */
	if (g->eoi)
		*g->eoi = 0;
	return true;
}

bool vmq_guest_arm(struct vmq_guest *g, uint32_t slot, struct vmq_chan *ch)
{
	unsigned said;

	vmq_rx_beat(&ch->rx);
	if (ch->state != VMQ_STATE_ESTABLISHED)
		return true;
	said = vmq_rx_arm(&ch->rx);
	if (said & VMQ_RX_KICK)
		vmq_guest_kick(g, slot, VMQ_KICK_SPACE);
	return !(said & VMQ_RX_DATA);
}

void vmq_guest_wait(struct vmq_guest *g)
{
	platform_irq_off();
	if (g->rung)
		platform_irq_on();
	else
		platform_irq_on_and_halt();
}
