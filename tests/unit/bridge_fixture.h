/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge_fixture.h - VMMs of one process, each with a bridge, run in turns. */
#ifndef BRIDGE_FIXTURE_H
#define BRIDGE_FIXTURE_H

#include <vmq/vmm.h>

#include "support.h"
#include "vmm_fake.h"

/* A VMM with a bridge that listens at DIR/NAME. */
struct host {
	struct vmq_vmm *vmm;
	struct vmq_bridge *bridge;
	char path[96];
	unsigned lines;     /* logged */
	char line[300];     /* the last one */
};

extern char dir[64];        /* the test's own */

void hosts_start(void);     /* makes the folder; forgets all hosts */
void hosts_stop(void);      /* closes what is open */

void host_open(struct host *h, const char *name, uint32_t first_id, uint32_t flags);
void host_close(struct host *h);

/* Run all bridges until none has anything to do. */
void settle(void);
/* Run them until it is so; false: patience is over. */
bool until(bool (*so)(void *arg), void *arg);
/* Stay connected: b calls a, until it has. */
void call(struct host *b, struct host *a);

/* As fake_init() and fake_add(), for a VM that peers ring past its VMM. */
void vm_init(struct fake *f, const char *name);
void vm_add(struct host *h, struct fake *f);
void vm_free(struct fake *f);
/* How often it was rung past its VMM since the last time. */
uint64_t vm_rung(struct fake *f, unsigned what);

#endif
