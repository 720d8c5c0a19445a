/* SPDX-License-Identifier: BSD-2-Clause */
/* recv.c - the receiving half of an endpoint, as the application has it. */
#include <string.h>

#include "internal.h"
#include "stage.h"

void vmq__rx_lock(struct vmq *q)
{
	if (VMQ__UNLIKELY(q->threadsafe))
		pthread_mutex_lock(&q->rx.lock);
}

void vmq__rx_unlock(struct vmq *q)
{
	if (VMQ__UNLIKELY(q->threadsafe))
		pthread_mutex_unlock(&q->rx.lock);
}

/* Would a receiving call have something to say? */
bool vmq__rx_ready(struct vmq *q)
{
	return vmq__rx_stage(q) || atomic_load_explicit(&q->untold, memory_order_relaxed);
}

/* 0: a message is staged; or the end of a peer, or why there is nothing. */
int vmq__rx_await(struct vmq *q, int64_t timeout_ns)
{
	if (VMQ__UNLIKELY(atomic_load_explicit(&q->rx.armed, memory_order_relaxed)))
		vmq__rx_disarm(q);
	for (;;) {
		int rc;

		if (VMQ__LIKELY(vmq__rx_stage(q)))
			return 0;
		if (VMQ__UNLIKELY(atomic_load_explicit(&q->untold, memory_order_relaxed))) {
			/* What is shared with who has gone is let go of now, and not when
			 * this, or a sending function, is called again. */
			vmq__rx_view(q);
			vmq__relieve(q);
			return vmq__peer_tell(q, &q->rx.told);
		}
		rc = vmq__rx_wait(q, timeout_ns);
		if (rc)
			return rc;
	}
}

/* The staged message was taken. */
static void taken(struct vmq *q)
{
	struct vmq__staged *m = &q->rx.msg;

	VMQ__PROBE3(receive, q->id, m->peer->id, m->len);
	q->rx.messages++;
	q->rx.bytes += m->len;
	q->rx.streak++;
	if (VMQ__LIKELY(!m->joined))
		vmq__stage_done(q, m->peer);
	m->peer = NULL;
	m->peeked = false;
}

/* ---- the API ---------------------------------------------------------------- */

static void told(const struct vmq *q, struct vmq_msg *msg, int rc)
{
	if (rc == VMQ_EGONE || rc == VMQ_EPEER || rc == VMQ_EACCES)
		msg->peer = q->rx.told;
}

static void fill(const struct vmq__staged *m, struct vmq_msg *msg)
{
	msg->len = m->len;
	msg->peer = m->peer->id;
	msg->flags = 0;
	if (VMQ__UNLIKELY(m->page)) {
		msg->flags = VMQ_MSG_PAGE;
		msg->page = m->run;
	}
}

/* The staged message's pages, for who takes it; tried once more if there was no room for
 * them. If they turn out to be none, that is told of their sender. */
static int pages_take(struct vmq *q, struct vmq_msg *msg)
{
	struct vmq__peer *p = q->rx.msg.peer;
	int rc = vmq__page_map(q);

	if (VMQ__LIKELY(rc != VMQ_EPEER))
		return rc;
	vmq__stage_result(q, p, vmq__stage_pageless(q));
	rc = vmq__peer_tell(q, &q->rx.told);
	told(q, msg, rc);
	return rc;
}

/* Copy the staged message out and take it. */
static int64_t deliver(struct vmq *q, void *buf, size_t cap, struct vmq_msg *msg)
{
	struct vmq__staged *m = &q->rx.msg;
	uint32_t len = m->len;
	int rc;

	if (VMQ__UNLIKELY(len > cap || (len && !buf))) {
		msg->len = len;
		msg->peer = m->peer->id;
		return VMQ_EMSGSIZE;
	}
	if (VMQ__UNLIKELY(m->page)) {
		rc = pages_take(q, msg);
		if (rc)
			return rc;
	}
	vmq__copy(buf, m->data, len);
	fill(m, msg);
	taken(q);
	return len;
}

/* Has another lane its turn? */
static inline bool turn_over(const struct vmq *q)
{
	return q->rx.quantum >= VMQ__QUANTUM && q->rx.count > 1;
}

/* A plain message in the lane that has its turn, straight to the caller. Negative:
 * anything else, which is left as it is. */
static inline int64_t quick(struct vmq *q, void *buf, size_t cap, struct vmq_msg *msg)
{
	struct vmq_record rec;
	struct vmq__peer *p;

	if (atomic_load_explicit(&q->rx.armed, memory_order_relaxed) || q->rx.msg.peer || turn_over(q) ||
			q->rx.cur >= q->rx.count ||
			atomic_load_explicit(&q->version, memory_order_acquire) != q->rx.seen)
		return -1;
	p = q->rx.list[q->rx.cur];
	if (vmq__rx_peek(&p->rx->rx, &rec) <= 0 || rec.kind != VMQ_KIND_MSG || rec.len > cap ||
			rec.len > q->max_msg || p->join_total)
		return -1;
	vmq__copy(buf, rec.data, rec.len);
	msg->len = rec.len;
	msg->peer = p->id;
	msg->flags = 0;
	q->rx.quantum++;
	q->rx.streak++;
	VMQ__PROBE3(receive, q->id, p->id, rec.len);
	q->rx.messages++;
	q->rx.bytes += rec.len;
	vmq__stage_done(q, p);
	return rec.len;
}

int64_t vmq_recv(struct vmq *q, void *buf, size_t cap, struct vmq_msg *msg, int64_t timeout_ns)
{
	struct vmq_msg own;
	int64_t rc;

	if (!vmq__live(q))
		return VMQ_EBADF;
	if (VMQ__UNLIKELY(!buf && cap))
		return VMQ_EINVAL;
	own.flags = 0;
	rc = VMQ__UNLIKELY(q->threadsafe) ? -1 : quick(q, buf, cap, msg ? msg : &own);
	if (VMQ__LIKELY(rc >= 0)) {
		if (msg) {
			msg->data = buf;
			msg->cap = cap;
		}
		return rc;
	}
	vmq__rx_lock(q);
	rc = vmq__rx_await(q, timeout_ns);
	if (VMQ__LIKELY(!rc))
		rc = deliver(q, buf, cap, msg ? msg : &own);
	else
		told(q, msg ? msg : &own, (int)rc);
	vmq__rx_unlock(q);
	if (msg) {
		msg->data = buf;
		msg->cap = cap;
	} else if (rc >= 0 && own.flags & VMQ_MSG_PAGE) {
		vmq_page_free(q, &own.page);
	}
	return rc;
}

/* One more message for a batch: from the lane that has its turn, so that another
 * peer's end is not met, and lost, in the middle. */
static bool more(struct vmq *q)
{
	struct vmq__peer *p = q->rx.list[q->rx.cur];
	struct vmq_record rec;

	if (turn_over(q) || vmq__rx_peek(&p->rx->rx, &rec) <= 0 || rec.kind != VMQ_KIND_MSG)
		return false;
	q->rx.quantum++;
	return vmq__stage_record(q, p, &rec) > 0;
}

int vmq_recv_batch(struct vmq *q, struct vmq_msg *msgs, unsigned n, int64_t timeout_ns)
{
	int64_t rc;
	unsigned i;

	if (!vmq__live(q))
		return VMQ_EBADF;
	if (!msgs || !n)
		return VMQ_EINVAL;
	for (i = 0; i < n; i++)
		if (!msgs[i].data && msgs[i].cap)
			return VMQ_EINVAL;
	vmq__rx_lock(q);
	rc = vmq__rx_await(q, timeout_ns);
	if (rc < 0)
		told(q, &msgs[0], (int)rc);
	for (i = 0; rc >= 0 && i < n;) {
		rc = deliver(q, msgs[i].data, msgs[i].cap, &msgs[i]);
		if (rc < 0)
			break;
		do {
			i++;
		} while (i < n && quick(q, msgs[i].data, msgs[i].cap, &msgs[i]) >= 0);
		if (i == n || !more(q))
			break;
	}
	vmq__rx_unlock(q);
	return i ? (int)i : (int)rc;
}

int vmq_peek(struct vmq *q, struct vmq_msg *msg, int64_t timeout_ns)
{
	int rc;

	if (!vmq__live(q))
		return VMQ_EBADF;
	if (!msg)
		return VMQ_EINVAL;
	vmq__rx_lock(q);
	rc = vmq__rx_await(q, timeout_ns);
	if (rc)
		told(q, msg, rc);
	else if (q->rx.msg.page)
		rc = pages_take(q, msg);
	if (!rc) {
		fill(&q->rx.msg, msg);
		msg->data = (void *)(uintptr_t)q->rx.msg.data;
		msg->cap = q->rx.msg.len;
		q->rx.msg.peeked = true;
	}
	vmq__rx_unlock(q);
	return rc;
}

int vmq_release(struct vmq *q)
{
	int rc = VMQ_EINVAL;

	if (!vmq__live(q))
		return VMQ_EBADF;
	vmq__rx_lock(q);
	if (q->rx.msg.peer && q->rx.msg.peeked) {
		taken(q);
		rc = 0;
	}
	vmq__rx_unlock(q);
	return rc;
}
