/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relieve.c - lives that have ended, out of the sending half's view.
 *
 * The view is the sender's, and holds the lives that are in it: while it is in a call it may
 * use them. Who does not send any more would hold an ended one for ever, and with it all that
 * the transport has of it: mappings, doorbells, a dead domain's memory. So the receiving
 * half brings the view up to date when no sender is in a call.
 *
 * A sender says that it is in one by a plain store, and then looks whether the view is of the
 * newest version. That the two are not exchanged costs a fence in each call, or, as here, a
 * system call of the one that seldom asks: membarrier() is a fence in all threads.
 */
#define _GNU_SOURCE
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

static bool barrier(int command)
{
	return !syscall(SYS_membarrier, command, 0, 0);
}

void vmq__relieve_init(struct vmq *q)
{
	q->tx.relievable = barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

/* q->lock is held, and so the view stays as it is. If so, it is not of this version. */
static bool holds_ended(const struct vmq *q)
{
	for (uint32_t id = 0; id < q->id_limit; id++)
		if (q->tx.table[id] && q->tx.table[id] != q->peers[id])
			return true;
	return false;
}

/* The view is out of date, so who begins to send from now on waits for q->lock first. */
static bool nobody_sends(const struct vmq *q)
{
	return barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) &&
		!atomic_load_explicit(&q->tx.inside, memory_order_acquire);
}

void vmq__relieve(struct vmq *q)
{
	uint32_t version = atomic_load_explicit(&q->version, memory_order_acquire);

	if (VMQ__LIKELY(version == q->rx.relieved || vmq__tx_current(q)))
		return;
	if (q->threadsafe) {
		if (pthread_mutex_trylock(&q->tx.lock))
			return;
		vmq__tx_view(q);
		pthread_mutex_unlock(&q->tx.lock);
		return;
	}
	pthread_mutex_lock(&q->lock);
	if (!holds_ended(q))
		q->rx.relieved = version;
	else if (q->tx.relievable && nobody_sends(q))
		vmq__tx_view_locked(q);
	pthread_mutex_unlock(&q->lock);
}
