/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_exit.c - VMs leave for the VMM: it drains them, rings for them, and counts. */
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "core/atomic.h"
#include "internal.h"
#include "loop.h"
#include "vmm.h"

/* Others have the eventfd too, and may have filled it or made it wait: it is never
 * waited for. */
static void ring(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int e = errno;

	if (poll(&p, 1, 0) == 1)
		vmq__loop_ring(fd);
	errno = e;
}

void vmq__vmm_kick(const struct vmq_vm *vm, unsigned what)
{
	const struct vmq_vm_config *c = &vm->config;

	if (c->kick) {
		c->kick(c->ctx, what);
		return;
	}
	if (c->doorbell[0] == c->doorbell[1] && what)
		what = VMQ_KICK_DATA;
	for (unsigned i = 0; i < 2; i++)
		if (what & 1u << i)
			ring(c->doorbell[i]);
}

static unsigned link_kick(struct vmq_vmm_link *link, unsigned what)
{
	struct vmq_vm *peer = vmq__vmm_peer(link);

	if (!what || !peer)
		return 0;
	vmq__vmm_kick(peer, what);
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
	VMQ__PROBE3(vmm_exit, vm->ident.id, reason, kicks);
	pthread_mutex_unlock(&vm->vmm->lock);
	return (int)kicks;
}

int vmq_vmm_doorbell(struct vmq_vm *vm, uint32_t peer, unsigned what)
{
	unsigned kicks = 0;
	bool found = false;

	if (!vm)
		return VMQ_EBADF;
	if (!what || what & ~(VMQ_KICK_DATA | VMQ_KICK_SPACE))
		return VMQ_EINVAL;
	pthread_mutex_lock(&vm->vmm->lock);
	for (struct vmq_vmm_link *l = vm->links; l; l = l->next) {
		const struct vmq_vm *other = vmq__vmm_peer(l);
		bool this = other && other->ident.id == peer;

		if (l->ended)
			continue;
		found |= this;
		kicks += link_drain(l, this ? what : 0);
	}
	vm->stats.exits_immediate++;
	VMQ__PROBE4(vmm_doorbell, vm->ident.id, peer, what, kicks);
	pthread_mutex_unlock(&vm->vmm->lock);
	return found ? (int)kicks : VMQ_ENOENT;
}

int vmq_vmm_bypass(struct vmq_vmm_link *link, unsigned what)
{
	struct vmq_vmm *vmm;
	struct vmq_vm *peer;

	if (!link)
		return VMQ_EBADF;
	if (!what || what & ~(VMQ_KICK_DATA | VMQ_KICK_SPACE))
		return VMQ_EINVAL;
	vmm = link->channel->vmm;
	pthread_mutex_lock(&vmm->lock);
	peer = vmq__vmm_peer(link);
	if (peer && !link->ended) {
		vmq__vmm_kick(peer, what);
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

/* Does the VM have a peer there? */
static bool there(const struct vmq_vmm_link *l)
{
	return l->shown && !l->ended && vmq__vmm_peer(l) && !l->channel->revoked;
}

int vmq_vmm_stats(struct vmq_vm *vm, struct vmq_vmm_stats *stats)
{
	if (!vm)
		return VMQ_EBADF;
	if (!stats || !vmq__sized_out(stats, sizeof(*stats)))
		return VMQ_EINVAL;
	pthread_mutex_lock(&vm->vmm->lock);
	*stats = vm->stats;
	stats->size = sizeof(*stats);
	stats->peers = 0;
	for (struct vmq_vmm_link *l = vm->links; l; l = l->next)
		stats->peers += there(l);
	pthread_mutex_unlock(&vm->vmm->lock);
	return 0;
}

/* ---- watch ------------------------------------------------------------------------ */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Any other value than the last one is a sign of life: the VM writes what it likes. */
static bool beats(struct vmq_vmm_link *l)
{
	const struct vmm_channel *ch = l->channel;
	const struct vmq_layout_ctl *ctl = (const void *)(ch->meta + ch->geo.ctl_off[l->side]);
	uint32_t beat = vmq__load(&ctl->heartbeat);
	bool moved = beat != l->beat;

	l->beat = beat;
	return moved;
}

static int watch(struct vmq_vm *vm, uint64_t now, uint64_t limit)
{
	bool peers = false, moved = false;

	if (vm->halted)
		return VMQ_EGONE;
	for (struct vmq_vmm_link *l = vm->links; l; l = l->next) {
		if (!there(l))
			continue;
		peers = true;
		moved |= beats(l);
	}
	if (!peers || moved) {
		vm->quiet_since = 0;
		return 0;
	}
	vmq__vmm_kick(vm, VMQ_KICK_DATA | VMQ_KICK_SPACE);
	if (!vm->quiet_since)
		vm->quiet_since = now;
	if (now - vm->quiet_since < limit)
		return 0;
	vmq__vmm_halt(vm);
	return VMQ_EGONE;
}

int vmq_vmm_watch(struct vmq_vm *vm, int64_t limit_ns)
{
	int rc;

	if (!vm)
		return VMQ_EBADF;
	if (limit_ns < 1)
		return VMQ_EINVAL;
	pthread_mutex_lock(&vm->vmm->lock);
	rc = watch(vm, now_ns(), (uint64_t)limit_ns);
	pthread_mutex_unlock(&vm->vmm->lock);
	return rc;
}
