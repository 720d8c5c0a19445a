/* SPDX-License-Identifier: BSD-2-Clause */
/* lane_rx.c - the consumer's half of a lane. Whatever stands in the lane was
 * written by the peer, and may change under our eyes. */
#include "lane_hot.h"

#define RESTART_BUDGET 65536 /* old records counted when the peer restarts */

void vmq__rx_poison(struct vmq_rx *rx, enum vmq_poison reason)
{
	if (vmq__get(&rx->poison))
		return;
	vmq__set(&rx->poison, reason);
	vmq__store(&rx->mine->poison, reason);
}

/* Count the old records that a peer restarted behind. Only as far as they can be
 * told: where its lane was full, its HELLO stands over the oldest of them. */
static void rx_count_old(struct vmq_rx *rx, uint32_t start)
{
	for (int budget = RESTART_BUDGET; budget && rx->own != start; budget--) {
		uint32_t word = vmq__load(&vmq__record(rx->lane, rx->own & rx->mask)->word);

		if (!word || vmq__rx_check(rx, word, 0) || VMQ_REC_SPAN(word) > start - rx->own)
			return;
		rx->stale += VMQ_REC_KIND(word) != VMQ_KIND_PAD;
		rx->own += VMQ_REC_SPAN(word);
	}
}

/* A peer that restarted in place goes on behind its old records: those are
 * counted and left. */
void vmq__rx_restart(struct vmq_rx *rx, uint32_t start, uint8_t tag)
{
	start &= ~(VMQ_REC_ALIGN - 1);
	if (rx->live && start - rx->own <= rx->size)
		rx_count_old(rx, start);
	rx->own = start;
	rx->live = true;
	rx->published = rx->own;
	rx->tag = tag;
	rx->space_kicked = false;
	vmq__store(&rx->mine->cons, rx->own);
	vmq__store(&rx->mine->arm, rx->own | VMQ_ARM_AWAKE);
}

int vmq_rx_peek(struct vmq_rx *rx, struct vmq_record *rec)
{
	return vmq__rx_peek(rx, rec);
}

void vmq_rx_prefetch(const struct vmq_rx *rx)
{
	__builtin_prefetch(rx->lane + ((rx->own + VMQ__CACHE_LINE) & rx->mask));
}

unsigned vmq_rx_next(struct vmq_rx *rx)
{
	return vmq__rx_next(rx);
}

unsigned vmq_rx_release(struct vmq_rx *rx)
{
	if (rx->own != rx->published)
		vmq__rx_publish(rx);
	return vmq__rx_space_kick(rx);
}
