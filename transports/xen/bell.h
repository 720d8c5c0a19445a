/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bell.h - doorbells: event channels.
 *
 * A bell is one open /dev/xen/evtchn: one descriptor, and on it an event channel for each
 * channel of the endpoint, and one that leads back to itself.
 */
#ifndef VMQ_XEN_BELL_H
#define VMQ_XEN_BELL_H

#include <stdbool.h>
#include <stdint.h>

#include <xenevtchn.h>
#include <vmq/transport.h>

struct xen_bell {
	xenevtchn_handle *handle;
	int fd;                    /* -1: none */
	evtchn_port_t in, out;     /* the loop; 0: none */
};

/* The ports of a channel, by VMQ_FD_*, each on the bell of its kind; 0: none. */
struct xen_bells {
	evtchn_port_t port[VMQ_FDS];
};

/* domid: the own one. loop: with a way to ring itself. Errors as vmq__errno(). */
int vmq__xen_bell_open(struct xen_bell *b, uint32_t domid, bool loop);
void vmq__xen_bell_close(struct xen_bell *b);

/* Silence it: take what is pending, and let it ring again, which it does at once if it was
 * rung twice. At most so many ports at a time that peers who ring all the time cannot hold
 * the caller. True if it had rung; binding a port makes it ring once. */
bool vmq__xen_bell_drain(struct xen_bell *b);

/* Ring oneself, or a channel's peer. */
void vmq__xen_bell_ring_self(struct xen_bell *b);
int vmq__xen_bell_ring(struct xen_bell *b, evtchn_port_t port);

/* Three ports that wait for a domain; bind to those that a domain has ready. All or none:
 * VMQ_ENOMEM (no event channel is free), VMQ_EPEER (bind: there is no such port). */
int vmq__xen_bells_make(struct xen_bell bell[VMQ_FDS], uint32_t domid, struct xen_bells *out);
int vmq__xen_bells_bind(struct xen_bell bell[VMQ_FDS], uint32_t domid, const uint32_t theirs[VMQ_FDS],
	struct xen_bells *out);
/* May ring a bell that has a loop. */
void vmq__xen_bells_free(struct xen_bell bell[VMQ_FDS], struct xen_bells *bells);

#endif
