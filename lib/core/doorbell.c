/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doorbell.c - who wants to be woken, and who must wake.
 *
 * The consumer says AWAKE, DROWSY, then ARMED. The producer loads that word
 * after each publish, without a fence as long as it reads AWAKE. The textbook
 * fence is needed only if the consumer may already sleep, and it goes through
 * DROWSY, for longer than a store can wait in a store buffer, before it does.
 */
#include "lane_hot.h"

/* Was index `at` passed by publishing [from, to)? */
static bool passed(uint32_t at, uint32_t from, uint32_t to)
{
	return to - at - 1 < to - from;
}

bool vmq_tx_kick_due(struct vmq_tx *tx, enum vmq_when when)
{
	uint32_t from = tx->unkicked, word;

	if (VMQ__LIKELY(when != VMQ_WHEN_NOW) && vmq__tx_peer_awake(tx))
		return false;
	if (when == VMQ_WHEN_LAZY) {
		tx->suppressed++;
		return false;
	}
	tx->unkicked = tx->own;
	if (when == VMQ_WHEN_NOW)
		return true;
	/* Publish, fence, look: pairs with arm, fence, look in vmq_rx_arm(). */
	vmq__fence();
	word = vmq__load(&tx->theirs->arm);
	if ((word & VMQ_ARM_MASK) == VMQ_ARM_ARMED && passed(word & ~VMQ_ARM_MASK, from, tx->own))
		return true;
	tx->suppressed++;
	return false;
}

bool vmq_tx_space_arm(struct vmq_tx *tx, uint32_t need)
{
	/* Half of the lane, so that a sleep pays; more if the record with its
	 * padding and the next header takes more. */
	uint64_t want = (uint64_t)2 * (need + VMQ_REC_HEADER + VMQ__CACHE_LINE);
	uint32_t half = tx->size / 2, room = want < half ? half : tx->size;
	uint32_t target = (tx->own + room - tx->size) & ~VMQ_ARM_MASK;

	vmq__store(&tx->mine->space_arm, target | VMQ_ARM_ARMED);
	/* Arm, fence, look: pairs with publish, fence, look in vmq_rx_next(). */
	vmq__fence();
	vmq__tx_refresh(tx);
	return !vmq__get(&tx->poison) && !vmq__reached(tx->cons, target);
}

void vmq_tx_page_arm(struct vmq_tx *tx)
{
	/* An index that is never reached: only a returned page rings. */
	uint32_t target = (tx->own + tx->size) & ~VMQ_ARM_MASK;

	vmq__store(&tx->mine->space_arm, target | VMQ_ARM_ARMED);
	vmq__fence(); /* arm, fence, look: pairs with vmq_rx_page_kick_due() */
}

bool vmq_rx_page_kick_due(struct vmq_rx *rx)
{
	vmq__fence(); /* return, fence, look */
	return (vmq__load(&rx->theirs->space_arm) & VMQ_ARM_MASK) == VMQ_ARM_ARMED;
}

void vmq_tx_space_wake(struct vmq_tx *tx)
{
	vmq__store(&tx->mine->space_arm, VMQ_ARM_AWAKE);
}

/* Does the peer sleep until space that is there now? Answered once a wish. */
unsigned vmq__rx_space_kick(struct vmq_rx *rx)
{
	uint32_t word = vmq__load(&rx->theirs->space_arm);

	if (VMQ__LIKELY((word & VMQ_ARM_MASK) != VMQ_ARM_ARMED)) {
		rx->space_kicked = false;
		return 0;
	}
	if (rx->space_kicked && rx->space_word == word)
		return 0;
	if (!vmq__reached(rx->published, word & ~VMQ_ARM_MASK))
		return 0;
	rx->space_kicked = true;
	rx->space_word = word;
	return VMQ_RX_KICK;
}

unsigned vmq__rx_gave(struct vmq_rx *rx)
{
	vmq__rx_count(rx);
	return vmq__rx_space_kick(rx);
}

void vmq_rx_drowse(struct vmq_rx *rx)
{
	vmq__store(&rx->mine->arm, rx->own | VMQ_ARM_DROWSY);
	vmq__fence();
}

unsigned vmq_rx_arm(struct vmq_rx *rx)
{
	unsigned said = vmq_rx_release(rx);

	vmq__store(&rx->mine->arm, rx->own | VMQ_ARM_ARMED);
	/* Arm, fence, look: pairs with publish, fence, look in
	 * vmq_tx_kick_due(). One of the two sees the other's word. */
	vmq__fence();
	said |= vmq__rx_space_kick(rx);
	if (vmq__get(&rx->poison) || vmq__load(&vmq__record(rx->lane, rx->own & rx->mask)->word))
		said |= VMQ_RX_DATA;
	return said;
}

void vmq_rx_wake(struct vmq_rx *rx)
{
	vmq__store(&rx->mine->arm, rx->own | VMQ_ARM_AWAKE);
}

unsigned vmq_layout_kick_due(const void *region, const struct vmq_geometry *geo, unsigned from)
{
	const uint8_t *base = region;

	return vmq_ctl_kick_due((const void *)(base + geo->ctl_off[from]),
		(const void *)(base + geo->ctl_off[!from]));
}

unsigned vmq_ctl_kick_due(const struct vmq_layout_ctl *tx, const struct vmq_layout_ctl *rx)
{
	uint32_t arm, space;
	unsigned due = 0;

	vmq__fence();
	arm = vmq__load(&rx->arm);
	space = vmq__load(&rx->space_arm);
	if ((arm & VMQ_ARM_MASK) == VMQ_ARM_ARMED && vmq__load(&tx->prod) != (arm & ~VMQ_ARM_MASK))
		due |= VMQ_KICK_DATA;
	if ((space & VMQ_ARM_MASK) == VMQ_ARM_ARMED &&
			vmq__reached(vmq__load(&tx->cons), space & ~VMQ_ARM_MASK))
		due |= VMQ_KICK_SPACE;
	return due;
}
