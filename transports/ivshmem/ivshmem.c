/* SPDX-License-Identifier: BSD-2-Clause */
/* ivshmem.c - the transport's functions: how an endpoint comes, and what libvmq calls. */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>

#include "ivshmem.h"
#include "loop.h"

#define LANE_DEFAULT (256u << 10)
#define POOL_DEFAULT 256u

/* ---- open ------------------------------------------------------------------------------ */

static int explain(void *ctx, int code, const char *format, ...)
{
	struct ivshmem *iv = ctx;
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return iv->ops->fail(iv->port, code, "%s", text);
}

static int make_bells(struct ivshmem *iv)
{
	for (unsigned k = 0; k < VMQ_FDS; k++) {
		iv->bell[k] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (iv->bell[k] < 0)
			return vmq__errno(errno);
	}
	iv->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return iv->stop < 0 ? vmq__errno(errno) : 0;
}

/* The directory, written if nobody has. */
static int read_directory(struct ivshmem *iv)
{
	int rc = vmq__dir_read(iv->dev->region, iv->dev->size, &iv->dir);

	if (rc == VMQ_ENOENT) {
		rc = vmq__dir_write(iv->dev->region, iv->dev->size, NULL);
		if (!rc)
			rc = vmq__dir_read(iv->dev->region, iv->dev->size, &iv->dir);
	}
	if (rc == VMQ_EVERSION)
		return explain(iv, rc, "the region's directory is of another version");
	if (rc == VMQ_EINVAL)
		return explain(iv, VMQ_EPROTO, "a region of %llu bytes is too small, or no power of two",
			(unsigned long long)iv->dev->size);
	if (rc)
		return explain(iv, rc, "the region holds something else than libvmq's directory: fill it with "
			"zeros if nobody uses that");
	return 0;
}

static void settle_who(struct ivshmem *iv, const struct vmq_open_args *args)
{
	iv->who.doorbell = iv->dev->doorbell;
	iv->who.vectors = iv->dev->vectors;
	iv->who.lane_size = args->lane_size ? args->lane_size : LANE_DEFAULT;
	iv->who.pool_pages = args->pool_pages ? args->pool_pages : POOL_DEFAULT;
	if (args->pool_pages == VMQ_NO_PAGES)
		iv->who.pool_pages = 0;
	memcpy(iv->who.uuid, args->uuid, sizeof(iv->who.uuid));
	memcpy(iv->who.name, args->name, strlen(args->name) + 1);
}

/* Memory for all that the slots of the directory may bring. */
static int make_tables(struct ivshmem *iv)
{
	uint32_t slots = iv->dir.slots;

	iv->peer = calloc(slots, sizeof(*iv->peer));
	iv->sight = calloc(slots, sizeof(*iv->sight));
	iv->busy = calloc(slots, 2 * VMQ_IVSHMEM_HOLDS * sizeof(*iv->busy));
	return iv->peer && iv->sight && iv->busy ? 0 : VMQ_ENOMEM;
}

static int come_in(struct ivshmem *iv)
{
	uint32_t seed[2];
	int rc = vmq__ivshmem_claim(iv);

	if (rc)
		return rc;
	if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed[0] = seed[1] = (uint32_t)vmq__ivshmem_now();
	iv->serial = seed[0];
	iv->epoch = seed[1];
	vmq__dir_arena(&iv->dir, iv->me, &iv->arena, &iv->pages, &iv->each);
	iv->share = vmq__dir_share(&iv->dir, iv->me);
	for (uint32_t p = 0; p < iv->dir.slots; p++)
		iv->peer[p].claim = vmq__load(&vmq__dir_slot(&iv->dir, p)->claim);
	atomic_store(&iv->caps, VMQ_CAP_PAGES | iv->dev->caps);
	atomic_store(&iv->fresh, true);
	rc = vmq__ivshmem_watch(iv);
	vmq__ivshmem_ring_all(iv);
	return rc;
}

/* Out of the directory, if the place is still the own one. */
static void go(struct ivshmem *iv)
{
	if (!iv->claim || !vmq__ivshmem_ours(iv))
		return;
	vmq__dir_leave(&iv->dir, iv->me, iv->claim);
	vmq__ivshmem_ring_all(iv);
}

static void ivshmem_close(void *state)
{
	struct ivshmem *iv = state;

	vmq__ivshmem_unwatch(iv);
	go(iv);
	if (iv->dev)
		iv->dev->ops->close(iv->dev);
	for (unsigned k = 0; k < VMQ_FDS; k++)
		vmq__loop_close(iv->bell[k]);
	vmq__loop_close(iv->stop);
	pthread_mutex_destroy(&iv->lock);
	free(iv->peer);
	free(iv->sight);
	free(iv->busy);
	free(iv);
}

static struct ivshmem *new_state(struct vmq_port *port, const struct vmq_port_ops *ops)
{
	struct ivshmem *iv = calloc(1, sizeof(*iv));

	if (!iv)
		return NULL;
	iv->port = port;
	iv->ops = ops;
	iv->stop = -1;
	for (unsigned k = 0; k < VMQ_FDS; k++)
		iv->bell[k] = -1;
	pthread_mutex_init(&iv->lock, NULL);
	return iv;
}

static int open_all(struct ivshmem *iv, struct vmq_open_args *args)
{
	const struct vmq__ivdev_why why = { explain, iv };
	int rc = make_bells(iv);

	if (!rc)
		rc = vmq__ivdev_open(args->address, iv->bell, &why, &iv->dev);
	if (!rc)
		rc = read_directory(iv);
	if (!rc)
		rc = make_tables(iv);
	if (rc)
		return rc;
	settle_who(iv, args);
	rc = come_in(iv);
	args->id = iv->me + 1;
	return rc;
}

static int ivshmem_open(struct vmq_port *port, const struct vmq_port_ops *ops,
	struct vmq_open_args *args, void **state)
{
	struct ivshmem *iv;
	int rc;

	if (args->env)
		return ops->fail(port, VMQ_ENOTSUP, "ivshmem waits for the system: no env of one's own");
	if (args->topology)
		return ops->fail(port, VMQ_EINVAL, "ivshmem has no topology: all who map the region may talk");
	iv = new_state(port, ops);
	if (!iv)
		return VMQ_ENOMEM;
	rc = open_all(iv, args);
	if (rc)
		ivshmem_close(iv);
	else
		*state = iv;
	return rc;
}

/* ---- doorbells --------------------------------------------------------------------------- */

static uint64_t ivshmem_caps(void *state)
{
	struct ivshmem *iv = state;

	return atomic_load_explicit(&iv->caps, memory_order_relaxed);
}

static void ivshmem_fds(void *state, int fds[VMQ_FDS])
{
	struct ivshmem *iv = state;

	memcpy(fds, iv->dev->fd, sizeof(iv->dev->fd));
}

void vmq__ivshmem_stir(struct ivshmem *iv)
{
	atomic_store(&iv->fresh, true);
	vmq__loop_ring(iv->bell[VMQ_FD_CONTROL]);
}

static int ivshmem_kick(void *state, void *chan, unsigned what, bool now)
{
	struct ivshmem *iv = state;
	const struct iv_chan *c = chan;

	(void)now; /* each kick is one */
	for (unsigned kind = VMQ_FD_DATA; kind <= VMQ_FD_SPACE; kind++) {
		if (!(what & 1u << kind))
			continue;
		if (c)
			vmq__ivshmem_ring(iv, c->peer, kind);
		else
			vmq__loop_ring(iv->bell[kind]);
	}
	return 0;
}

/* There is no VMM that would look at what was sent lazily. */
static void ivshmem_exit(void *state, enum vmq_exit_reason reason, bool pending)
{
	struct ivshmem *iv = state;

	(void)reason;
	if (!pending)
		return;
	pthread_mutex_lock(&iv->lock);
	for (struct iv_chan *c = iv->chans; c; c = c->next)
		ivshmem_kick(iv, c, vmq_layout_kick_due(c->base, &c->geo, c->side), false);
	pthread_mutex_unlock(&iv->lock);
}

/* The word first: who sets it again finds the eventfd's state still to be told. */
static bool silence(struct ivshmem *iv, unsigned kind)
{
	bool word = vmq__ivshmem_ours(iv) && vmq__dir_silence(&iv->dir, iv->me, kind);
	bool fd = iv->dev->ops->drain(iv->dev, kind);

	atomic_store(&iv->rung[kind], false);
	return word || fd;
}

static bool ivshmem_drain(void *state, unsigned what)
{
	bool rang = false;

	for (unsigned kind = VMQ_FD_DATA; kind <= VMQ_FD_SPACE; kind++)
		if (what & 1u << kind)
			rang |= silence(state, kind);
	return rang;
}

/* ---- control ------------------------------------------------------------------------------- */

static int over(struct ivshmem *iv, int end)
{
	vmq__ivshmem_leave_all(iv, end);
	iv->down = true;
	iv->ops->down(iv->port);
	return VMQ_ECONN;
}

static int ivshmem_news(void *state)
{
	struct ivshmem *iv = state;
	bool rang = silence(iv, VMQ_FD_CONTROL), lost = atomic_load(&iv->lost);
	int end;

	if (iv->down)
		return VMQ_ECONN;
	if (lost != iv->lost_told) {
		iv->lost_told = lost;
		iv->ops->server(iv->port, !lost);
	}
	if ((atomic_exchange(&iv->fresh, false) || rang) && !atomic_load(&iv->end))
		vmq__ivshmem_reconcile(iv);
	end = atomic_load(&iv->end);
	return end ? over(iv, end) : 0;
}

static int ivshmem_lookup(void *state, const char *name)
{
	(void)state;
	(void)name;
	return 0;
}

/* All is mapped everywhere: what changes is whose a page is. */
static int ivshmem_map(void *state, void *chan, struct vmq_page *run, unsigned mode)
{
	(void)state;
	(void)chan;
	(void)run;
	(void)mode;
	return 0;
}

static int ivshmem_unmap(void *state, void *chan, const struct vmq_page *run)
{
	(void)state;
	(void)chan;
	(void)run;
	return 0;
}

static void ivshmem_detach(void *state, void *chan)
{
	vmq__ivshmem_detach(state, chan);
}

extern const struct vmq_transport vmq__ivshmem_transport;
const struct vmq_transport vmq__ivshmem_transport = {
	.abi = VMQ_TRANSPORT_ABI,
	.size = sizeof(struct vmq_transport),
	.name = "ivshmem",
	.open = ivshmem_open,
	.close = ivshmem_close,
	.caps = ivshmem_caps,
	.fds = ivshmem_fds,
	.kick = ivshmem_kick,
	.exit = ivshmem_exit,
	.drain = ivshmem_drain,
	.news = ivshmem_news,
	.lookup = ivshmem_lookup,
	.pages_map = ivshmem_map,
	.pages_unmap = ivshmem_unmap,
	.detach = ivshmem_detach,
};
