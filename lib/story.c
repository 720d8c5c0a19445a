/* SPDX-License-Identifier: BSD-2-Clause */
/* story.c - what is told of peers: to who asks, as events, and by vmq_recv(). */
#include <string.h>

#include "internal.h"

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
	uint64_t deadline, ticket;
	int rc;

	if (!vmq__live(q))
		return VMQ_EBADF;
	if (!vmq__name_ok(name) || !peer)
		return VMQ_EINVAL;
	deadline = vmq__deadline(q, timeout_ns);
	for (;;) {
		ticket = vmq__sleep_ticket(&q->sleep[VMQ_FD_DATA]);
		rc = find(q, name, peer);
		if (rc != VMQ_EAGAIN)
			return rc;
		if (timeout_ns == VMQ_NOWAIT || vmq__late(q, deadline))
			return vmq__timeout(timeout_ns);
		vmq__sleep(q, VMQ_FD_DATA, ticket, deadline);
	}
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
	if (!info || !vmq__sized_out(info, sizeof(*info)))
		return VMQ_EINVAL;
	pthread_mutex_lock(&q->lock);
	if (peer < VMQ__PEERS && q->stories[peer].info.size) {
		*info = q->stories[peer].info;
		rc = 0;
	}
	pthread_mutex_unlock(&q->lock);
	return rc;
}

/* A peer that is there joined last; one that is not joined first. */
static bool story_next(struct vmq__story *story, struct vmq_event *event)
{
	bool end = story->left || story->poisoned;

	event->reason = 0;
	if (story->joined && (story->info.state || !end)) {
		event->type = VMQ_EVENT_JOIN;
		story->joined = false;
	} else if (story->poisoned) {
		event->type = VMQ_EVENT_POISON;
		event->reason = story->info.poison;
		story->poisoned = false;
	} else if (story->left) {
		event->type = VMQ_EVENT_LEAVE;
		event->reason = story->reason;
		story->left = false;
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
	if (!found && q->lost != q->lost_told) {
		event->type = q->lost ? VMQ_EVENT_LOST : VMQ_EVENT_BACK;
		if (take)
			q->lost_told = q->lost;
		found = true;
	}
	pthread_mutex_unlock(&q->lock);
	return found;
}
