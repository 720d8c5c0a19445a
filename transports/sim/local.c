/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local.c - VMs that are threads of one process. The VMM is in the process too:
 * an exit is a call into it, on the VM's own thread.
 *
 * Fabrics are found by name, so that two vmq_open() of one address meet: the one
 * piece of state in this library that is global.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "internal.h"
#include "sim.h"

struct fabric {
	char name[256];
	struct vmq_vmm *vmm;
	struct sim_topology *topology;
	unsigned users;
	struct fabric *next;
};

struct local {
	struct sim_state sim;
	struct vmq__host host;
	struct fabric *fabric;
	atomic_uint exits;
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

/* ---- open and close ------------------------------------------------------------------ */

/* A kick on its way to this VM: it may get lost. */
static void ring(void *ctx, unsigned what)
{
	struct local *l = ctx;

	vmq__sim_fault_ring(&l->sim.fault, l->sim.bell, what);
}

static int vm_add(struct local *l, struct vmq_open_args *args)
{
	const struct sim_topology *t = l->fabric->topology;
	const struct sim_vm *listed = vmq__sim_topology_vm(t, args->name);
	struct vmq__host *h = &l->host;
	int rc;

	if (!listed && !t->open)
		return h->ops->fail(h->port, VMQ_ENOENT, "the topology has no VM '%s'", args->name);
	vmq__sim_topology_sizes(t, args->name, &args->lane_size, &args->pool_pages);
	if (listed && listed->has_uuid)
		args->uuid = listed->uuid;
	vmq__sim_fault_init(&l->sim.fault, listed ? &listed->faults : NULL, args->env);
	rc = vmq__host_add(h, l->fabric->vmm, args);
	if (rc == VMQ_EEXIST)
		return h->ops->fail(h->port, rc, "there is a VM '%s' on '%s' already", args->name,
			l->fabric->name);
	return rc;
}

static void local_free(struct local *l)
{
	vmq__host_exit(&l->host);
	if (l->fabric)
		fabric_put(l->fabric);
	free(l);
}

static int local_open(struct vmq_port *port, const struct vmq_port_ops *ops, struct vmq_open_args *args,
	void **state)
{
	struct local *l;
	char why[256] = "";
	int rc;

	if (strpbrk(args->address, "/="))
		return ops->fail(port, VMQ_EURI, "'%.120s' is no fabric's name: that has no '/' and no '='. A hub's "
			"socket is sim:unix=PATH", args->address);
	l = calloc(1, sizeof(*l));
	if (!l)
		return VMQ_ENOMEM;
	l->sim.kind = &vmq__sim_local;
	l->host.ring = ring;
	l->host.ctx = l;
	rc = fabric_get(args->address, args->topology, &l->fabric, why, sizeof(why));
	if (rc && why[0])
		ops->fail(port, rc, "%s", why);
	if (!rc)
		rc = vmq__host_init(&l->host, port, ops, args);
	if (!rc) {
		l->sim.bell = l->host.bell;
		rc = vm_add(l, args);
	}
	if (rc)
		local_free(l);
	else
		*state = l;
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
	vmq_vmm_halt(l->host.vm);
	vmq__host_notice(&l->host);
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

	if (!now)
		return vmq__host_bypass(chan, what);
	if (!count_exit(l))
		return VMQ_EGONE;
	return vmq__host_doorbell(&l->host, chan, what);
}

static void local_exit(void *state, enum vmq_exit_reason reason, bool pending)
{
	struct local *l = state;

	(void)pending;
	if (count_exit(l))
		vmq_vmm_exit(l->host.vm, reason);
}

/* ---- news, pages: the VMM's work ------------------------------------------------------------ */

static int local_news(void *state)
{
	struct local *l = state;

	vmq__host_news(&l->host);
	if (atomic_load(&l->dead))
		l->host.ops->down(l->host.port);
	return 0;
}

static int local_lookup(void *state, const char *name)
{
	struct local *l = state;
	const struct sim_topology *t = l->fabric->topology;

	if (!t->open && !vmq__sim_topology_vm(t, name))
		return VMQ_ENOENT;
	return vmq__host_lookup(&l->host, name);
}

static int local_map(void *state, void *chan, struct vmq_page *run, unsigned mode)
{
	(void)state;
	(void)mode;
	return vmq__host_map(chan, run);
}

static int local_unmap(void *state, void *chan, const struct vmq_page *run)
{
	(void)state;
	return vmq__host_unmap(chan, run);
}

static void local_detach(void *state, void *chan)
{
	struct local *l = state;

	vmq__host_detach(&l->host, chan);
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
