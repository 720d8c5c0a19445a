/* SPDX-License-Identifier: BSD-2-Clause */
/* host_vmm.h - a VMM in the test's process that listens, and programs that come. */
#ifndef HOST_VMM_H
#define HOST_VMM_H

#include "support.h"

extern char vmm_path[96];
extern struct vmq_vmm *vmm;
extern struct vmq_bridge *bridge;
extern char why[200]; /* what the last try_open() said */

/* For .init and .fini of test suites: a folder; its end, and that of the VMM in it. */
void vmm_prepare(void);
void vmm_stop(void);

void vmm_listen(uint32_t first_id);
/* Its bridge is served by a thread from here, to there. */
void serve_start(void);
void serve_stop(void);

/* Endpoints: on that VMM; and over the bridge. */
struct vmq *on_vmm(const char *name);
int try_open(const char *name, struct vmq **q);
struct vmq *program(const char *name);

#endif
