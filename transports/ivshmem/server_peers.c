/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server_peers.c - the eventfds of other peers, as the server handed them out.
 *
 * A peer's are kept when the server goes: the peer has them still. Those of an old life
 * make room for a new server's. Their number is bounded, whatever a server says; a peer
 * that finds no place cannot be rung, and looks at its bells now and then anyway.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "loop.h"
#include "server.h"

void vmq__iv_peers_init(struct vmq__iv_peers *all)
{
	struct rlimit limit = { 0, 0 };

	memset(all, 0, sizeof(*all));
	all->max = IV_PEERS;
	/* At most half of what this process may open. */
	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur / (2 * VMQ_FDS) < all->max)
		all->max = (unsigned)(limit.rlim_cur / (2 * VMQ_FDS));
}

static void drop(struct vmq__iv_peers *all, struct vmq__iv_peer *p)
{
	for (unsigned v = 0; v < VMQ_FDS; v++)
		vmq__loop_close(p->fd[v]);
	*p = all->peer[--all->count];
}

void vmq__iv_peers_free(struct vmq__iv_peers *all)
{
	while (all->count)
		drop(all, all->peer);
}

static struct vmq__iv_peer *find(struct vmq__iv_peers *all, uint32_t id)
{
	for (unsigned i = 0; i < all->count; i++)
		if (all->peer[i].id == id)
			return &all->peer[i];
	return NULL;
}

static void make_room(struct vmq__iv_peers *all, uint32_t life)
{
	for (unsigned i = 0; i < all->count; i++)
		if (all->peer[i].life != life) {
			drop(all, &all->peer[i]);
			return;
		}
}

static struct vmq__iv_peer *place(struct vmq__iv_peers *all, uint32_t id, uint32_t life)
{
	struct vmq__iv_peer *p = find(all, id);

	if (p && p->life == life)
		return p;
	if (p)
		drop(all, p);
	if (all->count == all->max)
		make_room(all, life);
	if (all->count == all->max)
		return NULL;
	p = &all->peer[all->count++];
	*p = (struct vmq__iv_peer){ .id = id, .life = life };
	for (unsigned v = 0; v < VMQ_FDS; v++)
		p->fd[v] = -1;
	return p;
}

bool vmq__iv_eventfd(int fd)
{
	struct stat st;

	/* Files without an inode of their own have no type; of those, writes to
	 * eventfds are the only ones that can wait. */
	return !fstat(fd, &st) && !(st.st_mode & S_IFMT);
}

void vmq__iv_peers_add(struct vmq__iv_peers *all, uint32_t id, uint32_t life, int fd)
{
	struct vmq__iv_peer *p = place(all, id, life);

	if (!p || p->seen >= VMQ_FDS || !vmq__iv_eventfd(fd))
		vmq__loop_close(fd);
	else
		p->fd[p->seen] = fd;
	if (p && p->seen < UINT32_MAX)
		p->seen++;
}

void vmq__iv_peers_gone(struct vmq__iv_peers *all, uint32_t id, uint32_t life)
{
	struct vmq__iv_peer *p = find(all, id);

	if (p && p->life == life)
		drop(all, p);
}

uint32_t vmq__iv_peers_vectors(const struct vmq__iv_peers *all, uint32_t life)
{
	uint32_t most = 0;

	for (unsigned i = 0; i < all->count; i++)
		if (all->peer[i].life == life && all->peer[i].seen > most)
			most = all->peer[i].seen;
	return most;
}

void vmq__iv_peers_ring(struct vmq__iv_peers *all, uint32_t id, uint32_t vector)
{
	const struct vmq__iv_peer *p = find(all, id);

	if (p && vector < VMQ_FDS && p->fd[vector] >= 0)
		vmq__ivdev_ring(p->fd[vector]);
}
