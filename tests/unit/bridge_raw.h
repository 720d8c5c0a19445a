/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge_raw.h - a process that speaks the bridges' protocol by hand, beside two VMMs,
 * x and y, with a VM each, a and b, that are connected. */
#ifndef BRIDGE_RAW_H
#define BRIDGE_RAW_H

#include "bridge.h"
#include "bridge_fixture.h"

extern struct host x, y;
extern struct fake a, b;
extern int bell; /* an eventfd to announce */

void raw_start(void);
int raw_fds(void); /* how many there were then */
void raw_stop(void);
/* The last thing in each test, not in its fixture, where failures do not count.
 * Whatever was said: a and b go on, others may join, nothing is left of it. */
void raw_check(void);

int raw_dial(struct host *h);
void raw_say(int s, struct far_packet m, const int *fds, unsigned n);
/* The next packet of that type that the bridge sends. */
bool raw_hear(int s, enum far_type type, struct far_packet *m, int fds[PACKET_FDS]);
/* Has the bridge hung up? Closes s. */
bool raw_closed(int s);
/* A connection that is ready, as one who called. */
int raw_ready(struct host *h, uint64_t instance);
struct far_packet raw_vm(uint32_t id, const char *name);
void raw_announce(int s, uint32_t id, const char *name);

#endif
