/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm.c - VMs come and go, may talk or not, and leave for the VMM. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "internal.h"
#include "vmm.h"

#define LANE_DEFAULT (256u << 10)
#define POOL_DEFAULT 256u

int vmq_vmm_create(const struct vmq_vmm_options *options, struct vmq_vmm **out)
{
	struct vmq_vmm_options o = { .size = sizeof(o) };
	struct vmq_vmm *vmm;
	uint64_t seed;

	if (!out || (options && options->size != sizeof(*options)))
		return VMQ_EINVAL;
	if (options)
		o = *options;
	if (o.flags & ~VMQ_VMM_CLOSED)
		return VMQ_EINVAL;
	seed = o.seed;
	if (!seed && getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return vmq__errno(errno);
	vmm = calloc(1, sizeof(*vmm));
	if (!vmm)
		return VMQ_ENOMEM;
	vmm->names = calloc(VMM_IDS, sizeof(*vmm->names));
	if (!vmm->names) {
		free(vmm);
		return VMQ_ENOMEM;
	}
	pthread_mutex_init(&vmm->lock, NULL);
	vmm->flags = o.flags;
	vmm->epoch = (uint32_t)seed;
	vmm->names_used = 1;
	*out = vmm;
	return 0;
}

/* ---- policy -------------------------------------------------------------------- */

static bool rule_names(const struct vmm_rule *r, const char *a, const char *b)
{
	return (!strcmp(r->a, "*") || !strcmp(r->a, a)) && (!strcmp(r->b, "*") || !strcmp(r->b, b));
}

static bool allowed(const struct vmq_vmm *vmm, const char *a, const char *b)
{
	for (const struct vmm_rule *r = vmm->rules; r; r = r->next)
		if (rule_names(r, a, b) || rule_names(r, b, a))
			return r->allow;
	return !(vmm->flags & VMQ_VMM_CLOSED);
}

static bool connected(const struct vmq_vm *a, const struct vmq_vm *b)
{
	for (struct vmq_vmm_link *l = a->links; l; l = l->next)
		if (vmq__vmm_peer(l) == b && !l->channel->revoked)
			return true;
	return false;
}

static void enforce_pair(struct vmq_vm *a, struct vmq_vm *b)
{
	bool may = allowed(a->vmm, a->ident.name, b->ident.name);

	if (a->halted || b->halted)
		return;
	if (may && !connected(a, b))
		vmq__vmm_connect(a, b);
	for (struct vmq_vmm_link *l = a->links; l && !may; l = l->next)
		if (vmq__vmm_peer(l) == b && !l->channel->revoked)
			vmq__vmm_revoke(l->channel);
}

static void enforce(struct vmq_vmm *vmm)
{
	for (struct vmq_vm *a = vmm->vms; a; a = a->next)
		for (struct vmq_vm *b = a->next; b; b = b->next)
			enforce_pair(a, b);
}

static bool rule_name_ok(const char *name)
{
	return name && (!strcmp(name, "*") || vmq__name_ok(name));
}

static int rule_add(struct vmq_vmm *vmm, const char *a, const char *b, bool allow)
{
	struct vmm_rule *r;

	if (!vmm)
		return VMQ_EBADF;
	if (!rule_name_ok(a) || !rule_name_ok(b))
		return VMQ_EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return VMQ_ENOMEM;
	strcpy(r->a, a);
	strcpy(r->b, b);
	r->allow = allow;
	pthread_mutex_lock(&vmm->lock);
	r->next = vmm->rules;
	vmm->rules = r;
	enforce(vmm);
	pthread_mutex_unlock(&vmm->lock);
	return 0;
}

int vmq_vmm_allow(struct vmq_vmm *vmm, const char *a, const char *b)
{
	return rule_add(vmm, a, b, true);
}

int vmq_vmm_refuse(struct vmq_vmm *vmm, const char *a, const char *b)
{
	return rule_add(vmm, a, b, false);
}

/* ---- names and ids -------------------------------------------------------------- */

static uint32_t id_known(const struct vmq_vmm *vmm, const char *name)
{
	uint32_t id = 1;

	while (id < vmm->names_used && strcmp(vmm->names[id].name, name))
		id++;
	return id < vmm->names_used ? id : 0;
}

/* The name that has been gone for longest gives up its id when all are used. */
static uint32_t id_oldest(const struct vmq_vmm *vmm)
{
	uint32_t best = 0;

	for (uint32_t id = 1; id < vmm->names_used; id++)
		if (!vmm->names[id].vm && (!best || vmm->names[id].left < vmm->names[best].left))
			best = id;
	return best;
}

static int id_take(struct vmq_vmm *vmm, struct vmq_vm *vm)
{
	uint32_t id = id_known(vmm, vm->ident.name);

	if (id && vmm->names[id].vm)
		return VMQ_EEXIST;
	if (!id)
		id = vmm->names_used < VMM_IDS ? vmm->names_used++ : id_oldest(vmm);
	if (!id)
		return VMQ_ENOMEM;
	strcpy(vmm->names[id].name, vm->ident.name);
	vmm->names[id].vm = vm;
	vm->ident.id = id;
	return 0;
}

/* ---- add and remove --------------------------------------------------------------- */

static int config_check(const struct vmq_vm_config *c)
{
	if (!c || c->size != sizeof(*c) || !vmq__name_ok(c->name) || !c->kick || !c->attach || !c->leave)
		return VMQ_EINVAL;
	if (c->lane_size && (c->lane_size < VMQ_LANE_MIN || c->lane_size > VMQ_LANE_MAX ||
			c->lane_size & (c->lane_size - 1)))
		return VMQ_EINVAL;
	if (c->pool_pages != VMQ_NO_PAGES && c->pool_pages > VMQ_POOL_MAX / 2)
		return VMQ_EINVAL;
	return (uintptr_t)c->window % VMQ_PAGE_SIZE ? VMQ_EINVAL : 0;
}

static void config_copy(struct vmq_vm *vm, const struct vmq_vm_config *c)
{
	vm->config = *c;
	strcpy(vm->ident.name, c->name);
	if (c->uuid)
		memcpy(vm->ident.uuid, c->uuid, sizeof(vm->ident.uuid));
	else
		vmq__uuid_of(c->name, vm->ident.uuid);
	vm->config.name = vm->ident.name;
	vm->config.uuid = vm->ident.uuid;
	if (!c->lane_size)
		vm->config.lane_size = LANE_DEFAULT;
	if (!c->pool_pages)
		vm->config.pool_pages = POOL_DEFAULT;
	if (c->pool_pages == VMQ_NO_PAGES)
		vm->config.pool_pages = 0;
}

static void vm_unlink(struct vmq_vm *vm)
{
	struct vmq_vmm *vmm = vm->vmm;
	struct vmq_vm **at = &vmm->vms;

	while (vm->links)
		vmq__vmm_detach(vm->links);
	while (*at && *at != vm)
		at = &(*at)->next;
	if (*at)
		*at = vm->next;
	vmm->names[vm->ident.id].vm = NULL;
	vmm->names[vm->ident.id].left = ++vmm->departures;
	free(vm);
}

static int connect_all(struct vmq_vm *vm)
{
	for (struct vmq_vm *peer = vm->next; peer; peer = peer->next) {
		int rc;

		if (peer->halted || !allowed(vm->vmm, vm->ident.name, peer->ident.name))
			continue;
		rc = vmq__vmm_connect(vm, peer);
		if (rc)
			return rc;
	}
	return 0;
}

int vmq_vmm_add(struct vmq_vmm *vmm, const struct vmq_vm_config *config, struct vmq_vm **out)
{
	struct vmq_vm *vm;
	int rc = config_check(config);

	if (!vmm || !out || rc)
		return vmm ? VMQ_EINVAL : VMQ_EBADF;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return VMQ_ENOMEM;
	config_copy(vm, config);
	vm->vmm = vmm;
	pthread_mutex_lock(&vmm->lock);
	rc = id_take(vmm, vm);
	if (rc) {
		free(vm);
		goto out;
	}
	vm->next = vmm->vms;
	vmm->vms = vm;
	rc = connect_all(vm);
	if (rc)
		vm_unlink(vm);
	else
		*out = vm;
out:
	pthread_mutex_unlock(&vmm->lock);
	return rc;
}

int vmq_vmm_remove(struct vmq_vm *vm)
{
	struct vmq_vmm *vmm;

	if (!vm)
		return VMQ_EBADF;
	vmm = vm->vmm;
	pthread_mutex_lock(&vmm->lock);
	vm_unlink(vm);
	pthread_mutex_unlock(&vmm->lock);
	return 0;
}

int vmq_vmm_halt(struct vmq_vm *vm)
{
	if (!vm)
		return VMQ_EBADF;
	pthread_mutex_lock(&vm->vmm->lock);
	vm->halted = true;
	for (struct vmq_vmm_link *l = vm->links; l; l = l->next)
		vmq__vmm_end(l);
	pthread_mutex_unlock(&vm->vmm->lock);
	return 0;
}

int vmq_vmm_destroy(struct vmq_vmm *vmm)
{
	struct vmm_rule *next;

	if (!vmm)
		return VMQ_EBADF;
	pthread_mutex_lock(&vmm->lock);
	while (vmm->vms)
		vm_unlink(vmm->vms);
	pthread_mutex_unlock(&vmm->lock);
	for (struct vmm_rule *r = vmm->rules; r; r = next) {
		next = r->next;
		free(r);
	}
	pthread_mutex_destroy(&vmm->lock);
	free(vmm->names);
	free(vmm);
	return 0;
}

uint32_t vmq_vmm_id(const struct vmq_vm *vm)
{
	return vm ? vm->ident.id : 0;
}

int vmq_vmm_lookup(struct vmq_vm *vm, const char *name)
{
	struct vmq_vmm *vmm;
	uint32_t id;
	int rc;

	if (!vm)
		return VMQ_EBADF;
	if (!vmq__name_ok(name))
		return VMQ_EINVAL;
	vmm = vm->vmm;
	pthread_mutex_lock(&vmm->lock);
	id = id_known(vmm, name);
	rc = id && vmm->names[id].vm && !vmm->names[id].vm->halted ? 0 : VMQ_EAGAIN;
	if (strcmp(name, vm->ident.name) && !allowed(vmm, vm->ident.name, name))
		rc = VMQ_EACCES;
	pthread_mutex_unlock(&vmm->lock);
	return rc;
}
