/* SPDX-License-Identifier: BSD-2-Clause */
/* peers.c - the control side: who comes, who goes, under q->lock. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "region.h"

static struct vmq *port_q(struct vmq_port *port)
{
	return (struct vmq *)port;
}

/* ---- joining --------------------------------------------------------------- */

static bool identity_ok(const struct vmq__peer *p)
{
	const struct vmq_ident *said = &p->rx->peer;

	return !p->vouched || (!strcmp(said->name, p->name) && said->id == p->id);
}

/* This life has ended. What it sent can still be received. The header may say that before
 * the transport does, and then knows better why. */
static void peer_gone(struct vmq *q, struct vmq__peer *p, int reason)
{
	struct vmq__story *story = &q->stories[p->id];

	if (atomic_load(&p->gone))
		return;
	if (reason == VMQ_EGONE)
		reason = vmq__gone_code(vmq_layout_gone(p->rx->region, !p->rx->side));
	atomic_store(&p->gone, reason);
	if (p->up && p->cookie) {
		q->up--;
		vmq__pages_leave(p);
	}
	if (q->peers[p->id] == p || !p->up)
		story->info.state = reason;
	vmq__changed(q);
}

static void tell_story(struct vmq *q, const struct vmq__peer *p)
{
	struct vmq__story *story = &q->stories[p->id];

	story->info = (struct vmq_peer_info){
		.size = sizeof(story->info),
		.id = p->id,
		.epoch = p->epoch,
		.max_msg = p->max_msg,
		.origin = p->origin,
	};
	memcpy(story->info.uuid, p->uuid, sizeof(p->uuid));
	memcpy(story->info.name, p->name, sizeof(p->name));
	if (p->id >= q->id_limit)
		q->id_limit = p->id + 1;
}

/* Is an earlier life of the peer still being received from? Its LEAVE comes before
 * the JOIN of this one. */
static bool earlier_life(const struct vmq *q, const struct vmq__peer *p)
{
	for (const struct vmq__peer *e = q->lives; e; e = e->next)
		if (e != p && e->id == p->id && e->up && !e->finished)
			return true;
	return false;
}

/* The newest life takes the peer's place. */
static void peer_up(struct vmq *q, struct vmq__peer *p)
{
	struct vmq__peer *old = q->peers[p->id];

	if (!p->vouched)
		memcpy(p->name, p->rx->peer.name, sizeof(p->name));
	if (!p->vouched || !p->cookie)
		memcpy(p->uuid, p->rx->peer.uuid, sizeof(p->uuid));
	p->max_msg = p->rx->peer_max_msg;
	p->gone_word = &((const struct vmq_layout_header *)p->tx->region)->gone[!p->tx->side];
	if (old)
		peer_gone(q, old, VMQ_EGONE);
	p->up = true;
	q->peers[p->id] = p;
	tell_story(q, p);
	if (p->cookie) {
		q->up++;
		q->stories[p->id].joined = !earlier_life(q, p);
	}
	vmq__changed(q);
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
	VMQ__PROBE3(poison, q->id, p->id, reason);
}

/* For that reason, or (VMQ_POISON_NONE) one that its channel has already. */
void vmq__peer_poisoned(struct vmq *q, struct vmq__peer *p, enum vmq_poison reason)
{
	pthread_mutex_lock(&q->lock);
	if (reason)
		vmq_chan_set_poison(p->rx, reason);
	poisoned(q, p);
	pthread_mutex_unlock(&q->lock);
}

/* The peer has ended; did it poison its end before? Where nobody keeps others away from what
 * the two share, nobody knows who did that, and each end reports it. The word of a VMM is
 * nonsense as well where there is none. */
static void poisoned_for_both(struct vmq *q, struct vmq__peer *p)
{
	uint32_t reason = vmq__load(&p->rx->rx.theirs->poison);

	if (!p->cookie || atomic_load(&p->gone) ||
			q->ops->caps(q->state) & (VMQ_CAP_ISOLATED | VMQ_CAP_VOUCHED))
		return;
	if (reason > VMQ_POISON_DIRECTORY || vmq_layout_gone(p->rx->region, !p->rx->side))
		reason = VMQ_POISON_DIRECTORY;
	if (!reason)
		return;
	vmq_chan_set_poison(&p->chan[0], (enum vmq_poison)reason);
	poisoned(q, p);
}

/* The receiver has taken the last message of a life that is gone. */
void vmq__peer_finish(struct vmq *q, struct vmq__peer *p)
{
	struct vmq__story *story = &q->stories[p->id];

	pthread_mutex_lock(&q->lock);
	poisoned_for_both(q, p);
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
	else if (q->peers[p->id] && !earlier_life(q, q->peers[p->id]))
		story->joined = true;
	vmq__changed(q);
	vmq__peer_put_locked(q, p);
	pthread_mutex_unlock(&q->lock);
}

/* One step of a handshake. q->lock is held. Frees a life that was poisoned before it
 * was up: nobody has seen it. */
static void shake(struct vmq *q, struct vmq__peer *p)
{
	int n = vmq_chan_progress(&p->chan[0]);

	if (n > 0)
		vmq__kick(q, p, VMQ_KICK_DATA, false);
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
		vmq__peer_put_locked(q, p);
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
	int rc = 0;

	if (c->size > offsetof(struct vmq_transport_channel, geo) && c->geo)
		geo = *c->geo;
	else
		rc = vmq_layout_read(c->region, c->region_size, &geo);
	if (rc)
		return rc;
	if (c->peer >= VMQ__PEERS || (c->peer_name && !vmq__name_ok(c->peer_name)))
		return VMQ_EINVAL;
	p = vmq__life_new(q, c->peer, c->epoch, &geo);
	if (!p)
		return VMQ_ENOMEM;
	p->cookie = c->chan;
	p->vouched = c->peer_name != NULL;
	if (c->peer_name)
		strcpy(p->name, c->peer_name);
	if (c->peer_uuid)
		memcpy(p->uuid, c->peer_uuid, sizeof(p->uuid));
	p->pool[0] = p->pool[1] = c->pool;
	config_of(q, p, c->side, &config);
	if (c->size > offsetof(struct vmq_transport_channel, parts) && c->parts)
		config.parts = *c->parts;
	if (c->size > offsetof(struct vmq_transport_channel, origin))
		p->origin = c->origin;
	rc = vmq_chan_attach(&p->chan[0], c->region, &geo, &config);
	if (rc) {
		vmq__life_undo(p);
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

/* What the transport shares with its peers is no more to be trusted. */
static void overwritten(struct vmq *q, struct vmq__peer *p)
{
	if (!p || atomic_load(&p->gone))
		return;
	vmq_chan_set_poison(&p->chan[0], VMQ_POISON_DIRECTORY);
	poisoned(q, p);
	if (!p->up)
		vmq__peer_put_locked(q, p);
}

static void port_leave(struct vmq_port *port, void *chan, int reason)
{
	struct vmq *q = port_q(port);
	struct vmq__peer *p = by_cookie(q, chan);

	if (reason == VMQ_EPEER) {
		overwritten(q, p);
		return;
	}
	if (reason != VMQ_EACCES)
		reason = VMQ_EGONE;
	/* It may have finished its handshake, and sent, just before. */
	for (int step = 0; step < 2 && p && !p->up; step++) {
		shake(q, p);
		p = by_cookie(q, chan);
	}
	if (!p || atomic_load(&p->gone))
		return;
	if (!p->up) {
		vmq__peer_put_locked(q, p);
		return;
	}
	poisoned_for_both(q, p);
	peer_gone(q, p, reason);
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
	vmq__changed(q);
}

static int port_fail(struct vmq_port *port, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vmq__explain(port_q(port)->errmsg, port_q(port)->errlen, code, format, args);
	va_end(args);
	return code;
}

static void port_server(struct vmq_port *port, bool there)
{
	port_q(port)->lost = !there;
}

const struct vmq_port_ops vmq__port_ops = {
	.size = sizeof(struct vmq_port_ops),
	.join = port_join,
	.leave = port_leave,
	.down = port_down,
	.fail = port_fail,
	.server = port_server,
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
	p = vmq__life_new(q, q->id, 1, &geo);
	if (!p)
		return VMQ_ENOMEM;
	rc = vmq__self_map(q, p);
	if (rc) {
		vmq__life_undo(p);
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

void vmq__news(struct vmq *q)
{
	pthread_mutex_lock(&q->lock);
	q->ops->news(q->state);
	shake_all(q);
	pthread_mutex_unlock(&q->lock);
}
