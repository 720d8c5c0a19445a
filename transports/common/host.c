/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.c - an endpoint as a VM of a VMM in this process: it has a window, which the
 * VMM lays channels into and moves pages in, and two eventfds for interrupts. An exit
 * is a call into the VMM, on the endpoint's own thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "host.h"
#include "internal.h"

#define WINDOW_MOST (64ull << 30) /* addresses, not memory */
#define WINDOW_LEAST (64ull << 20)

/* One end of a channel, as its endpoint knows it. */
struct vmq__host_chan {
	struct vmq_vmm_channel info;
	char peer_name[VMQ_NAME_MAX + 1];
	uint8_t peer_uuid[16];
	int left;              /* why its peer left, if it did */
	bool joined, told;
	struct vmq__host_chan *next;
};

/* ---- what the VMM calls ------------------------------------------------------------ */

static void vm_kick(void *ctx, unsigned what)
{
	struct vmq__host *h = ctx;

	if (h->ring)
		h->ring(h->ctx, what);
	else
		vmq__bell_ring(h->bell, what);
}

void vmq__host_notice(struct vmq__host *h)
{
	atomic_store(&h->fresh, true);
	vmq__bell_ring(h->bell, VMQ_KICK_DATA | VMQ_KICK_SPACE);
}

static int vm_attach(void *ctx, const struct vmq_vmm_channel *info)
{
	struct vmq__host *h = ctx;
	struct vmq__host_chan *c = calloc(1, sizeof(*c));

	if (!c)
		return VMQ_ENOMEM;
	c->info = *info;
	strcpy(c->peer_name, info->peer_name);
	memcpy(c->peer_uuid, info->peer_uuid, sizeof(c->peer_uuid));
	c->info.peer_name = c->peer_name;
	c->info.peer_uuid = c->peer_uuid;
	pthread_mutex_lock(&h->lock);
	c->next = h->chans;
	h->chans = c;
	pthread_mutex_unlock(&h->lock);
	vmq__host_notice(h);
	return 0;
}

static void vm_leave(void *ctx, struct vmq_vmm_link *link, int reason)
{
	struct vmq__host *h = ctx;
	struct vmq__host_chan *c;

	pthread_mutex_lock(&h->lock);
	for (c = h->chans; c && c->info.link != link; c = c->next)
		;
	if (c)
		c->left = reason;
	pthread_mutex_unlock(&h->lock);
	vmq__host_notice(h);
}

/* ---- open and close ------------------------------------------------------------------ */

/* As many addresses as there may be: a limit on them is no reason to fail. */
static int window_reserve(struct vmq__host *h)
{
	for (size_t size = WINDOW_MOST; size >= WINDOW_LEAST; size /= 2) {
		void *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (at == MAP_FAILED)
			continue;
		h->window = at;
		h->window_size = size;
		return 0;
	}
	return vmq__errno(errno);
}

int vmq__host_init(struct vmq__host *h, struct vmq_port *port, const struct vmq_port_ops *ops,
	const struct vmq_open_args *args)
{
	int rc;

	h->port = port;
	h->ops = ops;
	pthread_mutex_init(&h->lock, NULL);
	rc = vmq__bell_new(&h->bell, args->env, args->q);
	return rc ? rc : window_reserve(h);
}

int vmq__host_add(struct vmq__host *h, struct vmq_vmm *vmm, struct vmq_open_args *args)
{
	struct vmq_vm_config config = {
		.size = sizeof(config), .name = args->name, .uuid = args->uuid,
		.lane_size = args->lane_size, .pool_pages = args->pool_pages,
		.window = h->window, .window_size = h->window_size, .ctx = h,
		.kick = vm_kick, .attach = vm_attach, .leave = vm_leave,
	};
	int rc;

	/* With an env there are no eventfds; then they stay 0, which says so. */
	if (!args->env && !h->ring)
		memcpy(config.doorbell, h->bell->fd, sizeof(config.doorbell));
	rc = vmq_vmm_add(vmm, &config, &h->vm);
	if (!rc)
		args->id = vmq_vmm_id(h->vm);
	return rc;
}

void vmq__host_exit(struct vmq__host *h)
{
	if (!h->port)
		return;
	if (h->vm)
		vmq_vmm_remove(h->vm);
	while (h->chans) {
		struct vmq__host_chan *c = h->chans;

		h->chans = c->next;
		free(c);
	}
	if (h->window)
		munmap(h->window, h->window_size);
	vmq__bell_put(h->bell);
	pthread_mutex_destroy(&h->lock);
}

void vmq__host_fds(const struct vmq__host *h, int fds[VMQ_FDS])
{
	fds[VMQ_FD_DATA] = h->bell->fd[0];
	fds[VMQ_FD_SPACE] = h->bell->fd[1];
	fds[VMQ_FD_CONTROL] = -1; /* the bell tells of news */
}

/* ---- doorbells ------------------------------------------------------------------------- */

int vmq__host_bypass(void *chan, unsigned what)
{
	struct vmq__host_chan *c = chan;

	return vmq_vmm_bypass(c->info.link, what);
}

int vmq__host_doorbell(struct vmq__host *h, void *chan, unsigned what)
{
	struct vmq__host_chan *c = chan;

	return vmq_vmm_doorbell(h->vm, c->info.peer, what) < 0 ? VMQ_EGONE : 0;
}

/* ---- news ------------------------------------------------------------------------------ */

static void join(struct vmq__host *h, struct vmq__host_chan *c)
{
	struct vmq_transport_channel t = {
		.size = sizeof(t), .chan = c, .peer = c->info.peer, .peer_name = c->peer_name,
		.peer_uuid = c->peer_uuid, .side = c->info.side, .epoch = c->info.epoch,
		.region = c->info.region, .region_size = c->info.region_size,
	};
	struct vmq_geometry geo;

	c->joined = true;
	if (!vmq_layout_read(c->info.region, c->info.region_size, &geo))
		t.pool = (uint8_t *)c->info.region + geo.pool_off[0];
	if (h->ops->join(h->port, &t))
		vmq__host_detach(h, c);
}

/* The next channel with something to tell, marked as told. */
static struct vmq__host_chan *next_news(struct vmq__host *h, int *left)
{
	struct vmq__host_chan *c;

	pthread_mutex_lock(&h->lock);
	for (c = h->chans; c && c->joined && (!c->left || c->told); c = c->next)
		;
	*left = c && c->joined ? c->left : 0;
	if (*left)
		c->told = true;
	pthread_mutex_unlock(&h->lock);
	return c;
}

void vmq__host_news(struct vmq__host *h)
{
	struct vmq__host_chan *c;
	int left;

	if (!atomic_exchange(&h->fresh, false))
		return;
	while ((c = next_news(h, &left))) {
		if (left)
			h->ops->leave(h->port, c, left);
		else
			join(h, c);
	}
}

int vmq__host_lookup(struct vmq__host *h, const char *name)
{
	return vmq_vmm_lookup(h->vm, name) == VMQ_EACCES ? VMQ_EACCES : 0;
}

void vmq__host_detach(struct vmq__host *h, void *chan)
{
	struct vmq__host_chan *c = chan, **at = &h->chans;

	vmq_vmm_detach(c->info.link);
	pthread_mutex_lock(&h->lock);
	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	pthread_mutex_unlock(&h->lock);
	free(c);
}

/* ---- pages: the VMM does it ------------------------------------------------------------- */

int vmq__host_map(void *chan, const struct vmq_page *run)
{
	struct vmq__host_chan *c = chan;
	int rc = vmq_vmm_pages(c->info.link, run->first, run->count);

	return rc < 0 && rc != VMQ_EPEER ? rc : 0;
}

/* What the other end has yet to do is not this one's to wait for. */
int vmq__host_unmap(void *chan, const struct vmq_page *run)
{
	int rc = vmq__host_map(chan, run);

	return rc == VMQ_EAGAIN ? 0 : rc;
}

/* ---- vmq_vmm_open() --------------------------------------------------------------------- */

static void host_close(void *state)
{
	vmq__host_exit(state);
	free(state);
}

static int host_open(struct vmq_port *port, const struct vmq_port_ops *ops, struct vmq_open_args *args,
	void **state)
{
	struct vmq__host *h = calloc(1, sizeof(*h));
	int rc;

	if (!h)
		return VMQ_ENOMEM;
	rc = vmq__host_init(h, port, ops, args);
	if (!rc)
		rc = vmq__host_add(h, args->vmm, args);
	if (rc == VMQ_EEXIST)
		ops->fail(port, rc, "there is a VM '%s' already", args->name);
	if (rc)
		host_close(h);
	else
		*state = h;
	return rc;
}

static uint64_t host_caps(void *state)
{
	(void)state;
	return VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_UNMAP | VMQ_CAP_READONLY | VMQ_CAP_VOUCHED |
		VMQ_CAP_WAKE | VMQ_CAP_EXIT | VMQ_CAP_ENFORCED;
}

static void host_fds(void *state, int fds[VMQ_FDS])
{
	vmq__host_fds(state, fds);
}

static int host_kick(void *state, void *chan, unsigned what, bool now)
{
	struct vmq__host *h = state;

	if (chan)
		return now ? vmq__host_doorbell(h, chan, what) : vmq__host_bypass(chan, what);
	vmq__bell_ring(h->bell, what);
	return 0;
}

static void host_exit(void *state, enum vmq_exit_reason reason, bool pending)
{
	struct vmq__host *h = state;

	(void)pending;
	vmq_vmm_exit(h->vm, reason);
}

static bool host_drain(void *state, unsigned what)
{
	struct vmq__host *h = state;

	return vmq__bell_drain(h->bell, what);
}

static int host_news(void *state)
{
	vmq__host_news(state);
	return 0;
}

static int host_lookup(void *state, const char *name)
{
	return vmq__host_lookup(state, name);
}

static int host_map(void *state, void *chan, struct vmq_page *run, unsigned mode)
{
	(void)state;
	(void)mode;
	return vmq__host_map(chan, run);
}

static int host_unmap(void *state, void *chan, const struct vmq_page *run)
{
	(void)state;
	return vmq__host_unmap(chan, run);
}

static void host_detach(void *state, void *chan)
{
	vmq__host_detach(state, chan);
}

const struct vmq_transport vmq__host_transport = {
	.abi = VMQ_TRANSPORT_ABI,
	.size = sizeof(struct vmq_transport),
	.name = "host",
	.open = host_open,
	.close = host_close,
	.caps = host_caps,
	.fds = host_fds,
	.kick = host_kick,
	.exit = host_exit,
	.drain = host_drain,
	.news = host_news,
	.lookup = host_lookup,
	.pages_map = host_map,
	.pages_unmap = host_unmap,
	.detach = host_detach,
};
