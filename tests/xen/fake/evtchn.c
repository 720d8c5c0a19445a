/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * evtchn.c - libxenevtchn, and the event channels behind it.
 *
 * As Linux has them: a port that rang is put into its handle's queue, which the descriptor
 * is read from (a pipe here), and stays silent until it is unmasked. The queue has room for
 * as many ports as are bound, but at least QUEUE; one that is unbound stays in it. A queue
 * that has overflowed is of no use any more.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <xenevtchn.h>

#include "grant.h"

#define PORTS 1024u            /* of a domain; 0 is none */
#define QUEUE 64u

enum state { FREE, UNBOUND, BOUND };

struct port {
	enum state state;
	uint32_t peer, peer_port;  /* UNBOUND: the domain that may bind */
	xenevtchn_handle *user;    /* NULL: held by grants only */
	uint32_t held;             /* by grants that notify it */
	bool silent, pending;      /* in the queue, or taken and not unmasked; and rung since */
};

struct xenevtchn_handle {
	xenevtchn_handle *next;
	uint32_t domid, process, bound;
	uint32_t room;
	int fd, to_fd;             /* the ends of the queue */
	bool dead, overflown;
};

static struct port ports[FAKE_DOMAINS][PORTS];
static xenevtchn_handle *handles;

static struct port *port_of(uint32_t domid, uint32_t port)
{
	return domid < FAKE_DOMAINS && port && port < PORTS ? &ports[domid][port] : NULL;
}

/* ---- to ring ------------------------------------------------------------------------------ */

static void enqueue(xenevtchn_handle *h, uint32_t port)
{
	int queued = 0;

	ioctl(h->fd, FIONREAD, &queued);
	h->overflown |= (uint32_t)queued / sizeof(port) == h->room;
	if (!h->overflown && write(h->to_fd, &port, sizeof(port)) != sizeof(port))
		abort();
}

static void deliver(uint32_t domid, uint32_t port)
{
	struct port *p = &ports[domid][port];

	if (!p->user)
		return;
	if (p->silent) {
		p->pending = true;
		return;
	}
	p->silent = true;
	enqueue(p->user, port);
}

static void notify(const struct port *p)
{
	if (p->state == BOUND)
		deliver(p->peer, p->peer_port);
}

void fake_evtchn_notify(uint32_t domid, uint32_t port)
{
	notify(&ports[domid][port]);
}

/* ---- to end ----------------------------------------------------------------------------------- */

/* Nobody has it any more. The other end waits for another one. */
static void closed(uint32_t domid, uint32_t port)
{
	struct port *p = &ports[domid][port], *other;

	if (p->state == FREE || p->user || p->held)
		return;
	if (p->state == BOUND) {
		other = &ports[p->peer][p->peer_port];
		other->state = UNBOUND;
		other->peer = domid;
	}
	*p = (struct port){ .state = FREE };
	fake_xen_add(FAKE_PORTS, domid, -1);
}

static void release(xenevtchn_handle *h, uint32_t port)
{
	ports[h->domid][port].user = NULL;
	h->bound--;
	closed(h->domid, port);
}

static void die(xenevtchn_handle *h)
{
	if (h->dead)
		return;
	h->dead = true;
	for (uint32_t i = 1; i < PORTS; i++)
		if (ports[h->domid][i].user == h)
			release(h, i);
	fake_xen_add(FAKE_EVTCHNS, h->domid, -1);
}

bool fake_evtchn_get(uint32_t domid, uint32_t port)
{
	struct port *p = port_of(domid, port);

	if (!p || !p->user)
		return false;
	p->held++;
	return true;
}

void fake_evtchn_put(uint32_t domid, uint32_t port)
{
	ports[domid][port].held--;
	closed(domid, port);
}

static void destroy(uint32_t domid)
{
	for (xenevtchn_handle *h = handles; h; h = h->next)
		if (h->domid == domid)
			die(h);
}

static void crash(uint32_t process)
{
	for (xenevtchn_handle *h = handles; h; h = h->next)
		if (h->process == process)
			die(h);
}

static void reset(void)
{
	handles = NULL;
	memset(ports, 0, sizeof(ports));
}

/* ---- handles ------------------------------------------------------------------------------------ */

static void queue_make(xenevtchn_handle *h)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		abort();
	h->fd = fd[0];
	h->to_fd = fd[1];
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned flags)
{
	static const struct fake_part part = { reset, destroy, crash };
	xenevtchn_handle *h = NULL;

	(void)logger;
	(void)flags;
	fake_xen_lock();
	fake_xen_part(&part);
	if (!fake_xen_faulty(FAKE_NO_OPEN))
		h = calloc(1, sizeof(*h));
	if (h) {
		h->domid = fake_xen_current();
		h->process = fake_xen_current_process();
		queue_make(h);
		h->room = QUEUE;
		h->next = handles;
		handles = h;
		fake_xen_add(FAKE_EVTCHNS, h->domid, 1);
	}
	fake_xen_free();
	if (!h)
		errno = EMFILE;
	return h;
}

int xenevtchn_close(xenevtchn_handle *h)
{
	xenevtchn_handle **p = &handles;

	if (!h)
		return 0;
	fake_xen_lock();
	die(h);
	while (*p && *p != h)
		p = &(*p)->next;
	if (!*p)
		abort();
	*p = h->next;
	close(h->fd);
	close(h->to_fd);
	free(h);
	fake_xen_free();
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *h)
{
	return h->fd;
}

/* ---- to bind ---------------------------------------------------------------------------------------- */

/* A free port, or what is wrong. */
static int new_port(xenevtchn_handle *h, struct port **p)
{
	uint32_t i = 1;

	if (h->dead)
		return -EBADF;
	while (i < PORTS && ports[h->domid][i].state != FREE)
		i++;
	if (i == PORTS || fake_xen_faulty(FAKE_NO_PORT))
		return -ENOSPC;
	*p = &ports[h->domid][i];
	**p = (struct port){ .state = UNBOUND, .user = h };
	if (++h->bound > h->room)
		h->room *= 2;
	fake_xen_add(FAKE_PORTS, h->domid, 1);
	return (int)i;
}

static int told(int port)
{
	fake_xen_free();
	if (port > 0)
		return port;
	errno = -port;
	return -1;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *h, uint32_t domid)
{
	struct port *p;
	int port;

	fake_xen_lock();
	port = new_port(h, &p);
	if (port > 0)
		p->peer = domid;
	return told(port);
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *h, uint32_t domid,
	evtchn_port_t remote_port)
{
	struct port *other, *p;
	int port;

	fake_xen_lock();
	if (!fake_xen_exists(domid))
		return told(-ESRCH);
	other = port_of(domid, remote_port);
	if (!other || other->state != UNBOUND || other->peer != h->domid)
		return told(-EINVAL);
	port = new_port(h, &p);
	if (port < 0)
		return told(port);
	*p = (struct port){ BOUND, domid, remote_port, .user = h };
	other->state = BOUND;
	other->peer = h->domid;
	other->peer_port = (uint32_t)port;
	/* It may have been rung before: Xen does it again. */
	deliver(h->domid, (uint32_t)port);
	return told(port);
}

/* The handle's own port, or NULL. */
static struct port *own(const xenevtchn_handle *h, uint32_t port)
{
	struct port *p = port_of(h->domid, port);

	return p && p->state != FREE && p->user == h ? p : NULL;
}

static int done(bool well, int e)
{
	fake_xen_free();
	errno = e;
	return well ? 0 : -1;
}

int xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t port)
{
	struct port *p;

	fake_xen_lock();
	p = own(h, port);
	if (p)
		release(h, port);
	return done(p, ENOTCONN);
}

/* ---- to ring and to hear ------------------------------------------------------------------------------ */

int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
	struct port *p;

	fake_xen_lock();
	p = own(h, port);
	if (p)
		notify(p);
	return done(p, ENOTCONN);
}

int xenevtchn_unmask(xenevtchn_handle *h, evtchn_port_t port)
{
	struct port *p;
	bool again;

	fake_xen_lock();
	p = own(h, port);
	if (p && p->silent) {
		again = p->pending;
		p->silent = p->pending = false;
		if (again)
			deliver(h->domid, port);
	}
	return done(true, 0);
}

/* Waits, as a read does of a descriptor that may block. */
xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *h)
{
	uint32_t port;

	if (h->dead || h->overflown) {
		errno = h->dead ? EBADF : EFBIG;
		return -1;
	}
	return read(h->fd, &port, sizeof(port)) == sizeof(port) ? (int)port : -1;
}
