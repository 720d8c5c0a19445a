/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_three.h - a VMM and three fakes. */
#ifndef VMM_THREE_H
#define VMM_THREE_H

#include "support.h"
#include "vmm_fake.h"

extern struct vmq_vmm *vmm;
extern struct fake a, b, c;

/* For .init and .fini of test suites: no fake is added yet. */
void fakes_start(void);
void fakes_stop(void);

#endif
