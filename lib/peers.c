/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peers.c - the control side: who is there.
 *
 * It is changed under q->lock. The sender and the receiver each have a view of
 * their own, which they bring up to date when q->version says so; a life of a
 * peer is freed when neither view, nor a page that is still held, needs it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"
#include "region.h"

static struct vmq *port_q(struct vmq_port *port)
{
	return (struct vmq *)port;
}

static void changed(struct vmq *q)
{
	atomic_fetch_add_explicit(&q->version, 1, memory_order_release);
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

static void life_free(struct vmq *q, struct vmq__peer *p)
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
static void put_locked(struct vmq *q, struct vmq__peer *p)
{
	if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
		life_free(q, p);
}

void vmq__peer_put(struct vmq *q, struct vmq__peer *p)
{
	pthread_mutex_lock(&q->lock);
	put_locked(q, p);
	pthread_mutex_unlock(&q->lock);
}

static struct vmq__peer *get(struct vmq__peer *p)
{
	if (p)
		atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

/* ---- views ---------------------------------------------------------------- */

void vmq__tx_view(struct vmq *q)
{
	pthread_mutex_lock(&q->lock);
	q->tx.seen = atomic_load_explicit(&q->version, memory_order_relaxed);
	for (uint32_t id = 0; id < q->id_limit; id++) {
		struct vmq__peer *old = q->tx.table[id];

		if (old == q->peers[id])
			continue;
		q->tx.table[id] = get(q->peers[id]);
		if (old)
			put_locked(q, old);
	}
	pthread_mutex_unlock(&q->lock);
}

void vmq__rx_view(struct vmq *q)
{
	uint32_t old_count = q->rx.count, n = 0;
	struct vmq__peer **old = q->rx.list, **list = old == q->rx.lists[0] ? q->rx.lists[1] : q->rx.lists[0];

	pthread_mutex_lock(&q->lock);
	q->rx.seen = atomic_load_explicit(&q->version, memory_order_relaxed);
	for (struct vmq__peer *p = q->lives; p && n < VMQ__PEERS; p = p->next)
		if (p->up && !p->finished)
			list[n++] = get(p);
	q->rx.list = list;
	q->rx.count = n;
	if (q->rx.cur >= n)
		q->rx.cur = 0;
	while (old_count)
		put_locked(q, old[--old_count]);
	pthread_mutex_unlock(&q->lock);
}

/* ---- joining --------------------------------------------------------------- */

static bool identity_ok(const struct vmq__peer *p)
{
	const struct vmq_ident *said = &p->rx->peer;

	return !p->vouched || (!strcmp(said->name, p->name) && said->id == p->id);
}

/* This life has ended. What it sent can still be received. */
static void peer_gone(struct vmq *q, struct vmq__peer *p, int reason)
{
	struct vmq__story *story = &q->stories[p->id];

	if (atomic_load(&p->gone))
		return;
	atomic_store(&p->gone, reason);
	if (p->up && p->cookie) {
		q->up--;
		vmq__pages_leave(p);
	}
	if (q->peers[p->id] == p || !p->up)
		story->info.state = reason;
	changed(q);
}

static void tell_story(struct vmq *q, const struct vmq__peer *p)
{
	struct vmq__story *story = &q->stories[p->id];

	story->info = (struct vmq_peer_info){
		.size = sizeof(story->info),
		.id = p->id,
		.epoch = p->epoch,
		.max_msg = p->max_msg,
	};
	memcpy(story->info.uuid, p->uuid, sizeof(p->uuid));
	memcpy(story->info.name, p->name, sizeof(p->name));
	if (p->id >= q->id_limit)
		q->id_limit = p->id + 1;
}

/* The newest life takes the peer's place. */
static void peer_up(struct vmq *q, struct vmq__peer *p)
{
	struct vmq__peer *old = q->peers[p->id];

	if (!p->vouched)
		memcpy(p->name, p->rx->peer.name, sizeof(p->name));
	memcpy(p->uuid, p->rx->peer.uuid, sizeof(p->uuid));
	p->max_msg = p->rx->peer_max_msg;
	if (old)
		peer_gone(q, old, VMQ_EGONE);
	p->up = true;
	q->peers[p->id] = p;
	tell_story(q, p);
	if (p->cookie) {
		q->up++;
		q->stories[p->id].joined = true;
	}
	changed(q);
}

/* Its channel is poisoned. q->lock is held. */
static void poisoned(struct vmq *q, struct vmq__peer *p)
{
	struct vmq__story *story = &q->stories[p->id];
	enum vmq_poison reason = vmq_chan_poison(p->rx);

	if (!reason)
		reason = vmq_chan_poison(p->tx);
	vmq_chan_set_poison(p->tx, reason);
	vmq_chan_set_poison(p->rx, reason);
	if (atomic_load(&p->gone))
		return;
	if (!p->up)
		tell_story(q, p);
	peer_gone(q, p, VMQ_EPEER);
	story->info.poison = (int32_t)reason;
	story->poisoned = true;
	q->rx.poisons++;
}

void vmq__peer_poisoned(struct vmq *q, struct vmq__peer *p)
{
	pthread_mutex_lock(&q->lock);
	poisoned(q, p);
	pthread_mutex_unlock(&q->lock);
}

/* The receiver has taken the last message of a life that is gone. */
void vmq__peer_finish(struct vmq *q, struct vmq__peer *p)
{
	struct vmq__story *story = &q->stories[p->id];

	pthread_mutex_lock(&q->lock);
	peer_gone(q, p, VMQ_EGONE);
	p->finished = true;
	story->reason = atomic_load(&p->gone);
	if (story->reason != VMQ_EPEER)
		story->left = true;
	if (!story->untold)
		atomic_fetch_add(&q->untold, 1);
	story->untold = true;
	if (q->peers[p->id] == p)
		q->peers[p->id] = NULL;
	changed(q);
	put_locked(q, p);
	pthread_mutex_unlock(&q->lock);
}

/* One step of a handshake. q->lock is held. Frees a life that was poisoned before it
 * was up: nobody has seen it. */
static void shake(struct vmq *q, struct vmq__peer *p)
{
	int n = vmq_chan_progress(&p->chan[0]);

	if (n > 0)
		q->ops->kick(q->state, p->cookie, VMQ_KICK_DATA, false);
	if (p->chan[0].state == VMQ_STATE_ESTABLISHED && n >= 0) {
		if (identity_ok(p)) {
			peer_up(q, p);
			return;
		}
		vmq_chan_set_poison(&p->chan[0], VMQ_POISON_IDENTITY);
		n = VMQ_EPEER;
	}
	if (n < 0) {
		poisoned(q, p);
		put_locked(q, p);
	}
}

static void shake_all(struct vmq *q)
{
	struct vmq__peer *next;
	bool pending = false;

	for (struct vmq__peer *p = q->lives; p; p = next) {
		next = p->next;
		if (p->up || atomic_load(&p->gone))
			continue;
		shake(q, p);
	}
	for (struct vmq__peer *p = q->lives; p; p = p->next)
		pending |= !p->up;
	atomic_store_explicit(&q->pending, pending, memory_order_relaxed);
}

static struct vmq__peer *life_new(struct vmq *q, uint32_t id, uint32_t epoch,
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
	/* Never touched unless a message comes in fragments. */
	p->join = malloc(q->max_msg);
	p->entries = pages ? calloc((size_t)pages * 2, sizeof(*p->entries)) : NULL;
	if (!p->join || (pages && !p->entries)) {
		free(p->join);
		free(p->entries);
		free(p);
		return NULL;
	}
	atomic_init(&p->refs, 1);
	pthread_mutex_init(&p->pages_lock, NULL);
	return p;
}

static void config_of(const struct vmq *q, struct vmq__peer *p, unsigned side,
	struct vmq_chan_config *config)
{
	uint32_t pages = p->geo.pool_pages[0] + p->geo.pool_pages[1];

	*config = (struct vmq_chan_config){
		.side = side,
		.epoch = p->epoch,
		.max_msg = q->max_msg,
		.strict = q->strict,
		.self.id = q->id,
		.entries = p->entries ? p->entries + side * pages : NULL,
	};
	memcpy(config->self.name, q->name, sizeof(q->name));
	memcpy(config->self.uuid, q->uuid, sizeof(q->uuid));
}

static int port_join(struct vmq_port *port, const struct vmq_transport_channel *c)
{
	struct vmq *q = port_q(port);
	struct vmq_chan_config config;
	struct vmq_geometry geo;
	struct vmq__peer *p;
	int rc = vmq_layout_read(c->region, c->region_size, &geo);

	if (rc)
		return rc;
	if (c->peer >= VMQ__PEERS || (c->peer_name && !vmq__name_ok(c->peer_name)))
		return VMQ_EINVAL;
	p = life_new(q, c->peer, c->epoch, &geo);
	if (!p)
		return VMQ_ENOMEM;
	p->cookie = c->chan;
	p->vouched = c->peer_name != NULL;
	if (c->peer_name)
		strcpy(p->name, c->peer_name);
	p->pool[0] = p->pool[1] = c->pool;
	config_of(q, p, c->side, &config);
	rc = vmq_chan_attach(&p->chan[0], c->region, &geo, &config);
	if (rc) {
		free(p->join);
		free(p->entries);
		free(p);
		return rc;
	}
	p->next = q->lives;
	q->lives = p;
	atomic_store_explicit(&q->pending, true, memory_order_relaxed);
	return 0;
}

static struct vmq__peer *by_cookie(struct vmq *q, const void *chan)
{
	struct vmq__peer *p = q->lives;

	while (p && p->cookie != chan)
		p = p->next;
	return p;
}

static void port_leave(struct vmq_port *port, void *chan, int reason)
{
	struct vmq *q = port_q(port);
	struct vmq__peer *p = by_cookie(q, chan);

	/* It may have finished its handshake, and sent, just before. */
	for (int step = 0; step < 2 && p && !p->up; step++) {
		shake(q, p);
		p = by_cookie(q, chan);
	}
	if (!p || atomic_load(&p->gone))
		return;
	if (p->up)
		peer_gone(q, p, reason);
	else
		put_locked(q, p);
}

static void port_down(struct vmq_port *port)
{
	struct vmq *q = port_q(port);

	if (atomic_exchange(&q->down, true))
		return;
	for (struct vmq__peer *p = q->lives, *next; p; p = next) {
		next = p->next;
		if (p->cookie)
			port_leave(port, p->cookie, VMQ_EGONE);
	}
	changed(q);
}

static int port_fail(struct vmq_port *port, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vmq__explain(port_q(port)->errmsg, port_q(port)->errlen, code, format, args);
	va_end(args);
	return code;
}

const struct vmq_port_ops vmq__port_ops = {
	.size = sizeof(struct vmq_port_ops),
	.join = port_join,
	.leave = port_leave,
	.down = port_down,
	.fail = port_fail,
};

/* The channel to oneself: both of its ends are here. */
int vmq__self_join(struct vmq *q, uint32_t lane_size, uint32_t pool_pages)
{
	struct vmq_chan_config config;
	struct vmq_geometry geo;
	struct vmq__peer *p;
	int rc;

	rc = vmq_layout_plan((uint32_t[]){ lane_size, lane_size },
		(uint32_t[]){ pool_pages, 0 }, &geo);
	if (rc)
		return rc;
	p = life_new(q, q->id, 1, &geo);
	if (!p)
		return VMQ_ENOMEM;
	rc = vmq__self_map(q, p);
	if (rc) {
		free(p->join);
		free(p->entries);
		free(p);
		return rc;
	}
	for (unsigned side = 0; side < 2; side++) {
		config_of(q, p, side, &config);
		vmq_chan_attach(&p->chan[side], p->self[side]->base, &geo, &config);
	}
	p->rx = &p->chan[1];
	for (int step = 0; step < 4; step++)
		vmq_chan_progress(&p->chan[step & 1]);
	strcpy(p->name, q->name);
	p->vouched = true;
	p->next = q->lives;
	q->lives = p;
	peer_up(q, p);
	return p->rx->state == VMQ_STATE_ESTABLISHED ? 0 : VMQ_EPROTO;
}

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
		life_free(q, q->lives);
	}
	free(q->stories);
	free(q->peers);
	free(q->tx.table);
	free(q->rx.lists[0]);
	free(q->rx.lists[1]);
}

void vmq__news(struct vmq *q)
{
	pthread_mutex_lock(&q->lock);
	q->ops->news(q->state);
	shake_all(q);
	pthread_mutex_unlock(&q->lock);
}

/* ---- asking ---------------------------------------------------------------- */

/* The peer of that name that is there, is coming up, or was poisoned. */
static struct vmq__peer *by_name(struct vmq *q, const char *name)
{
	for (struct vmq__peer *p = q->lives; p; p = p->next)
		if (!strcmp(p->name, name) && !atomic_load(&p->gone))
			return p;
	return NULL;
}

static bool was_poisoned(const struct vmq *q, const char *name)
{
	for (uint32_t id = 0; id < q->id_limit; id++)
		if (q->stories[id].info.state == VMQ_EPEER && !strcmp(q->stories[id].info.name, name))
			return true;
	return false;
}

/* 0: there; VMQ_EAGAIN: not yet; else why it will not be. */
static int find(struct vmq *q, const char *name, uint32_t *id)
{
	struct vmq__peer *p;
	int rc;

	vmq__news(q);
	pthread_mutex_lock(&q->lock);
	p = by_name(q, name);
	if (p && p->up) {
		*id = p->id;
		rc = 0;
	} else if (!p && was_poisoned(q, name)) {
		rc = VMQ_EPEER;
	} else if (atomic_load(&q->down)) {
		rc = VMQ_ECONN;
	} else {
		rc = q->ops->lookup(q->state, name);
		rc = rc ? rc : VMQ_EAGAIN;
	}
	pthread_mutex_unlock(&q->lock);
	return rc;
}

int vmq_peer(struct vmq *q, const char *name, int64_t timeout_ns, uint32_t *peer)
{
	uint64_t deadline;
	int rc;

	if (!vmq__live(q))
		return VMQ_EBADF;
	if (!vmq__name_ok(name) || !peer)
		return VMQ_EINVAL;
	deadline = vmq__deadline(q, timeout_ns);
	while ((rc = find(q, name, peer)) == VMQ_EAGAIN) {
		if (timeout_ns == VMQ_NOWAIT || vmq__now(q) >= deadline)
			return vmq__timeout(timeout_ns);
		vmq__sleep(q, VMQ_FD_DATA, deadline);
	}
	return rc;
}

/* Say the end of one peer, once: its id and VMQ_EGONE, VMQ_EPEER or VMQ_EACCES. */
int vmq__peer_tell(struct vmq *q, uint32_t *id)
{
	int reason = VMQ_EAGAIN;

	pthread_mutex_lock(&q->lock);
	for (uint32_t i = 0; i < q->id_limit; i++) {
		if (!q->stories[i].untold)
			continue;
		q->stories[i].untold = false;
		atomic_fetch_sub(&q->untold, 1);
		reason = q->stories[i].reason;
		*id = i;
		break;
	}
	pthread_mutex_unlock(&q->lock);
	return reason;
}

/* What sending to a peer that is not on the view amounts to. */
int vmq__peer_state(struct vmq *q, uint32_t id)
{
	int rc = VMQ_ENOENT;

	pthread_mutex_lock(&q->lock);
	if (id < VMQ__PEERS && q->stories[id].info.size)
		rc = q->stories[id].info.state ? q->stories[id].info.state : VMQ_EAGAIN;
	pthread_mutex_unlock(&q->lock);
	return rc;
}

int vmq_peer_info(struct vmq *q, uint32_t peer, struct vmq_peer_info *info)
{
	int rc = VMQ_ENOENT;

	if (!vmq__live(q))
		return VMQ_EBADF;
	if (!info || info->size != sizeof(*info))
		return VMQ_EINVAL;
	pthread_mutex_lock(&q->lock);
	if (peer < VMQ__PEERS && q->stories[peer].info.size) {
		*info = q->stories[peer].info;
		rc = 0;
	}
	pthread_mutex_unlock(&q->lock);
	return rc;
}

static bool story_next(struct vmq__story *story, struct vmq_event *event)
{
	if (story->poisoned) {
		event->type = VMQ_EVENT_POISON;
		event->reason = story->info.poison;
		story->poisoned = false;
	} else if (story->left) {
		event->type = VMQ_EVENT_LEAVE;
		event->reason = story->reason;
		story->left = false;
	} else if (story->joined) {
		event->type = VMQ_EVENT_JOIN;
		story->joined = false;
	} else {
		return false;
	}
	event->peer = story->info.id;
	memcpy(event->name, story->info.name, sizeof(event->name));
	return true;
}

/* Take (or, with take false, only look for) the next piece of news. */
bool vmq__event_take(struct vmq *q, struct vmq_event *event, bool take)
{
	bool found = false;

	pthread_mutex_lock(&q->lock);
	for (uint32_t id = 0; id < q->id_limit && !found; id++) {
		struct vmq__story copy = q->stories[id];

		found = story_next(take ? &q->stories[id] : &copy, event);
	}
	if (!found && atomic_load(&q->down) && !q->down_told) {
		q->down_told = take;
		event->type = VMQ_EVENT_DOWN;
		event->reason = VMQ_ECONN;
		found = true;
	}
	pthread_mutex_unlock(&q->lock);
	return found;
}
