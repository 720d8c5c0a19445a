/* SPDX-License-Identifier: BSD-2-Clause */
/* transport.c - libvmq's transport in a guest of the KVM transport: on guest.h. */
#include <vmq/guest.h>

#include "internal.h"
#include "rt.h"

#define SLOTS 64u
#define BOTH (VMQ_KICK_DATA | VMQ_KICK_SPACE)

struct channel {
	bool attached, left;
};

static struct vmq_guest guest = { .eoi = (volatile uint32_t *)0xfee000b0u };
static struct channel channels[SLOTS];
static struct vmq_port *the_port;
static const struct vmq_port_ops *port_ops;
static volatile uint32_t rings;     /* goes up when the doorbell rings */
static uint32_t heard[AGENT_CALLS]; /* of these by each task's last wait */
static unsigned rung;               /* VMQ_KICK_*, not yet drained */

int transport_start(void *window)
{
	int rc = vmq_guest_init(&guest, window);

	return guest.slots > SLOTS ? VMQ_ENOMEM : rc;
}

void transport_interrupt(void)
{
	vmq_guest_interrupt(&guest);
	rings++;
}

static uint32_t slot_of(const void *chan)
{
	return (uint32_t)((const struct channel *)chan - channels);
}

/* ---- env ------------------------------------------------------------------------- */

static uint64_t env_now(void *ctx)
{
	(void)ctx;
	return cpu_now();
}

static void env_wait(void *ctx, struct vmq *q, uint64_t deadline)
{
	uint32_t *own = &heard[task_number()];

	(void)ctx;
	(void)q;
	if (rings == *own) {
		task_waiting(true);
		task_sleep(&rings, *own, deadline);
		task_waiting(false);
	}
	*own = rings;
}

static void env_wake(void *ctx, struct vmq *q)
{
	(void)ctx;
	(void)q;
	rings++;
}

static uint64_t env_random(void *ctx)
{
	(void)ctx;
	return cpu_now() * 0x9e3779b97f4a7c15ull;
}

const struct vmq_env agent_env = {
	.size = sizeof(struct vmq_env),
	.now = env_now,
	.wait = env_wait,
	.wake = env_wake,
	.random = env_random,
};

/* ---- the fabric -------------------------------------------------------------------- */

static int guest_open(struct vmq_port *port, const struct vmq_port_ops *ops, struct vmq_open_args *args,
	void **state)
{
	the_port = port;
	port_ops = ops;
	args->id = guest.self.id;
	*state = &guest;
	return 0;
}

static void guest_close(void *state)
{
	(void)state;
}

static uint64_t guest_caps(void *state)
{
	(void)state;
	return VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_UNMAP | VMQ_CAP_READONLY | VMQ_CAP_ISOLATED |
		VMQ_CAP_VOUCHED | VMQ_CAP_WAKE | VMQ_CAP_EXIT | VMQ_CAP_ENFORCED;
}

static void guest_fds(void *state, int fds[VMQ_FDS])
{
	(void)state;
	for (unsigned i = 0; i < VMQ_FDS; i++)
		fds[i] = -1;
}

static void guest_detach(void *state, void *chan)
{
	*(struct channel *)chan = (struct channel){ 0 };
	vmq_guest_detach(state, slot_of(chan));
}

static void join(struct vmq_guest *g, struct channel *c, const struct vmq_guest_slot *s)
{
	struct vmq_transport_channel t = {
		.size = sizeof(t), .chan = c, .peer = s->peer, .peer_name = s->name,
		.peer_uuid = s->uuid, .side = s->side, .epoch = s->epoch,
		.region = s->region, .region_size = s->size,
	};
	struct vmq_geometry geo;

	c->attached = true;
	if (!vmq_layout_read(s->region, s->size, &geo))
		t.pool = s->region + geo.pool_off[0];
	if (port_ops->join(the_port, &t))
		guest_detach(g, c);
}

static void look_at(struct vmq_guest *g, uint32_t slot)
{
	struct channel *c = &channels[slot];
	struct vmq_guest_slot s;

	if (vmq_guest_slot(g, slot, &s) || s.state == VMQ_BOOT_FREE)
		return;
	/* A peer that has left already may have sent something before. */
	if (!c->attached)
		join(g, c, &s);
	if (!c->attached || c->left || s.state != VMQ_BOOT_LEFT)
		return;
	c->left = true;
	port_ops->leave(the_port, c, s.reason);
}

static int guest_news(void *state)
{
	struct vmq_guest *g = state;

	if (vmq_guest_changed(g))
		for (uint32_t slot = 0; slot < g->slots; slot++)
			look_at(g, slot);
	return 0;
}

static int guest_lookup(void *state, const char *name)
{
	(void)state;
	(void)name;
	return 0;
}

/* ---- doorbells and exits -------------------------------------------------------------- */

static int guest_kick(void *state, void *chan, unsigned what, bool now)
{
	(void)now; /* each ring is an exit, if only to the host's kernel */
	if (chan) {
		vmq_guest_kick(state, slot_of(chan), what);
		return 0;
	}
	rung |= what;
	env_wake(NULL, NULL);
	return 0;
}

/* Numbered alike: boot.h and enum vmq_exit_reason. */
static void guest_exit(void *state, enum vmq_exit_reason reason, bool pending)
{
	if (pending)
		vmq_guest_exit(state, reason);
}

/* One interrupt stands for both doorbells. */
static bool guest_drain(void *state, unsigned what)
{
	bool rang;

	if (vmq_guest_ack(state))
		rung = BOTH;
	rang = rung & what;
	rung &= ~what;
	return rang;
}

/* ---- pages ------------------------------------------------------------------------------ */

/* What the peer claimed without right is the VMM's to see to. */
static int sync_pages(struct vmq_guest *g, const void *chan)
{
	int rc = vmq_guest_pages(g, slot_of(chan));

	return rc < 0 && rc != VMQ_EPEER ? rc : 0;
}

static int guest_map(void *state, void *chan, struct vmq_page *run, unsigned mode)
{
	(void)run;
	(void)mode;
	return sync_pages(state, chan);
}

static int guest_unmap(void *state, void *chan, const struct vmq_page *run)
{
	int rc = sync_pages(state, chan);

	(void)run;
	return rc == VMQ_EAGAIN ? 0 : rc;
}

static const struct vmq_transport transport = {
	.abi = VMQ_TRANSPORT_ABI,
	.size = sizeof(struct vmq_transport),
	.name = "guest",
	.open = guest_open,
	.close = guest_close,
	.caps = guest_caps,
	.fds = guest_fds,
	.kick = guest_kick,
	.exit = guest_exit,
	.drain = guest_drain,
	.news = guest_news,
	.lookup = guest_lookup,
	.pages_map = guest_map,
	.pages_unmap = guest_unmap,
	.detach = guest_detach,
};

const struct vmq_transport *vmq__transport(const char *name, char *why, size_t len)
{
	(void)why;
	(void)len;
	(void)name;
	return &transport;
}

const struct vmq_transport *vmq__host(void)
{
	return NULL;
}
