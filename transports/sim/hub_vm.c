/* SPDX-License-Identifier: BSD-2-Clause */
/* hub_vm.c - one VM's process, as its hub sees it. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "hub.h"

#define BUDGET 64 /* packets of one VM before the next's turn */

/* One channel of this VM, by the number that its process calls it. */
struct hub_link {
	uint64_t name;
	struct vmq_vmm_link *link;
	struct hub_link *next;
};

static struct sim_wire packet(enum sim_wire_type type)
{
	return (struct sim_wire){ .version = SIM_WIRE_VERSION, .type = type };
}

/* A VM that does not read what it is told is cut off, later: we may be in the
 * middle of a call of the VMM's. */
int vmq__hub_vm_tell(struct hub_vm *vm, const struct sim_wire *m, const int *fds, unsigned n)
{
	int rc = vmq__sim_wire_send(vm->sock, m, fds, n);

	if (rc)
		vm->broken = true;
	return rc;
}

/* ---- what the VMM calls --------------------------------------------------------------- */

static void vm_kick(void *ctx, unsigned what)
{
	struct hub_vm *vm = ctx;

	vmq__bell_ring(vm->bell, what);
}

static struct hub_vm *vm_of(struct vmq_hub *hub, const char *name)
{
	struct hub_vm *vm = hub->vms;

	while (vm && strcmp(vm->name, name))
		vm = vm->next;
	return vm;
}

/* The first packet that a VM gets, before those about its peers. */
static void welcome(struct hub_vm *vm, uint32_t id)
{
	struct sim_wire m = packet(SIM_WELCOME);

	if (vm->welcomed)
		return;
	vm->welcomed = true;
	m.lane = vm->lane;
	m.pages = vm->pages;
	m.id = id;
	m.faults = vm->faults;
	vmq__hub_vm_tell(vm, &m, vm->bell->fd, 2);
}

static int vm_attach(void *ctx, const struct vmq_vmm_channel *c)
{
	struct hub_vm *vm = ctx, *peer = vm_of(vm->hub, c->peer_name);
	struct sim_wire m = packet(SIM_JOIN);
	struct hub_link *l;
	int rc;

	if (!peer)
		return VMQ_ENOENT;
	welcome(vm, c->id);
	l = calloc(1, sizeof(*l));
	if (!l)
		return VMQ_ENOMEM;
	l->name = ++vm->hub->links_made;
	l->link = c->link;
	m.chan = l->name;
	m.id = c->peer;
	m.side = c->side;
	m.epoch = c->epoch;
	m.faults = peer->faults;
	strcpy(m.name, c->peer_name);
	memcpy(m.uuid, c->peer_uuid, sizeof(m.uuid));
	rc = vmq__hub_vm_tell(vm, &m, (int[]){ c->fd, peer->bell->fd[0], peer->bell->fd[1] }, 3);
	if (rc) {
		free(l);
		return rc;
	}
	l->next = vm->links;
	vm->links = l;
	return 0;
}

static void vm_leave(void *ctx, struct vmq_vmm_link *link, int reason)
{
	struct hub_vm *vm = ctx;
	struct sim_wire m = packet(SIM_LEAVE);

	for (struct hub_link *l = vm->links; l; l = l->next) {
		if (l->link != link)
			continue;
		m.chan = l->name;
		m.code = reason;
		vmq__hub_vm_tell(vm, &m, NULL, 0);
		return;
	}
}

/* ---- hello ------------------------------------------------------------------------------ */

int vmq__hub_vm_new(struct vmq_hub *hub, int sock, int pid)
{
	struct hub_vm *vm = calloc(1, sizeof(*vm));
	int rc;

	if (!vm)
		return VMQ_ENOMEM;
	vm->hub = hub;
	vm->sock = sock;
	vm->pid = pid;
	rc = vmq__hub_watch(hub, sock, vm);
	if (rc) {
		free(vm);
		return rc;
	}
	vm->next = hub->vms;
	hub->vms = vm;
	return 0;
}

static int refuse(struct hub_vm *vm, int code, const char *text)
{
	struct sim_wire m = packet(SIM_REFUSED);

	m.code = code;
	snprintf(m.text, sizeof(m.text), "%s", text);
	vmq__hub_vm_tell(vm, &m, NULL, 0);
	vmq__hub_vm_drop(vm, text);
	return code;
}

static void config_of(struct hub_vm *vm, const struct sim_wire *hello, struct vmq_vm_config *c)
{
	const struct sim_vm *listed = vmq__sim_topology_vm(vm->hub->topology, hello->name);

	*c = (struct vmq_vm_config){
		.size = sizeof(*c), .name = hello->name, .uuid = hello->uuid,
		.lane_size = hello->lane, .pool_pages = hello->pages,
		.ctx = vm, .kick = vm_kick, .attach = vm_attach, .leave = vm_leave,
	};
	vmq__sim_topology_sizes(vm->hub->topology, hello->name, &c->lane_size, &c->pool_pages);
	vm->lane = c->lane_size;
	vm->pages = c->pool_pages;
	if (!listed)
		return;
	vm->faults = listed->faults;
	if (listed->has_uuid)
		c->uuid = listed->uuid;
}

static void hello(struct hub_vm *vm, const struct sim_wire *m)
{
	struct vmq_hub *hub = vm->hub;
	struct vmq_vm_config config;
	char text[160];
	int rc;

	if (vm->vm || vm->watches || !vmq__name_ok(m->name)) {
		refuse(vm, VMQ_EINVAL, "not a valid VM name");
		return;
	}
	if (!hub->topology->open && !vmq__sim_topology_vm(hub->topology, m->name)) {
		snprintf(text, sizeof(text), "the topology has no VM '%s'", m->name);
		refuse(vm, VMQ_ENOENT, text);
		return;
	}
	if (vm_of(hub, m->name)) {
		snprintf(text, sizeof(text), "there is a VM '%s' on this hub already", m->name);
		refuse(vm, VMQ_EEXIST, text);
		return;
	}
	config_of(vm, m, &config);
	rc = vmq__bell_new(&vm->bell, NULL, NULL);
	if (!rc) {
		strcpy(vm->name, m->name);
		rc = vmq_vmm_add(hub->vmm, &config, &vm->vm);
	}
	if (rc) {
		vm->name[0] = 0;
		refuse(vm, rc, vmq_strerror(rc));
		return;
	}
	welcome(vm, vmq_vmm_id(vm->vm));
	vmq__hub_log(hub, "%s joined (process %d)", vm->name, vm->pid);
}

/* ---- exits -------------------------------------------------------------------------------- */

static bool dies(struct hub_vm *vm)
{
	if (!vm->faults.kill_after_exits || ++vm->exits < vm->faults.kill_after_exits)
		return false;
	vmq__hub_log(vm->hub, "%s is killed at its exit %u", vm->name, vm->faults.kill_after_exits);
	kill(vm->pid, SIGKILL);
	vm->faults.kill_after_exits = 0;
	return true;
}

void vmq__hub_vm_exit(struct hub_vm *vm, enum vmq_exit_reason reason)
{
	if (!dies(vm))
		vmq_vmm_exit(vm->vm, reason);
}

static void on_exit_packet(struct hub_vm *vm, const struct sim_wire *m)
{
	vm->quiet += m->quiet;
	vmq_vmm_count_bypass(vm->vm, m->bypass);
	if (!m->now) {
		vmq__hub_vm_exit(vm, (enum vmq_exit_reason)m->reason);
		return;
	}
	if (!dies(vm))
		vmq_vmm_doorbell(vm->vm, m->id, m->now & (VMQ_KICK_DATA | VMQ_KICK_SPACE));
}

/* ---- the rest of what a VM says ------------------------------------------------------------- */

static void lookup(struct hub_vm *vm, const struct sim_wire *m)
{
	const struct sim_topology *t = vm->hub->topology;
	struct sim_wire a = packet(SIM_ANSWER);

	if (!vmq__name_ok(m->name))
		return;
	strcpy(a.name, m->name);
	if (!t->open && !vmq__sim_topology_vm(t, m->name))
		a.code = VMQ_ENOENT;
	else
		a.code = vmq_vmm_lookup(vm->vm, m->name) == VMQ_EACCES ? VMQ_EACCES : VMQ_EAGAIN;
	vmq__hub_vm_tell(vm, &a, NULL, 0);
	vmq__bell_ring(vm->bell, VMQ_KICK_DATA);
}

static void detach(struct hub_vm *vm, const struct sim_wire *m)
{
	for (struct hub_link **at = &vm->links; *at; at = &(*at)->next) {
		struct hub_link *l = *at;

		if (l->name != m->chan)
			continue;
		*at = l->next;
		vmq_vmm_detach(l->link);
		free(l);
		return;
	}
}

static void packet_in(struct hub_vm *vm, const struct sim_wire *m)
{
	if (m->type == SIM_HELLO)
		hello(vm, m);
	else if (m->type == SIM_WATCH && !vm->vm)
		vmq__hub_watched(vm, m);
	else if (!vm->vm)
		vmq__hub_vm_drop(vm, "it did not say its name first");
	else if (m->type == SIM_EXIT)
		on_exit_packet(vm, m);
	else if (m->type == SIM_LOOKUP)
		lookup(vm, m);
	else if (m->type == SIM_DETACH)
		detach(vm, m);
	else
		vmq__hub_vm_drop(vm, "it said something unknown");
}

void vmq__hub_vm_serve(struct hub_vm *vm)
{
	int fds[SIM_WIRE_FDS], rc;
	struct sim_wire m;

	for (int budget = BUDGET; budget && vm->sock >= 0; budget--) {
		rc = vmq__sim_wire_recv(vm->sock, &m, fds);
		if (rc == VMQ_EAGAIN)
			return;
		if (rc == VMQ_EVERSION) {
			refuse(vm, VMQ_EVERSION, "the hub speaks another version");
			return;
		}
		if (rc) {
			vmq__hub_vm_drop(vm, "its connection closed");
			return;
		}
		vmq__sim_wire_close(fds); /* a VM has no descriptors to give */
		packet_in(vm, &m);
		if (vm->watches)
			return; /* an answer is work: the next one's turn */
	}
}

/* ---- the end ------------------------------------------------------------------------------------ */

void vmq__hub_vm_drop(struct hub_vm *vm, const char *why)
{
	struct hub_vm **at = &vm->hub->vms;

	if (vm->sock < 0)
		return;
	while (*at && *at != vm)
		at = &(*at)->next;
	if (*at)
		*at = vm->next;
	vm->next = vm->hub->dropped;
	vm->hub->dropped = vm;
	/* A child of this process may have the socket too, and then it would stay. */
	epoll_ctl(vm->hub->epfd, EPOLL_CTL_DEL, vm->sock, NULL);
	close(vm->sock);
	vm->sock = -1;
	if (!vm->vm)
		return;
	/* Before it is said: who logs may ask for the counters. */
	vmq__hub_bury(vm);
	if (why)
		vmq__hub_log(vm->hub, "%s left: %s", vm->name, why);
	vmq_vmm_remove(vm->vm);
	vm->vm = NULL;
}

static void vm_free(struct hub_vm *vm)
{
	while (vm->links) {
		struct hub_link *l = vm->links;

		vm->links = l->next;
		free(l);
	}
	vmq__bell_put(vm->bell);
	free(vm);
}

void vmq__hub_vm_reap(struct vmq_hub *hub)
{
	struct hub_vm *vm = hub->vms;

	while (vm) {
		if (vm->broken) {
			vmq__hub_vm_drop(vm, "it does not read what it is told");
			vm = hub->vms; /* others may have broken by that */
			continue;
		}
		vm = vm->next;
	}
	while (hub->dropped) {
		vm = hub->dropped;
		hub->dropped = vm->next;
		vm_free(vm);
	}
}
