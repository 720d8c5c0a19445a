/* SPDX-License-Identifier: BSD-2-Clause */
/* bell.c - doorbells: event channels. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bell.h"
#include "internal.h"

#define PORTS_A_DRAIN 64u

static int code(int e)
{
	return e == ENOSPC ? VMQ_ENOMEM : vmq__errno(e); /* no port is free */
}

/* Both ends in one domain: who rings `out` wakes who sleeps on the descriptor. */
static int loop_make(struct xen_bell *b, uint32_t domid)
{
	int port = xenevtchn_bind_unbound_port(b->handle, domid);

	if (port < 0)
		return code(errno);
	b->in = (evtchn_port_t)port;
	port = xenevtchn_bind_interdomain(b->handle, domid, b->in);
	if (port < 0)
		return code(errno);
	b->out = (evtchn_port_t)port;
	return 0;
}

int vmq__xen_bell_open(struct xen_bell *b, uint32_t domid, bool loop)
{
	int rc = 0, flags;

	*b = (struct xen_bell){ .fd = -1, .handle = xenevtchn_open(NULL, 0) };
	if (!b->handle)
		return code(errno);
	b->fd = xenevtchn_fd(b->handle);
	flags = fcntl(b->fd, F_GETFL);
	if (flags < 0 || fcntl(b->fd, F_SETFL, flags | O_NONBLOCK))
		rc = code(errno);
	if (!rc && loop)
		rc = loop_make(b, domid);
	if (rc)
		vmq__xen_bell_close(b);
	return rc;
}

void vmq__xen_bell_close(struct xen_bell *b)
{
	if (b->handle)
		xenevtchn_close(b->handle); /* and all its ports */
	*b = (struct xen_bell){ .fd = -1 };
}

/* ---- to ring, and to hear ---------------------------------------------------------------- */

/* A port that was taken stays silent until it is unmasked, and then comes again if it was
 * rung in between. What is over the bound leaves the descriptor readable. One read for all
 * of them, as the device gives them; xenevtchn_pending() asks for one at a time, and has to
 * be asked once more to know that it was the last. */
bool vmq__xen_bell_drain(struct xen_bell *b)
{
	evtchn_port_t port[PORTS_A_DRAIN];
	ssize_t n = read(b->fd, port, sizeof(port));

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(port[0]); i++)
		xenevtchn_unmask(b->handle, port[i]);
	return n > 0;
}

void vmq__xen_bell_ring_self(struct xen_bell *b)
{
	if (b->out)
		xenevtchn_notify(b->handle, b->out);
}

int vmq__xen_bell_ring(struct xen_bell *b, evtchn_port_t port)
{
	return xenevtchn_notify(b->handle, port) ? VMQ_ESYS : 0;
}

/* ---- a channel's ports ---------------------------------------------------------------------- */

int vmq__xen_bells_make(struct xen_bell bell[VMQ_FDS], uint32_t domid, struct xen_bells *out)
{
	*out = (struct xen_bells){ { 0 } };
	for (unsigned i = 0; i < VMQ_FDS; i++) {
		int port = xenevtchn_bind_unbound_port(bell[i].handle, domid), rc;

		if (port < 0) {
			rc = code(errno);
			vmq__xen_bells_free(bell, out);
			return rc;
		}
		out->port[i] = (evtchn_port_t)port;
	}
	return 0;
}

/* What Xen says of a port that does not wait for this domain, or of a domain that there is
 * not (or not any more). */
static int bind_code(int e)
{
	return e == EINVAL || e == ESRCH || e == EPERM ? VMQ_EPEER : code(e);
}

int vmq__xen_bells_bind(struct xen_bell bell[VMQ_FDS], uint32_t domid, const uint32_t theirs[VMQ_FDS],
	struct xen_bells *out)
{
	*out = (struct xen_bells){ { 0 } };
	for (unsigned i = 0; i < VMQ_FDS; i++) {
		int port = xenevtchn_bind_interdomain(bell[i].handle, domid, theirs[i]), rc;

		if (port < 0) {
			rc = bind_code(errno);
			vmq__xen_bells_free(bell, out);
			return rc;
		}
		out->port[i] = (evtchn_port_t)port;
	}
	return 0;
}

/*
 * The kernel's queue of ports that rang has room for as many as are bound, and a port that
 * is unbound stays in it. Of a bell that nobody listens to (who only sends never looks at
 * DATA) it would overflow one day and be of no use any more. So what is in it is taken out,
 * and whoever may have been meant is woken by the loop.
 */
static void forget(struct xen_bell *b)
{
	if (b->out && vmq__xen_bell_drain(b))
		vmq__xen_bell_ring_self(b);
}

void vmq__xen_bells_free(struct xen_bell bell[VMQ_FDS], struct xen_bells *bells)
{
	for (unsigned i = 0; i < VMQ_FDS; i++) {
		if (!bells->port[i])
			continue;
		xenevtchn_unbind(bell[i].handle, bells->port[i]);
		forget(&bell[i]);
	}
	*bells = (struct xen_bells){ { 0 } };
}
