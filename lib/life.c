/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * life.c - one life of a peer: made, seen by the two views, freed.
 *
 * The set of lives is changed under q->lock. The sender and the receiver each have
 * a view of their own, which they bring up to date when q->version says so; a life
 * is freed when neither view, nor a page that is still held, needs it.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* It never came up, and has no mapping. */
void vmq__life_undo(struct vmq__peer *p)
{
	pthread_mutex_destroy(&p->pages_lock);
	free(p->join);
	free(p->entries);
	free(p);
}

struct vmq__peer *vmq__life_new(struct vmq *q, uint32_t id, uint32_t epoch,
	const struct vmq_geometry *geo)
{
	struct vmq__peer *p = aligned_alloc(_Alignof(struct vmq__peer), sizeof(*p));
	uint32_t pages = geo->pool_pages[0] + geo->pool_pages[1];

	if (!p)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->id = id;
	p->epoch = epoch;
	p->geo = *geo;
	p->tx = p->rx = &p->chan[0];
	atomic_init(&p->refs, 1);
	pthread_mutex_init(&p->pages_lock, NULL);
	/* Never touched unless a message comes in fragments. */
	p->join = malloc(q->max_msg);
	p->entries = pages ? calloc((size_t)pages * 2, sizeof(*p->entries)) : NULL;
	if (!p->join || (pages && !p->entries)) {
		vmq__life_undo(p);
		return NULL;
	}
	return p;
}

static void body_free(struct vmq *q, struct vmq__peer *p)
{
	if (p->cookie)
		q->ops->detach(q->state, p->cookie);
	else
		vmq__self_unmap(p);
	free(p->entries);
	free(p->join);
	p->join = NULL;
	p->entries = NULL;
}

static void count_old(struct vmq *q, const struct vmq__peer *p)
{
	q->old_suppressed += p->tx->tx.suppressed;
	q->old_stale += p->rx->rx.stale;
}

void vmq__life_free(struct vmq *q, struct vmq__peer *p)
{
	struct vmq__peer **at = &q->lives;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	count_old(q, p);
	body_free(q, p);
	pthread_mutex_destroy(&p->pages_lock);
	free(p);
}

/* Drop a reference; q->lock is held. */
void vmq__peer_put_locked(struct vmq *q, struct vmq__peer *p)
{
	if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
		vmq__life_free(q, p);
}

void vmq__peer_put(struct vmq *q, struct vmq__peer *p)
{
	pthread_mutex_lock(&q->lock);
	vmq__peer_put_locked(q, p);
	pthread_mutex_unlock(&q->lock);
}

static struct vmq__peer *get(struct vmq__peer *p)
{
	if (p)
		vmq__peer_get(p);
	return p;
}

/* ---- all of an endpoint's --------------------------------------------------- */

int vmq__peers_init(struct vmq *q)
{
	q->peers = calloc(VMQ__PEERS, sizeof(*q->peers));
	q->tx.table = calloc(VMQ__PEERS, sizeof(*q->tx.table));
	q->rx.lists[0] = calloc(VMQ__PEERS, sizeof(*q->rx.list));
	q->rx.lists[1] = calloc(VMQ__PEERS, sizeof(*q->rx.list));
	q->rx.list = q->rx.lists[0];
	q->stories = calloc(VMQ__PEERS, sizeof(*q->stories));
	return q->stories && q->peers && q->tx.table && q->rx.lists[0] && q->rx.lists[1] ? 0 : VMQ_ENOMEM;
}

void vmq__peers_exit(struct vmq *q)
{
	while (q->lives) {
		if (q->lives->up || q->lives->cookie)
			vmq_chan_close(q->lives->tx);
		vmq__life_free(q, q->lives);
	}
	free(q->stories);
	free(q->peers);
	free(q->tx.table);
	free(q->rx.lists[0]);
	free(q->rx.lists[1]);
}

/* ---- views ---------------------------------------------------------------- */

void vmq__tx_view_locked(struct vmq *q)
{
	uint32_t version = atomic_load_explicit(&q->version, memory_order_relaxed);

	for (uint32_t id = 0; id < q->id_limit; id++) {
		struct vmq__peer *old = q->tx.table[id];

		if (old == q->peers[id])
			continue;
		q->tx.table[id] = get(q->peers[id]);
		if (old)
			vmq__peer_put_locked(q, old);
	}
	/* Release: who finds this version finds the table; vmq__relieve() may have made it. */
	atomic_store_explicit(&q->tx.seen, version, memory_order_release);
}

void vmq__tx_view(struct vmq *q)
{
	pthread_mutex_lock(&q->lock);
	vmq__tx_view_locked(q);
	pthread_mutex_unlock(&q->lock);
}

static bool heard(const struct vmq__peer *p)
{
	return p->up && !p->finished &&
		(p->cookie || atomic_load_explicit(&p->used, memory_order_relaxed));
}

/* Is a life to wait until an earlier one of the same peer is received? The newest
 * lives come first. Most often there are no earlier ones, which `any` says. */
static bool waits(const struct vmq__peer *p, bool any)
{
	for (const struct vmq__peer *e = any ? p->next : NULL; e; e = e->next)
		if (e->id == p->id && heard(e))
			return true;
	return false;
}

static bool any_earlier(const struct vmq *q)
{
	for (const struct vmq__peer *p = q->lives; p; p = p->next)
		if (heard(p) && q->peers[p->id] != p)
			return true;
	return false;
}

void vmq__rx_view(struct vmq *q)
{
	uint32_t old_count = q->rx.count, n = 0;
	struct vmq__peer **old = q->rx.list, **list = old == q->rx.lists[0] ? q->rx.lists[1] : q->rx.lists[0];
	bool any;

	pthread_mutex_lock(&q->lock);
	any = any_earlier(q);
	q->rx.seen = atomic_load_explicit(&q->version, memory_order_relaxed);
	for (struct vmq__peer *p = q->lives; p && n < VMQ__PEERS; p = p->next)
		if (heard(p) && !waits(p, any))
			list[n++] = get(p);
	q->rx.list = list;
	q->rx.count = n;
	if (q->rx.cur >= n)
		q->rx.cur = 0;
	while (old_count)
		vmq__peer_put_locked(q, old[--old_count]);
	pthread_mutex_unlock(&q->lock);
}
