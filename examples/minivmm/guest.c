/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest.c - what runs in minivmm's two guests: 64-bit code without an operating
 * system. It knows the address of its window, and nothing else.
 *
 * Guest "a" sends to guest "b": lazily, at once, as it sees fit, and a page. Both tell
 * the host what they saw, by messages too.
 */
#include <string.h>

#include <vmq/guest.h>

#include "rt.h"
#include "say.h"

#define PEERS 2
#define PAGES 32   /* of a channel, both pools: as minivmm.c has it */
#define MESSAGES 64

struct peer {
	struct vmq_chan chan;
	struct vmq_page_entry entries[PAGES];
	char name[VMQ_NAME_MAX + 1];
	uint32_t slot;
	bool there;
};

static struct vmq_guest guest = { .eoi = (volatile uint32_t *)RT_EOI };
static struct peer peers[PEERS];
static uint32_t got; /* messages since the last report */
static uint32_t sent, halts;

static void doorbell(void)
{
	vmq_guest_interrupt(&guest);
}

static struct peer *peer_named(const char *name)
{
	for (unsigned i = 0; i < PEERS; i++)
		if (peers[i].there && peers[i].chan.state == VMQ_STATE_ESTABLISHED &&
				say_equal(peers[i].name, name))
			return &peers[i];
	return NULL;
}

static int send(struct peer *p, const char *text, enum vmq_when when)
{
	int rc = vmq_guest_send(&guest, p->slot, &p->chan, VMQ_KIND_MSG, text, (uint32_t)say_length(text),
		when);

	sent += !rc;
	return rc;
}

static void tell_host(const char *line)
{
	struct peer *host = peer_named("host");

	if (host)
		send(host, line, VMQ_WHEN_AUTO);
}

/* ---- channels come ---------------------------------------------------------------------- */

static void attach(uint32_t slot, const struct vmq_guest_slot *info)
{
	for (unsigned i = 0; i < PEERS; i++) {
		struct peer *p = &peers[i];

		if (p->there)
			continue;
		p->slot = slot;
		memcpy(p->name, info->name, sizeof(p->name));
		p->there = !vmq_guest_attach(&guest, slot, &p->chan, p->entries, PAGES, 4096);
		return;
	}
}

static bool attached(uint32_t slot)
{
	for (unsigned i = 0; i < PEERS; i++)
		if (peers[i].there && peers[i].slot == slot)
			return true;
	return false;
}

static void look_at_slots(void)
{
	struct vmq_guest_slot info;

	if (!vmq_guest_changed(&guest))
		return;
	for (uint32_t slot = 0; vmq_guest_slot(&guest, slot, &info) == 0; slot++)
		if (info.state == VMQ_BOOT_THERE && !attached(slot))
			attach(slot, &info);
}

static void report(void)
{
	char line[96];

	say_start(line, sizeof(line), "done messages=");
	say_number(line, sizeof(line), sent);
	say_add(line, sizeof(line), " doorbells=");
	say_number(line, sizeof(line), guest.kicks);
	say_add(line, sizeof(line), " interrupts=");
	say_number(line, sizeof(line), guest.interrupts);
	say_add(line, sizeof(line), " halts=");
	say_number(line, sizeof(line), halts);
	tell_host(line);
}

/* ---- messages come ------------------------------------------------------------------------ */

static void take_page(struct peer *p, const struct vmq_record *rec)
{
	struct vmq_layout_page desc;
	enum vmq_page_mode mode;
	struct vmq_pages run;
	char line[96];

	memcpy(&desc, rec->data, sizeof(desc)); /* the peer may change it any time */
	if (vmq_pages_take(&p->chan.pages, &desc, &run, &mode) ||
			vmq_guest_pages(&guest, p->slot) < 0)
		return;
	say_start(line, sizeof(line), "a page became mine; it says: ");
	say_add(line, sizeof(line), vmq_guest_page(&p->chan, run.first));
	tell_host(line);
}

static void take(struct peer *p, const struct vmq_record *rec)
{
	char line[96];

	if (rec->kind == VMQ_KIND_PAGE && rec->len >= sizeof(struct vmq_layout_page)) {
		take_page(p, rec);
		return;
	}
	if (say_equal(p->name, "host")) {
		report(); /* that is what it asks for */
		return;
	}
	got++;
	if (!rec->len || *(const char *)rec->data != '!')
		return;
	say_start(line, sizeof(line), "messages received: ");
	say_number(line, sizeof(line), got);
	tell_host(line);
	got = 0;
}

static void look_at(struct peer *p)
{
	struct vmq_record rec;

	/* One step after another, as far as the peer has got. */
	while (vmq_guest_progress(&guest, p->slot, &p->chan) > 0)
		;
	if (p->chan.state != VMQ_STATE_ESTABLISHED)
		return;
	while (vmq_rx_peek(&p->chan.rx, &rec) == 1) {
		take(p, &rec);
		vmq_guest_next(&guest, p->slot, &p->chan);
	}
}

static void look(void)
{
	vmq_guest_ack(&guest);
	look_at_slots();
	for (unsigned i = 0; i < PEERS; i++)
		if (peers[i].there)
			look_at(&peers[i]);
}

/* Sleep until the doorbell rings, if nothing has come since the look before. */
static void wait(void)
{
	bool idle = true;

	for (unsigned i = 0; i < PEERS; i++)
		if (peers[i].there)
			idle &= vmq_guest_arm(&guest, peers[i].slot, &peers[i].chan);
	if (!idle)
		return;
	halts++;
	vmq_guest_wait(&guest);
}

/* ---- what guest "a" does --------------------------------------------------------------------- */

/* One mode: how often did its messages ring? */
static void send_all(struct peer *b, enum vmq_when when, const char *mode)
{
	uint32_t before = guest.kicks;
	char line[96] = "";

	for (uint32_t i = 1; i <= MESSAGES; i++)
		while (send(b, i < MESSAGES ? "one of many" : "!the last", when) == VMQ_EAGAIN)
			look(); /* the lane is full */
	say_number(line, sizeof(line), MESSAGES);
	say_add(line, sizeof(line), mode);
	say_number(line, sizeof(line), guest.kicks - before);
	say_add(line, sizeof(line), " doorbells");
	tell_host(line);
}

static void give_page(struct peer *b)
{
	struct vmq_layout_page desc = { .count = 1, .mode = VMQ_PAGE_MOVE, .len = VMQ_PAGE_SIZE };
	struct vmq_pages run;
	char *page;

	if (vmq_pages_alloc(&b->chan.pages, 1, &run))
		return;
	page = vmq_guest_page(&b->chan, run.first);
	say_start(page, VMQ_PAGE_SIZE, "written by a");
	if (vmq_pages_give(&b->chan.pages, &run, VMQ_PAGE_MOVE))
		return;
	vmq_guest_pages(&guest, b->slot); /* it leaves this address space */
	desc.first = run.first;
	desc.gen = run.gen;
	vmq_guest_send(&guest, b->slot, &b->chan, VMQ_KIND_PAGE, &desc, sizeof(desc), VMQ_WHEN_NOW);
	tell_host(page[0] ? "my page is still there" : "where my page was is a zero page");
}

static void be_a(struct peer *b)
{
	send_all(b, VMQ_WHEN_LAZY, " messages sent lazily: ");
	vmq_guest_exit(&guest, 2); /* b sleeps on, until here */
	send_all(b, VMQ_WHEN_AUTO, " messages sent, rung for if b sleeps: ");
	send_all(b, VMQ_WHEN_NOW, " messages sent, rung for each time: ");
	give_page(b);
}

static void greet(const struct peer *p)
{
	char line[96];

	say_start(line, sizeof(line), "HELLO came from ");
	say_add(line, sizeof(line), p->chan.peer.name);
	tell_host(line);
}

void guest_main(uint64_t window)
{
	const char *other;

	if (vmq_guest_init(&guest, (void *)window))
		return;
	rt_handle(guest.vector, doorbell);
	other = say_equal(guest.self.name, "a") ? "b" : "a";
	for (look(); !peer_named("host") || !peer_named(other); look())
		wait();
	greet(peer_named(other));
	if (say_equal(other, "b"))
		be_a(peer_named("b"));
	for (;; look())
		wait();
}
