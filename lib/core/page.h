/* SPDX-License-Identifier: BSD-2-Clause */
/* page.h - what the core's files share about pages. */
#ifndef VMQ_CORE_PAGE_H
#define VMQ_CORE_PAGE_H

#include <vmq/core.h>

#include "atomic.h"

/* All pages go home. Both ends start a session from the same generation, which
 * no handle of an earlier session has. */
void vmq__pages_init(struct vmq_page_table *t, uint32_t gen);

#endif
