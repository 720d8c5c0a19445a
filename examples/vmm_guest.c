/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_guest.c - what runs in the VMs of vmm_embed.c: it has the freestanding core (and
 * printf, as its console), and all that it knows is in its memory. */
#include <stdio.h>
#include <string.h>

#include "vmm_guest.h"

int guest_attach(struct guest *g, void *region, uint64_t size, unsigned side, uint32_t epoch,
	uint32_t id)
{
	struct vmq_chan_config c = { .side = side, .epoch = epoch, .max_msg = 4096,
		.self = { .id = id }, .entries = g->entries };
	int rc = vmq_layout_read(region, size, &g->geo);

	if (rc)
		return rc;
	if (g->geo.pool_pages[0] + g->geo.pool_pages[1] > sizeof(g->entries) / sizeof(g->entries[0]))
		return VMQ_ENOTSUP;
	snprintf(c.self.name, sizeof(c.self.name), "%s", g->name);
	g->region = region;
	return vmq_chan_attach(&g->chan, region, &g->geo, &c);
}

/* Pages of both pools are numbered through, and lie behind each other. */
static char *page_address(struct guest *g, uint32_t number)
{
	return (char *)g->region + g->geo.pool_off[0] + (size_t)number * VMQ_PAGE_SIZE;
}

/* ---- send ------------------------------------------------------------------------ */

static int put(struct guest *g, unsigned kind, const void *data, size_t len, enum vmq_when when)
{
	int rc = vmq_tx_put(&g->chan.tx, kind, data, (uint32_t)len);

	/* The core never rings. It says when to. */
	if (!rc && vmq_tx_kick_due(&g->chan.tx, when))
		g->doorbell(g->machine);
	return rc;
}

int guest_say(struct guest *g, const char *text, enum vmq_when when)
{
	return put(g, VMQ_KIND_MSG, text, strlen(text), when);
}

const char *guest_give_page(struct guest *g, const char *text)
{
	/* Numbers in the queue are little-endian. So is, to be short, this machine. */
	struct vmq_layout_page desc = { .count = 1, .mode = VMQ_PAGE_MOVE, .len = VMQ_PAGE_SIZE };
	struct vmq_pages run;

	if (vmq_pages_alloc(&g->chan.pages, 1, &run))
		return NULL;
	snprintf(page_address(g, run.first), VMQ_PAGE_SIZE, "%s", text);
	if (vmq_pages_give(&g->chan.pages, &run, VMQ_PAGE_MOVE))
		return NULL;
	desc.first = run.first;
	desc.gen = run.gen;
	if (put(g, VMQ_KIND_PAGE, &desc, sizeof(desc), VMQ_WHEN_NOW)) {
		vmq_pages_ungive(&g->chan.pages, &run);
		return NULL;
	}
	return page_address(g, run.first);
}

/* ---- receive ----------------------------------------------------------------------- */

static void take_page(struct guest *g, const struct vmq_record *rec)
{
	struct vmq_layout_page desc;
	enum vmq_page_mode mode;
	struct vmq_pages run;
	unsigned bad = VMQ_POISON_PAGE_RANGE;

	if (rec->len >= sizeof(desc)) {
		memcpy(&desc, rec->data, sizeof(desc)); /* the peer may change it any time */
		bad = vmq_pages_take(&g->chan.pages, &desc, &run, &mode);
	}
	if (bad) {
		vmq_chan_set_poison(&g->chan, (enum vmq_poison)bad);
		return;
	}
	printf("  %s got a page: \"%.40s\"\n", g->name, page_address(g, run.first));
}

static void read_all(struct guest *g)
{
	struct vmq_record rec;

	while (vmq_rx_peek(&g->chan.rx, &rec) == 1) {
		if (rec.kind == VMQ_KIND_PAGE)
			take_page(g, &rec);
		else
			printf("  %s got \"%.*s\"\n", g->name, (int)rec.len, (const char *)rec.data);
		if (vmq_rx_next(&g->chan.rx) & VMQ_RX_KICK)
			g->doorbell(g->machine); /* the peer waits for this space */
	}
}

void guest_interrupt(struct guest *g)
{
	unsigned said = VMQ_RX_DATA;

	vmq_rx_wake(&g->chan.rx);
	/* Each step of the handshake is news for the peer. */
	while (vmq_chan_progress(&g->chan) > 0)
		g->doorbell(g->machine);
	while (g->chan.state == VMQ_STATE_ESTABLISHED && said & VMQ_RX_DATA) {
		read_all(g);
		/* Ask for an interrupt, look once more, and only then sleep. */
		said = vmq_rx_arm(&g->chan.rx);
		if (said & VMQ_RX_KICK)
			g->doorbell(g->machine);
	}
}
