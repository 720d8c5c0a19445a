/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * link.c - channels and their ends, as slots and cells say.
 *
 * There is no message that a peer came or left: what stands in the directory is compared
 * with the channels that there are. A life has one channel at a time. If an end drops it,
 * because the other seemed dead, the other sees that in the cell, drops it as well, and a
 * new one is made.
 */
#include <stdlib.h>

#include "ivshmem.h"

void vmq__ivshmem_ring(struct ivshmem *iv, uint32_t peer, unsigned kind)
{
	const struct vmq_ivshmem_slot *s = vmq__dir_slot(&iv->dir, peer);
	uint32_t doorbell;

	vmq__dir_ring(&iv->dir, peer, kind);
	doorbell = vmq__load(&s->doorbell);
	if (doorbell != VMQ_IVSHMEM_NOBODY && kind < vmq__load(&s->vectors))
		iv->dev->ops->ring(iv->dev, doorbell, kind);
}

void vmq__ivshmem_ring_all(struct ivshmem *iv)
{
	for (uint32_t p = 0; p < iv->dir.slots; p++)
		if (p != iv->me && vmq__dir_life(&iv->dir, p, NULL))
			vmq__ivshmem_ring(iv, p, VMQ_FD_CONTROL);
}

/* ---- ends ------------------------------------------------------------------------------ */

/* The other end is to see that this one has dropped the channel. */
static void withdraw(struct ivshmem *iv, const struct iv_chan *c)
{
	struct vmq_ivshmem_cell *own = vmq__dir_cell(&iv->dir, iv->me, c->peer);

	if (!vmq__ivshmem_ours(iv))
		return;
	if (c->hold == IV_NONE)
		vmq__store_release(&own->serial, 0);
	else
		vmq__store_release(&own->dropped, c->serial);
}

static void drop(struct ivshmem *iv, struct iv_peer *p)
{
	withdraw(iv, p->cur);
	p->cur = NULL;
}

/* libvmq may have done with the channel before this returns. */
static void leave(struct ivshmem *iv, struct iv_peer *p, int reason)
{
	struct iv_chan *c = p->cur;

	if (!c)
		return;
	drop(iv, p);
	vmq__ivshmem_ring(iv, c->peer, VMQ_FD_CONTROL);
	iv->ops->leave(iv->port, c, reason);
}

void vmq__ivshmem_leave_all(struct ivshmem *iv, int reason)
{
	for (uint32_t i = 0; i < iv->dir.slots; i++)
		leave(iv, &iv->peer[i], reason);
}

static void unlink_chan(struct ivshmem *iv, struct iv_chan *c)
{
	struct iv_chan **at = &iv->chans;

	pthread_mutex_lock(&iv->lock);
	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	pthread_mutex_unlock(&iv->lock);
}

void vmq__ivshmem_detach(struct ivshmem *iv, struct iv_chan *c)
{
	struct iv_peer *p = &iv->peer[c->peer];

	/* Nobody left: the channel was poisoned, or refused, or the peer has closed it. */
	if (p->cur == c) {
		p->bad = c->life;
		drop(iv, p);
	}
	p->chans--;
	if (c->hold != IV_NONE)
		vmq__ivshmem_let_go(iv, c);
	unlink_chan(iv, c);
	if (!iv->down)
		vmq__ivshmem_ring(iv, c->peer, VMQ_FD_CONTROL);
	free(c);
	if (iv->starved)
		vmq__ivshmem_stir(iv);
}

int vmq__ivshmem_join(struct ivshmem *iv, struct iv_chan *c, const struct vmq__dir_who *who)
{
	struct vmq_transport_channel t = {
		.size = sizeof(t), .chan = c, .peer = c->peer + 1, .peer_name = who->name,
		.peer_uuid = who->uuid, .side = c->side, .region = c->base,
		.region_size = (uint64_t)c->count << VMQ_PAGE_SHIFT, .geo = &c->geo,
		.pool = c->base + c->geo.pool_off[0],
	};
	struct iv_peer *p = &iv->peer[c->peer];

	t.epoch = ++iv->epoch ? iv->epoch : ++iv->epoch;
	pthread_mutex_lock(&iv->lock);
	c->next = iv->chans;
	iv->chans = c;
	pthread_mutex_unlock(&iv->lock);
	p->cur = c;
	p->chans++;
	if (iv->ops->join(iv->port, &t)) {
		vmq__ivshmem_detach(iv, c);
		return 0;
	}
	vmq__ivshmem_ring(iv, c->peer, VMQ_FD_CONTROL);
	return 0;
}

/* ---- news ------------------------------------------------------------------------------ */

/* The life of a channel is not in the slot any more. */
static int left(const struct ivshmem *iv, const struct iv_chan *c)
{
	const struct vmq_ivshmem_slot *s = vmq__dir_slot(&iv->dir, c->peer);

	if (!vmq__load_acquire(&s->live) || vmq__load(&s->gone) == c->life || vmq__load(&s->claim) != c->life)
		return VMQ_EGONE;
	return VMQ_EPEER; /* no owner leaves such a line */
}

/* Is a cell's offer the one of this channel, or another for the same two lives? */
static bool same_lives(const struct vmq_ivshmem_cell *cell, uint32_t claim, uint32_t peer_claim)
{
	return vmq__load(&cell->claim) == claim && vmq__load(&cell->peer_claim) == peer_claim;
}

/* Has the other end dropped a channel that was laid out here? */
static int dropped(const struct ivshmem *iv, const struct iv_chan *c)
{
	const struct vmq_ivshmem_cell *own = vmq__dir_cell(&iv->dir, iv->me, c->peer);
	const struct vmq_ivshmem_cell *its = vmq__dir_cell(&iv->dir, c->peer, iv->me);

	if (vmq__load(&own->serial) != c->serial || !same_lives(own, iv->claim, c->life))
		return VMQ_EPEER; /* nobody else has to write there */
	return vmq__load_acquire(&its->dropped) == c->serial ? VMQ_EGONE : 0;
}

/* Has it withdrawn one that was taken up here? */
static int withdrawn(const struct ivshmem *iv, const struct iv_chan *c)
{
	const struct vmq_ivshmem_cell *its = vmq__dir_cell(&iv->dir, c->peer, iv->me);
	uint32_t serial = vmq__load_acquire(&its->serial);

	if (serial == c->serial)
		return 0;
	if (!serial || same_lives(its, c->life, iv->claim))
		return VMQ_EGONE;
	return left(iv, c);
}

static int why(const struct ivshmem *iv, const struct iv_chan *c, uint32_t life, bool beats)
{
	if (c->life != life)
		return left(iv, c);
	if (!beats)
		return VMQ_EGONE;
	return c->hold == IV_NONE ? dropped(iv, c) : withdrawn(iv, c);
}

uint64_t vmq__ivshmem_words(const struct ivshmem *iv, uint32_t peer)
{
	const struct vmq_ivshmem_slot *s = vmq__dir_slot(&iv->dir, peer);
	const struct vmq_ivshmem_cell *cell = vmq__dir_cell(&iv->dir, peer, iv->me);
	const vmq_le32 *word[] = { &s->claim, &s->live, &s->gone, &cell->serial, &cell->dropped };
	uint64_t all = 0;

	for (unsigned i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		all = (all ^ vmq__load(word[i])) * 0x9e3779b97f4a7c15u;
	return all;
}

static void reconcile(struct ivshmem *iv, uint32_t peer)
{
	struct iv_peer *p = &iv->peer[peer];
	struct vmq__dir_who who;
	uint32_t claim, life;
	bool beats;
	int end;

	atomic_store(&iv->sight[peer].known, vmq__ivshmem_words(iv, peer));
	claim = vmq__load_acquire(&vmq__dir_slot(&iv->dir, peer)->claim);
	if (!vmq__dir_follows(p->claim, claim))
		leave(iv, p, VMQ_EPEER);
	p->claim = claim;
	life = vmq__dir_life(&iv->dir, peer, &who);
	beats = life != atomic_load(&iv->sight[peer].dead);
	end = p->cur ? why(iv, p->cur, life, beats) : 0;
	/* Where all is overwritten, peers go for that reason, and not one by one. */
	if (end && !vmq__ivshmem_sound(iv))
		return;
	if (end)
		leave(iv, p, end);
	if (!life || !beats || life == p->bad || p->cur)
		return;
	if (vmq__dir_layer(iv->me, peer) == iv->me ? vmq__ivshmem_lay_out(iv, peer, life, &who) :
			vmq__ivshmem_take_up(iv, peer, life, &who))
		p->bad = life;
}

void vmq__ivshmem_reconcile(struct ivshmem *iv)
{
	iv->starved = false;
	for (uint32_t peer = 0; peer < iv->dir.slots && !atomic_load(&iv->end); peer++)
		if (peer != iv->me)
			reconcile(iv, peer);
}
