/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * idle.c - the receiver finds nothing: it looks on for a while, gets drowsy, arms
 * and sleeps.
 *
 * How it looks on matters more than anything else here. A receiver that is at the
 * sender's heels pulls each cache line away from it while it is being written. In
 * a stream (many messages, none sent back) it therefore lets the sender get ahead
 * before it looks again; in a conversation it looks without pause.
 */
#include <unistd.h>

#include "cpu.h"
#include "internal.h"

#define STREAM_PAUSES 40   /* about a microsecond */
#define ARMED_PAUSES 20
#define LOOKS 8            /* between two looks at the clock */
#define DROWSY_LOOKS 400   /* at lanes, shared out among them: two microseconds and more ... */
#define DROWSY_CYCLES 12000u /* ... which in an emulated VM are many more: no longer than this */

void vmq__rx_drowse(struct vmq *q)
{
	for (uint32_t i = 0; i < q->rx.count; i++)
		vmq_rx_drowse(&q->rx.list[i]->rx->rx);
}

/* Ask every peer for a kick. False if there is something to do already. */
bool vmq__rx_arm(struct vmq *q)
{
	bool clear = true;

	for (uint32_t i = 0; i < q->rx.count; i++) {
		struct vmq__peer *p = q->rx.list[i];
		unsigned said = vmq_rx_arm(&p->rx->rx);

		vmq_rx_beat(&p->rx->rx);
		if (said & VMQ_RX_KICK) {
			q->rx.kicks_space++;
			vmq__kick(q, p, VMQ_KICK_SPACE, false);
		}
		/* The VMM rings when pages that a lane waits for are there. */
		if (p->held.peer)
			continue;
		if (said & VMQ_RX_DATA || atomic_load(&p->gone) || vmq_chan_peer_gone(p->rx))
			clear = false;
	}
	if (atomic_load_explicit(&q->version, memory_order_acquire) != q->rx.seen)
		clear = false;
	return clear;
}

void vmq__rx_wake(struct vmq *q)
{
	for (uint32_t i = 0; i < q->rx.count; i++)
		vmq_rx_wake(&q->rx.list[i]->rx->rx);
}

/* A receiver goes away with what it found. Others that sleep may have looked on just
 * before, so that their peers do not ring any more: they are to look, and to arm anew. */
static void found_it(struct vmq *q)
{
	if (q->rx.sleepers)
		q->ops->kick(q->state, NULL, VMQ_KICK_DATA, false);
	else
		vmq__rx_wake(q);
}

/* A receiver is back from its sleep: to something? While others sleep, the peers are to go
 * on ringing. */
bool vmq__rx_back(struct vmq *q)
{
	bool found = vmq__rx_ready(q);

	if (found)
		found_it(q);
	else if (!q->rx.sleepers)
		vmq__rx_wake(q);
	return found;
}

/* A doorbell that nobody waits for keeps vmq_fd() readable. Who waits for it silences it,
 * and whoever goes to sleep for it meanwhile is told. */
static bool silence(struct vmq *q, enum vmq_fd doorbell)
{
	struct vmq__sleeper *s = &q->sleep[doorbell];
	bool rang;

	if (!vmq__sleep_lead(s))
		return false;
	rang = q->ops->drain(q->state, 1u << doorbell);
	vmq__sleep_leave(s, rang);
	return rang;
}

/* A call after one that armed for vmq_fd(): silence first, then look. */
void vmq__rx_disarm(struct vmq *q)
{
	bool rang, space;
	uint64_t ticks;

	/* Acquire: pairs with the release in vmq_fd(), which another thread may have called. */
	atomic_exchange_explicit(&q->rx.armed, false, memory_order_acquire);
	rang = silence(q, VMQ_FD_DATA);
	space = atomic_exchange_explicit(&q->space_armed, false, memory_order_relaxed);
	if (q->timerfd >= 0 && read(q->timerfd, &ticks, sizeof(ticks)) < 0)
		ticks = 0; /* not due yet */
	/* If it was not the doorbell, it was news, or the other doorbell. If it was
	 * both, the descriptor stays readable until the next call finds just that. */
	if (space || !rang)
		silence(q, VMQ_FD_SPACE);
	if (!rang || q->env || atomic_load_explicit(&q->pending, memory_order_relaxed) || !q->up)
		vmq__news(q);
	else
		vmq__idle(q, &q->rx.idle);
	if (!q->rx.sleepers)
		vmq__rx_wake(q);
}

/* Not to wait. With vmq_fd() in use, the next message must make it readable. */
static int empty_now(struct vmq *q)
{
	if (atomic_load_explicit(&q->epfd, memory_order_acquire) < 0) {
		vmq__idle(q, &q->rx.idle);
		return VMQ_EAGAIN;
	}
	if (vmq__rx_arm(q)) {
		/* Armed, it looks on for longer than a store can wait in a store
		 * buffer: as good as having been drowsy before, and quicker. */
		for (int i = 0; i < ARMED_PAUSES; i++)
			vmq__relax();
		if (!vmq__rx_ready(q)) {
			atomic_store_explicit(&q->rx.armed, true, memory_order_relaxed);
			return VMQ_EAGAIN;
		}
	}
	found_it(q);
	if (vmq__rx_ready(q))
		return 0;
	/* It was there, but is no message yet: a part of one, or news. The lanes are not armed, so
	 * the next look is due at once. */
	q->ops->kick(q->state, NULL, VMQ_KICK_DATA, false);
	atomic_store_explicit(&q->rx.armed, true, memory_order_relaxed);
	return VMQ_EAGAIN;
}

/* How many pauses there are between two looks. */
static unsigned pauses(const struct vmq *q)
{
	return q->rx.streak > VMQ__STREAM && q->spin_ns ? STREAM_PAUSES : 1;
}

/* Look on, for so many pauses: until something is there? */
static bool look_on(struct vmq *q, unsigned total)
{
	unsigned each = pauses(q);

	for (unsigned done = 0; done < total; done += each) {
		for (unsigned i = 0; i < each; i++)
			vmq__relax();
		if (vmq__rx_ready(q))
			return true;
	}
	return false;
}

/* Look on until something is there (true) or the time is up. */
static bool spin(struct vmq *q)
{
	uint64_t until = vmq__now(q) + q->spin_ns;

	do {
		if (look_on(q, LOOKS * pauses(q)))
			return true;
	} while (vmq__now(q) < until);
	return false;
}

/* Without a pause, which in an emulated VM costs a hundred times more than a look. */
static bool look_often(struct vmq *q, unsigned looks)
{
	uint64_t began = vmq__cycles();

	for (unsigned done = 0; done < looks; done += LOOKS) {
		for (unsigned i = 0; i < LOOKS; i++)
			if (vmq__rx_ready(q))
				return true;
		if (vmq__cycles() - began > DROWSY_CYCLES)
			break;
	}
	return false;
}

/* For longer than a store stays in a store buffer. */
static bool drowse(struct vmq *q)
{
	bool found;

	vmq__rx_drowse(q);
	found = look_often(q, LOOKS + (q->strict || q->env ? 0 : DROWSY_LOOKS / (q->rx.count + 1)));
	if (found)
		found_it(q);
	return found;
}

/* The wait is a natural exit of this VM. What it sent lazily is drained, also if
 * another thread is the one that sends. */
void vmq__rx_exit(struct vmq *q)
{
	bool lazy = atomic_exchange_explicit(&q->tx.lazy, false, memory_order_relaxed);

	q->rx.natural++;
	q->rx.drains += lazy;
	vmq__exit(q, VMQ_EXIT_WAIT, lazy);
}

static bool sleep_armed(struct vmq *q, uint64_t deadline)
{
	uint64_t kicked = q->sleep[0].kicked, ticket = vmq__sleep_ticket(&q->sleep[0]);
	bool found;

	vmq__relieve(q);
	if (vmq__rx_arm(q)) {
		vmq__rx_exit(q);
		q->rx.sleepers++;
		vmq__rx_unlock(q);
		vmq__sleep(q, VMQ_FD_DATA, ticket, deadline);
		vmq__rx_lock(q);
		q->rx.sleepers--;
	}
	found = vmq__rx_back(q);
	if (!found && q->sleep[0].kicked != kicked)
		q->rx.spurious++;
	return found;
}

/* Nobody is there any more, and nobody can come. */
static bool fabric_gone(const struct vmq *q)
{
	return atomic_load_explicit(&q->down, memory_order_acquire) && !q->up;
}

/* 0: something is there now; else why not. */
int vmq__rx_wait(struct vmq *q, int64_t timeout_ns)
{
	uint64_t deadline;

	if (fabric_gone(q))
		return vmq__rx_ready(q) ? 0 : VMQ_ECONN;
	if (timeout_ns == VMQ_NOWAIT)
		return empty_now(q);
	deadline = vmq__deadline(q, timeout_ns);
	do {
		if ((q->spin_ns && spin(q)) || drowse(q) || sleep_armed(q, deadline))
			return 0;
		if (fabric_gone(q))
			return vmq__rx_ready(q) ? 0 : VMQ_ECONN;
	} while (!vmq__late(q, deadline));
	return VMQ_ETIMEDOUT;
}
