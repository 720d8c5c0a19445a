/* SPDX-License-Identifier: BSD-2-Clause */
/* watcher.h - a hub with VMs, and who watches it: for tests that speak the hub's protocol. */
#ifndef WATCHER_H
#define WATCHER_H

#include "sim.h"
#include "support.h"

#define VMS 24

extern struct hub_proc hub;
extern struct vmq *vms[VMS];

/* For test suites. */
void watched_start(void);
void watched_stop(void);

struct vmq *vm(const char *name);
void join_all(void); /* vm0, vm1 ... */

/* A connection; what it says, of nothing but a type; the hub's next packet. */
int attach(void);
int say(int s, uint32_t type);
int hear(int s, struct sim_wire *m, int *fds);

/* What a watcher has seen. */
struct seen {
	struct sim_wire vm[VMS + 8], channel[VMS * VMS];
	unsigned vms, channels;
	int fd; /* of the first channel; the others are closed */
};

/* One packet of a tour. False: it was the last. */
bool note(struct seen *w, int s, struct sim_wire *m, int *fds);
/* All there is; then done() with it. */
struct seen *tour(void);
void done(struct seen *w);

#endif
