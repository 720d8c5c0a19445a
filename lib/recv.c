/* SPDX-License-Identifier: BSD-2-Clause */
/* recv.c - the receiving half of an endpoint: the next message, out of all lanes. */
#include <string.h>

#include "core/lane_hot.h"
#include "internal.h"

#define HELD 2
#define LOOKS_FREE 16 /* looks at empty lanes, the last of which asks more */

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

static void kick_space(struct vmq *q, struct vmq__peer *p)
{
	q->rx.kicks_space++;
	q->ops->kick(q->state, p->cookie, VMQ_KICK_SPACE, false);
}

/* The record is done with. */
static void record_done(struct vmq *q, struct vmq__peer *p)
{
	if (VMQ__UNLIKELY(vmq__rx_next(&p->rx->rx) & VMQ_RX_KICK))
		kick_space(q, p);
}

static void stage(struct vmq *q, struct vmq__peer *p, const void *data, uint32_t len, bool joined)
{
	struct vmq__staged *m = &q->rx.msg;

	m->peer = p;
	m->data = data;
	m->len = len;
	m->joined = joined;
	m->page = false;
}

/* ---- records --------------------------------------------------------------- */

/* A message that was begun in fragments will not be finished. */
static void join_drop(struct vmq *q, struct vmq__peer *p)
{
	q->rx.partial += p->join_total != 0;
	p->join_total = 0;
}

/* Take a fragment. 1: the message is whole; 0: go on; negative: poison reason. */
static int fragment(struct vmq *q, struct vmq__peer *p, const struct vmq_record *rec)
{
	struct vmq_layout_frag frag;
	uint32_t total, at, part;

	if (rec->len < sizeof(frag))
		return -VMQ_POISON_FRAGMENT;
	memcpy(&frag, rec->data, sizeof(frag));
	total = vmq__le32(frag.total);
	at = vmq__le32(frag.offset);
	part = rec->len - (uint32_t)sizeof(frag);
	if (total > q->max_msg)
		return -VMQ_POISON_OVERSIZE;
	if (!at) {
		join_drop(q, p);
		p->join_total = total;
		p->join_have = 0;
	}
	if (!part || total != p->join_total || at != p->join_have || part > total - at)
		return -VMQ_POISON_FRAGMENT;
	memcpy(p->join + at, (const uint8_t *)rec->data + sizeof(frag), part);
	p->join_have += part;
	record_done(q, p);
	if (p->join_have < total)
		return 0;
	p->join_total = 0;
	stage(q, p, p->join, total, true);
	return 1;
}

/* Are the staged message's pages here? Else its lane waits for them, and the others go
 * on. What else goes wrong is told to who takes the message. */
static bool pages_ready(struct vmq *q)
{
	struct vmq__staged *m = &q->rx.msg;

	if (VMQ__LIKELY(vmq__page_map(q) != VMQ_EAGAIN))
		return true;
	m->peer->held = *m;
	m->peer = NULL;
	return false;
}

/* 1: a message is staged; HELD: it waits; 0: go on; negative: the reason to poison. */
static int record(struct vmq *q, struct vmq__peer *p, const struct vmq_record *rec)
{
	int bad;

	if (VMQ__LIKELY(rec->kind == VMQ_KIND_MSG)) {
		if (VMQ__UNLIKELY(rec->len > q->max_msg))
			return -VMQ_POISON_OVERSIZE;
		if (VMQ__UNLIKELY(p->join_total))
			join_drop(q, p);
		stage(q, p, rec->data, rec->len, false);
		return 1;
	}
	if (rec->kind == VMQ_KIND_FRAG)
		return fragment(q, p, rec);
	if (rec->kind != VMQ_KIND_PAGE)
		return rec->kind == VMQ_KIND_HELLO ? -VMQ_POISON_HELLO : -VMQ_POISON_KIND;
	join_drop(q, p);
	stage(q, p, NULL, 0, false);
	bad = (int)vmq__page_stage(q, p, rec);
	if (!bad)
		return pages_ready(q) ? 1 : HELD;
	q->rx.msg.peer = NULL;
	return -bad;
}

/* ---- lanes ----------------------------------------------------------------- */

static void poisoned(struct vmq *q, struct vmq__peer *p)
{
	vmq__peer_poisoned(q, p);
	vmq__peer_finish(q, p);
}

/* In a conversation the next message's second cache line is asked for along with its
 * first; in a stream that would pull lines away from the sender while it writes. */
static void lane_ahead(struct vmq *q, const struct vmq__peer *p)
{
	if (atomic_load_explicit(&q->tx.sent, memory_order_relaxed)) {
		atomic_store_explicit(&q->tx.sent, false, memory_order_relaxed);
		q->rx.streak = 0;
	}
	if (q->rx.streak <= VMQ__STREAM)
		vmq_rx_prefetch(&p->rx->rx);
}

/* The lane is empty; is its peer gone for good? */
static void lane_empty(struct vmq *q, struct vmq__peer *p)
{
	struct vmq_record rec;
	int gone;

	if (VMQ__UNLIKELY(vmq_rx_release(&p->rx->rx)))
		kick_space(q, p);
	gone = atomic_load_explicit(&p->gone, memory_order_acquire);
	if (VMQ__LIKELY(!gone && !vmq_chan_peer_gone(p->rx)))
		return;
	/* What it committed before it left came first: look once more. */
	if (gone != VMQ_EPEER && vmq_rx_peek(&p->rx->rx, &rec))
		return;
	join_drop(q, p);
	vmq__peer_finish(q, p);
}

/* Is a message staged now? */
static bool lane_look(struct vmq *q, struct vmq__peer *p)
{
	struct vmq_record rec;

	if (VMQ__UNLIKELY(p->finished))
		return false;
	if (VMQ__UNLIKELY(p->held.peer)) {
		q->rx.msg = p->held;
		p->held.peer = NULL;
		return pages_ready(q);
	}
	for (int budget = VMQ__QUANTUM; budget; budget--) {
		int n = vmq__rx_peek(&p->rx->rx, &rec);

		if (!n) {
			/* Whether the peer has just closed, or waits for room that it
			 * has long been told of, is not asked at each look. */
			if (p->rx->rx.own != p->rx->rx.published || !(++p->looks % LOOKS_FREE) ||
					atomic_load_explicit(&p->gone, memory_order_relaxed))
				lane_empty(q, p);
			lane_ahead(q, p);
			return false;
		}
		if (VMQ__LIKELY(n > 0))
			n = record(q, p, &rec);
		if (VMQ__LIKELY(n > 0))
			return n != HELD;
		if (n < 0) {
			/* Of a poisoned lane the first reason stays. */
			vmq_chan_set_poison(p->rx, (enum vmq_poison)-n);
			poisoned(q, p);
			return false;
		}
	}
	return false;
}

static void next_lane(struct vmq *q)
{
	q->rx.quantum = 0;
	if (++q->rx.cur >= q->rx.count)
		q->rx.cur = 0;
}

/* Stage the next message from any lane. False: there is none. */
bool vmq__rx_stage(struct vmq *q)
{
	if (q->rx.msg.peer)
		return true;
	if (VMQ__UNLIKELY(atomic_load_explicit(&q->version, memory_order_acquire) != q->rx.seen))
		vmq__rx_view(q);
	if (q->rx.quantum >= VMQ__QUANTUM)
		next_lane(q);
	for (uint32_t i = 0; i < q->rx.count; i++) {
		if (lane_look(q, q->rx.list[q->rx.cur])) {
			q->rx.quantum++;
			return true;
		}
		next_lane(q);
	}
	return false;
}

/* Would a receiving call have something to say? */
bool vmq__rx_ready(struct vmq *q)
{
	return vmq__rx_stage(q) || atomic_load_explicit(&q->untold, memory_order_relaxed);
}

/* 0: a message is staged; or the end of a peer, or why there is nothing. */
int vmq__rx_await(struct vmq *q, int64_t timeout_ns)
{
	if (VMQ__UNLIKELY(q->rx.armed))
		vmq__rx_disarm(q);
	for (;;) {
		int rc;

		if (VMQ__LIKELY(vmq__rx_stage(q)))
			return 0;
		if (VMQ__UNLIKELY(atomic_load_explicit(&q->untold, memory_order_relaxed)))
			return vmq__peer_tell(q, &q->rx.told);
		rc = vmq__rx_wait(q, timeout_ns);
		if (rc)
			return rc;
	}
}

/* The staged message was taken. */
static void taken(struct vmq *q)
{
	struct vmq__staged *m = &q->rx.msg;

	q->rx.messages++;
	q->rx.bytes += m->len;
	q->rx.streak++;
	if (VMQ__LIKELY(!m->joined))
		record_done(q, m->peer);
	m->peer = NULL;
	m->peeked = false;
}

/* ---- the API ---------------------------------------------------------------- */

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
		rc = vmq__page_map(q);
		if (rc)
			return rc;
	}
	vmq__copy(buf, m->data, len);
	fill(m, msg);
	taken(q);
	return len;
}

static void told(const struct vmq *q, struct vmq_msg *msg, int rc)
{
	if (rc == VMQ_EGONE || rc == VMQ_EPEER || rc == VMQ_EACCES)
		msg->peer = q->rx.told;
}

/* A plain message in the lane that has its turn, straight to the caller. Negative:
 * anything else, which is left as it is. */
static inline int64_t quick(struct vmq *q, void *buf, size_t cap, struct vmq_msg *msg)
{
	struct vmq_record rec;
	struct vmq__peer *p;

	if (q->threadsafe || q->rx.armed || q->rx.msg.peer || q->rx.quantum >= VMQ__QUANTUM ||
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
	q->rx.messages++;
	q->rx.bytes += rec.len;
	record_done(q, p);
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
	rc = quick(q, buf, cap, msg ? msg : &own);
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

	if (q->rx.quantum++ >= VMQ__QUANTUM || vmq__rx_peek(&p->rx->rx, &rec) <= 0 ||
			rec.kind != VMQ_KIND_MSG)
		return false;
	return record(q, p, &rec) > 0;
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
		if (rc < 0 || ++i == n || !more(q))
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
	if (!rc && q->rx.msg.page)
		rc = vmq__page_map(q);
	if (!rc) {
		fill(&q->rx.msg, msg);
		msg->data = (void *)(uintptr_t)q->rx.msg.data;
		msg->cap = q->rx.msg.len;
		q->rx.msg.peeked = true;
	} else {
		told(q, msg, rc);
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
