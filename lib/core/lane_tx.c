/* SPDX-License-Identifier: BSD-2-Clause */
/* lane_tx.c - the producer's half of a lane. */
#include "lane_hot.h"

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
	vmq__tx_count(tx); /* about once each time round the lane */
	cons = vmq__load_acquire(&tx->theirs->cons);
	if (cons - tx->cons > tx->own - tx->cons || cons % VMQ_REC_ALIGN)
		vmq__tx_poison(tx, VMQ_POISON_CONSUME);
	else
		tx->cons = cons;
}

void *vmq_tx_reserve(struct vmq_tx *tx, uint32_t len)
{
	return vmq__tx_reserve(tx, len);
}

void vmq_tx_commit(struct vmq_tx *tx, unsigned kind, unsigned flags, uint32_t len, bool last)
{
	vmq__tx_commit(tx, kind, flags, len, last);
}

void vmq_tx_publish(struct vmq_tx *tx)
{
	vmq__tx_publish(tx);
}

int vmq_tx_put(struct vmq_tx *tx, unsigned kind, const void *data, uint32_t len)
{
	return vmq__tx_put(tx, kind, data, len);
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
