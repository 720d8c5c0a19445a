/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xen.h - what the files of the transport share about an endpoint.
 *
 * Control, called by libvmq under the endpoint's lock, talks to XenStore, makes channels and
 * ends them. Sending and receiving threads ring, drain, and map pages. There is no thread of
 * the transport's own (libxenstore has one for its watches). What peers write, in XenStore
 * and in granted pages, is hostile.
 */
#ifndef VMQ_XEN_STATE_H
#define VMQ_XEN_STATE_H

#include <pthread.h>

#include <vmq/core.h>
#include <vmq/transport.h>
#include <vmq/xen.h>

#include "bell.h"
#include "half.h"
#include "store.h"

#define XEN_HOLDS 4u           /* channels with one name that libvmq has not done with */
#define XEN_TRIES 64u          /* steps to channels that a domain may cause in a second */
#define XEN_TRY_SLOTS 64u
#define XEN_LINGER_MS 500u     /* that a close waits for peers, in all */
#define XEN_BURIED 2u          /* seconds that a channel waits for its peer's end */
#define XEN_WAIT_MAX 32u       /* seconds until what failed often is tried again */

/* An end of a channel: being made, joined, or left and not yet done with by libvmq. */
struct xen_chan {
	struct xen_chan *next;
	struct xen_peer *peer;     /* whose cur it is; NULL: of none any more */
	struct xen_record who;     /* of the peer's life */
	unsigned side;
	bool joined;               /* libvmq knows it; changed with x->lock held */
	uint32_t serial;           /* of the own offer */
	uint32_t its;              /* ... of the peer's, 0: not seen yet */
	bool buried;               /* nobody uses it any more, but the peer has it mapped */
	unsigned age;              /* seconds since that, or since the own offer was written */
	struct vmq_geometry geo;
	struct vmq_layout_header *header; /* of this end alone: the region's own is not shared */
	struct xen_bells bells;
	struct xen_half mine;      /* granted to the peer */
	struct xen_far theirs;     /* mapped from it */
};

/* An endpoint that XenStore shows. */
struct xen_peer {
	struct xen_peer *next;
	struct xen_record who, now; /* as it was dealt with; as the last look found it */
	struct xen_chan *cur;      /* the channel with the life that is there */
	uint64_t bad;              /* a life that there is to be no channel with any more */
	int why;                   /* what lookup says of it, 0: nothing */
	uint32_t used;             /* serial of its offer for a channel that has ended */
	uint32_t failed;           /* ... for the last attempt that failed */
	unsigned wait, waited;     /* seconds until the next attempt; before the last one */
	bool seen;                 /* at the last look */
};

struct xen {
	struct vmq_port *port;
	const struct vmq_port_ops *ops;
	struct xen_store *store;
	struct xen_record me;
	xengntshr_handle *shr;
	xengnttab_handle *tab;
	struct xen_bell bell[VMQ_FDS]; /* VMQ_FD_CONTROL's: root pages' notifications */
	int control, timer;        /* epoll: bell, store and timer; -1 */
	struct xen_peer *peers;
	struct xen_chan *chans;    /* all of them; changed with lock held */
	pthread_mutex_t lock;
	uint32_t serial, epoch;
	uint64_t second;           /* of the last tick */
	unsigned linger;           /* XEN_LINGER_MS */
	uint8_t tries[XEN_TRY_SLOTS]; /* attempts since then, by domain */
	bool fresh;                /* a look is due, whatever else says so */
	bool starved;              /* a peer waits until a channel is done with */
	bool down;
};

/* link.c: channels and their ends, as XenStore and root pages say. */
void vmq__xen_reconcile(struct xen *x);
/* Only ends, as root pages say; and those that are over. */
void vmq__xen_reap(struct xen *x);
/* A second has passed. */
void vmq__xen_tick(struct xen *x);
void vmq__xen_leave_all(struct xen *x, int reason);
void vmq__xen_detach(struct xen *x, struct xen_chan *c);
int vmq__xen_why(const struct xen *x, const char *name);
/* All that libvmq never knew of. */
void vmq__xen_forget(struct xen *x);

/*
 * connect.c: one step towards a channel. Side 0 begins: its half, event channels, an offer.
 * Side 1 answers the peer's offer with its own, and joins; side 0 joins with that answer.
 * 0, or an error: side 0's own half stays for another answer, all else is undone.
 */
int vmq__xen_offer(struct xen *x, struct xen_peer *p);
int vmq__xen_answer(struct xen *x, struct xen_peer *p, const struct xen_offer *o);
int vmq__xen_take(struct xen *x, struct xen_peer *p, const struct xen_offer *answer);
/* Write side 0's offer once more. */
void vmq__xen_remind(struct xen *x, struct xen_chan *c);
void vmq__xen_chan_free(struct xen *x, struct xen_chan *c);
/* It is not used any more: as soon as its peer has let go of it, it is freed. */
void vmq__xen_chan_end(struct xen *x, struct xen_chan *c);
/* Free those whose time has come. True: peers that are there have yet to let go of some. */
bool vmq__xen_graves(struct xen *x);
/* Which side of a channel with that endpoint the own one is. */
unsigned vmq__xen_side(const struct xen *x, const struct xen_record *who);

/* pages.c: the address of pages of both pools, for sending and receiving threads. */
int vmq__xen_pages_map(const struct xen_chan *c, struct vmq_page *run, unsigned mode);

#endif
