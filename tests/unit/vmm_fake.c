/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_fake.c - VMs that are nothing but a window and three callbacks. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm_fake.h"

static void on_kick(void *ctx, unsigned what)
{
	struct fake *f = ctx;

	f->kicks++;
	f->kicked_for |= what;
}

/* As a guest would: read the header, put the core on the region. */
static void guest_attach(struct fake *f, struct fake_link *l)
{
	struct vmq_chan_config c = { .side = l->info.side, .epoch = l->info.epoch, .max_msg = 4096 };

	if (f->bare || !l->info.region || vmq_layout_read(l->info.region, l->info.region_size, &l->geo))
		return;
	l->entries = calloc(l->geo.pool_pages[0] + l->geo.pool_pages[1] + 1, sizeof(*l->entries));
	c.entries = l->entries;
	c.self.id = l->info.id;
	strcpy(c.self.name, f->config.name);
	if (vmq_chan_attach(&l->chan, l->info.region, &l->geo, &c))
		abort();
}

static int on_attach(void *ctx, const struct vmq_vmm_channel *info)
{
	struct fake *f = ctx;
	struct fake_link *l = f->link;

	if (f->refuse)
		return f->refuse;
	while (l->info.link)
		l++;
	*l = (struct fake_link){ .info = *info };
	strcpy(l->peer_name, info->peer_name);
	f->links++;
	guest_attach(f, l);
	return 0;
}

static void on_leave(void *ctx, struct vmq_vmm_link *link, int reason)
{
	struct fake *f = ctx;

	for (unsigned i = 0; i < FAKE_LINKS; i++)
		if (f->link[i].info.link == link)
			f->link[i].left = reason;
	f->leaves++;
}

void fake_init(struct fake *f, const char *name, size_t window, uint32_t pages)
{
	*f = (struct fake){ 0 };
	if (window)
		f->window = mmap(NULL, window, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (f->window == MAP_FAILED)
		abort();
	f->config = (struct vmq_vm_config){
		.size = sizeof(f->config), .name = name, .lane_size = 4096, .pool_pages = pages,
		.window = f->window, .window_size = window, .ctx = f,
		.kick = on_kick, .attach = on_attach, .leave = on_leave,
	};
}

int fake_add(struct vmq_vmm *vmm, struct fake *f)
{
	return vmq_vmm_add(vmm, &f->config, &f->vm);
}

void fake_forget(struct fake_link *l)
{
	free(l->entries);
	*l = (struct fake_link){ 0 };
}

void fake_forget_all(struct fake *f)
{
	for (unsigned i = 0; i < FAKE_LINKS; i++)
		fake_forget(&f->link[i]);
}

void fake_free(struct fake *f)
{
	fake_forget_all(f);
	if (f->window)
		munmap(f->window, f->config.window_size);
}

struct fake_link *fake_to(struct fake *f, const char *peer)
{
	for (unsigned i = 0; i < FAKE_LINKS; i++)
		if (f->link[i].info.link && !f->link[i].left && !strcmp(f->link[i].peer_name, peer))
			return &f->link[i];
	return NULL;
}

bool fake_connect(struct fake *a, struct fake *b)
{
	struct fake_link *x = fake_to(a, b->config.name), *y = fake_to(b, a->config.name);

	if (!x || !y)
		return false;
	for (int step = 0; step < 8; step++)
		vmq_chan_progress(step % 2 ? &x->chan : &y->chan);
	return x->chan.state == VMQ_STATE_ESTABLISHED && y->chan.state == VMQ_STATE_ESTABLISHED;
}

uint8_t *fake_page(struct fake_link *l, uint32_t p)
{
	return (uint8_t *)l->info.region + l->geo.pool_off[0] + ((size_t)p << VMQ_PAGE_SHIFT);
}
