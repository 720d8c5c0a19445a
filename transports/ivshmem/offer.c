/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * offer.c - a channel is laid out by one end, and taken up by the other.
 *
 * The offer's serial is stored last and withdrawn first. Who takes it up says so with a
 * hold, fences, and looks at the serial again; who withdraws stores 0, fences, and looks at
 * the holds before the pages are used for something else. So no page is in use twice.
 */
#include <stdlib.h>
#include <string.h>

#include "ivshmem.h"

static struct iv_chan *chan_new(struct ivshmem *iv, uint32_t peer, uint32_t life)
{
	struct iv_chan *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->peer = peer;
	c->life = life;
	c->side = iv->me > peer;
	c->hold = IV_NONE;
	return c;
}

static uint8_t *page_at(const struct ivshmem *iv, uint32_t page)
{
	return iv->dir.region + ((uint64_t)page << VMQ_PAGE_SHIFT);
}

/* ---- the end that lays out --------------------------------------------------------- */

/* A step smaller: the largest of pools and lanes is halved, so that who wishes little gets
 * that as long as there is somebody who wishes more. */
static bool shrink(uint32_t lane[2], uint32_t pool[2])
{
	uint64_t most = 0, size;
	uint32_t *at = NULL;

	for (unsigned s = 0; s < 2; s++) {
		size = (uint64_t)pool[s] << VMQ_PAGE_SHIFT;
		if (size > most) {
			most = size;
			at = &pool[s];
		}
	}
	for (unsigned s = 0; s < 2; s++)
		if (lane[s] > VMQ_LANE_MIN && lane[s] > most) {
			most = lane[s];
			at = &lane[s];
		}
	if (at)
		*at /= 2;
	return at;
}

/* Plan what both ends wish, or as much of it as there is room for. IV_NONE: none is. */
static uint32_t plan(struct ivshmem *iv, uint32_t peer, const struct vmq__dir_who *who,
	struct vmq_geometry *geo)
{
	const struct vmq__dir_who *side[2] = { &iv->who, who };
	bool high = iv->me > peer;
	/* Side 0 writes lane 0, and side 1 receives on it. */
	uint32_t lane[2] = { side[!high]->lane_size, side[high]->lane_size };
	uint32_t pool[2] = { side[high]->pool_pages, side[!high]->pool_pages };
	uint32_t quota = vmq__ivshmem_quota(iv, peer), at;

	do {
		if (vmq_layout_plan(lane, pool, geo))
			return IV_NONE;
		if (geo->region_size >> VMQ_PAGE_SHIFT > quota)
			continue;
		at = vmq__ivshmem_gap(iv, (uint32_t)(geo->region_size >> VMQ_PAGE_SHIFT));
		if (at != IV_NONE)
			return at;
	} while (shrink(lane, pool));
	return IV_NONE;
}

static void ident(struct vmq_ident *i, uint32_t slot, const struct vmq__dir_who *who)
{
	i->id = slot + 1;
	memcpy(i->uuid, who->uuid, sizeof(i->uuid));
	memcpy(i->name, who->name, sizeof(i->name));
}

/* Lanes may hold old bytes: a session starts with a zero of its own. */
static void write_region(const struct ivshmem *iv, const struct iv_chan *c, const struct vmq__dir_who *who)
{
	struct vmq_ident both[2];

	ident(&both[c->side], iv->me, &iv->who);
	ident(&both[!c->side], c->peer, who);
	memset(c->base, 0, c->geo.lane_off[0]);
	vmq_layout_write(c->base, &c->geo, both);
}

static void offer(const struct ivshmem *iv, const struct iv_chan *c)
{
	struct vmq_ivshmem_cell *cell = vmq__dir_cell(&iv->dir, iv->me, c->peer);

	vmq__store(&cell->claim, iv->claim);
	vmq__store(&cell->peer_claim, c->life);
	vmq__store(&cell->offer.first, c->first);
	vmq__store(&cell->offer.count, c->count);
	vmq__store_release(&cell->serial, c->serial);
}

int vmq__ivshmem_lay_out(struct ivshmem *iv, uint32_t peer, uint32_t life,
	const struct vmq__dir_who *who)
{
	struct iv_chan *c;

	if (iv->peer[peer].chans == VMQ_IVSHMEM_HOLDS) {
		iv->starved = true;
		return 0;
	}
	c = chan_new(iv, peer, life);
	if (!c)
		return VMQ_ENOMEM;
	c->first = plan(iv, peer, who, &c->geo);
	if (c->first == IV_NONE) {
		iv->starved = true;
		free(c);
		return 0;
	}
	c->count = (uint32_t)(c->geo.region_size >> VMQ_PAGE_SHIFT);
	c->base = page_at(iv, c->first);
	c->serial = ++iv->serial ? iv->serial : ++iv->serial;
	write_region(iv, c, who);
	offer(iv, c);
	return vmq__ivshmem_join(iv, c, who);
}

/* ---- the end that takes up ----------------------------------------------------------- */

/* Does an offer lie where its layer may lay out? */
static bool in_arena(const struct ivshmem *iv, uint32_t layer, const struct iv_chan *c)
{
	uint32_t first, count, each;

	vmq__dir_arena(&iv->dir, layer, &first, &count, &each);
	return c->first >= first && c->count && c->count <= count && c->first - first <= count - c->count;
}

/* Read an offer that is for this life and the peer's; serial 0: there is none, or none that
 * is new. */
static void read_offer(const struct ivshmem *iv, struct iv_chan *c)
{
	const struct vmq_ivshmem_cell *cell = vmq__dir_cell(&iv->dir, c->peer, iv->me);
	uint32_t serial = vmq__load_acquire(&cell->serial);

	c->first = vmq__load(&cell->offer.first);
	c->count = vmq__load(&cell->offer.count);
	if (serial && serial != iv->peer[c->peer].done && vmq__load(&cell->claim) == c->life &&
			vmq__load(&cell->peer_claim) == iv->claim && in_arena(iv, c->peer, c))
		c->serial = serial;
}

/* Release: all that this end did with the pages comes before. */
void vmq__ivshmem_let_go(struct ivshmem *iv, const struct iv_chan *c)
{
	if (vmq__ivshmem_ours(iv))
		vmq__store_release(&vmq__dir_cell(&iv->dir, iv->me, c->peer)->hold[c->hold].count, 0);
	iv->peer[c->peer].held &= ~(1u << c->hold);
}

/* Hold its pages; false if the offer was withdrawn before that could be seen. */
static bool hold(struct ivshmem *iv, struct iv_chan *c)
{
	struct vmq_ivshmem_cell *own = vmq__dir_cell(&iv->dir, iv->me, c->peer);
	const struct vmq_ivshmem_cell *cell = vmq__dir_cell(&iv->dir, c->peer, iv->me);
	struct iv_peer *p = &iv->peer[c->peer];

	for (c->hold = 0; p->held & 1u << c->hold; c->hold++)
		;
	p->held |= 1u << c->hold;
	vmq__store(&own->hold[c->hold].first, c->first);
	vmq__store_release(&own->hold[c->hold].count, c->count);
	vmq__fence();
	if (vmq__load(&cell->serial) == c->serial && vmq__dir_life(&iv->dir, c->peer, NULL) == c->life)
		return true;
	vmq__ivshmem_let_go(iv, c);
	return false;
}

int vmq__ivshmem_take_up(struct ivshmem *iv, uint32_t peer, uint32_t life,
	const struct vmq__dir_who *who)
{
	struct iv_chan *c;
	int rc;

	if (iv->peer[peer].chans == VMQ_IVSHMEM_HOLDS) {
		iv->starved = true;
		return 0;
	}
	c = chan_new(iv, peer, life);
	if (!c)
		return VMQ_ENOMEM;
	read_offer(iv, c);
	if (!c->serial || !hold(iv, c)) {
		free(c);
		return 0;
	}
	iv->peer[peer].done = c->serial;
	c->base = page_at(iv, c->first);
	rc = vmq_layout_read(c->base, (uint64_t)c->count << VMQ_PAGE_SHIFT, &c->geo);
	if (rc) {
		vmq__ivshmem_let_go(iv, c);
		free(c);
		return rc;
	}
	return vmq__ivshmem_join(iv, c, who);
}
