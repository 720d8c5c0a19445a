/* SPDX-License-Identifier: BSD-2-Clause */
/* lane_rx.c - the consumer's half of a lane. Whatever stands in the lane was
 * written by the peer, and may change under our eyes. */
#include "lane.h"

#define STALE_BUDGET 64      /* old records skipped in one look */
#define RESTART_BUDGET 65536 /* old records counted when the peer restarts */

void vmq__rx_poison(struct vmq_rx *rx, enum vmq_poison reason)
{
	if (vmq__get(&rx->poison))
		return;
	vmq__set(&rx->poison, reason);
	vmq__store(&rx->mine->poison, reason);
}

/* Release: pairs with the acquire in vmq__tx_refresh(): the bytes were read first. */
static void rx_publish(struct vmq_rx *rx)
{
	vmq__store_release(&rx->mine->cons, rx->own);
	rx->published = rx->own;
}

/* Check the private copy of a header against the lane. */
static enum vmq_poison rx_check(const struct vmq_rx *rx, uint32_t word, uint32_t len)
{
	uint32_t left = rx->size - (rx->own & rx->mask), span = VMQ_REC_SPAN(word);

	if (span < VMQ_REC_HEADER || span > left)
		return VMQ_POISON_SPAN;
	if (len > span - VMQ_REC_HEADER)
		return VMQ_POISON_LENGTH;
	return VMQ_POISON_NONE;
}

/* Count the old records that a peer restarted behind. Only as far as they can be
 * told: where its lane was full, its HELLO stands over the oldest of them. */
static void rx_count_old(struct vmq_rx *rx, uint32_t start)
{
	for (int budget = RESTART_BUDGET; budget && rx->own != start; budget--) {
		uint32_t word = vmq__load(&vmq__record(rx->lane, rx->own & rx->mask)->word);

		if (!word || rx_check(rx, word, 0) || VMQ_REC_SPAN(word) > start - rx->own)
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

/* Padding ends at the lane's end and never starts there, so two of them never
 * follow each other. */
static bool rx_pad_ok(const struct vmq_rx *rx, uint32_t span)
{
	uint32_t off = rx->own & rx->mask;

	return off && span == rx->size - off;
}

int vmq_rx_peek(struct vmq_rx *rx, struct vmq_record *rec)
{
	enum vmq_poison bad;
	int budget = STALE_BUDGET;

	if (VMQ__UNLIKELY(vmq__get(&rx->poison)))
		return VMQ_EPEER;
	for (;;) {
		const struct vmq_layout_record *at = vmq__record(rx->lane, rx->own & rx->mask);
		/* Acquire: pairs with the release in vmq_tx_publish(). */
		uint32_t word = vmq__load_acquire(&at->word), len;

		if (!word)
			return 0;
		len = vmq__load(&at->len);
		bad = rx_check(rx, word, len);
		if (VMQ__UNLIKELY(bad))
			break;
		rx->span = VMQ_REC_SPAN(word);
		rx->len = len;
		if (VMQ__UNLIKELY(VMQ_REC_TAG(word) != rx->tag)) {
			rx->stale++;
		} else if (VMQ__UNLIKELY(VMQ_REC_KIND(word) == VMQ_KIND_PAD)) {
			bad = VMQ_POISON_PAD;
			if (!rx_pad_ok(rx, rx->span))
				break;
		} else {
			*rec = (struct vmq_record){
				.data = (const uint8_t *)at + VMQ_REC_HEADER,
				.len = len,
				.kind = VMQ_REC_KIND(word),
				.flags = VMQ_REC_FLAGS(word),
			};
			return 1;
		}
		rx->own += rx->span;
		if (!--budget)
			return 0;
	}
	vmq__rx_poison(rx, bad);
	return VMQ_EPEER;
}

void vmq_rx_prefetch(const struct vmq_rx *rx)
{
	__builtin_prefetch(rx->lane + ((rx->own + VMQ__CACHE_LINE) & rx->mask));
}

unsigned vmq_rx_next(struct vmq_rx *rx)
{
	rx->own += rx->span;
	rx->received++;
	rx->received_bytes += rx->len;
	if (VMQ__LIKELY(rx->own - rx->published < rx->size / 8))
		return 0;
	rx_publish(rx);
	vmq__fence(); /* as in vmq_rx_arm(), and rare */
	return vmq__rx_space_kick(rx);
}

unsigned vmq_rx_release(struct vmq_rx *rx)
{
	if (rx->own != rx->published)
		rx_publish(rx);
	return vmq__rx_space_kick(rx);
}
