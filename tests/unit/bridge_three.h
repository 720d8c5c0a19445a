/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge_three.h - two VMMs and three VMs, to be bridged. */
#ifndef BRIDGE_THREE_H
#define BRIDGE_THREE_H

#include "bridge_fixture.h"

extern struct host x, y;   /* ids from 1 and from 100 on */
extern struct fake a, b, c;

/* For .init and .fini of test suites: no VM is added yet. */
void three_start(void);
void three_stop(void);

/* a and c on x, b on y; y calls x. */
void all_there(void);
uint64_t peers_of(struct fake *f);

#endif
