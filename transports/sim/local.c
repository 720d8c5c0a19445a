/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local.c - VMs that are threads of one process. The VMM is in the process too:
 * an exit is a call into it, on the VM's own thread.
 *
 * Fabrics are found by name, so that two vmq_open() of one address meet: the one
 * piece of state in this library that is global.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"
#include "sim.h"

#define WINDOW_MOST (64ull << 30) /* addresses, not memory */
#define WINDOW_LEAST (64ull << 20)

struct fabric {
	char name[256];
	struct vmq_vmm *vmm;
	struct sim_topology *topology;
	unsigned users;
	struct fabric *next;
};

/* One end of a channel, as its endpoint knows it. */
struct chan {
	struct vmq_vmm_channel info;
	char peer_name[VMQ_NAME_MAX + 1];
	uint8_t peer_uuid[16];
	uint8_t *pool;
	int left;              /* why its peer left, if it did */
	bool joined, told;
	struct chan *next;
};

struct local {
	struct sim_state sim;
	struct vmq_port *port;
	const struct vmq_port_ops *ops;
	struct fabric *fabric;
	struct vmq_vm *vm;
	void *window;
	size_t window_size;
	atomic_uint exits;
	pthread_mutex_t lock;  /* of what the VMM's callbacks change */
	struct chan *chans;
	atomic_bool fresh;     /* something came or left */
	atomic_bool dead;      /* killed by the topology */
};

static pthread_mutex_t fabrics_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fabric *fabrics;

/* ---- fabrics -------------------------------------------------------------------- */

static void fabric_free(struct fabric *f)
{
	vmq_vmm_destroy(f->vmm);
	vmq__sim_topology_free(f->topology);
	free(f);
}

static int fabric_new(const char *name, const char *topology, struct fabric **out, char *why, size_t len)
{
	struct vmq_vmm_options o = { .size = sizeof(o) };
	struct fabric *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return VMQ_ENOMEM;
	strncpy(f->name, name, sizeof(f->name) - 1);
	rc = vmq__sim_topology_read(topology, &f->topology, why, len);
	if (rc) {
		free(f);
		return rc;
	}
	o.flags = f->topology->closed ? VMQ_VMM_CLOSED : 0;
	rc = vmq_vmm_create(&o, &f->vmm);
	if (!rc)
		rc = vmq__sim_topology_apply(f->topology, f->vmm);
	if (rc)
		fabric_free(f);
	else
		*out = f;
	return rc;
}

static int fabric_get(const char *name, const char *topology, struct fabric **out, char *why, size_t len)
{
	struct fabric *f;
	int rc = 0;

	pthread_mutex_lock(&fabrics_lock);
	for (f = fabrics; f && strcmp(f->name, name); f = f->next)
		;
	if (!f) {
		rc = fabric_new(name, topology, &f, why, len);
		if (!rc) {
			f->next = fabrics;
			fabrics = f;
		}
	}
	if (!rc) {
		f->users++;
		*out = f;
	}
	pthread_mutex_unlock(&fabrics_lock);
	return rc;
}

static void fabric_put(struct fabric *f)
{
	struct fabric **at = &fabrics;

	pthread_mutex_lock(&fabrics_lock);
	if (--f->users) {
		pthread_mutex_unlock(&fabrics_lock);
		return;
	}
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	pthread_mutex_unlock(&fabrics_lock);
	fabric_free(f);
}

/* ---- what the VMM calls ------------------------------------------------------------ */

static void vm_kick(void *ctx, unsigned what)
{
	struct local *l = ctx;

	vmq__sim_fault_ring(&l->sim.fault, l->sim.bell, what);
}

static void notice(struct local *l)
{
	atomic_store(&l->fresh, true);
	vmq__sim_bell_ring(l->sim.bell, VMQ_KICK_DATA | VMQ_KICK_SPACE);
}

static int vm_attach(void *ctx, const struct vmq_vmm_channel *info)
{
	struct local *l = ctx;
	struct chan *c = calloc(1, sizeof(*c));

	if (!c)
		return VMQ_ENOMEM;
	c->info = *info;
	strcpy(c->peer_name, info->peer_name);
	memcpy(c->peer_uuid, info->peer_uuid, sizeof(c->peer_uuid));
	c->info.peer_name = c->peer_name;
	c->info.peer_uuid = c->peer_uuid;
	pthread_mutex_lock(&l->lock);
	c->next = l->chans;
	l->chans = c;
	pthread_mutex_unlock(&l->lock);
	notice(l);
	return 0;
}

static void vm_leave(void *ctx, struct vmq_vmm_link *link, int reason)
{
	struct local *l = ctx;
	struct chan *c;

	pthread_mutex_lock(&l->lock);
	for (c = l->chans; c && c->info.link != link; c = c->next)
		;
	if (c)
		c->left = reason;
	pthread_mutex_unlock(&l->lock);
	notice(l);
}

/* ---- open and close ------------------------------------------------------------------ */

static int vm_add(struct local *l, struct vmq_open_args *args)
{
	const struct sim_vm *listed = vmq__sim_topology_vm(l->fabric->topology, args->name);
	struct vmq_vm_config config = {
		.size = sizeof(config), .name = args->name, .uuid = args->uuid,
		.window = l->window, .window_size = l->window_size, .ctx = l,
		.kick = vm_kick, .attach = vm_attach, .leave = vm_leave,
	};
	int rc;

	if (!listed && !l->fabric->topology->open)
		return l->ops->fail(l->port, VMQ_ENOENT, "the topology has no VM '%s'", args->name);
	vmq__sim_topology_sizes(l->fabric->topology, args->name, &args->lane_size, &args->pool_pages);
	config.lane_size = args->lane_size;
	config.pool_pages = args->pool_pages;
	if (listed && listed->has_uuid)
		config.uuid = listed->uuid;
	vmq__sim_fault_init(&l->sim.fault, listed ? &listed->faults : NULL, args->env);
	rc = vmq_vmm_add(l->fabric->vmm, &config, &l->vm);
	if (rc == VMQ_EEXIST)
		return l->ops->fail(l->port, rc, "there is a VM '%s' on '%s' already", args->name,
			l->fabric->name);
	if (!rc)
		args->id = vmq_vmm_id(l->vm);
	return rc;
}

static void local_free(struct local *l)
{
	if (l->vm)
		vmq_vmm_remove(l->vm);
	while (l->chans) {
		struct chan *c = l->chans;

		l->chans = c->next;
		free(c);
	}
	if (l->window)
		munmap(l->window, l->window_size);
	vmq__sim_bell_put(l->sim.bell);
	if (l->fabric)
		fabric_put(l->fabric);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* As many addresses as there may be: a limit on them is no reason to fail. */
static int window_reserve(struct local *l)
{
	for (size_t size = WINDOW_MOST; size >= WINDOW_LEAST; size /= 2) {
		void *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (at == MAP_FAILED)
			continue;
		l->window = at;
		l->window_size = size;
		return 0;
	}
	return vmq__errno(errno);
}

static int local_open(struct vmq_port *port, const struct vmq_port_ops *ops, struct vmq_open_args *args,
	void **state)
{
	struct local *l = calloc(1, sizeof(*l));
	char why[256] = "";
	int rc;

	if (!l)
		return VMQ_ENOMEM;
	pthread_mutex_init(&l->lock, NULL);
	l->sim.kind = &vmq__sim_local;
	l->port = port;
	l->ops = ops;
	rc = fabric_get(args->address, args->topology, &l->fabric, why, sizeof(why));
	if (rc) {
		if (why[0])
			ops->fail(port, rc, "%s", why);
		goto fail;
	}
	rc = vmq__sim_bell_new(&l->sim.bell, args->env, args->q);
	if (rc)
		goto fail;
	rc = window_reserve(l);
	if (rc)
		goto fail;
	rc = vm_add(l, args);
	if (rc)
		goto fail;
	*state = l;
	return 0;
fail:
	local_free(l);
	return rc;
}

static void local_close(void *state)
{
	local_free(state);
}

static uint64_t local_caps(void *state)
{
	(void)state;
	return VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_UNMAP | VMQ_CAP_READONLY | VMQ_CAP_VOUCHED |
		VMQ_CAP_WAKE | VMQ_CAP_EXIT | VMQ_CAP_ENFORCED;
}

/* ---- exits and doorbells --------------------------------------------------------------- */

/* The VM's power is cut at this exit: its peers see it leave. */
static void die(struct local *l)
{
	if (atomic_exchange(&l->dead, true))
		return;
	vmq_vmm_halt(l->vm);
	notice(l);
}

static bool count_exit(struct local *l)
{
	uint32_t limit = l->sim.fault.set.kill_after_exits;

	if (!limit || atomic_fetch_add(&l->exits, 1) + 1 < limit)
		return true;
	die(l);
	return false;
}

static int local_kick(void *state, void *chan, unsigned what, bool now)
{
	struct local *l = state;
	struct chan *c = chan;

	if (!now) {
		/* The doorbell leads straight to the peer, as an ioeventfd does. */
		vmq_vmm_bypass(c->info.link, what);
		return 0;
	}
	if (!count_exit(l))
		return VMQ_EGONE;
	return vmq_vmm_doorbell(l->vm, c->info.peer) < 0 ? VMQ_EGONE : 0;
}

static void local_exit(void *state, enum vmq_exit_reason reason, bool pending)
{
	struct local *l = state;

	(void)pending;
	if (count_exit(l))
		vmq_vmm_exit(l->vm, reason);
}

/* ---- news ---------------------------------------------------------------------------------- */

static void local_detach(void *state, void *chan);

static void join(struct local *l, struct chan *c)
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
	if (l->ops->join(l->port, &t))
		local_detach(l, c);
}

/* The next channel with something to tell, marked as told. */
static struct chan *next_news(struct local *l, int *left)
{
	struct chan *c;

	pthread_mutex_lock(&l->lock);
	for (c = l->chans; c && c->joined && (!c->left || c->told); c = c->next)
		;
	*left = c && c->joined ? c->left : 0;
	if (*left)
		c->told = true;
	pthread_mutex_unlock(&l->lock);
	return c;
}

static int local_news(void *state)
{
	struct local *l = state;
	struct chan *c;
	int left;

	if (!atomic_exchange(&l->fresh, false))
		return 0;
	while ((c = next_news(l, &left))) {
		if (left)
			l->ops->leave(l->port, c, left);
		else
			join(l, c);
	}
	if (atomic_load(&l->dead))
		l->ops->down(l->port);
	return 0;
}

static int local_lookup(void *state, const char *name)
{
	struct local *l = state;
	const struct sim_topology *t = l->fabric->topology;

	if (!t->open && !vmq__sim_topology_vm(t, name))
		return VMQ_ENOENT;
	return vmq_vmm_lookup(l->vm, name) == VMQ_EACCES ? VMQ_EACCES : 0;
}

static void local_detach(void *state, void *chan)
{
	struct local *l = state;
	struct chan *c = chan, **at = &l->chans;

	vmq_vmm_detach(c->info.link);
	pthread_mutex_lock(&l->lock);
	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	pthread_mutex_unlock(&l->lock);
	free(c);
}

/* ---- pages: the VMM does it --------------------------------------------------------------- */

static int sync_run(struct chan *c, const struct vmq_page *run)
{
	int rc = vmq_vmm_pages(c->info.link, run->first, run->count);

	return rc < 0 && rc != VMQ_EPEER ? rc : 0;
}

static int local_map(void *state, void *chan, const struct vmq_page *run, unsigned mode)
{
	(void)state;
	(void)mode;
	return sync_run(chan, run);
}

static int local_unmap(void *state, void *chan, const struct vmq_page *run)
{
	(void)state;
	return sync_run(chan, run);
}

const struct vmq_transport vmq__sim_local = {
	.open = local_open,
	.close = local_close,
	.caps = local_caps,
	.kick = local_kick,
	.exit = local_exit,
	.news = local_news,
	.lookup = local_lookup,
	.pages_map = local_map,
	.pages_unmap = local_unmap,
	.detach = local_detach,
};
