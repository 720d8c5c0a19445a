/* SPDX-License-Identifier: BSD-2-Clause */
/* vmq.c - to open and close an endpoint, and what it says of itself. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define LANE_DEFAULT (256u << 10)
#define POOL_DEFAULT 256u
#define MSG_DEFAULT (1u << 20)
#define MSG_LIMIT (1u << 30)
#define LAZY_DEFAULT_US 10000u
#define SPIN_DEFAULT_US 50u

/* Handles of closed endpoints are kept, so that a call with one finds a closed
 * handle and not somebody else's memory; the oldest is used again when there are
 * enough of them. */
#define KEEP 64

static pthread_mutex_t closed_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vmq *closed_first, **closed_last = &closed_first;
static unsigned closed_count;

static struct vmq *handle_new(void)
{
	struct vmq *q = NULL;

	pthread_mutex_lock(&closed_lock);
	if (closed_count > KEEP) {
		q = closed_first;
		closed_first = q->closed_next;
		if (!closed_first)
			closed_last = &closed_first;
		closed_count--;
	}
	pthread_mutex_unlock(&closed_lock);
	if (!q)
		q = aligned_alloc(_Alignof(struct vmq), sizeof(*q));
	if (q)
		memset(q, 0, sizeof(*q));
	return q;
}

static void handle_drop(struct vmq *q)
{
	memset(q, 0, sizeof(*q));
	pthread_mutex_lock(&closed_lock);
	*closed_last = q;
	closed_last = &q->closed_next;
	closed_count++;
	pthread_mutex_unlock(&closed_lock);
}

/* ---- options ----------------------------------------------------------------- */

static int fail(const struct vmq_options *o, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vmq__explain(o->errmsg, o->errlen, code, format, args);
	va_end(args);
	return code;
}

static uint32_t pick(uint32_t first, uint32_t second, uint32_t fallback)
{
	return first ? first : second ? second : fallback;
}

/* What the address says wins over what the options say. */
static void merge(struct vmq_options *o, const struct vmq__uri *uri)
{
	if (uri->name[0])
		o->name = uri->name;
	if (uri->topology[0])
		o->topology = uri->topology;
	o->lane_size = pick(uri->lane, o->lane_size, 0);
	o->pool_pages = pick(uri->pages, o->pool_pages, 0);
	o->max_msg = pick(uri->max, o->max_msg, MSG_DEFAULT);
	o->lazy_max_us = pick(uri->lazy_us, o->lazy_max_us, LAZY_DEFAULT_US);
	o->spin_us = pick(uri->spin_us, o->spin_us, SPIN_DEFAULT_US);
}

static int check(const struct vmq_options *o)
{
	if (!vmq__name_ok(o->name))
		return fail(o, VMQ_EINVAL, "'%.60s' is not a valid VM name: " VMQ__NAME_RULE, o->name);
	if (o->flags & ~(VMQ_OPEN_THREADSAFE | VMQ_OPEN_STRICT))
		return fail(o, VMQ_EINVAL, "unknown flags 0x%x", o->flags);
	if (o->lane_size && (o->lane_size < VMQ_LANE_MIN || o->lane_size > VMQ_LANE_MAX ||
			o->lane_size & (o->lane_size - 1)))
		return fail(o, VMQ_EINVAL, "a lane of %u bytes is not a power of two from %u to %u",
			o->lane_size, VMQ_LANE_MIN, VMQ_LANE_MAX);
	if (o->pool_pages > VMQ_POOL_MAX / 2 && o->pool_pages != VMQ_NO_PAGES)
		return fail(o, VMQ_EINVAL, "a pool of %u pages is larger than %u", o->pool_pages,
			VMQ_POOL_MAX / 2);
	if (o->max_msg > MSG_LIMIT)
		return fail(o, VMQ_EINVAL, "messages of up to %u bytes are over the limit of %u",
			o->max_msg, MSG_LIMIT);
	if (o->env && (!vmq__sized_in(o->env, sizeof(*o->env)) || !o->env->now || !o->env->wait ||
			!o->env->wake || !o->env->random))
		return fail(o, VMQ_EINVAL, "the env is of another size, or lacks a function");
	return 0;
}

/* One of the caller's own, as the registry checks a plugin's. */
static int check_transport(const struct vmq_options *o, const char *word)
{
	const struct vmq_transport *t = o->transport;

	if (!t)
		return 0;
	if (t->abi != VMQ_TRANSPORT_ABI || t->size != sizeof(*t) || !t->name)
		return fail(o, VMQ_EINVAL, "the transport in the options is of another version");
	if (strcmp(t->name, word))
		return fail(o, VMQ_EINVAL, "the transport in the options is '%.40s', and the address's '%s'",
			t->name, word);
	return 0;
}

/* ---- open -------------------------------------------------------------------- */

static void locks_init(struct vmq *q)
{
	pthread_condattr_t mono;

	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	for (int i = 0; i < 2; i++) {
		pthread_mutex_init(&q->sleep[i].lock, NULL);
		pthread_cond_init(&q->sleep[i].cond, &mono);
	}
	pthread_cond_init(&q->tx.passed, &mono);
	pthread_condattr_destroy(&mono);
	pthread_mutex_init(&q->lock, NULL);
	pthread_mutex_init(&q->tx.lock, NULL);
	pthread_mutex_init(&q->rx.lock, NULL);
}

static void locks_exit(struct vmq *q)
{
	for (int i = 0; i < 2; i++) {
		pthread_mutex_destroy(&q->sleep[i].lock);
		pthread_cond_destroy(&q->sleep[i].cond);
	}
	pthread_cond_destroy(&q->tx.passed);
	pthread_mutex_destroy(&q->lock);
	pthread_mutex_destroy(&q->tx.lock);
	pthread_mutex_destroy(&q->rx.lock);
}

static void settle(struct vmq *q, const struct vmq_options *o)
{
	q->threadsafe = o->flags & VMQ_OPEN_THREADSAFE;
	q->strict = o->flags & VMQ_OPEN_STRICT;
	q->env = o->env;
	q->errmsg = o->errmsg;
	q->errlen = o->errlen;
	q->max_msg = o->max_msg;
	q->lazy_ns = (uint64_t)o->lazy_max_us * 1000;
	/* A clock of the application's may stand still until something waits. */
	q->spin_ns = o->env || o->spin_us == VMQ_SPIN_NONE ? 0 : (uint64_t)o->spin_us * 1000;
	q->epfd = q->timerfd = -1;
	strcpy(q->name, o->name);
	if (o->uuid)
		memcpy(q->uuid, o->uuid, sizeof(q->uuid));
	else
		vmq__uuid_of(o->name, q->uuid);
}

/* Where an endpoint is opened: at an address, or on a VMM of the caller's. */
struct place {
	const struct vmq_transport *ops;
	const char *address;
	struct vmq_vmm *vmm;
};

static int join_fabric(struct vmq *q, const struct vmq_options *o, const struct place *at)
{
	struct vmq_open_args args = {
		.size = sizeof(args), .address = at->address, .name = q->name, .uuid = q->uuid,
		.lane_size = o->lane_size, .pool_pages = o->pool_pages, .max_msg = q->max_msg,
		.topology = o->topology, .env = q->env, .q = q, .vmm = at->vmm,
	};
	int rc;

	pthread_mutex_lock(&q->lock);
	rc = q->ops->open((struct vmq_port *)q, &vmq__port_ops, &args, &q->state);
	if (!rc) {
		q->id = args.id;
		rc = vmq__self_join(q, pick(args.lane_size, LANE_DEFAULT, 0),
			args.pool_pages == VMQ_NO_PAGES ? 0 : pick(args.pool_pages, POOL_DEFAULT, 0));
	}
	/* Of peers that the transport met on its way in, nothing else may tell. */
	if (!rc)
		q->ops->news(q->state);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

static void end(struct vmq *q)
{
	q->magic = 0;
	vmq__peers_exit(q);
	if (q->state)
		q->ops->close(q->state);
	if (q->epfd >= 0)
		close(q->epfd);
	if (q->timerfd >= 0)
		close(q->timerfd);
	locks_exit(q);
	handle_drop(q);
}

static int open_at(const struct place *at, const struct vmq_options *o, struct vmq **out)
{
	struct vmq *q = handle_new();
	int rc;

	if (!q)
		return fail(o, VMQ_ENOMEM, "%s", vmq_strerror(VMQ_ENOMEM));
	locks_init(q);
	settle(q, o);
	q->ops = at->ops;
	vmq__relieve_init(q);
	rc = vmq__peers_init(q);
	if (!rc)
		rc = join_fabric(q, o, at);
	if (rc) {
		end(q);
		return fail(o, rc, "%s", vmq_strerror(rc));
	}
	q->errmsg = NULL;
	q->magic = VMQ__LIVE;
	*out = q;
	return 0;
}

/* The caller's options, or none, to be completed. */
static int begin(struct vmq_options *o, const struct vmq_options *options, struct vmq **q)
{
	if (!q || (options && !vmq__sized_in(options, sizeof(*options))))
		return VMQ_EINVAL;
	*q = NULL;
	*o = options ? *options : (struct vmq_options){ .size = sizeof(*o) };
	if (o->errmsg && o->errlen)
		o->errmsg[0] = 0;
	return 0;
}

int vmq_open(const char *uri_text, const struct vmq_options *options, struct vmq **q)
{
	struct place at = { 0 };
	struct vmq_options o;
	struct vmq__uri uri;
	char why[200] = "";
	int rc;

	rc = begin(&o, options, q);
	if (rc)
		return rc;
	rc = vmq__uri_parse(uri_text, &uri, why, sizeof(why));
	if (rc)
		return fail(&o, rc, "%s", why);
	merge(&o, &uri);
	if (!o.name)
		return fail(&o, VMQ_EURI, "the address has no name=, and so this VM none: settings come behind "
			"a '?', as in sim:lab?name=a");
	rc = check(&o);
	if (!rc)
		rc = check_transport(&o, uri.transport);
	if (rc)
		return rc;
	at.ops = o.transport ? o.transport : vmq__transport(uri.transport, why, sizeof(why));
	at.address = uri.address;
	return at.ops ? open_at(&at, &o, q) :
		fail(&o, VMQ_ENOTSUP, "there is no transport '%s'%s", uri.transport, why);
}

int vmq_vmm_open(struct vmq_vmm *vmm, const struct vmq_options *options, struct vmq **q)
{
	struct place at = { .ops = vmq__host(), .address = "", .vmm = vmm };
	const struct vmq__uri none = { .name = "" };
	struct vmq_options o;
	int rc;

	if (!vmm)
		return VMQ_EBADF;
	rc = begin(&o, options, q);
	if (rc)
		return rc;
	merge(&o, &none);
	if (!o.name)
		return fail(&o, VMQ_EINVAL, "the options have no name, and so this VM none");
	if (o.topology)
		return fail(&o, VMQ_EINVAL, "who may talk to whom is the VMM's to say");
	if (o.transport)
		return fail(&o, VMQ_EINVAL, "there is no address, and so no transport to give for it");
	rc = check(&o);
	if (rc)
		return rc;
	return at.ops ? open_at(&at, &o, q) :
		fail(&o, VMQ_ENOTSUP, "this library was built without the sim and kvm transports");
}

int vmq_close(struct vmq *q)
{
	if (!vmq__live(q))
		return VMQ_EBADF;
	/* Leaving is a natural exit: nothing that was sent lazily stays unseen. */
	vmq_yield(q);
	end(q);
	return 0;
}

/* ---- what it says of itself ---------------------------------------------------- */

int64_t vmq_id(struct vmq *q)
{
	return vmq__live(q) ? (int64_t)q->id : VMQ_EBADF;
}

uint64_t vmq_caps(struct vmq *q)
{
	return vmq__live(q) ? q->ops->caps(q->state) : 0;
}

static void sum_lanes(struct vmq *q, struct vmq_stats *s)
{
	pthread_mutex_lock(&q->lock);
	s->kicks_suppressed = q->old_suppressed;
	s->stale = q->old_stale;
	for (const struct vmq__peer *p = q->lives; p; p = p->next) {
		s->kicks_suppressed += p->tx->tx.suppressed;
		s->stale += p->rx->rx.stale;
	}
	s->peers = q->up;
	s->poisons = q->rx.poisons;
	pthread_mutex_unlock(&q->lock);
}

int vmq_stats(struct vmq *q, struct vmq_stats *stats)
{
	if (!vmq__live(q))
		return VMQ_EBADF;
	if (!stats || !vmq__sized_out(stats, sizeof(*stats)))
		return VMQ_EINVAL;
	vmq__tx_lock(q);
	vmq__rx_lock(q);
	*stats = (struct vmq_stats){
		.size = sizeof(*stats),
		.sent = q->tx.messages,
		.sent_bytes = q->tx.bytes,
		.received = q->rx.messages,
		.received_bytes = q->rx.bytes,
		.kicks_sent = q->tx.kicks,
		.kicks_space = q->rx.kicks_space + q->page_kicks,
		.kicks_received = q->sleep[0].kicked + q->sleep[1].kicked,
		.wakes_spurious = q->rx.spurious,
		.exits_immediate = q->tx.immediate,
		.exits_natural = q->tx.natural + q->rx.natural,
		.drains = q->tx.drains + q->rx.drains,
		.pages_sent = q->tx.pages,
		.pages_received = q->rx.pages,
		.page_bytes_sent = q->tx.page_bytes,
		.partial = q->rx.partial,
	};
	sum_lanes(q, stats);
	vmq__rx_unlock(q);
	vmq__tx_unlock(q);
	return 0;
}
