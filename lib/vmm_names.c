/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_names.c - which VM has which id, and who may talk to whom. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "vmm.h"

/* ---- ids ---------------------------------------------------------------------- */

uint32_t vmq__vmm_name_id(const struct vmq_vmm *vmm, const char *name)
{
	uint32_t id = 1;

	while (id < vmm->names_end && strcmp(vmm->names[id].name, name))
		id++;
	return id < vmm->names_end ? id : 0;
}

static uint32_t id_fresh(struct vmq_vmm *vmm)
{
	while (vmm->next_id < VMM_IDS && vmm->names[vmm->next_id].name[0])
		vmm->next_id++;
	return vmm->next_id < VMM_IDS ? vmm->next_id++ : 0;
}

/* The name that has been gone for longest gives up its id when all are used. */
static uint32_t id_oldest(const struct vmq_vmm *vmm)
{
	uint32_t best = 0;

	for (uint32_t id = vmm->first_id; id < vmm->names_end; id++)
		if (!vmm->names[id].vm && !vmm->names[id].far &&
				(!best || vmm->names[id].left < vmm->names[best].left))
			best = id;
	return best;
}

static void name_set(struct vmq_vmm *vmm, uint32_t id, struct vmq_vm *vm, bool far)
{
	struct vmm_name *n = &vmm->names[id];

	strcpy(n->name, vm->ident.name);
	n->vm = vm;
	n->far = far;
	vm->ident.id = id;
	if (id >= vmm->names_end)
		vmm->names_end = id + 1;
}

int vmq__vmm_name_take(struct vmq_vmm *vmm, struct vmq_vm *vm)
{
	uint32_t id = vmq__vmm_name_id(vmm, vm->ident.name);

	if (id && vmm->names[id].vm)
		return VMQ_EEXIST;
	if (id && vmm->names[id].far) {
		/* It has moved here: that id is of another VMM's range. */
		vmm->names[id] = (struct vmm_name){ 0 };
		id = 0;
	}
	if (!id)
		id = id_fresh(vmm);
	if (!id)
		id = id_oldest(vmm);
	if (!id)
		return VMQ_ENOMEM;
	name_set(vmm, id, vm, false);
	return 0;
}

int vmq__vmm_name_claim(struct vmq_vmm *vmm, struct vmq_vm *vm, uint32_t id)
{
	uint32_t known = vmq__vmm_name_id(vmm, vm->ident.name);
	const struct vmm_name *n = &vmm->names[id];

	if (n->vm || (known && vmm->names[known].vm))
		return VMQ_EEXIST;
	if (n->name[0] && !n->far && known != id)
		return VMQ_EEXIST; /* kept for a VM of this VMM */
	if (known)
		vmm->names[known] = (struct vmm_name){ 0 };
	name_set(vmm, id, vm, true);
	return 0;
}

void vmq__vmm_name_leave(struct vmq_vmm *vmm, const struct vmq_vm *vm)
{
	vmm->names[vm->ident.id].vm = NULL;
	vmm->names[vm->ident.id].left = ++vmm->departures;
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
	id = vmq__vmm_name_id(vmm, name);
	rc = id && vmm->names[id].vm && !vmm->names[id].vm->halted ? 0 : VMQ_EAGAIN;
	if (strcmp(name, vm->ident.name) && !vmq__vmm_allowed(vmm, vm->ident.name, name))
		rc = VMQ_EACCES;
	pthread_mutex_unlock(&vmm->lock);
	return rc;
}

/* ---- policy -------------------------------------------------------------------- */

static bool rule_names(const struct vmm_rule *r, const char *a, const char *b)
{
	return (!strcmp(r->a, "*") || !strcmp(r->a, a)) && (!strcmp(r->b, "*") || !strcmp(r->b, b));
}

bool vmq__vmm_allowed(const struct vmq_vmm *vmm, const char *a, const char *b)
{
	for (const struct vmm_rule *r = vmm->rules; r; r = r->next)
		if (rule_names(r, a, b) || rule_names(r, b, a))
			return r->allow;
	return !(vmm->flags & VMQ_VMM_CLOSED);
}

bool vmq__vmm_connected(const struct vmq_vm *a, const struct vmq_vm *b)
{
	for (struct vmq_vmm_link *l = a->links; l; l = l->next)
		if (vmq__vmm_peer(l) == b && !l->channel->revoked)
			return true;
	return false;
}

static void enforce_pair(struct vmq_vm *a, struct vmq_vm *b)
{
	bool may = vmq__vmm_allowed(a->vmm, a->ident.name, b->ident.name);

	if (a->halted || b->halted)
		return;
	if (may && !vmq__vmm_connected(a, b))
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
