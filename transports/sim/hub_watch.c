/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hub_watch.c - what a hub shows to who watches: VMs that are or were there, with their
 * counters, and the regions of their channels, only to be read.
 *
 * A watcher asks, gets a few packets, and asks on from where they ended. So nothing is
 * kept for it, the hub never waits for it, and few descriptors are under way. Between
 * two answers VMs come and go: it sees each that stayed, once.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hub.h"
#include "vmm.h"

#define SHOWN 8u           /* packets of one answer, at most */
#define IDLE_US 5000000ull /* it may think for so long before it asks on */

/* How far an answer has come. */
struct tour {
	struct hub_vm *watcher;
	struct sim_wire at; /* SIM_MORE: behind what to go on */
	unsigned left;
};

static bool show(struct tour *t, const struct sim_wire *m, const int *fds, unsigned n)
{
	t->left--;
	return !vmq__hub_vm_tell(t->watcher, m, fds, n);
}

/* ---- channels ------------------------------------------------------------------------ */

/* Which of a channel's VMs shows it: side 0's, as long as it is not done with it. */
static bool shows(const struct vmq_vmm_link *l)
{
	return !l->side || !l->channel->link[0].vm;
}

/* Of the VM's channels the one with the lowest number above `after`. */
static struct vmq_vmm_link *next_link(struct vmq_vm *vm, uint32_t after)
{
	struct vmq_vmm_link *best = NULL;

	for (struct vmq_vmm_link *l = vm->links; l; l = l->next)
		if (l->channel->epoch > after && shows(l) &&
				(!best || l->channel->epoch < best->channel->epoch))
			best = l;
	return best;
}

static int only_read(int fd)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* A VM's id, or 0 if it has left the channel. */
static uint32_t end_id(const struct vmq_vmm_link *l)
{
	return l->vm ? l->vm->ident.id : 0;
}

static bool show_channel(struct tour *t, const struct vmm_channel *ch)
{
	struct sim_wire m = { .version = SIM_WIRE_VERSION, .type = SIM_CHANNEL, .epoch = ch->epoch,
		.id = end_id(&ch->link[0]), .reason = end_id(&ch->link[1]) };
	int fd = only_read(ch->fd);
	bool ok;

	if (fd < 0)
		m.code = VMQ_ESYS;
	ok = show(t, &m, &fd, fd >= 0);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* False: the answer is full, or the watcher broken. */
static bool show_channels(struct tour *t, struct vmq_vm *vm)
{
	struct vmq_vmm_link *l;
	bool ok = true;

	pthread_mutex_lock(&vm->vmm->lock);
	while (ok && (l = next_link(vm, t->at.epoch))) {
		ok = t->left && show_channel(t, l->channel);
		if (ok)
			t->at.epoch = l->channel->epoch;
	}
	pthread_mutex_unlock(&vm->vmm->lock);
	return ok;
}

/* ---- VMs ------------------------------------------------------------------------------ */

/* Who has left has its id until all are used: it may come back. */
static uint32_t last_id(struct vmq_vmm *vmm, const char *name)
{
	uint32_t id;

	pthread_mutex_lock(&vmm->lock);
	id = vmq__vmm_name_id(vmm, name);
	pthread_mutex_unlock(&vmm->lock);
	return id;
}

static bool show_vm(struct tour *t, const char *name, bool there)
{
	struct sim_wire m = { .version = SIM_WIRE_VERSION, .type = SIM_VM, .now = there,
		.id = last_id(t->watcher->hub->vmm, name) };

	m.stats.size = sizeof(m.stats);
	strcpy(m.name, name);
	return !vmq_hub_stats(t->watcher->hub, name, &m.stats) && show(t, &m, NULL, 0);
}

/* The VM that has the lowest id from `id` on. */
static struct hub_vm *next_vm(struct vmq_hub *hub, uint32_t id)
{
	struct hub_vm *best = NULL;

	for (struct hub_vm *vm = hub->vms; vm; vm = vm->next)
		if (vm->vm && vmq_vmm_id(vm->vm) >= id &&
				(!best || vmq_vmm_id(vm->vm) < vmq_vmm_id(best->vm)))
			best = vm;
	return best;
}

/* Those that are there, each followed by channels of it. */
static bool show_vms(struct tour *t)
{
	struct hub_vm *vm = next_vm(t->watcher->hub, t->at.id);

	for (; vm; vm = next_vm(t->watcher->hub, t->at.id + 1)) {
		uint32_t id = vmq_vmm_id(vm->vm);

		if (id != t->at.id) {
			if (!t->left || !show_vm(t, vm->name, true))
				return false;
			t->at.id = id;
			t->at.epoch = 0;
		}
		if (!show_channels(t, vm->vm))
			return false;
	}
	return true;
}

/* Those that have left, by name. */
static bool show_left(struct tour *t)
{
	char name[VMQ_NAME_MAX + 1];
	bool there;

	strcpy(name, t->at.name);
	while (!vmq__hub_next(t->watcher->hub, name, &there)) {
		if (!there && (!t->left || !show_vm(t, name, false)))
			return false;
		strcpy(t->at.name, name);
	}
	return true;
}

/* ---- an answer -------------------------------------------------------------------------- */

void vmq__hub_watched(struct hub_vm *watcher, const struct sim_wire *from)
{
	struct tour t = { .watcher = watcher, .left = SHOWN };
	bool all;

	watcher->watches = true;
	watcher->idle_us = 0;
	t.at = (struct sim_wire){ .version = SIM_WIRE_VERSION, .type = SIM_MORE, .side = from->side,
		.id = from->id, .epoch = from->epoch };
	strcpy(t.at.name, from->name);
	if (!t.at.side)
		t.at.side = show_vms(&t);
	all = t.at.side && show_left(&t);
	if (all)
		t.at.type = SIM_END;
	vmq__hub_vm_tell(watcher, &t.at, NULL, 0);
	if (all)
		vmq__hub_vm_drop(watcher, NULL);
}

void vmq__hub_watch_idle(struct hub_vm *watcher, uint64_t us)
{
	watcher->idle_us += us;
	if (watcher->idle_us > IDLE_US)
		vmq__hub_vm_drop(watcher, NULL);
}
