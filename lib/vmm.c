/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm.c - VMMs are made, VMs come and go. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "internal.h"
#include "vmm.h"

#define LANE_DEFAULT (256u << 10)
#define POOL_DEFAULT 256u

int vmq_vmm_create(const struct vmq_vmm_options *options, struct vmq_vmm **out)
{
	struct vmq_vmm_options o = { .size = sizeof(o) };
	struct vmq_vmm *vmm;
	uint64_t seed;

	if (!out || (options && !vmq__sized_in(options, sizeof(*options))))
		return VMQ_EINVAL;
	if (options)
		o = *options;
	if (o.flags & ~VMQ_VMM_CLOSED || o.first_id >= VMM_IDS)
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
	vmm->first_id = vmm->next_id = o.first_id ? o.first_id : 1;
	vmm->names_end = 1;
	*out = vmm;
	return 0;
}

/* ---- add and remove --------------------------------------------------------------- */

static bool doorbells_ok(const struct vmq_vm_config *c)
{
	if (c->doorbell[0] < 0 || c->doorbell[1] < 0 || !c->doorbell[0] != !c->doorbell[1])
		return false;
	return c->kick || c->doorbell[0];
}

bool vmq__vmm_sizes_ok(const struct vmq_vm_config *c)
{
	if (c->lane_size && (c->lane_size < VMQ_LANE_MIN || c->lane_size > VMQ_LANE_MAX ||
			c->lane_size & (c->lane_size - 1)))
		return false;
	return c->pool_pages == VMQ_NO_PAGES || c->pool_pages <= VMQ_POOL_MAX / 2;
}

static int config_check(const struct vmq_vm_config *c)
{
	if (!c || !vmq__sized_in(c, sizeof(*c)) || !vmq__name_ok(c->name) || !c->attach || !c->leave)
		return VMQ_EINVAL;
	if (!doorbells_ok(c) || !vmq__vmm_sizes_ok(c))
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

void vmq__vmm_unlink(struct vmq_vm *vm)
{
	struct vmq_vmm *vmm = vm->vmm;
	struct vmq_vm **at = &vmm->vms;

	while (vm->links)
		vmq__vmm_detach(vm->links);
	vmq__far_withdraw(vm);
	while (*at && *at != vm)
		at = &(*at)->next;
	if (*at)
		*at = vm->next;
	vmq__vmm_name_leave(vmm, vm);
	for (unsigned i = 0; vm->far && i < 2; i++)
		close(vm->config.doorbell[i]); /* came with its announcement */
	free(vm);
}

static int connect_all(struct vmq_vm *vm)
{
	for (struct vmq_vm *peer = vm->next; peer; peer = peer->next) {
		int rc;

		if (peer->halted || !vmq__vmm_allowed(vm->vmm, vm->ident.name, peer->ident.name))
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
	rc = vmq__vmm_name_take(vmm, vm);
	if (rc) {
		free(vm);
		goto out;
	}
	vm->life = ++vmm->arrivals;
	vm->next = vmm->vms;
	vmm->vms = vm;
	vmq__far_announce(vm);
	rc = connect_all(vm);
	if (rc)
		vmq__vmm_unlink(vm);
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
	vmq__vmm_unlink(vm);
	pthread_mutex_unlock(&vmm->lock);
	return 0;
}

void vmq__vmm_halt(struct vmq_vm *vm)
{
	if (vm->halted)
		return;
	for (struct vmq_vmm_link *l = vm->links; l; l = l->next)
		vmq__vmm_end(l);
	vmq__far_withdraw(vm);
	vm->halted = true;
}

int vmq_vmm_halt(struct vmq_vm *vm)
{
	if (!vm)
		return VMQ_EBADF;
	pthread_mutex_lock(&vm->vmm->lock);
	vmq__vmm_halt(vm);
	pthread_mutex_unlock(&vm->vmm->lock);
	return 0;
}

int vmq_vmm_destroy(struct vmq_vmm *vmm)
{
	struct vmm_rule *next;

	if (!vmm)
		return VMQ_EBADF;
	pthread_mutex_lock(&vmm->lock);
	if (vmm->bridge) {
		pthread_mutex_unlock(&vmm->lock);
		return VMQ_EBUSY;
	}
	while (vmm->vms)
		vmq__vmm_unlink(vmm->vms);
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
