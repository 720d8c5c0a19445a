/* SPDX-License-Identifier: BSD-2-Clause */
/* clients.c - those who came: their joins, their leaves, their doorbells. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <vmq/transport.h>

#include "srv.h"

#define PROTOCOL 0
#define RING_US 10000 /* for how long a doorbell may hold us up */

/* ---- what is said to one ----------------------------------------------------------------- */

static void doom(struct srv_client *c, const char *why)
{
	if (c->doomed)
		return;
	c->doomed = true;
	c->why = why;
}

static void tell(const struct srv *s, struct srv_client *c, int64_t value, struct srv_doors *doors, int fd)
{
	/* All that a join has to say fits, and the changes of a while. */
	uint32_t limit = 2 * s->o->max_clients + SRV_SLACK;

	if (!c->doomed && !srv_queue_push(&c->queue, limit, value, doors, fd))
		doom(c, "it reads too slowly");
}

static void flush(const struct srv *s, struct srv_client *c)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	bool out;

	if (c->doomed)
		return;
	if (!srv_queue_flush(&c->queue, c->sock)) {
		doom(c, NULL);
		return;
	}
	out = c->queue.count && !c->queue.crowded;
	e.events |= out ? EPOLLOUT : 0;
	if (out != c->watched_out && !epoll_ctl(s->epfd, EPOLL_CTL_MOD, c->sock, &e))
		c->watched_out = out;
}

/* ---- one comes --------------------------------------------------------------------------- */

static struct srv_doors *doors_new(uint32_t vectors)
{
	struct srv_doors *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->refs = 1;
	for (; d->vectors < vectors; d->vectors++) {
		d->fd[d->vectors] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (d->fd[d->vectors] < 0) {
			srv_doors_put(d);
			return NULL;
		}
	}
	return d;
}

static bool taken(const struct srv *s, uint32_t id)
{
	for (const struct srv_client *c = s->clients; c; c = c->next)
		if (c->id == id)
			return true;
	return srv_region_rings(&s->region, id);
}

/* There are more ids than clients and slots together. */
static uint32_t new_id(struct srv *s)
{
	uint32_t id = s->region.next_id;

	while (taken(s, id))
		id = (id + 1) % SRV_IDS;
	srv_region_used(&s->region, id);
	return id;
}

static struct srv_client *admit(struct srv *s, const struct srv_client *from)
{
	struct srv_client *c = calloc(1, sizeof(*c)), **end = &s->clients;
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	struct srv_doors *doors = c ? doors_new(s->o->vectors) : NULL;

	if (!doors || epoll_ctl(s->epfd, EPOLL_CTL_ADD, from->sock, &e)) {
		srv_doors_put(doors);
		free(c);
		return NULL;
	}
	*c = *from;
	c->doors = doors;
	c->id = doors->id = new_id(s);
	c->vectors = doors->vectors;
	while (*end)
		end = &(*end)->next;
	*end = c;
	s->n++;
	return c;
}

/* The order is the protocol's: its own doorbells come last, and say that that is all. */
static void introduce(struct srv *s, struct srv_client *c)
{
	tell(s, c, PROTOCOL, NULL, -1);
	tell(s, c, c->id, NULL, -1);
	tell(s, c, -1, NULL, s->region.fd);
	for (struct srv_client *other = s->clients; other; other = other->next) {
		if (other == c)
			continue;
		tell(s, other, c->id, c->doors, -1);
		tell(s, c, other->id, other->doors, -1);
	}
	tell(s, c, c->id, c->doors, -1);
	for (struct srv_client *each = s->clients; each; each = each->next)
		flush(s, each);
}

void srv_client_join(struct srv *s, const struct srv_client *from)
{
	struct srv_client *c = NULL;
	const char *why = NULL;

	if (!srv_allowed(s->o, from))
		why = "this user is not let in";
	else if (s->n >= s->o->max_clients)
		why = "all places are taken";
	else if (!(c = admit(s, from)))
		why = "no descriptors or memory are left";
	if (why) {
		srv_log(s, "refuse", from, "%s", why);
		close(from->sock);
		return;
	}
	srv_log(s, "join", c, NULL);
	introduce(s, c);
}

/* ---- one goes ------------------------------------------------------------------------------ */

/* A doorbell's counter that is full makes its writer wait, if somebody who shares it wants
 * that: so each has to come back soon, whatever becomes of it. */
static void ring_news(const struct srv *s)
{
	const struct itimerval soon = { { 0, RING_US }, { 0, RING_US } }, never = { { 0, 0 }, { 0, 0 } };
	const uint64_t one = 1;

	setitimer(ITIMER_REAL, &soon, NULL);
	for (const struct srv_client *c = s->clients; c; c = c->next) {
		if (c->vectors <= VMQ_FD_CONTROL)
			continue;
		fcntl(c->doors->fd[VMQ_FD_CONTROL], F_SETFL, O_NONBLOCK);
		if (write(c->doors->fd[VMQ_FD_CONTROL], &one, sizeof(one)) < 0)
			continue; /* full: it is rung; its bell word says the same */
	}
	setitimer(ITIMER_REAL, &never, NULL);
}

static void unlink_client(struct srv *s, struct srv_client *c)
{
	struct srv_client **at = &s->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	s->n--;
}

static void client_free(struct srv_client *c)
{
	close(c->sock);
	srv_queue_free(&c->queue);
	srv_doors_put(c->doors);
	free(c);
}

static void take_leave(struct srv *s, struct srv_client *c)
{
	unlink_client(s, c);
	srv_log(s, c->why ? "drop" : "leave", c, c->why ? "%s" : NULL, c->why);
	for (struct srv_client *other = s->clients; other; other = other->next) {
		tell(s, other, c->id, NULL, -1);
		flush(s, other);
	}
	if (srv_region_gone(s, c))
		ring_news(s);
	client_free(c);
}

void srv_clients_reap(struct srv *s)
{
	struct srv_client *c = s->clients;

	while (c) {
		if (!c->doomed) {
			c = c->next;
			continue;
		}
		take_leave(s, c);
		c = s->clients; /* others may be doomed since */
	}
}

void srv_clients_free(struct srv *s)
{
	while (s->clients) {
		struct srv_client *c = s->clients;

		s->clients = c->next;
		client_free(c);
	}
}

/* ---- one is there --------------------------------------------------------------------------- */

/* Clients have nothing to say. */
static void hear(struct srv_client *c)
{
	char byte;
	ssize_t n = recv(c->sock, &byte, sizeof(byte), MSG_DONTWAIT);

	if (n > 0)
		doom(c, "it sent something");
	else if (!n || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
		doom(c, NULL);
}

void srv_client_event(struct srv *s, struct srv_client *c, uint32_t events)
{
	if (c->doomed)
		return;
	if (events & ~(uint32_t)EPOLLOUT)
		hear(c);
	if (events & EPOLLOUT)
		flush(s, c);
}

void srv_client_tick(struct srv *s)
{
	for (struct srv_client *c = s->clients; c; c = c->next)
		if (c->queue.crowded)
			flush(s, c);
}
