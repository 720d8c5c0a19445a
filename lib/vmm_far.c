/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_far.c - VMs of other VMMs: each is announced, and stands here as a VM without a
 * window, which has a channel with each VM of this VMM that it may talk to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge.h"
#include "internal.h"

/* ---- this VMM's own ------------------------------------------------------------ */

/* Who cannot be rung past its VMM has no peers elsewhere. */
static bool announced(const struct vmq_vm *vm)
{
	return !vm->far && !vm->halted && vmq__vmm_rings(vm);
}

static void announce(struct bridge_far *far, const struct vmq_vm *vm)
{
	struct far_packet m = vmq__far_packet(FAR_VM_ADD);

	m.number = vm->life;
	m.id = vm->ident.id;
	m.lane = vm->config.lane_size;
	m.pages = vm->config.pool_pages;
	memcpy(m.uuid, vm->ident.uuid, sizeof(m.uuid));
	strcpy(m.name, vm->ident.name);
	vmq__far_send(far, &m, vm->config.doorbell, 2);
}

void vmq__far_announce_all(struct bridge_far *far)
{
	for (const struct vmq_vm *vm = far->bridge->vmm->vms; vm; vm = vm->next)
		if (announced(vm))
			announce(far, vm);
}

void vmq__far_announce(const struct vmq_vm *vm)
{
	struct vmq_bridge *b = vm->vmm->bridge;

	for (struct bridge_far *far = b ? b->fars : NULL; far; far = far->next)
		if (far->ready && announced(vm))
			announce(far, vm);
}

void vmq__far_withdraw(const struct vmq_vm *vm)
{
	struct vmq_bridge *b = vm->vmm->bridge;
	struct far_packet m = vmq__far_packet(FAR_VM_DEL);

	m.id = vm->ident.id;
	for (struct bridge_far *far = b ? b->fars : NULL; far; far = far->next)
		if (far->ready && announced(vm))
			vmq__far_send(far, &m, NULL, 0);
}

/* ---- the others' ------------------------------------------------------------------ */

struct vmq_vm *vmq__far_vm(const struct bridge_far *far, uint32_t id)
{
	struct vmq_vm *vm = far->bridge->vmm->vms;

	while (vm && (vm->far != far || vm->ident.id != id))
		vm = vm->next;
	return vm;
}

/* They are written to: anything else might answer with a signal, or wait. */
static bool is_eventfd(int fd)
{
	char path[40], what[40] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, what, sizeof(what) - 1) > 0 && !strcmp(what, "anon_inode:[eventfd]");
}

static bool add_check(const struct far_packet *m, const int fds[PACKET_FDS])
{
	struct vmq_vm_config c = { .size = sizeof(c), .name = m->name, .lane_size = m->lane,
		.pool_pages = m->pages, .doorbell = { fds[0], fds[1] } };

	/* Sizes are announced as they are: 0 stands for no default. */
	return m->id && m->id < VMM_IDS && m->lane && m->pages != VMQ_NO_PAGES && vmq__vmm_sizes_ok(&c) &&
		vmq__name_ok(m->name) && is_eventfd(fds[0]) && is_eventfd(fds[1]);
}

static struct vmq_vm *vm_new(struct bridge_far *far, const struct far_packet *m)
{
	struct vmq_vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return NULL;
	vm->vmm = far->bridge->vmm;
	vm->far = far;
	vm->far_life = m->number;
	vm->config.lane_size = m->lane;
	vm->config.pool_pages = m->pages;
	strcpy(vm->ident.name, m->name);
	memcpy(vm->ident.uuid, m->uuid, sizeof(vm->ident.uuid));
	return vm;
}

static void connect_all(struct vmq_vm *far)
{
	struct vmq_vmm *vmm = far->vmm;

	for (struct vmq_vm *near = vmm->vms; near; near = near->next) {
		int rc;

		if (near->halted || near->far || !vmq__vmm_allowed(vmm, near->ident.name, far->ident.name))
			continue;
		rc = far->far->target ? 0 : vmq__far_connect(near, far);
		if (rc)
			vmq__bridge_log(vmm->bridge, "no channel between %s and %s: %s", near->ident.name,
				far->ident.name, vmq_strerror(rc));
	}
}

/* Why it is left out, or 0. */
static int add(struct bridge_far *far, const struct far_packet *m, int fds[PACKET_FDS])
{
	struct vmq_vmm *vmm = far->bridge->vmm;
	struct vmq_vm *vm = fds[0] < 0 ? NULL : vm_new(far, m);
	int rc;

	if (!vm)
		return fds[0] < 0 ? VMQ_EMFILE : VMQ_ENOMEM;
	rc = vmq__vmm_name_claim(vmm, vm, m->id);
	if (rc) {
		free(vm);
		return rc;
	}
	memcpy(vm->config.doorbell, fds, sizeof(vm->config.doorbell));
	fds[0] = fds[1] = -1;
	vm->next = vmm->vms;
	vmm->vms = vm;
	return 0;
}

const char *vmq__far_vm_add(struct bridge_far *far, const struct far_packet *m, int fds[PACKET_FDS])
{
	struct far_packet a = vmq__far_packet(FAR_VM_ANSWER);

	if ((fds[0] >= 0 && !add_check(m, fds)) || vmq__far_vm(far, m->id))
		return "it announced a VM that cannot be";
	a.id = m->id;
	a.code = add(far, m, fds);
	if (a.code)
		vmq__bridge_log(far->bridge, "%s of process %d is left out: %s", m->name, far->pid,
			a.code == VMQ_EEXIST ? "its name or its id is taken" : vmq_strerror(a.code));
	vmq__far_send(far, &a, NULL, 0);
	if (!a.code)
		connect_all(vmq__far_vm(far, m->id));
	return NULL;
}

const char *vmq__far_vm_del(struct bridge_far *far, const struct far_packet *m)
{
	struct vmq_vm *vm = vmq__far_vm(far, m->id);

	/* It may have been left out. */
	if (vm)
		vmq__vmm_unlink(vm);
	return NULL;
}

void vmq__far_lost(struct bridge_far *far, bool died)
{
	struct vmq_vm *vm = far->bridge->vmm->vms, *next;

	for (; vm; vm = next) {
		next = vm->next;
		if (vm->far != far)
			continue;
		for (struct vmq_vmm_link *l = vm->links; l; l = l->next)
			l->channel->span.lost = died;
		vmq__vmm_unlink(vm);
	}
}
