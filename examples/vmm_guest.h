/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_guest.h - the software inside of the VMs of vmm_embed.c. */
#ifndef VMM_GUEST_H
#define VMM_GUEST_H

#include <vmq/core.h>

struct guest {
	const char *name;
	uint8_t *region; /* where the channel lies in this VM's memory */
	struct vmq_geometry geo;
	struct vmq_chan chan;
	struct vmq_page_entry entries[512]; /* a page of both pools each: 2 x 256 */
	/* The one instruction that leaves for the hypervisor: "ring my peer". */
	void (*doorbell)(void *machine);
	void *machine;
};

/* Find the channel; a VM's firmware tables would say all this. 0 or a negative code. */
int guest_attach(struct guest *g, void *region, uint64_t size, unsigned side, uint32_t epoch,
	uint32_t id);

/* The interrupt handler: read everything, then go to sleep. */
void guest_interrupt(struct guest *g);

int guest_say(struct guest *g, const char *text, enum vmq_when when);

/* Write a text into a page and give the page away. Its address, or NULL. */
const char *guest_give_page(struct guest *g, const char *text);

#endif
