/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest.h - a guest's side of a boot-information area (libvmq-guest.a).
 *
 * For a guest without an operating system's help: a unikernel, a firmware, a kernel
 * before its drivers. It finds the channels that the VMM laid into the window, rings
 * doorbells and sleeps until its own one rings. What is said on a channel goes
 * through core.h. Like the core it is freestanding: no libc, no allocation.
 *
 *	vmq_guest_init(&g, window);
 *	for (;;) {
 *		vmq_guest_ack(&g);
 *		if (vmq_guest_changed(&g))
 *			... vmq_guest_slot(), vmq_guest_attach(), vmq_guest_detach()
 *		... vmq_guest_progress(), vmq_rx_peek(), vmq_rx_next()
 *		if (each channel's vmq_guest_arm())
 *			vmq_guest_wait(&g);
 *	}
 *
 * Threads: one, and the interrupt handler, which calls vmq_guest_interrupt() only.
 */
#ifndef VMQ_GUEST_H
#define VMQ_GUEST_H

#include <vmq/boot.h>
#include <vmq/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero-fill it, set eoi, then vmq_guest_init(). The other fields may be read. */
struct vmq_guest {
	volatile uint32_t *eoi; /* end-of-interrupt register, written 0 to; NULL: the
	                         * interrupt handler sees to that itself */
	uint8_t *window;        /* where the window is mapped */
	struct vmq_ident self;
	uint64_t window_size;
	uint64_t doorbell;      /* port or address of the registers */
	uint32_t bus;           /* enum vmq_boot_bus */
	uint32_t vector;
	uint32_t slots, slot_off, slot_size;
	uint32_t seq;           /* of the last look at the slots */
	uint32_t kicks;         /* written to the doorbell register */
	uint32_t interrupts;    /* handled */
	volatile uint32_t rung; /* since the last vmq_guest_ack() */
};

/* One slot, copied out. */
struct vmq_guest_slot {
	uint32_t state;  /* enum vmq_boot_state */
	int32_t reason;  /* VMQ_EGONE, VMQ_EACCES when it left */
	uint32_t peer, side, epoch;
	uint8_t *region; /* in the window */
	uint64_t size;
	uint8_t uuid[16];
	char name[VMQ_NAME_MAX + 1];
};

/* Read the boot-information area at the window's start (page-aligned; registers that
 * are memory must be mapped at their guest-physical address). VMQ_EPROTO (no such
 * area), VMQ_EVERSION, VMQ_EINVAL. */
int vmq_guest_init(struct vmq_guest *g, void *window);

/* Did slots change since the last call? True the first time. */
bool vmq_guest_changed(struct vmq_guest *g);

/* Copy a slot. VMQ_ENOENT (there are no more), VMQ_EPROTO (it points out of the
 * window). */
int vmq_guest_slot(const struct vmq_guest *g, uint32_t slot, struct vmq_guest_slot *info);

/* Attach to a slot's channel and kick its peer. entries: n of them, at least one for
 * each page of the channel, or NULL to leave pages alone; max_msg: largest message
 * taken, bytes. Wake-ups are exact (`strict`): there is no timer that heals.
 * VMQ_ENOENT, VMQ_EGONE (not there), VMQ_ENOMEM (too few entries), VMQ_EPROTO,
 * VMQ_EVERSION. */
int vmq_guest_attach(struct vmq_guest *g, uint32_t slot, struct vmq_chan *ch,
	struct vmq_page_entry *entries, uint32_t n, uint32_t max_msg);

/* Where a page of an attached channel lies; `page` is a number as in struct vmq_pages. */
void *vmq_guest_page(const struct vmq_chan *ch, uint32_t page);

/* The start of a look at a channel: this end is awake, and the handshake goes on; kicks
 * the peer when that is due. Returns 1 if something changed, 0 if not; VMQ_EPEER
 * (the peer broke a rule). */
int vmq_guest_progress(struct vmq_guest *g, uint32_t slot, struct vmq_chan *ch);

/* vmq_tx_put(), and the kick that `when` asks for. Errors as vmq_tx_put(). */
int vmq_guest_send(struct vmq_guest *g, uint32_t slot, struct vmq_chan *ch, unsigned kind,
	const void *data, uint32_t len, enum vmq_when when);

/* vmq_rx_next(), and the kick for room. */
void vmq_guest_next(struct vmq_guest *g, uint32_t slot, struct vmq_chan *ch);

/* Ring the peer of a slot for `what` (VMQ_KICK_*). An exit. */
void vmq_guest_kick(struct vmq_guest *g, uint32_t slot, unsigned what);

/* Leave for the VMM without a message's sake: it drains what was sent lazily.
 * reason: 0 timer, 1 wait, 2 yield, 3 I/O. */
void vmq_guest_exit(struct vmq_guest *g, unsigned reason);

/* Have the VMM make the mappings agree with what was handed over: before touching
 * pages that were received, after giving some away by MOVE, after returning some.
 * Returns the number of pages that changed, or as vmq_vmm_pages(). VMQ_EAGAIN: once more
 * after the next interrupt. VMQ_EPEER: an end of the channel claims pages that are not its
 * own; what else was due has been done. */
int vmq_guest_pages(struct vmq_guest *g, uint32_t slot);

/* Done with a slot: the region must not be touched any more. */
void vmq_guest_detach(struct vmq_guest *g, uint32_t slot);

/* ---- sleeping ----------------------------------------------------------------- */

/* Take note of the doorbell's interrupt, in its handler. The interrupt stays in service until
 * vmq_guest_ack(): a peer that rings without pause interrupts once a look, and the
 * guest always gets on. So do other vectors of its priority class (vector / 16) and
 * below wait until then. */
void vmq_guest_interrupt(struct vmq_guest *g);

/* Before a look at the lanes: take note of the interrupt, and end it. True if there
 * was one. */
bool vmq_guest_ack(struct vmq_guest *g);

/* Ask a slot's peer to ring for its next message, and tell that this end is alive.
 * True if there is none yet: the guest may sleep. */
bool vmq_guest_arm(struct vmq_guest *g, uint32_t slot, struct vmq_chan *ch);

/* Halt until an interrupt, unless the doorbell rang since vmq_guest_ack(). Interrupts
 * are on afterwards. */
void vmq_guest_wait(struct vmq_guest *g);

#ifdef __cplusplus
}
#endif
#endif
