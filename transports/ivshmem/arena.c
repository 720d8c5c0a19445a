/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arena.c - which pages of the own arena are free.
 *
 * In use is what a channel of this end lies in, and what the others say that they hold:
 * of this life's channels or of an earlier one's. Who is only suspected to be dead may go
 * on any time, and keeps what it holds; who has left, or whose slot is another's, holds
 * nothing.
 */
#include "ivshmem.h"

/* A run of pages that lies in the own arena, at least in part, cut to it. */
static bool cut(const struct ivshmem *iv, struct vmq_ivshmem_extent *e)
{
	uint64_t from = e->first, to = from + e->count, end = (uint64_t)iv->arena + iv->pages;

	if (from < iv->arena)
		from = iv->arena;
	if (to > end)
		to = end;
	if (from >= to)
		return false;
	*e = (struct vmq_ivshmem_extent){ (uint32_t)from, (uint32_t)(to - from) };
	return true;
}

/* What a peer holds of the own arena; room for all. Returns how many. */
static uint32_t held_by(const struct ivshmem *iv, uint32_t peer, struct vmq_ivshmem_extent *e)
{
	const struct vmq_ivshmem_cell *cell = vmq__dir_cell(&iv->dir, peer, iv->me);
	uint32_t n = 0;

	if (peer == iv->me || vmq__dir_layer(peer, iv->me) != iv->me || !vmq__dir_life(&iv->dir, peer, NULL))
		return 0;
	for (unsigned h = 0; h < VMQ_IVSHMEM_HOLDS; h++) {
		/* Acquire: who gave it up has done with the pages. */
		e[n].count = vmq__load_acquire(&cell->hold[h].count);
		e[n].first = vmq__load(&cell->hold[h].first);
		n += cut(iv, &e[n]);
	}
	return n;
}

static uint32_t all_busy(struct ivshmem *iv)
{
	uint32_t n = 0;

	for (const struct iv_chan *c = iv->chans; c; c = c->next)
		if (c->hold == IV_NONE)
			iv->busy[n++] = (struct vmq_ivshmem_extent){ c->first, c->count };
	for (uint32_t p = 0; p < iv->dir.slots; p++)
		n += held_by(iv, p, iv->busy + n);
	return n;
}

/* The first gap. Each run moves the place on once at the most. */
uint32_t vmq__ivshmem_gap(struct ivshmem *iv, uint32_t count)
{
	uint64_t at = iv->arena;
	bool moved;
	uint32_t n;

	/* A withdrawn offer is seen before the holds are looked at. */
	vmq__fence();
	n = all_busy(iv);
	do {
		moved = false;
		for (uint32_t i = 0; i < n; i++) {
			uint64_t end = (uint64_t)iv->busy[i].first + iv->busy[i].count;

			if (at < end && iv->busy[i].first < at + count) {
				at = end;
				moved = true;
			}
		}
	} while (moved);
	return at + count <= (uint64_t)iv->arena + iv->pages ? (uint32_t)at : IV_NONE;
}

static bool laid_out_here(const struct ivshmem *iv, const struct vmq_ivshmem_extent *e)
{
	for (const struct iv_chan *c = iv->chans; c; c = c->next)
		if (c->hold == IV_NONE && c->first == e->first && c->count == e->count)
			return true;
	return false;
}

/* The peer's share, less what is in use because of it. */
uint32_t vmq__ivshmem_quota(const struct ivshmem *iv, uint32_t peer)
{
	struct vmq_ivshmem_extent held[VMQ_IVSHMEM_HOLDS];
	uint32_t n = held_by(iv, peer, held);
	uint64_t used = 0;

	for (const struct iv_chan *c = iv->chans; c; c = c->next)
		if (c->hold == IV_NONE && c->peer == peer)
			used += c->count;
	for (uint32_t h = 0; h < n; h++)
		if (!laid_out_here(iv, &held[h]))
			used += held[h].count;
	if (used >= iv->share)
		return 0;
	return iv->share - used < iv->each ? (uint32_t)(iv->share - used) : iv->each;
}
