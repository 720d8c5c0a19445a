/* SPDX-License-Identifier: BSD-2-Clause */
/* lane_tx.c - the producer's half of a lane. */
#include "copy.h"
#include "lane.h"

void vmq__tx_poison(struct vmq_tx *tx, enum vmq_poison reason)
{
	if (vmq__get(&tx->poison))
		return;
	vmq__set(&tx->poison, reason);
	vmq__store(&tx->mine->poison, reason);
}

/* A new session starts where the lane stands: its first header must read 0. */
void vmq__tx_restart(struct vmq_tx *tx, uint8_t tag)
{
	tx->tag = tag;
	tx->cons = tx->own;
	tx->unkicked = tx->own;
	tx->pend_word = 0;
	tx->heard = false;
	vmq__store(&vmq__record(tx->lane, tx->own & tx->mask)->word, 0);
	vmq__store(&tx->mine->start, tx->own);
	vmq__store(&tx->mine->prod, tx->own);
}

/* Load the peer's consume index. Acquire: pairs with the release in
 * rx_publish(), so that space is written only after the peer has read it. */
void vmq__tx_refresh(struct vmq_tx *tx)
{
	uint32_t cons;

	/* Before the peer is established, its word is of an earlier session.
	 * Acquire: pairs with the release in session_establish(). */
	if (!tx->heard && vmq__load_acquire(&tx->theirs->state) != VMQ_STATE_ESTABLISHED)
		return;
	tx->heard = true;
	cons = vmq__load_acquire(&tx->theirs->cons);
	if (cons - tx->cons > tx->own - tx->cons || cons % VMQ_REC_ALIGN)
		vmq__tx_poison(tx, VMQ_POISON_CONSUME);
	else
		tx->cons = cons;
}

/* Bytes to the next line's start: what a record of `len` takes at the most. */
static uint32_t tx_need(const struct vmq_tx *tx, uint32_t len)
{
	return vmq__align(tx->own + VMQ_REC_HEADER + len, VMQ__CACHE_LINE) - tx->own;
}

static uint32_t tx_pad(const struct vmq_tx *tx, uint32_t need)
{
	uint32_t left = tx->size - (tx->own & tx->mask);

	return left < need ? left : 0;
}

/* The next header, which a publish zeroes, needs room too. */
static bool tx_fits(const struct vmq_tx *tx, uint32_t need)
{
	return need + VMQ_REC_HEADER <= tx->size - (tx->own - tx->cons);
}

static void tx_stage(struct vmq_tx *tx, uint32_t word, uint32_t len)
{
	uint32_t off = tx->own & tx->mask;
	struct vmq_layout_record *rec = vmq__record(tx->lane, off);

	vmq__store(&rec->len, len);
	if (tx->pend_word) {
		/* Relaxed: hidden behind the first header of the batch. */
		vmq__store(&rec->word, word);
	} else {
		tx->pend_off = off;
		tx->pend_word = word;
	}
	tx->own += VMQ_REC_SPAN(word);
}

void *vmq_tx_reserve(struct vmq_tx *tx, uint32_t len)
{
	uint32_t need, pad;

	if (VMQ__UNLIKELY(len > tx->inline_max || vmq__get(&tx->poison)))
		return NULL;
	need = tx_need(tx, len);
	pad = tx_pad(tx, need);
	/* After the padding the record starts on a line: a little less need. */
	if (VMQ__UNLIKELY(!tx_fits(tx, pad + need))) {
		vmq__tx_refresh(tx);
		if (vmq__get(&tx->poison) || !tx_fits(tx, pad + need))
			return NULL;
	}
	if (VMQ__UNLIKELY(pad))
		tx_stage(tx, VMQ_REC_WORD(pad, VMQ_KIND_PAD, 0, tx->tag), 0);
	return tx->lane + (tx->own & tx->mask) + VMQ_REC_HEADER;
}

void vmq_tx_commit(struct vmq_tx *tx, unsigned kind, unsigned flags, uint32_t len, bool last)
{
	uint32_t span = last ? tx_need(tx, len) : vmq__align(VMQ_REC_HEADER + len, VMQ_REC_ALIGN);

	tx_stage(tx, VMQ_REC_WORD(span, kind, flags, tx->tag), len);
	tx->sent++;
	tx->sent_bytes += len;
}

void vmq_tx_publish(struct vmq_tx *tx)
{
	if (VMQ__UNLIKELY(!tx->pend_word))
		return;
	vmq__store(&vmq__record(tx->lane, tx->own & tx->mask)->word, 0);
	/* Release: pairs with the acquire in vmq_rx_peek(). The payload, the
	 * other headers of the batch and the zero behind them come first. */
	vmq__store_release(&vmq__record(tx->lane, tx->pend_off)->word, tx->pend_word);
	tx->pend_word = 0;
	vmq__store_release(&tx->mine->prod, tx->own);
}

int vmq_tx_put(struct vmq_tx *tx, unsigned kind, const void *data, uint32_t len)
{
	void *to = vmq_tx_reserve(tx, len);

	if (VMQ__UNLIKELY(!to)) {
		if (vmq__get(&tx->poison))
			return VMQ_EPEER;
		return len > tx->inline_max ? VMQ_EMSGSIZE : VMQ_EAGAIN;
	}
	vmq__copy(to, data, len);
	vmq_tx_commit(tx, kind, 0, len, true);
	vmq_tx_publish(tx);
	return 0;
}

uint32_t vmq_tx_room(struct vmq_tx *tx, uint32_t n)
{
	/* A padding record may waste up to the largest record, and each record
	 * its header and what rounds it to a line. */
	uint64_t over = (uint64_t)tx->inline_max + VMQ__CACHE_LINE +
		(uint64_t)(n + 1) * (VMQ_REC_HEADER + VMQ__CACHE_LINE);
	uint32_t left;

	vmq__tx_refresh(tx);
	left = tx->size - (tx->own - tx->cons);
	return vmq__get(&tx->poison) || left < over ? 0 : (uint32_t)(left - over);
}
