/* SPDX-License-Identifier: BSD-2-Clause */
/* lane.h - what the files of the core share about lanes. */
#ifndef VMQ_CORE_LANE_H
#define VMQ_CORE_LANE_H

#include <vmq/core.h>

#include "atomic.h"

#define VMQ__LIKELY(x) __builtin_expect(!!(x), 1)
#define VMQ__UNLIKELY(x) __builtin_expect(!!(x), 0)

#define VMQ__CACHE_LINE 64u /* private choice of a producer; not in the format */

static inline uint32_t vmq__align(uint32_t n, uint32_t to)
{
	return (n + to - 1) & ~(to - 1);
}

/* Is index a at or past index b? Indices are free-running. */
static inline bool vmq__reached(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) >= 0;
}

static inline struct vmq_layout_record *vmq__record(const uint8_t *lane, uint32_t off)
{
	return (struct vmq_layout_record *)(uintptr_t)(lane + off);
}

void vmq__tx_poison(struct vmq_tx *tx, enum vmq_poison reason);
void vmq__rx_poison(struct vmq_rx *rx, enum vmq_poison reason);
void vmq__tx_refresh(struct vmq_tx *tx);
void vmq__tx_restart(struct vmq_tx *tx, uint8_t tag);
void vmq__rx_restart(struct vmq_rx *rx, uint32_t start, uint8_t tag);
unsigned vmq__rx_space_kick(struct vmq_rx *rx);
/* The same where room was given back between two messages: rare enough to count, too. */
unsigned vmq__rx_gave(struct vmq_rx *rx);
/* For tools that watch. */
void vmq__tx_count(struct vmq_tx *tx);
void vmq__rx_count(struct vmq_rx *rx);

#endif
