/* SPDX-License-Identifier: BSD-2-Clause */
/* hub_ask.c - what a hub can be asked about its VMs: who is or was there, and their
 * counters, also of those that left. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "hub.h"

#define KEPT 4095 /* as many as have an id */

/* ---- who has left ----------------------------------------------------------------- */

void vmq__hub_forget(struct vmq_hub *hub, unsigned keep)
{
	struct hub_tomb **at = &hub->tombs;

	while (*at && keep--)
		at = &(*at)->next;
	while (*at) {
		struct hub_tomb *t = *at;

		*at = t->next;
		free(t);
	}
}

/* Take the tomb of that name out of the list, or make one. */
static struct hub_tomb *dig(struct vmq_hub *hub, const char *name)
{
	struct hub_tomb **at = &hub->tombs, *t;

	while (*at && strcmp((*at)->name, name))
		at = &(*at)->next;
	t = *at;
	if (t) {
		*at = t->next;
		return t;
	}
	t = calloc(1, sizeof(*t));
	if (t)
		strcpy(t->name, name);
	return t;
}

static void counters(const struct hub_vm *vm, struct vmq_vmm_stats *stats)
{
	vmq_vmm_stats(vm->vm, stats);
	stats->exits_natural[VMQ_EXIT_WAIT] += vm->quiet;
}

void vmq__hub_bury(struct hub_vm *vm)
{
	struct hub_tomb *t = dig(vm->hub, vm->name);

	if (!t)
		return;
	t->stats.size = sizeof(t->stats);
	counters(vm, &t->stats);
	t->next = vm->hub->tombs;
	vm->hub->tombs = t;
	vmq__hub_forget(vm->hub, KEPT);
}

/* ---- questions ---------------------------------------------------------------------- */

static const struct hub_vm *by_name(const struct vmq_hub *hub, const char *name)
{
	const struct hub_vm *vm = hub->vms;

	while (vm && (!vm->vm || strcmp(vm->name, name)))
		vm = vm->next;
	return vm;
}

/* Whether `name` comes after `last`, and before the best so far. */
static bool sooner(const char *name, const char *last, const char *best)
{
	return strcmp(name, last) > 0 && (!best || strcmp(name, best) < 0);
}

int vmq__hub_next(const struct vmq_hub *hub, char *name, bool *there)
{
	const char *best = NULL;

	for (const struct hub_tomb *t = hub->tombs; t; t = t->next)
		if (sooner(t->name, name, best))
			best = t->name;
	for (const struct hub_vm *vm = hub->vms; vm; vm = vm->next)
		if (vm->vm && sooner(vm->name, name, best))
			best = vm->name;
	if (!best)
		return VMQ_ENOENT;
	strcpy(name, best);
	*there = by_name(hub, name);
	return 0;
}

int vmq_hub_next(struct vmq_hub *hub, char name[VMQ_NAME_MAX + 1], bool *there)
{
	bool ignored;
	int rc;

	if (!hub)
		return VMQ_EBADF;
	if (!name || !memchr(name, 0, VMQ_NAME_MAX + 1))
		return VMQ_EINVAL;
	pthread_mutex_lock(&hub->lock);
	rc = vmq__hub_next(hub, name, there ? there : &ignored);
	pthread_mutex_unlock(&hub->lock);
	return rc;
}

static int stats_of(const struct vmq_hub *hub, const char *name, struct vmq_vmm_stats *stats)
{
	const struct hub_vm *vm = by_name(hub, name);

	if (vm) {
		counters(vm, stats);
		return 0;
	}
	for (const struct hub_tomb *t = hub->tombs; t; t = t->next)
		if (!strcmp(t->name, name)) {
			*stats = t->stats;
			return 0;
		}
	return VMQ_ENOENT;
}

int vmq_hub_stats(struct vmq_hub *hub, const char *name, struct vmq_vmm_stats *stats)
{
	int rc;

	if (!hub)
		return VMQ_EBADF;
	if (!name || !stats || !vmq__sized_out(stats, sizeof(*stats)))
		return VMQ_EINVAL;
	pthread_mutex_lock(&hub->lock);
	rc = stats_of(hub, name, stats);
	pthread_mutex_unlock(&hub->lock);
	return rc;
}

int vmq_hub_kill(struct vmq_hub *hub, const char *name)
{
	const struct hub_vm *vm;
	int rc = VMQ_ENOENT;

	if (!hub)
		return VMQ_EBADF;
	if (!name)
		return VMQ_EINVAL;
	pthread_mutex_lock(&hub->lock);
	vm = by_name(hub, name);
	if (vm)
		rc = kill(vm->pid, SIGKILL) ? VMQ_ESYS : 0;
	pthread_mutex_unlock(&hub->lock);
	return rc;
}
