/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_exit.c - VMs leave for the VMM: it drains them, rings for them, and counts. */
#include "vmm.h"

static unsigned link_kick(struct vmq_vmm_link *link, unsigned what)
{
	struct vmq_vm *peer = vmq__vmm_peer(link);

	if (!what || !peer)
		return 0;
	peer->config.kick(peer->config.ctx, what);
	link->vm->stats.kicks++;
	return 1;
}

/* Drain one channel of a VM that is in the VMM. `what`: kick for that, due or not. */
static unsigned link_drain(struct vmq_vmm_link *link, unsigned what)
{
	struct vmm_channel *ch = link->channel;

	vmq__vmm_pages(ch, 0, 0);
	return link_kick(link, what | vmq_layout_kick_due(ch->meta, &ch->geo, link->side));
}

int vmq_vmm_exit(struct vmq_vm *vm, enum vmq_exit_reason reason)
{
	unsigned kicks = 0;

	if (!vm)
		return VMQ_EBADF;
	if ((unsigned)reason >= VMQ_EXIT_REASONS)
		return VMQ_EINVAL;
	pthread_mutex_lock(&vm->vmm->lock);
	for (struct vmq_vmm_link *l = vm->links; l; l = l->next)
		kicks += l->ended ? 0 : link_drain(l, 0);
	vm->stats.exits_natural[reason]++;
	vm->stats.drains += kicks != 0;
	pthread_mutex_unlock(&vm->vmm->lock);
	return (int)kicks;
}

int vmq_vmm_doorbell(struct vmq_vm *vm, uint32_t peer)
{
	unsigned kicks = 0;
	bool found = false;

	if (!vm)
		return VMQ_EBADF;
	pthread_mutex_lock(&vm->vmm->lock);
	for (struct vmq_vmm_link *l = vm->links; l; l = l->next) {
		const struct vmq_vm *other = vmq__vmm_peer(l);
		bool this = other && other->ident.id == peer;

		if (l->ended)
			continue;
		found |= this;
		kicks += link_drain(l, this ? VMQ_KICK_DATA : 0);
	}
	vm->stats.exits_immediate++;
	pthread_mutex_unlock(&vm->vmm->lock);
	return found ? (int)kicks : VMQ_ENOENT;
}

int vmq_vmm_bypass(struct vmq_vmm_link *link, unsigned what)
{
	struct vmq_vmm *vmm;
	struct vmq_vm *peer;

	if (!link)
		return VMQ_EBADF;
	vmm = link->channel->vmm;
	pthread_mutex_lock(&vmm->lock);
	peer = vmq__vmm_peer(link);
	if (peer && !link->ended) {
		peer->config.kick(peer->config.ctx, what);
		link->vm->stats.bypass++;
	}
	pthread_mutex_unlock(&vmm->lock);
	return 0;
}

void vmq_vmm_count_bypass(struct vmq_vm *vm, uint64_t kicks)
{
	if (!vm)
		return;
	pthread_mutex_lock(&vm->vmm->lock);
	vm->stats.bypass += kicks;
	pthread_mutex_unlock(&vm->vmm->lock);
}

int vmq_vmm_stats(struct vmq_vm *vm, struct vmq_vmm_stats *stats)
{
	if (!vm)
		return VMQ_EBADF;
	if (!stats || stats->size != sizeof(*stats))
		return VMQ_EINVAL;
	pthread_mutex_lock(&vm->vmm->lock);
	*stats = vm->stats;
	stats->size = sizeof(*stats);
	stats->peers = 0;
	for (struct vmq_vmm_link *l = vm->links; l; l = l->next)
		stats->peers += !l->ended && vmq__vmm_peer(l);
	pthread_mutex_unlock(&vm->vmm->lock);
	return 0;
}
