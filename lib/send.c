/* SPDX-License-Identifier: BSD-2-Clause */
/* send.c - the sending half of an endpoint: begin, find room, ring, end. */
#include <string.h>
#include <time.h>

#include "cpu.h"
#include "internal.h"

#define SPIN_LOOKS 64
#define PASS_NS 10000000 /* at most so long until a look at the deadline */

void vmq__tx_lock(struct vmq *q)
{
	if (VMQ__UNLIKELY(q->threadsafe))
		pthread_mutex_lock(&q->tx.lock);
}

void vmq__tx_unlock(struct vmq *q)
{
	if (VMQ__UNLIKELY(q->threadsafe))
		pthread_mutex_unlock(&q->tx.lock);
}

/* A sending call begins, with the view as of now, and ends. */
void vmq__tx_enter(struct vmq *q)
{
	vmq__tx_lock(q);
	if (!q->threadsafe)
		vmq__tx_inside(q);
	if (VMQ__UNLIKELY(!vmq__tx_current(q)))
		vmq__tx_view(q);
}

void vmq__tx_leave(struct vmq *q)
{
	if (!q->threadsafe)
		vmq__tx_outside(q);
	vmq__tx_unlock(q);
}

/* Start of every sending call: the handle, the flags, the peer, the lock. */
int vmq__tx_begin(struct vmq *q, uint32_t peer, uint32_t flags, struct vmq__peer **p)
{
	int rc;

	if (!vmq__live(q))
		return VMQ_EBADF;
	if (VMQ__UNLIKELY(flags > VMQ_SEND_LAZY))
		return VMQ_EINVAL;
	vmq__tx_enter(q);
	*p = peer < VMQ__PEERS ? q->tx.table[peer] : NULL;
	rc = *p ? vmq__tx_refused(*p) : vmq__peer_state(q, peer);
	if (VMQ__UNLIKELY(rc))
		vmq__tx_leave(q);
	else if (VMQ__UNLIKELY(q->threadsafe))
		vmq__peer_get(*p);
	return rc;
}

/* End of it. While it slept another sender may have brought the view up to date;
 * with one sender only, the view itself holds the peer. */
void vmq__tx_end(struct vmq *q, struct vmq__peer *p)
{
	vmq__tx_leave(q);
	if (VMQ__UNLIKELY(q->threadsafe))
		vmq__peer_put(q, p);
}

void vmq__tx_ring(struct vmq *q, struct vmq__peer *p, uint32_t flags)
{
	bool now = flags == VMQ_SEND_NOW;

	atomic_store_explicit(&q->tx.sent, true, memory_order_relaxed);
	if (flags == VMQ_SEND_LAZY)
		atomic_store_explicit(&q->tx.lazy, true, memory_order_relaxed);
	if (VMQ__UNLIKELY(!p->cookie && !atomic_load_explicit(&p->used, memory_order_relaxed))) {
		/* From now on the receiver looks at its own lane too. */
		atomic_store_explicit(&p->used, true, memory_order_relaxed);
		vmq__changed(q);
	}
	if (VMQ__LIKELY(!vmq_tx_kick_due(&p->tx->tx, (enum vmq_when)flags)))
		return;
	q->tx.immediate += now && p->cookie; /* to oneself there is no exit */
	q->tx.kicks++;
	vmq_tx_beat(&p->tx->tx, q->tx.kicks);
	vmq__kick(q, p, VMQ_KICK_DATA, now);
}

/* A natural exit of this VM, from its sending side. */
static void tx_exit(struct vmq *q, enum vmq_exit_reason reason)
{
	bool lazy = atomic_exchange_explicit(&q->tx.lazy, false, memory_order_relaxed);

	for (uint32_t id = 0; lazy && id < q->id_limit; id++)
		if (q->tx.table[id])
			vmq_tx_beat(&q->tx.table[id]->tx->tx, q->tx.kicks);
	q->tx.natural++;
	q->tx.drains += lazy;
	vmq__exit(q, reason, lazy);
}

/* Sleep until the doorbell rings; the wait is a natural exit. The lock is not
 * held meanwhile. */
void vmq__tx_sleep(struct vmq *q, uint64_t ticket, uint64_t deadline)
{
	tx_exit(q, VMQ_EXIT_WAIT);
	vmq__tx_unlock(q);
	vmq__sleep(q, VMQ_FD_SPACE, ticket, deadline);
	vmq__tx_lock(q);
}

static bool tx_fits(struct vmq *q, struct vmq__peer *p, uint32_t need)
{
	return !vmq__tx_busy(q, p) && vmq_tx_reserve(&p->tx->tx, need);
}

static bool tx_spin(struct vmq *q, struct vmq__peer *p, uint32_t need)
{
	for (int i = 0; i < SPIN_LOOKS && q->spin_ns; i++) {
		if (tx_fits(q, p, need))
			return true;
		vmq__relax();
	}
	return false;
}

/* Why a send found no room, when it does not or no longer wait. */
static int tx_no_room(struct vmq *q, struct vmq__peer *p, int64_t timeout_ns)
{
	int rc = vmq__tx_refused(p);

	if (rc)
		return rc;
	if (vmq_chan_poison(p->tx)) {
		vmq__peer_poisoned(q, p, VMQ_POISON_NONE);
		return VMQ_EPEER;
	}
	p->starved = true;
	/* In somebody's event loop, room is to make vmq_fd() readable. */
	if (atomic_load_explicit(&q->epfd, memory_order_relaxed) >= 0) {
		atomic_store_explicit(&q->space_armed, true, memory_order_relaxed);
		vmq_tx_space_arm(&p->tx->tx, p->tx->tx.inline_max);
	}
	vmq__idle(q, &q->tx.idle);
	return vmq__timeout(timeout_ns);
}

/* Another thread is in the middle of a message on this lane: let it have the lock. */
static void tx_let_pass(struct vmq *q, uint64_t deadline)
{
	int64_t left = vmq__left(q, deadline);
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += left < PASS_NS ? (long)left : PASS_NS;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	pthread_cond_timedwait(&q->tx.passed, &q->tx.lock, &t);
}

/* No thread sleeps for room in this lane any more? Then its receiver need not ring. */
void vmq__tx_awake(const struct vmq *q, struct vmq__peer *p)
{
	if (!p->waiters && !q->tx.polls)
		vmq_tx_space_wake(&p->tx->tx);
}

static void tx_wait(struct vmq *q, struct vmq__peer *p, uint32_t need, uint64_t deadline)
{
	uint64_t ticket;

	if (vmq__tx_busy(q, p)) {
		tx_let_pass(q, deadline);
		return;
	}
	if (tx_spin(q, p, need))
		return;
	ticket = vmq__sleep_ticket(&q->sleep[VMQ_FD_SPACE]);
	/* The sleep is a natural exit: what was sent lazily is drained by it. */
	p->waiters++;
	if (vmq_tx_space_arm(&p->tx->tx, need))
		vmq__tx_sleep(q, ticket, deadline);
	p->waiters--;
	vmq__tx_awake(q, p);
}

/*
 * Wait until a record of `need` bytes fits. *deadline is 0 at the first call and
 * kept for the next. Returns 0, or why there is no room.
 */
int vmq__tx_room(struct vmq *q, struct vmq__peer *p, uint32_t need, int64_t timeout_ns,
	uint64_t *deadline)
{
	if (timeout_ns == VMQ_NOWAIT)
		return tx_no_room(q, p, timeout_ns);
	if (!*deadline)
		*deadline = vmq__deadline(q, timeout_ns);
	for (;;) {
		if (tx_fits(q, p, need))
			break;
		if (vmq__tx_refused(p) || vmq_chan_poison(p->tx) || vmq__late(q, *deadline))
			return tx_no_room(q, p, timeout_ns);
		tx_wait(q, p, need, *deadline);
	}
	/* vmq_fd() was to tell another thread of room, too, and the doorbell is silent now. */
	if (VMQ__UNLIKELY(atomic_load_explicit(&q->space_armed, memory_order_relaxed)))
		q->ops->kick(q->state, NULL, VMQ_KICK_SPACE, false);
	return 0;
}

static struct vmq__peer *starved(struct vmq *q, uint32_t id)
{
	struct vmq__peer *p = q->tx.table[id];

	return p && p->starved ? p : NULL;
}

/* Is there room for a record of any size with each peer, or at least with one
 * that had none? */
bool vmq__tx_ready(struct vmq *q)
{
	bool all = true, some = false;

	vmq__tx_enter(q);
	for (uint32_t id = 0; id < q->id_limit; id++) {
		struct vmq__peer *p = starved(q, id);

		if (!p)
			continue;
		all = false;
		if (vmq_tx_room(&p->tx->tx, 1) < p->tx->tx.inline_max && !vmq__tx_refused(p))
			continue;
		p->starved = false;
		some = true;
	}
	vmq__tx_leave(q);
	return all || some;
}

/* Ask those without room to ring. False: there is room. */
bool vmq__tx_arm(struct vmq *q)
{
	bool clear = true;

	vmq__tx_enter(q);
	q->tx.polls++;
	for (uint32_t id = 0; id < q->id_limit; id++) {
		struct vmq__peer *p = starved(q, id);

		if (p && !vmq_tx_space_arm(&p->tx->tx, p->tx->tx.inline_max))
			clear = false;
	}
	vmq__tx_leave(q);
	return clear;
}

void vmq__tx_wake(struct vmq *q)
{
	vmq__tx_enter(q);
	q->tx.polls--;
	for (uint32_t id = 0; id < q->id_limit; id++)
		if (starved(q, id))
			vmq__tx_awake(q, q->tx.table[id]);
	vmq__tx_leave(q);
}

int vmq_flush(struct vmq *q)
{
	uint64_t before, rang;

	if (!vmq__live(q))
		return VMQ_EBADF;
	vmq__tx_enter(q);
	before = q->tx.kicks;
	for (uint32_t id = 0; id < q->id_limit; id++) {
		struct vmq__peer *p = q->tx.table[id];

		if (p && !vmq__tx_refused(p))
			vmq__tx_ring(q, p, VMQ_SEND_AUTO);
	}
	atomic_store_explicit(&q->tx.lazy, false, memory_order_relaxed);
	rang = q->tx.kicks - before;
	vmq__tx_leave(q);
	return (int)rang;
}

int vmq_yield(struct vmq *q)
{
	if (!vmq__live(q))
		return VMQ_EBADF;
	vmq__tx_enter(q);
	tx_exit(q, VMQ_EXIT_YIELD);
	vmq__tx_leave(q);
	return 0;
}
