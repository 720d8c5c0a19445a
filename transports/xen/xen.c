/* SPDX-License-Identifier: BSD-2-Clause */
/* xen.c - the transport's functions: how an endpoint comes, and what libvmq calls. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <xentoollog.h>

#include "internal.h"
#include "loop.h"
#include "xen.h"

#define LANE_DEFAULT (256u << 10)
#define POOL_DEFAULT 256u
#define LANE_MAX (128u << 20) /* what gntdev maps in one piece, with a control area ... */
#define POOL_MAX 65536u       /* ... and all that it does, in pages */
#define TICK_NS 1000000000l
#define BLIND_NS 50000000l    /* where watches do not tell */
#define DOUBT_S 5u            /* seconds until what they may not have told of is looked for */

/* ---- open ------------------------------------------------------------------------------ */

/* Xen's libraries are to print nothing: what fails is most often a peer's reference. */
static void say_nothing(struct xentoollog_logger *l, xentoollog_level level, int e, const char *context,
	const char *format, va_list args)
{
	(void)l;
	(void)level;
	(void)e;
	(void)context;
	(void)format;
	(void)args;
}

static void no_progress(struct xentoollog_logger *l, const char *context, const char *doing, int percent,
	unsigned long done, unsigned long total)
{
	(void)l;
	(void)context;
	(void)doing;
	(void)percent;
	(void)done;
	(void)total;
}

static void no_end(struct xentoollog_logger *l)
{
	(void)l;
}

static struct xentoollog_logger quiet = { .vmessage = say_nothing, .progress = no_progress, .destroy = no_end };

static int explain(void *ctx, int code, const char *format, ...)
{
	struct xen *x = ctx;
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return x->ops->fail(x->port, code, "%s", text);
}

static int no_device(struct xen *x, const char *device)
{
	int e = errno;

	return explain(x, e == EACCES || e == EPERM ? VMQ_EACCES : vmq__errno(e),
		"%s cannot be opened: %s", device, strerror(e));
}

static int open_devices(struct xen *x)
{
	x->shr = xengntshr_open(&quiet, 0);
	if (!x->shr)
		return no_device(x, "/dev/xen/gntalloc");
	x->tab = xengnttab_open(&quiet, 0);
	if (!x->tab)
		return no_device(x, "/dev/xen/gntdev");
	for (unsigned k = 0; k < VMQ_FDS; k++)
		if (vmq__xen_bell_open(&x->bell[k], x->me.domid, true))
			return no_device(x, "/dev/xen/evtchn");
	return 0;
}

/* What news() is told by, in one descriptor. */
static int open_control(struct xen *x)
{
	int store = vmq__xen_store_fd(x->store), rc;
	const long ns = store < 0 ? BLIND_NS : TICK_NS;
	const struct timespec tick = { ns / TICK_NS, ns % TICK_NS };
	const struct itimerspec each = { tick, tick };

	x->control = epoll_create1(EPOLL_CLOEXEC);
	x->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (x->control < 0 || x->timer < 0 || timerfd_settime(x->timer, 0, &each, NULL))
		return vmq__errno(errno);
	rc = vmq__loop_watch(x->control, x->timer, NULL);
	if (!rc)
		rc = vmq__loop_watch(x->control, x->bell[VMQ_FD_CONTROL].fd, NULL);
	return rc || store < 0 ? rc : vmq__loop_watch(x->control, store, NULL);
}

static void settle_me(struct xen *x, const struct vmq_open_args *args)
{
	x->me.lane_size = args->lane_size ? args->lane_size : LANE_DEFAULT;
	x->me.pool_pages = args->pool_pages ? args->pool_pages : POOL_DEFAULT;
	if (args->pool_pages == VMQ_NO_PAGES)
		x->me.pool_pages = 0;
	memcpy(x->me.uuid, args->uuid, sizeof(x->me.uuid));
	memcpy(x->me.name, args->name, strlen(args->name) + 1);
}

static uint64_t second(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec;
}

/* Peers that hear of the end let go of what they have mapped, if their programs call libvmq. */
static void linger(struct xen *x)
{
	uint64_t until = vmq__loop_deadline(VMQ_MS(x->linger));
	struct pollfd p = { .fd = x->bell[VMQ_FD_CONTROL].fd, .events = POLLIN };

	while (vmq__xen_graves(x) && vmq__loop_left(until)) {
		poll(&p, 1, vmq__loop_left(until));
		vmq__xen_bell_drain(&x->bell[VMQ_FD_CONTROL]);
	}
}

/* First of all nobody is to begin anything new. */
static void xen_close(void *state)
{
	struct xen *x = state;

	vmq__xen_store_close(x->store);
	linger(x);
	vmq__xen_forget(x);
	vmq__loop_close(x->control);
	vmq__loop_close(x->timer);
	for (unsigned k = 0; k < VMQ_FDS; k++)
		vmq__xen_bell_close(&x->bell[k]);
	if (x->tab)
		xengnttab_close(x->tab);
	if (x->shr)
		xengntshr_close(x->shr);
	pthread_mutex_destroy(&x->lock);
	free(x);
}

static struct xen *new_state(struct vmq_port *port, const struct vmq_port_ops *ops)
{
	struct xen *x = calloc(1, sizeof(*x));
	uint32_t seed[2];

	if (!x)
		return NULL;
	x->port = port;
	x->ops = ops;
	x->control = x->timer = -1;
	for (unsigned k = 0; k < VMQ_FDS; k++)
		x->bell[k].fd = -1;
	if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed[0] = seed[1] = (uint32_t)second();
	x->serial = seed[0];
	x->epoch = seed[1];
	x->fresh = true;
	x->linger = XEN_LINGER_MS;
	pthread_mutex_init(&x->lock, NULL);
	return x;
}

static int open_all(struct xen *x, struct vmq_open_args *args)
{
	const struct xen_why why = { explain, x };
	int rc = vmq__xen_store_open(&x->store, args->address, &why);

	if (rc)
		return rc;
	settle_me(x, args);
	rc = vmq__xen_store_claim(x->store, &x->me, &why);
	if (!rc)
		rc = open_devices(x);
	if (!rc)
		rc = open_control(x);
	args->id = x->me.id;
	x->second = second();
	return rc;
}

static int xen_open(struct vmq_port *port, const struct vmq_port_ops *ops, struct vmq_open_args *args,
	void **state)
{
	struct xen *x;
	int rc;

	if (args->env)
		return ops->fail(port, VMQ_ENOTSUP, "xen waits for the system: no env of one's own");
	if (args->topology)
		return ops->fail(port, VMQ_EINVAL, "xen has no topology of its own: who may talk to whom is the "
			"toolstack's to say, in XenStore");
	if (args->lane_size > LANE_MAX)
		return ops->fail(port, VMQ_EINVAL, "a lane of %u bytes is more than the %u that Linux maps of "
			"another domain in one piece", args->lane_size, LANE_MAX);
	if (args->pool_pages > POOL_MAX && args->pool_pages != VMQ_NO_PAGES)
		return ops->fail(port, VMQ_EINVAL, "a pool of %u pages is more than the %u that Linux maps of "
			"another domain in one piece", args->pool_pages, POOL_MAX);
	x = new_state(port, ops);
	if (!x)
		return VMQ_ENOMEM;
	rc = open_all(x, args);
	if (rc)
		xen_close(x);
	else
		*state = x;
	return rc;
}

/* ---- doorbells --------------------------------------------------------------------------- */

static uint64_t xen_caps(void *state)
{
	(void)state;
	return VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_READONLY | VMQ_CAP_ISOLATED | VMQ_CAP_VOUCHED |
		VMQ_CAP_WAKE | VMQ_CAP_EXIT;
}

static void xen_fds(void *state, int fds[VMQ_FDS])
{
	struct xen *x = state;

	fds[VMQ_FD_DATA] = x->bell[VMQ_FD_DATA].fd;
	fds[VMQ_FD_SPACE] = x->bell[VMQ_FD_SPACE].fd;
	fds[VMQ_FD_CONTROL] = x->control;
}

/* Each is a hypercall, and an interrupt for the peer's domain. */
static int xen_kick(void *state, void *chan, unsigned what, bool now)
{
	struct xen *x = state;
	const struct xen_chan *c = chan;
	int rc = 0;

	(void)now;
	for (unsigned kind = VMQ_FD_DATA; kind <= VMQ_FD_SPACE; kind++) {
		if (!(what & 1u << kind))
			continue;
		if (!c)
			vmq__xen_bell_ring_self(&x->bell[kind]);
		else if (vmq__xen_bell_ring(&x->bell[kind], c->bells.port[kind]))
			rc = VMQ_ESYS;
	}
	return rc;
}

/* Xen does not look into lanes: what was sent lazily is rung for here. */
static void xen_exit(void *state, enum vmq_exit_reason reason, bool pending)
{
	struct xen *x = state;

	(void)reason;
	if (!pending)
		return;
	pthread_mutex_lock(&x->lock);
	for (struct xen_chan *c = x->chans; c; c = c->next)
		if (c->joined)
			xen_kick(x, c, vmq_ctl_kick_due(c->mine.ctl, c->theirs.ctl), false);
	pthread_mutex_unlock(&x->lock);
}

static bool xen_drain(void *state, unsigned what)
{
	struct xen *x = state;
	bool rang = false;

	for (unsigned kind = VMQ_FD_DATA; kind <= VMQ_FD_SPACE; kind++)
		if (what & 1u << kind)
			rang |= vmq__xen_bell_drain(&x->bell[kind]);
	return rang;
}

/* ---- control ------------------------------------------------------------------------------- */

static int over(struct xen *x)
{
	vmq__xen_leave_all(x, VMQ_EGONE);
	x->down = true;
	x->ops->down(x->port);
	return VMQ_ECONN;
}

/* Is it time to look at everything again? */
static bool ticked(struct xen *x)
{
	uint64_t times, now = second();

	if (read(x->timer, &times, sizeof(times)) != (ssize_t)sizeof(times))
		return false;
	/* To read everything anew takes long, and watches seldom fail to tell. */
	if (vmq__xen_store_fd(x->store) < 0 || (now != x->second && now % DOUBT_S == 0))
		vmq__xen_store_doubt(x->store);
	if (now != x->second)
		vmq__xen_tick(x);
	x->second = now;
	return true;
}

/* A peer can ring as often as it likes: XenStore is asked only for what it told of. */
static int xen_news(void *state)
{
	struct xen *x = state;
	bool rang = vmq__xen_bell_drain(&x->bell[VMQ_FD_CONTROL]), tick = ticked(x), told;

	if (x->down)
		return VMQ_ECONN;
	told = vmq__xen_store_news(x->store);
	if (vmq__xen_store_lost(x->store))
		return over(x);
	if (rang || tick)
		vmq__xen_reap(x);
	if (told || tick || x->fresh) {
		x->fresh = false;
		vmq__xen_reconcile(x);
	}
	return 0;
}

static int xen_lookup(void *state, const char *name)
{
	return vmq__xen_why(state, name);
}

static int xen_map(void *state, void *chan, struct vmq_page *run, unsigned mode)
{
	(void)state;
	return vmq__xen_pages_map(chan, run, mode);
}

static int xen_unmap(void *state, void *chan, const struct vmq_page *run)
{
	(void)state;
	(void)chan;
	(void)run;
	return 0;
}

static void xen_detach(void *state, void *chan)
{
	vmq__xen_detach(state, chan);
}

VMQ_API const struct vmq_transport vmq_transport_xen = {
	.abi = VMQ_TRANSPORT_ABI,
	.size = sizeof(struct vmq_transport),
	.name = "xen",
	.open = xen_open,
	.close = xen_close,
	.caps = xen_caps,
	.fds = xen_fds,
	.kick = xen_kick,
	.exit = xen_exit,
	.drain = xen_drain,
	.news = xen_news,
	.lookup = xen_lookup,
	.pages_map = xen_map,
	.pages_unmap = xen_unmap,
	.detach = xen_detach,
};
