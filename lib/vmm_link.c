/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_link.c - a channel between two VMs: made, laid into windows, ended. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"
#include "vmm.h"

static void channel_free(struct vmm_channel *ch)
{
	if (ch->meta)
		munmap(ch->meta, ch->geo.lane_off[0]);
	if (ch->fd >= 0)
		close(ch->fd);
	free(ch);
}

static int channel_new(const struct vmq_vm *vm[2], struct vmm_channel **out)
{
	struct vmq_ident ident[2] = { vm[0]->ident, vm[1]->ident };
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
	for (uint32_t p = 0; p < pages; p++)
		ch->page[p].owner = p >= geo.pool_pages[0];
	ch->fd = vmq__region_create(&geo, ident);
	if (ch->fd < 0) {
		rc = ch->fd;
		free(ch);
		return rc;
	}
	ch->meta = mmap(NULL, geo.lane_off[0], PROT_READ | PROT_WRITE, MAP_SHARED, ch->fd, 0);
	if (ch->meta == MAP_FAILED) {
		rc = vmq__errno(errno);
		ch->meta = NULL;
		channel_free(ch);
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

static int link_open(struct vmm_channel *ch, unsigned side, struct vmq_vm *vm)
{
	struct vmq_vmm_link *link = &ch->link[side];
	int rc;

	link->channel = ch;
	link->side = (uint8_t)side;
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

static int link_attach(struct vmq_vmm_link *link)
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
		.epoch = vm->vmm->epoch ? vm->vmm->epoch : 1,
	};

	return vm->config.attach(vm->config.ctx, &c);
}

/* This end is over: the other is told. Its own VM still has the link. */
void vmq__vmm_end(struct vmq_vmm_link *link)
{
	struct vmq_vm *peer = vmq__vmm_peer(link);

	if (link->ended)
		return;
	link->ended = true;
	vmq_layout_set_gone(link->channel->meta, link->side, 1);
	if (!peer || link->channel->revoked)
		return;
	peer->config.leave(peer->config.ctx, &link->channel->link[!link->side], VMQ_EGONE);
	peer->config.kick(peer->config.ctx, VMQ_KICK_DATA | VMQ_KICK_SPACE);
}

/* Take the link away from its VM; the last of the two frees the channel. */
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

void vmq__vmm_detach(struct vmq_vmm_link *link)
{
	struct vmm_channel *ch = link->channel;

	vmq__vmm_end(link);
	link_drop(link);
	if (!ch->link[!link->side].vm)
		channel_free(ch);
}

/* The pair may not talk any more: both are told, and detach. */
void vmq__vmm_revoke(struct vmm_channel *ch)
{
	ch->revoked = true;
	for (unsigned side = 0; side < 2; side++) {
		struct vmq_vm *vm = ch->link[side].vm;

		vmq_layout_set_gone(ch->meta, side, 1);
		if (!vm || ch->link[side].ended)
			continue;
		vm->config.leave(vm->config.ctx, &ch->link[side], VMQ_EACCES);
		vm->config.kick(vm->config.ctx, VMQ_KICK_DATA | VMQ_KICK_SPACE);
	}
}

/* Undo a connection; side 1 was told of it or not. */
static void disconnect(struct vmm_channel *ch, bool told)
{
	bool both = ch->link[0].vm && ch->link[1].vm;

	if (told && both) {
		/* Its VM detaches when it has heard. */
		vmq__vmm_detach(&ch->link[0]);
		return;
	}
	for (unsigned side = 0; side < 2; side++)
		if (ch->link[side].vm)
			link_drop(&ch->link[side]);
	channel_free(ch);
}

/* Make a channel between two VMs and show it to both: first to b, which was there
 * before, so that a knows of it only if it will stay. */
int vmq__vmm_connect(struct vmq_vm *a, struct vmq_vm *b)
{
	struct vmq_vm *vm[2] = { a, b };
	struct vmm_channel *ch = NULL;
	int rc = channel_new((const struct vmq_vm *[]){ a, b }, &ch);

	if (rc)
		return rc;
	a->vmm->epoch++;
	for (unsigned side = 0; side < 2 && !rc; side++)
		rc = link_open(ch, side, vm[side]);
	if (rc) {
		disconnect(ch, false);
		return rc;
	}
	if (link_attach(&ch->link[1])) {
		/* An old VM that cannot have it does not keep the new one out. */
		disconnect(ch, false);
		return 0;
	}
	rc = link_attach(&ch->link[0]);
	if (rc)
		disconnect(ch, true);
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
