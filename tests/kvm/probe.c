/* SPDX-License-Identifier: BSD-2-Clause */
/* probe.c - a bare-metal guest for tests: its channels, its messages, its sleep. */
#include <string.h>

#include "probe_guest.h"
#include "rt.h"
#include "say.h"

#define MAX_MSG 4096u

struct vmq_guest guest = { .eoi = (volatile uint32_t *)RT_EOI };
struct peer peers[PROBE_PEERS];
uint32_t interrupts_asleep;

static struct probe_command order; /* of the host's, to be obeyed */
static bool ordered;
static uint32_t taken; /* records of all kinds */

static void doorbell(void)
{
	vmq_guest_interrupt(&guest);
}

struct peer *peer_named(const char *name)
{
	for (unsigned i = 0; i < PROBE_PEERS; i++)
		if (peers[i].there && say_equal(peers[i].name, name))
			return &peers[i];
	return NULL;
}

/* ---- channels come and go --------------------------------------------------------------- */

static struct peer *peer_at(uint32_t slot)
{
	for (unsigned i = 0; i < PROBE_PEERS; i++)
		if (peers[i].there && peers[i].slot == slot)
			return &peers[i];
	return NULL;
}

static void attach(uint32_t slot, const struct vmq_guest_slot *info)
{
	struct peer *p = peers;

	while (p < peers + PROBE_PEERS && p->there)
		p++;
	if (p == peers + PROBE_PEERS)
		return;
	memset(p, 0, sizeof(*p));
	p->slot = slot;
	memcpy(p->name, info->name, sizeof(p->name));
	p->there = !vmq_guest_attach(&guest, slot, &p->chan, p->entries, PROBE_PAGES, MAX_MSG);
}

static void look_at(struct peer *p);

static void look_at_slot(uint32_t slot, const struct vmq_guest_slot *info)
{
	struct peer *p = peer_at(slot);

	if (info->state == VMQ_BOOT_THERE && !p)
		attach(slot, info);
	if (info->state != VMQ_BOOT_LEFT)
		return;
	if (p) {
		look_at(p); /* what it sent last */
		p->there = false;
	}
	vmq_guest_detach(&guest, slot);
}

static void look_at_slots(void)
{
	struct vmq_guest_slot info;

	if (!vmq_guest_changed(&guest))
		return;
	for (uint32_t slot = 0; vmq_guest_slot(&guest, slot, &info) == 0; slot++)
		look_at_slot(slot, &info);
}

/* ---- messages come ------------------------------------------------------------------------ */

static void poison(struct peer *p, unsigned reason)
{
	vmq_chan_set_poison(&p->chan, (enum vmq_poison)reason);
}

static void page_record(struct peer *p, const struct vmq_record *rec)
{
	struct vmq_layout_page desc;
	enum vmq_page_mode mode;
	struct vmq_pages run;
	unsigned bad;

	memcpy(&desc, rec->data, sizeof(desc)); /* the peer may change it any time */
	bad = vmq_pages_take(&p->chan.pages, &desc, &run, &mode);
	if (bad) {
		poison(p, bad);
		return;
	}
	p->taken = run;
	p->taken_mode = mode;
	p->taken_rc = vmq_guest_pages(&guest, p->slot);
	p->pages++;
}

static bool is_order(const struct peer *p, const struct vmq_record *rec)
{
	if (rec->len != sizeof(order) || !say_equal(p->name, "host"))
		return false;
	memcpy(&order, rec->data, sizeof(order));
	return order.magic == PROBE_MAGIC;
}

static void take(struct peer *p, const struct vmq_record *rec)
{
	taken++;
	if (rec->kind == VMQ_KIND_PAGE && rec->len >= sizeof(struct vmq_layout_page)) {
		page_record(p, rec);
		return;
	}
	if (is_order(p, rec)) {
		ordered = true;
		return;
	}
	p->bad += rec->kind != VMQ_KIND_MSG || !probe_matches(rec->data, rec->len, p->got);
	p->got++;
}

static void look_at(struct peer *p)
{
	struct vmq_record rec;
	int n;

	/* One step after another, as far as the peer has got. */
	while (vmq_guest_progress(&guest, p->slot, &p->chan) > 0)
		;
	while (p->chan.state == VMQ_STATE_ESTABLISHED && (n = vmq_rx_peek(&p->chan.rx, &rec)) != 0) {
		if (n < 0) {
			poison(p, vmq_chan_poison(&p->chan));
			return;
		}
		take(p, &rec);
		vmq_guest_next(&guest, p->slot, &p->chan);
	}
}

void look(void)
{
	vmq_guest_ack(&guest);
	look_at_slots();
	for (unsigned i = 0; i < PROBE_PEERS; i++)
		if (peers[i].there)
			look_at(&peers[i]);
}

void look_and_wait(void)
{
	uint32_t had = taken;
	bool idle = true;

	look();
	if (taken != had)
		return; /* that may be what the caller waits for */
	for (unsigned i = 0; i < PROBE_PEERS; i++)
		if (peers[i].there)
			idle &= vmq_guest_arm(&guest, peers[i].slot, &peers[i].chan);
	if (!idle)
		return;
	interrupts_asleep = guest.interrupts;
	vmq_guest_wait(&guest);
}

/* Without a window it never looks at its queue. */
void guest_main(uint64_t window)
{
	if (!window || vmq_guest_init(&guest, (void *)window))
		return;
	rt_handle(guest.vector, doorbell);
	for (;;) {
		struct peer *host = peer_named("host");

		if (!ordered || !host) {
			look_and_wait();
			continue;
		}
		ordered = false;
		obey(host, &order);
	}
}
