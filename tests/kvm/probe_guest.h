/* SPDX-License-Identifier: BSD-2-Clause */
/* probe_guest.h - what the two files of a probe guest share. */
#ifndef TESTS_KVM_PROBE_GUEST_H
#define TESTS_KVM_PROBE_GUEST_H

#include <vmq/guest.h>

#include "probe.h"

struct peer {
	struct vmq_chan chan;
	struct vmq_page_entry entries[PROBE_PAGES];
	char name[VMQ_NAME_MAX + 1];
	uint32_t slot;
	bool there;
	uint32_t sent, got, bad; /* messages */
	uint32_t counted;        /* ... by PROBE_COUNT */
	struct vmq_pages own;    /* allocated here */
	struct vmq_pages taken;  /* the last that came */
	uint32_t taken_mode, pages, pages_told;
	int taken_rc;
};

extern struct vmq_guest guest;
extern struct peer peers[PROBE_PEERS];
extern uint32_t interrupts_asleep; /* handled when it last fell asleep */

/* probe.c: see to all channels; the same, then sleep if nothing had come. */
void look(void);
void look_and_wait(void);
struct peer *peer_named(const char *name);

/* probe_do.c */
void obey(struct peer *host, const struct probe_command *c);

#endif
