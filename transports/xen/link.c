/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * link.c - channels and their ends, as XenStore and root pages say.
 *
 * There is no message that a peer came or left: the records and offers that stand in
 * XenStore are compared with the channels that there are. If an end drops a channel it
 * withdraws its offer; the other sees that, does the same, and then a new one may be made.
 * An offer that was used is not used again: that of a process that was killed may stand for
 * as long as nobody takes its name.
 *
 * What fails is tried again, later each time, or when the peer has a new offer; nothing is
 * given up but a life whose channel broke.
 */
#include <stdlib.h>
#include <string.h>

#include "xen.h"

/* ---- ends ------------------------------------------------------------------------------ */

static struct xen_chan *drop(struct xen *x, struct xen_peer *p)
{
	struct xen_chan *c = p->cur;

	p->cur = NULL;
	c->peer = NULL;
	if (c->its)
		p->used = p->failed = c->its;
	vmq__xen_store_withdraw(x->store, &c->who);
	return c;
}

/* Who drops a channel in good order most often leaves, or begins a new life, at once: the
 * same life waits for a second. libvmq may have done with the channel before this returns. */
static void leave(struct xen *x, struct xen_peer *p, int reason)
{
	struct xen_chan *c;

	if (!p->cur)
		return;
	c = drop(x, p);
	if (!c->joined) {
		vmq__xen_chan_end(x, c);
		return;
	}
	p->wait = 1;
	x->ops->leave(x->port, c, reason);
}

void vmq__xen_leave_all(struct xen *x, int reason)
{
	for (struct xen_peer *p = x->peers; p; p = p->next)
		leave(x, p, reason);
}

/* If nobody left, the channel was poisoned, or the peer has closed it: so ends its life. */
void vmq__xen_detach(struct xen *x, struct xen_chan *c)
{
	struct xen_peer *p = c->peer;

	if (p) {
		p->bad = c->who.life;
		drop(x, p);
	}
	vmq__xen_chan_end(x, c);
	if (!x->starved)
		return;
	x->fresh = true;
	vmq__xen_bell_ring_self(&x->bell[VMQ_FD_CONTROL]);
}

void vmq__xen_forget(struct xen *x)
{
	struct xen_peer *p;

	while (x->chans)
		vmq__xen_chan_free(x, x->chans);
	while ((p = x->peers)) {
		x->peers = p->next;
		free(p);
	}
}

void vmq__xen_reap(struct xen *x)
{
	for (struct xen_peer *p = x->peers; p; p = p->next)
		if (p->cur && p->cur->joined && !vmq__xen_far_alive(&p->cur->theirs))
			leave(x, p, VMQ_EGONE);
	vmq__xen_graves(x);
}

/* ---- steps ----------------------------------------------------------------------------- */

/* Why a joined channel is over, or 0. rc: of reading the peer's offer. */
static int ended(const struct xen *x, const struct xen_chan *c, int rc, const struct xen_offer *o)
{
	if (rc == VMQ_EPROTO)
		return VMQ_EPEER;
	if (rc || !vmq__xen_far_alive(&c->theirs))
		return VMQ_EGONE;
	if (o->life != x->me.life || o->serial != c->its || o->echo != (c->side ? 0 : c->serial))
		return VMQ_EGONE;
	return 0;
}

/* Has somebody else that name or id, and a channel? Then who comes later has to wait. */
static bool clash(const struct xen *x, const struct xen_peer *p)
{
	if (p->who.id == x->me.id || !strcmp(p->who.name, x->me.name))
		return true;
	for (const struct xen_peer *o = x->peers; o; o = o->next)
		if (o != p && o->cur && o->cur->joined &&
				(o->who.id == p->who.id || !strcmp(o->who.name, p->who.name)))
			return true;
	return false;
}

/* May this domain cause one more attempt? */
static bool allowed(struct xen *x, const struct xen_peer *p)
{
	uint8_t *tries = &x->tries[p->who.domid % XEN_TRY_SLOTS];

	if (*tries >= XEN_TRIES)
		return false;
	++*tries;
	return true;
}

/* Does libvmq still have enough of this peer's earlier channels? */
static bool holds(const struct xen *x, const struct xen_peer *p)
{
	unsigned n = 0;

	for (const struct xen_chan *c = x->chans; c; c = c->next)
		n += !c->buried && c->who.domid == p->who.domid && !strcmp(c->who.name, p->who.name);
	return n >= XEN_HOLDS;
}

static int begin(struct xen *x, struct xen_peer *p, const struct xen_offer *o)
{
	if (holds(x, p)) {
		x->starved = true;
		return 0;
	}
	if (!allowed(x, p))
		return 0;
	return o ? vmq__xen_answer(x, p, o) : vmq__xen_offer(x, p);
}

/* One step, if there is one to do. o: what the peer offers to this life, or NULL. */
static int step(struct xen *x, struct xen_peer *p, const struct xen_offer *o)
{
	bool used = o && o->serial == p->used;

	if (vmq__xen_side(x, &p->who))
		return o && !used && !o->echo ? begin(x, p, o) : 0;
	if (!p->cur)
		return used ? 0 : begin(x, p, NULL);
	return o && o->echo == p->cur->serial && allowed(x, p) ? vmq__xen_take(x, p, o) : 0;
}

static void failed(struct xen_peer *p, int rc, const struct xen_offer *o)
{
	if (rc == VMQ_EINVAL || rc == VMQ_EPROTO)
		rc = VMQ_EPEER;
	p->why = rc == VMQ_EGONE ? 0 : rc;
	p->waited = rc != VMQ_ENOMEM && p->waited ? p->waited * 2 : 1;
	if (p->waited > XEN_WAIT_MAX)
		p->waited = XEN_WAIT_MAX;
	p->wait = p->waited;
	p->failed = o ? o->serial : 0;
}

static void advance(struct xen *x, struct xen_peer *p, const struct xen_offer *o, int rc)
{
	if (p->wait && (!o || o->serial == p->failed))
		return;
	if (!rc)
		rc = step(x, p, o);
	if (rc) {
		failed(p, rc, o);
		return;
	}
	p->why = 0;
	if (p->cur && p->cur->joined)
		p->waited = p->wait = 0;
}

static void reconcile(struct xen *x, struct xen_peer *p)
{
	struct xen_offer o;
	bool mine;
	int rc, end;

	if (p->who.life == p->bad)
		return;
	if (clash(x, p)) {
		leave(x, p, VMQ_EGONE);
		p->why = VMQ_EEXIST;
		return;
	}
	rc = vmq__xen_store_read_offer(x->store, &p->who, &o);
	if (p->cur && p->cur->joined) {
		end = ended(x, p->cur, rc, &o);
		if (end)
			leave(x, p, end);
		return;
	}
	mine = !rc && o.life == x->me.life && o.serial;
	advance(x, p, mine ? &o : NULL, rc == VMQ_ENOENT ? 0 : rc);
}

/* ---- news -------------------------------------------------------------------------------- */

static struct xen_peer *find(const struct xen *x, const struct xen_record *r)
{
	struct xen_peer *p = x->peers;

	while (p && (p->who.domid != r->domid || strcmp(p->who.name, r->name)))
		p = p->next;
	return p;
}

static void note(void *ctx, const struct xen_record *r)
{
	struct xen *x = ctx;
	struct xen_peer *p = find(x, r);

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		p->who = *r;
		p->next = x->peers;
		x->peers = p;
	}
	p->now = *r;
	p->seen = true;
}

/* A life after the one that was dealt with? What else a record says stays as it is for as
 * long as something was made by it. */
static void renew(struct xen *x, struct xen_peer *p)
{
	bool same = p->now.life == p->who.life;

	if (same && p->cur)
		return;
	leave(x, p, VMQ_EGONE);
	p->who = p->now;
	if (same)
		return;
	p->why = 0;
	p->used = p->failed = 0;
	p->wait = p->waited = 0;
}

/* Ends come before beginnings: a name may have gone from one domain to another. */
void vmq__xen_reconcile(struct xen *x)
{
	struct xen_peer **at = &x->peers, *p;

	x->starved = false;
	for (p = x->peers; p; p = p->next)
		p->seen = false;
	vmq__xen_store_peers(x->store, note, x);
	while ((p = *at)) {
		if (p->seen) {
			renew(x, p);
			at = &p->next;
			continue;
		}
		leave(x, p, VMQ_EGONE);
		*at = p->next;
		free(p);
	}
	for (p = x->peers; p; p = p->next)
		reconcile(x, p);
}

void vmq__xen_tick(struct xen *x)
{
	memset(x->tries, 0, sizeof(x->tries));
	for (struct xen_peer *p = x->peers; p; p = p->next) {
		if (p->wait)
			p->wait--;
		if (p->cur && !p->cur->joined && ++p->cur->age >= XEN_WAIT_MAX)
			vmq__xen_remind(x, p->cur);
	}
	for (struct xen_chan *c = x->chans; c; c = c->next)
		c->age += c->buried;
}

int vmq__xen_why(const struct xen *x, const char *name)
{
	int why = 0;

	for (const struct xen_peer *p = x->peers; p; p = p->next) {
		if (strcmp(p->who.name, name))
			continue;
		if (!p->why)
			return 0;
		why = p->why;
	}
	return why;
}
