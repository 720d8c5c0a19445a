/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_link.c - a channel between two VMs: made, laid into windows, ended. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"
#include "vmm.h"

void vmq__channel_free(struct vmm_channel *ch)
{
	if (ch->meta)
		munmap(ch->meta, ch->geo.lane_off[0]);
	if (ch->span.ledger)
		munmap(ch->span.ledger, vmq__ledger_size(ch));
	if (ch->fd >= 0)
		close(ch->fd);
	if (ch->span.fd >= 0)
		close(ch->span.fd);
	free(ch);
}

/* A channel without memory yet. */
int vmq__channel_alloc(struct vmq_vm *const vm[2], struct vmm_channel **out)
{
	struct vmq_geometry geo;
	struct vmm_channel *ch;
	uint32_t pages;
	int rc;

	/* Side 0 writes lane 0, and side 1 receives on it. */
	rc = vmq_layout_plan((uint32_t[]){ vm[1]->config.lane_size, vm[0]->config.lane_size },
		(uint32_t[]){ vm[0]->config.pool_pages, vm[1]->config.pool_pages }, &geo);
	if (rc)
		return rc;
	pages = geo.pool_pages[0] + geo.pool_pages[1];
	ch = calloc(1, sizeof(*ch) + pages * sizeof(ch->page[0]));
	if (!ch)
		return VMQ_ENOMEM;
	ch->vmm = vm[0]->vmm;
	ch->geo = geo;
	ch->fd = ch->span.fd = -1;
	ch->span.far = vm[0]->far ? 0 : vm[1]->far ? 1 : NO_SIDE;
	for (uint32_t p = 0; p < pages; p++)
		ch->page[p].owner = p >= geo.pool_pages[0];
	for (uint8_t side = 0; side < 2; side++) {
		ch->link[side].channel = ch;
		ch->link[side].side = side;
	}
	*out = ch;
	return 0;
}

/* A word for each side and page, and never nothing. */
uint64_t vmq__ledger_size(const struct vmm_channel *ch)
{
	uint64_t words = 2 * ((uint64_t)ch->geo.pool_pages[0] + ch->geo.pool_pages[1]);

	return (words * sizeof(vmq_le32) / VMQ_PAGE_SIZE + 1) * VMQ_PAGE_SIZE;
}

static void *map_fd(int fd, uint64_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* What the VMM itself looks at. */
int vmq__channel_map(struct vmm_channel *ch)
{
	ch->meta = map_fd(ch->fd, ch->geo.lane_off[0]);
	if (!ch->meta)
		return vmq__errno(errno);
	if (ch->span.fd < 0)
		return 0;
	ch->span.ledger = map_fd(ch->span.fd, vmq__ledger_size(ch));
	return ch->span.ledger ? 0 : vmq__errno(errno);
}

static int channel_new(struct vmq_vm *const vm[2], struct vmm_channel **out)
{
	const struct vmq_ident ident[2] = { vm[0]->ident, vm[1]->ident };
	struct vmm_channel *ch;
	int rc = vmq__channel_alloc(vm, &ch);

	if (rc)
		return rc;
	ch->epoch = ++vm[0]->vmm->epoch;
	if (!ch->epoch)
		ch->epoch = ++vm[0]->vmm->epoch;
	rc = ch->fd = vmq__region_create(&ch->geo, ident);
	if (rc >= 0 && ch->span.far != NO_SIDE)
		rc = ch->span.fd = vmq__sealed_create("vmq-ledger", vmq__ledger_size(ch));
	if (rc >= 0)
		rc = vmq__channel_map(ch);
	if (rc < 0) {
		vmq__channel_free(ch);
		return rc;
	}
	*out = ch;
	return 0;
}

/* The first gap in the VM's window that is large enough, or SIZE_MAX. */
static size_t window_gap(const struct vmq_vm *vm, size_t size)
{
	size_t off = 0;
	bool moved;

	do {
		moved = false;
		for (const struct vmq_vmm_link *l = vm->links; l; l = l->next) {
			size_t end = l->window_off + l->channel->geo.region_size;

			if (l->window && off < end && l->window_off < off + size) {
				off = end;
				moved = true;
			}
		}
	} while (moved);
	return off <= vm->config.window_size && size <= vm->config.window_size - off ? off : SIZE_MAX;
}

int vmq__link_open(struct vmm_channel *ch, unsigned side, struct vmq_vm *vm)
{
	struct vmq_vmm_link *link = &ch->link[side];
	int rc;

	if (vm->config.window) {
		link->window_off = window_gap(vm, ch->geo.region_size);
		if (link->window_off == SIZE_MAX)
			return VMQ_EMSGSIZE;
		rc = vmq__window_open(&link->window, ch->fd, &ch->geo, side,
			(uint8_t *)vm->config.window + link->window_off);
		if (rc)
			return rc;
	}
	link->vm = vm;
	link->next = vm->links;
	vm->links = link;
	return 0;
}

int vmq__link_attach(struct vmq_vmm_link *link)
{
	const struct vmq_vm *vm = link->vm, *peer = vmq__vmm_peer(link);
	struct vmq_vmm_channel c = {
		.size = sizeof(c),
		.link = link,
		.id = vm->ident.id,
		.peer = peer->ident.id,
		.peer_name = peer->ident.name,
		.peer_uuid = peer->ident.uuid,
		.side = link->side,
		.fd = link->channel->fd,
		.region_size = link->channel->geo.region_size,
		.region = link->window ? link->window->base : NULL,
		.epoch = link->channel->epoch,
		.doorbell = { -1, -1 },
	};
	int rc;

	if (vmq__vmm_rings(peer))
		memcpy(c.doorbell, peer->config.doorbell, sizeof(c.doorbell));
	rc = vm->config.attach(vm->config.ctx, &c);
	link->shown = !rc;
	return rc;
}

/* The VM at this end is told that its peer is gone, or must be. */
static void link_leave(struct vmq_vmm_link *link, int reason)
{
	struct vmq_vm *vm = link->vm;

	if (!vm || link->ended || !link->shown)
		return;
	if (vm->far) {
		vmq__far_leave(link->channel, reason);
		return;
	}
	vm->config.leave(vm->config.ctx, link, reason);
	vmq__vmm_kick(vm, VMQ_KICK_DATA | VMQ_KICK_SPACE);
}

/* The header says it before any callback can. The first reason stays: the VMM at the other
 * end of a bridge may have said another. */
static void say_gone(struct vmm_channel *ch, unsigned side, int why)
{
	if (!vmq_layout_gone(ch->meta, side))
		vmq_layout_set_gone(ch->meta, side, (uint32_t)-why);
}

/* This end is over: the other is told. Its own VM still has the link. */
void vmq__vmm_end(struct vmq_vmm_link *link)
{
	if (link->ended)
		return;
	link->ended = true;
	say_gone(link->channel, link->side, VMQ_EGONE);
	if (!link->channel->revoked)
		link_leave(&link->channel->link[!link->side], VMQ_EGONE);
}

/* Take the link away from its VM. */
static void link_drop(struct vmq_vmm_link *link)
{
	struct vmq_vmm_link **at = &link->vm->links;

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	vmq__window_close(link->window);
	link->window = NULL;
	link->vm = NULL;
	link->ended = true;
}

/* The last of the two frees the channel. Who never knew of it, or is behind a bridge
 * and was told, is not waited for. */
void vmq__vmm_detach(struct vmq_vmm_link *link)
{
	struct vmm_channel *ch = link->channel;
	struct vmq_vmm_link *other = &ch->link[!link->side];

	vmq__vmm_end(link);
	link_drop(link);
	if (other->vm && (other->vm->far || !other->shown))
		link_drop(other);
	if (!other->vm)
		vmq__channel_free(ch);
}

/* The pair may not talk any more: both are told, and detach. */
void vmq__vmm_revoke(struct vmm_channel *ch)
{
	ch->revoked = true;
	for (unsigned side = 0; side < 2; side++) {
		say_gone(ch, side, VMQ_EACCES);
		link_leave(&ch->link[side], VMQ_EACCES);
	}
}

/* Neither end knows of it. */
void vmq__channel_undo(struct vmm_channel *ch)
{
	for (unsigned side = 0; side < 2; side++)
		if (ch->link[side].vm)
			link_drop(&ch->link[side]);
	vmq__channel_free(ch);
}

int vmq__channel_open(struct vmq_vm *const vm[2], struct vmm_channel **out)
{
	struct vmm_channel *ch;
	int rc = channel_new(vm, &ch);

	if (rc)
		return rc;
	for (unsigned side = 0; side < 2 && !rc; side++)
		rc = vmq__link_open(ch, side, vm[side]);
	if (rc)
		vmq__channel_undo(ch);
	else
		*out = ch;
	return rc;
}

/* Make a channel between two VMs and show it to both: first to b, which was there
 * before, so that a knows of it only if it will stay. Over a bridge, first to the
 * far one. */
int vmq__vmm_connect(struct vmq_vm *a, struct vmq_vm *b)
{
	struct vmm_channel *ch;
	int rc;

	if (a->far || b->far)
		return vmq__far_connect(a->far ? b : a, a->far ? a : b);
	rc = vmq__channel_open((struct vmq_vm *const[]){ a, b }, &ch);
	if (rc)
		return rc;
	if (vmq__link_attach(&ch->link[1])) {
		/* An old VM that cannot have it does not keep the new one out. */
		vmq__channel_undo(ch);
		return 0;
	}
	rc = vmq__link_attach(&ch->link[0]);
	if (rc)
		vmq__vmm_detach(&ch->link[0]); /* b detaches when it has heard */
	return rc;
}

int vmq_vmm_detach(struct vmq_vmm_link *link)
{
	struct vmq_vmm *vmm;

	if (!link)
		return VMQ_EBADF;
	vmm = link->channel->vmm;
	pthread_mutex_lock(&vmm->lock);
	vmq__vmm_detach(link);
	pthread_mutex_unlock(&vmm->lock);
	return 0;
}

int vmq_vmm_pages(struct vmq_vmm_link *link, uint32_t first, uint32_t count)
{
	struct vmm_channel *ch;
	uint32_t pages;
	int rc;

	if (!link)
		return VMQ_EBADF;
	ch = link->channel;
	pages = ch->geo.pool_pages[0] + ch->geo.pool_pages[1];
	if (first > pages || count > pages - first)
		return VMQ_EINVAL;
	pthread_mutex_lock(&ch->vmm->lock);
	rc = link->window ? vmq__vmm_pages(ch, first, count) : VMQ_ENOTSUP;
	pthread_mutex_unlock(&ch->vmm->lock);
	return rc;
}
