/* SPDX-License-Identifier: BSD-2-Clause */
/* stage.c - the receiving half of an endpoint: out of all lanes, the next message. */
#include <string.h>

#include "internal.h"
#include "stage.h"

#define HELD 2
#define LOOKS_FREE 16 /* looks at empty lanes, the last of which asks more */

void vmq__stage_kick_space(struct vmq *q, struct vmq__peer *p)
{
	q->rx.kicks_space++;
	vmq__kick(q, p, VMQ_KICK_SPACE, false);
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
	vmq__stage_done(q, p);
	if (p->join_have < total)
		return 0;
	p->join_total = 0;
	stage(q, p, p->join, total, true);
	return 1;
}

/* Are the staged message's pages here (1)? Else its lane waits for them (HELD), and the
 * others go on; or there are none. What else goes wrong is told to who takes the message. */
static int pages_ready(struct vmq *q)
{
	struct vmq__staged *m = &q->rx.msg;
	struct vmq__peer *p = m->peer;
	int rc = vmq__page_map(q);

	if (VMQ__LIKELY(rc != VMQ_EAGAIN && rc != VMQ_EPEER))
		return 1;
	if (rc == VMQ_EAGAIN) {
		p->held = *m;
		m->peer = NULL;
		return HELD;
	}
	return vmq__stage_pageless(q);
}

int vmq__stage_pageless(struct vmq *q)
{
	struct vmq__peer *p = q->rx.msg.peer;

	q->rx.msg.peer = NULL;
	q->rx.msg.peeked = false;
	vmq__peer_put(q, p); /* the page's */
	return -VMQ_POISON_PAGE_RANGE;
}

int vmq__stage_record(struct vmq *q, struct vmq__peer *p, const struct vmq_record *rec)
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
		return pages_ready(q);
	q->rx.msg.peer = NULL;
	return -bad;
}

/* ---- lanes ----------------------------------------------------------------- */

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
		vmq__stage_kick_space(q, p);
	gone = atomic_load_explicit(&p->gone, memory_order_acquire);
	if (VMQ__LIKELY(!gone && !vmq_chan_peer_gone(p->rx)))
		return;
	/* What it committed before it left came first: look once more. */
	if (gone != VMQ_EPEER && vmq_rx_peek(&p->rx->rx, &rec))
		return;
	join_drop(q, p);
	vmq__peer_finish(q, p);
}

bool vmq__stage_result(struct vmq *q, struct vmq__peer *p, int n)
{
	if (VMQ__LIKELY(n > 0))
		return n != HELD;
	vmq__peer_poisoned(q, p, (enum vmq_poison)-n);
	vmq__peer_finish(q, p);
	return false;
}

/* The message whose pages have come, or not. */
static bool held_look(struct vmq *q, struct vmq__peer *p)
{
	q->rx.msg = p->held;
	p->held.peer = NULL;
	return vmq__stage_result(q, p, pages_ready(q));
}

/* Is a message staged now? */
static bool lane_look(struct vmq *q, struct vmq__peer *p)
{
	struct vmq_record rec;

	if (VMQ__UNLIKELY(p->finished))
		return false;
	if (VMQ__UNLIKELY(p->held.peer))
		return held_look(q, p);
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
			n = vmq__stage_record(q, p, &rec);
		if (VMQ__LIKELY(n))
			return vmq__stage_result(q, p, n);
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
