/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_hot.h - the path of a message through a lane. Inline, because libvmq's calls
 * and the core's are then one function each: there are about forty nanoseconds from
 * seeing a message to having answered it. lane_tx.c, lane_rx.c and doorbell.c export
 * it to the core's users.
 */
#ifndef VMQ_CORE_LANE_HOT_H
#define VMQ_CORE_LANE_HOT_H

#include "copy.h"
#include "lane.h"

#define VMQ__STALE_BUDGET 64 /* old records skipped in one look */

/* ---- the producer's half --------------------------------------------------------- */

/* Bytes to the next line's start: what a record of `len` takes at the most. */
static inline uint32_t vmq__tx_need(const struct vmq_tx *tx, uint32_t len)
{
	return vmq__align(tx->own + VMQ_REC_HEADER + len, VMQ__CACHE_LINE) - tx->own;
}

static inline uint32_t vmq__tx_pad(const struct vmq_tx *tx, uint32_t need)
{
	uint32_t left = tx->size - (tx->own & tx->mask);

	return left < need ? left : 0;
}

/* The next header, which a publish zeroes, needs room too. */
static inline bool vmq__tx_fits(const struct vmq_tx *tx, uint32_t need)
{
	return need + VMQ_REC_HEADER <= tx->size - (tx->own - tx->cons);
}

static inline void vmq__tx_stage(struct vmq_tx *tx, uint32_t word, uint32_t len)
{
	uint32_t off = tx->own & tx->mask;
	struct vmq_layout_record *rec = vmq__record(tx->lane, off);
	struct vmq_layout_record hidden = { vmq__le32(word), vmq__le32(len) };

	if (tx->pend_word) {
		/* Plain, and one store: hidden behind the batch's first header.
		 * Stores that wait for a line are what a batch is short of. */
		memcpy(rec, &hidden, sizeof(hidden));
	} else {
		vmq__store(&rec->len, len);
		tx->pend_off = off;
		tx->pend_word = word;
	}
	tx->own += VMQ_REC_SPAN(word);
}

static inline void *vmq__tx_reserve(struct vmq_tx *tx, uint32_t len)
{
	uint32_t need, pad;

	if (VMQ__UNLIKELY(len > tx->inline_max || vmq__get(&tx->poison)))
		return NULL;
	need = vmq__tx_need(tx, len);
	pad = vmq__tx_pad(tx, need);
	/* After the padding the record starts on a line: to the end of its last one it may take
	 * more than from the middle of one. */
	if (VMQ__UNLIKELY(pad))
		need = vmq__align(VMQ_REC_HEADER + len, VMQ__CACHE_LINE);
	if (VMQ__UNLIKELY(!vmq__tx_fits(tx, pad + need))) {
		vmq__tx_refresh(tx);
		if (vmq__get(&tx->poison) || !vmq__tx_fits(tx, pad + need))
			return NULL;
	}
	if (VMQ__UNLIKELY(pad))
		vmq__tx_stage(tx, VMQ_REC_WORD(pad, VMQ_KIND_PAD, 0, tx->tag), 0);
	return tx->lane + (tx->own & tx->mask) + VMQ_REC_HEADER;
}

/* A record ends with its line, so that its reader does not pull away the one that the next
 * record goes into. A reader that sleeps does not: more records fit for it. */
static inline bool vmq__tx_spread(const struct vmq_tx *tx)
{
	return (vmq__load(&tx->theirs->arm) & VMQ_ARM_MASK) != VMQ_ARM_ARMED;
}

static inline void vmq__tx_commit(struct vmq_tx *tx, unsigned kind, unsigned flags, uint32_t len, bool last)
{
	uint32_t span = last && VMQ__LIKELY(vmq__tx_spread(tx)) ? vmq__tx_need(tx, len) :
		vmq__align(VMQ_REC_HEADER + len, VMQ_REC_ALIGN);

	vmq__tx_stage(tx, VMQ_REC_WORD(span, kind, flags, tx->tag), len);
	tx->sent++;
	tx->sent_bytes += len;
}

static inline void vmq__tx_publish(struct vmq_tx *tx)
{
	if (VMQ__UNLIKELY(!tx->pend_word))
		return;
	vmq__store(&vmq__record(tx->lane, tx->own & tx->mask)->word, 0);
	/* Release: pairs with the acquire in vmq__rx_peek(). The payload, the
	 * other headers of the batch and the zero behind them come first. */
	vmq__store_release(&vmq__record(tx->lane, tx->pend_off)->word, tx->pend_word);
	tx->pend_word = 0;
	vmq__store_release(&tx->mine->prod, tx->own);
}

/* Reserve, copy, commit and publish in one, where nothing is out of the ordinary: of a
 * vmq_send() that is an eighth of the instructions less. False: the long way. */
static inline bool vmq__tx_put_quick(struct vmq_tx *tx, unsigned kind, const void *data, uint32_t len)
{
	uint32_t own = tx->own, mask = tx->mask, need = vmq__tx_need(tx, len), span;
	struct vmq_layout_record *rec = vmq__record(tx->lane, own & mask), *next;

	if (VMQ__UNLIKELY(tx->pend_word || vmq__get(&tx->poison) || len > tx->inline_max ||
			vmq__tx_pad(tx, need) || !vmq__tx_fits(tx, need)))
		return false;
	span = VMQ__LIKELY(vmq__tx_spread(tx)) ? need : vmq__align(VMQ_REC_HEADER + len, VMQ_REC_ALIGN);
	next = vmq__record(tx->lane, (own + span) & mask);
	tx->own = own + span;
	tx->sent++;
	tx->sent_bytes += len;
	vmq__copy((uint8_t *)rec + VMQ_REC_HEADER, data, len);
	vmq__store(&rec->len, len);
	vmq__store(&next->word, 0);
	/* Release: as in vmq__tx_publish(). */
	vmq__store_release(&rec->word, VMQ_REC_WORD(span, kind, 0, tx->tag));
	vmq__store_release(&tx->mine->prod, own + span);
	return true;
}

static inline int vmq__tx_put(struct vmq_tx *tx, unsigned kind, const void *data, uint32_t len)
{
	void *to;

	if (VMQ__LIKELY(vmq__tx_put_quick(tx, kind, data, len)))
		return 0;
	to = vmq__tx_reserve(tx, len);
	if (VMQ__UNLIKELY(!to)) {
		if (vmq__get(&tx->poison))
			return VMQ_EPEER;
		return len > tx->inline_max ? VMQ_EMSGSIZE : VMQ_EAGAIN;
	}
	vmq__copy(to, data, len);
	vmq__tx_commit(tx, kind, 0, len, true);
	vmq__tx_publish(tx);
	return 0;
}

/* Does the peer look by itself? Then an AUTO or LAZY message needs no doorbell.
 * Relaxed: pairs with vmq_rx_drowse() and vmq_rx_arm(). An AWAKE that is out of date
 * is caught by the peer's look after each of them. */
static inline bool vmq__tx_peer_awake(struct vmq_tx *tx)
{
	if (VMQ__UNLIKELY(tx->strict))
		vmq__fence();
	if (VMQ__UNLIKELY((vmq__load(&tx->theirs->arm) & VMQ_ARM_MASK) != VMQ_ARM_AWAKE))
		return false;
	tx->unkicked = tx->own;
	tx->suppressed++;
	return true;
}

/* ---- the consumer's half: whatever stands in the lane was written by the peer, and
 * may change under our eyes ---------------------------------------------------------- */

/* Release: pairs with the acquire in vmq__tx_refresh(): the bytes were read first. */
static inline void vmq__rx_publish(struct vmq_rx *rx)
{
	vmq__store_release(&rx->mine->cons, rx->own);
	rx->published = rx->own;
}

/* Check the private copy of a header against the lane. */
static inline enum vmq_poison vmq__rx_check(const struct vmq_rx *rx, uint32_t word, uint32_t len)
{
	uint32_t left = rx->size - (rx->own & rx->mask), span = VMQ_REC_SPAN(word);

	if (span < VMQ_REC_HEADER || span > left)
		return VMQ_POISON_SPAN;
	if (len > span - VMQ_REC_HEADER)
		return VMQ_POISON_LENGTH;
	return VMQ_POISON_NONE;
}

/* Padding ends at the lane's end and never starts there, so two of them never
 * follow each other. */
static inline bool vmq__rx_pad_ok(const struct vmq_rx *rx, uint32_t span)
{
	uint32_t off = rx->own & rx->mask;

	return off && span == rx->size - off;
}

static inline int vmq__rx_peek(struct vmq_rx *rx, struct vmq_record *rec)
{
	enum vmq_poison bad;
	int budget = VMQ__STALE_BUDGET;

	if (VMQ__UNLIKELY(vmq__get(&rx->poison)))
		return VMQ_EPEER;
	for (;;) {
		const struct vmq_layout_record *at = vmq__record(rx->lane, rx->own & rx->mask);
		/* Acquire: pairs with the release in vmq__tx_publish(). */
		uint32_t word = vmq__load_acquire(&at->word), len;

		if (!word)
			return 0;
		len = vmq__load(&at->len);
		bad = vmq__rx_check(rx, word, len);
		if (VMQ__UNLIKELY(bad))
			break;
		rx->span = VMQ_REC_SPAN(word);
		rx->len = len;
		if (VMQ__UNLIKELY(VMQ_REC_TAG(word) != rx->tag)) {
			rx->stale++;
		} else if (VMQ__UNLIKELY(VMQ_REC_KIND(word) == VMQ_KIND_PAD)) {
			bad = VMQ_POISON_PAD;
			if (!vmq__rx_pad_ok(rx, rx->span))
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

static inline unsigned vmq__rx_next(struct vmq_rx *rx)
{
	rx->own += rx->span;
	rx->received++;
	rx->received_bytes += rx->len;
	if (VMQ__LIKELY(rx->own - rx->published < rx->size / 8))
		return 0;
	vmq__rx_publish(rx);
	vmq__fence(); /* as in vmq_rx_arm(), and rare */
	return vmq__rx_gave(rx);
}

#endif
