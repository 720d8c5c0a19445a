/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connect.c - a channel is made in three steps.
 *
 * Side 0 grants its half, has three event channels ready, and says so in an offer. Side 1
 * binds them, grants its half, maps the other one, joins, and answers. Side 0 maps that one
 * and joins. Numbers in offers are a peer's: Xen refuses what they do not stand for.
 */
#include <stdlib.h>
#include <string.h>

#include "xen.h"

unsigned vmq__xen_side(const struct xen *x, const struct xen_record *who)
{
	if (x->me.domid != who->domid)
		return x->me.domid > who->domid;
	return strcmp(x->me.name, who->name) > 0;
}

/* ---- what is to be shared ------------------------------------------------------------ */

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* What an end makes of the peer's wish: its own one is free to it, and so is a little. */
static uint32_t agree(uint32_t wish, uint32_t own, uint32_t none)
{
	return least(wish, own > none ? own : none);
}

static int plan(const struct xen *x, struct xen_chan *c)
{
	const struct xen_record *by[2];
	uint32_t lane[2], pool[2];

	by[c->side] = &x->me;
	by[!c->side] = &c->who;
	for (unsigned s = 0; s < 2; s++) {
		lane[s] = agree(by[!s]->lane_size, by[s]->lane_size, VMQ_XEN_LANE_FREE);
		pool[s] = agree(by[s]->pool_pages, by[!s]->pool_pages, VMQ_XEN_POOL_FREE);
	}
	return vmq_layout_plan(lane, pool, &c->geo) ? VMQ_EPEER : 0;
}

static void ident(struct vmq_ident *i, const struct xen_record *who)
{
	i->id = who->id;
	memcpy(i->uuid, who->uuid, sizeof(i->uuid));
	memcpy(i->name, who->name, sizeof(i->name));
}

static int write_header(const struct xen *x, struct xen_chan *c)
{
	struct vmq_ident both[2];

	c->header = aligned_alloc(VMQ_PAGE_SIZE, VMQ_HEADER_SIZE);
	if (!c->header)
		return VMQ_ENOMEM;
	memset(c->header, 0, VMQ_HEADER_SIZE);
	ident(&both[c->side], &x->me);
	ident(&both[!c->side], &c->who);
	vmq_layout_write(c->header, &c->geo, both);
	return 0;
}

/* ---- an end ---------------------------------------------------------------------------- */

static void unlink_chan(struct xen *x, struct xen_chan *c)
{
	struct xen_chan **at = &x->chans;

	pthread_mutex_lock(&x->lock);
	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	pthread_mutex_unlock(&x->lock);
}

/* The half before its event channels: it tells the peer of its end by one of them. */
void vmq__xen_chan_free(struct xen *x, struct xen_chan *c)
{
	unlink_chan(x, c);
	vmq__xen_far_unmap(&c->theirs, x->tab);
	vmq__xen_half_free(&c->mine, x->shr);
	vmq__xen_bells_free(x->bell, &c->bells);
	free(c->header);
	free(c);
}

/* The peer has let go of it. */
static void let_go(struct xen *x, struct xen_chan *c)
{
	vmq__xen_far_unmap(&c->theirs, x->tab);
	vmq__xen_half_strip(&c->mine, x->shr);
}

void vmq__xen_chan_end(struct xen *x, struct xen_chan *c)
{
	bool seen;

	if (!c->theirs.root) {
		vmq__xen_chan_free(x, c);
		return;
	}
	pthread_mutex_lock(&x->lock);
	c->joined = false;
	pthread_mutex_unlock(&x->lock);
	vmq__xen_far_leave(&c->theirs, x->tab);
	seen = vmq__xen_far_done(&c->theirs);
	if (seen)
		let_go(x, c);
	vmq__xen_half_over(&c->mine);
	vmq__xen_bell_ring(&x->bell[VMQ_FD_CONTROL], c->bells.port[VMQ_FD_CONTROL]);
	c->buried = true;
	c->age = 0;
}

/* The own root page stays for a second more, in which the peer lets go of that. Who died has
 * let go of all of it, and says nothing. */
bool vmq__xen_graves(struct xen *x)
{
	struct xen_chan *next;
	bool some = false;

	for (struct xen_chan *c = x->chans; c; c = next) {
		next = c->next;
		if (!c->buried)
			continue;
		if (c->theirs.root && vmq__xen_far_done(&c->theirs))
			let_go(x, c);
		if (c->age >= (c->theirs.root ? XEN_BURIED : 1))
			vmq__xen_chan_free(x, c);
		else
			some |= c->theirs.root && vmq__xen_far_alive(&c->theirs);
	}
	return some;
}

static uint32_t next(uint32_t *number)
{
	return ++*number ? *number : ++*number;
}

/* An end for a peer's life, of which nothing is shared yet. */
static int chan_new(struct xen *x, const struct xen_record *who, struct xen_chan **out)
{
	struct xen_chan *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return VMQ_ENOMEM;
	c->who = *who;
	c->side = vmq__xen_side(x, who);
	c->serial = next(&x->serial);
	pthread_mutex_lock(&x->lock);
	c->next = x->chans;
	x->chans = c;
	pthread_mutex_unlock(&x->lock);
	rc = plan(x, c);
	if (!rc)
		rc = write_header(x, c);
	if (rc)
		vmq__xen_chan_free(x, c);
	else
		*out = c;
	return rc;
}

static int grant(struct xen *x, struct xen_chan *c)
{
	return vmq__xen_half_make(&c->mine, x->shr, c->who.domid, c->side, &c->geo, c->serial,
		c->bells.port[VMQ_FD_CONTROL]);
}

static int map(struct xen *x, struct xen_chan *c, const struct xen_offer *o)
{
	int rc = vmq__xen_far_map(&c->theirs, x->tab, c->who.domid, c->side, o->root, o->serial, &c->geo);

	if (!rc)
		c->its = o->serial;
	return rc;
}

static int write_offer(struct xen *x, const struct xen_chan *c, uint32_t echo, const evtchn_port_t *port)
{
	struct xen_offer o = {
		.life = c->who.life, .serial = c->serial, .echo = echo, .root = c->mine.root_ref,
	};

	for (unsigned k = 0; port && k < VMQ_FDS; k++)
		o.port[k] = port[k];
	return vmq__xen_store_offer(x->store, &c->who, &o);
}

static int join(struct xen *x, struct xen_chan *c)
{
	struct vmq_parts parts;
	const struct vmq_transport_channel t = {
		.size = sizeof(t), .chan = c, .peer = c->who.id, .peer_name = c->who.name,
		.peer_uuid = c->who.uuid, .side = c->side, .epoch = next(&x->epoch), .region = c->header,
		.region_size = c->geo.region_size, .geo = &c->geo, .pool = c->mine.window,
		.parts = &parts, .origin = c->who.domid,
	};
	int rc;

	parts.ctl[c->side] = c->mine.ctl;
	parts.lane[c->side] = c->mine.lane;
	parts.ctl[!c->side] = c->theirs.ctl;
	parts.lane[!c->side] = c->theirs.lane;
	rc = x->ops->join(x->port, &t);
	if (rc)
		return rc;
	pthread_mutex_lock(&x->lock);
	c->joined = true;
	pthread_mutex_unlock(&x->lock);
	vmq__xen_bell_ring(&x->bell[VMQ_FD_CONTROL], c->bells.port[VMQ_FD_CONTROL]);
	return 0;
}

/* ---- the steps --------------------------------------------------------------------------- */

static void settle(struct xen_peer *p, struct xen_chan *c)
{
	c->peer = p;
	p->cur = c;
}

int vmq__xen_offer(struct xen *x, struct xen_peer *p)
{
	struct xen_chan *c;
	int rc = chan_new(x, &p->who, &c);

	if (rc)
		return rc;
	rc = vmq__xen_bells_make(x->bell, c->who.domid, &c->bells);
	if (!rc)
		rc = grant(x, c);
	if (!rc)
		rc = write_offer(x, c, 0, c->bells.port);
	if (rc)
		vmq__xen_chan_free(x, c);
	else
		settle(p, c);
	return rc;
}

void vmq__xen_remind(struct xen *x, struct xen_chan *c)
{
	c->age = 0;
	write_offer(x, c, 0, c->bells.port);
}

/* libvmq does not want it. */
static int unwanted(struct xen *x, struct xen_chan *c, int rc)
{
	vmq__xen_store_withdraw(x->store, &c->who);
	vmq__xen_chan_end(x, c);
	return rc;
}

/* The answer comes last: who sees it finds all of it there. */
int vmq__xen_answer(struct xen *x, struct xen_peer *p, const struct xen_offer *o)
{
	struct xen_chan *c;
	int rc = chan_new(x, &p->who, &c);

	if (rc)
		return rc;
	rc = vmq__xen_bells_bind(x->bell, c->who.domid, o->port, &c->bells);
	if (!rc)
		rc = grant(x, c);
	if (!rc)
		rc = map(x, c, o);
	if (!rc)
		rc = write_offer(x, c, o->serial, NULL);
	if (rc) {
		vmq__xen_chan_free(x, c);
		return rc;
	}
	rc = join(x, c);
	if (rc)
		return unwanted(x, c, rc);
	settle(p, c);
	return 0;
}

int vmq__xen_take(struct xen *x, struct xen_peer *p, const struct xen_offer *answer)
{
	struct xen_chan *c = p->cur;
	int rc = map(x, c, answer);

	if (rc)
		return rc;
	rc = join(x, c);
	if (!rc)
		return 0;
	p->cur = NULL;
	return unwanted(x, c, rc);
}
