/* SPDX-License-Identifier: BSD-2-Clause */
/* probe_do.c - a probe guest does what the host's commands say, and answers. */
#include <string.h>

#include "core/atomic.h"
#include "probe_guest.h"

static struct probe_reply reply;
static struct {
	uint32_t kicks, interrupts;
} before;

static void start(void)
{
	before.kicks = guest.kicks;
	before.interrupts = guest.interrupts;
}

static void answer(struct peer *host, uint32_t op)
{
	reply.magic = PROBE_MAGIC;
	reply.op = op;
	reply.kicks = guest.kicks - before.kicks;
	reply.interrupts = guest.interrupts - before.interrupts;
	while (vmq_guest_send(&guest, host->slot, &host->chan, VMQ_KIND_MSG, &reply, sizeof(reply),
			VMQ_WHEN_AUTO) == VMQ_EAGAIN)
		look();
}

static uint64_t *at(uint64_t offset)
{
	return (void *)(guest.window + offset);
}

static int pages(const struct peer *p)
{
	reply.exits++;
	return vmq_guest_pages(&guest, p->slot);
}

static uint64_t read_at(uint64_t offset)
{
	return *(volatile uint64_t *)at(offset);
}

/* ---- messages ------------------------------------------------------------------------------- */

static int send_one(struct peer *p, const struct probe_command *c)
{
	static uint32_t message[1024];
	int rc;

	probe_fill(message, c->len, p->sent);
	do {
		rc = vmq_guest_send(&guest, p->slot, &p->chan, VMQ_KIND_MSG, message, c->len,
			(enum vmq_when)c->when);
		if (rc == VMQ_EAGAIN)
			look();
	} while (rc == VMQ_EAGAIN && p->there);
	p->sent += !rc;
	return rc;
}

static int send(struct peer *p, const struct probe_command *c)
{
	int rc = 0;

	for (uint32_t i = 1; i <= c->n && !rc; i++) {
		rc = send_one(p, c);
		if (rc || !c->batch || i % c->batch)
			continue;
		vmq_guest_exit(&guest, 2);
		reply.exits++;
	}
	return rc;
}

static int count(struct peer *host, struct peer *p, const struct probe_command *c)
{
	uint32_t had = p->got;

	answer(host, PROBE_BEGUN);
	start();
	while (p->there && p->got - p->counted < c->n) {
		if (c->when)
			look();
		else
			look_and_wait();
		if (reply.first || p->got == had)
			continue;
		reply.first = p->got - had;
		/* Earlier ones may have been for this command. */
		before.interrupts = interrupts_asleep;
	}
	p->counted += c->n;
	return p->there ? 0 : VMQ_EGONE;
}

/* ---- pages ------------------------------------------------------------------------------------ */

static uint64_t offset_of(const struct peer *p, const struct vmq_pages *run)
{
	return (uint64_t)((uint8_t *)vmq_guest_page(&p->chan, run->first) - guest.window);
}

static void fill(uint64_t *to, uint64_t value, uint64_t n)
{
	__asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(value) : "memory");
}

static int alloc(struct peer *p, const struct probe_command *c)
{
	int rc = vmq_pages_alloc(&p->chan.pages, 1, &p->own);

	if (rc)
		return rc;
	reply.offset = offset_of(p, &p->own);
	reply.n = p->own.first;
	fill(at(reply.offset), c->value, VMQ_PAGE_SIZE / 8);
	return 0;
}

static int give(struct peer *p, const struct probe_command *c)
{
	struct vmq_pages *run = c->n ? &p->taken : &p->own;
	struct vmq_layout_page desc = { .count = 1, .mode = c->when, .len = VMQ_PAGE_SIZE };
	int rc = vmq_pages_give(&p->chan.pages, run, (enum vmq_page_mode)c->when), changed;

	if (rc)
		return rc;
	changed = pages(p);
	reply.offset = offset_of(p, run);
	reply.value = read_at(reply.offset);
	desc.first = run->first;
	desc.gen = run->gen;
	rc = vmq_guest_send(&guest, p->slot, &p->chan, VMQ_KIND_PAGE, &desc, sizeof(desc), VMQ_WHEN_AUTO);
	return rc ? rc : changed;
}

static int taken(struct peer *p)
{
	while (p->there && p->pages == p->pages_told)
		look_and_wait();
	if (!p->there)
		return VMQ_EGONE;
	p->pages_told++;
	reply.n = p->taken_mode;
	reply.offset = offset_of(p, &p->taken);
	reply.value = read_at(reply.offset);
	return p->taken_rc;
}

static int free_page(struct peer *p, const struct probe_command *c)
{
	bool returned;
	int rc = vmq_pages_free(&p->chan.pages, c->n ? &p->taken : &p->own, &returned);

	return rc ? rc : pages(p);
}

static int claim(struct peer *p, const struct probe_command *c)
{
	struct vmq_page_table *t = &p->chan.pages;

	vmq__store_release(&t->mine[c->n], (uint32_t)c->value);
	vmq__store_release(&t->ctl->page_seq, ++t->seq);
	return pages(p);
}

/* ---- mischief ----------------------------------------------------------------------------------- */

static void scribble(const struct probe_command *c)
{
	for (uint64_t o = c->offset; o < c->offset + c->n; o += c->len)
		*(volatile uint64_t *)at(o) = c->value;
}

static void write_register(uint64_t address, uint32_t value)
{
	if (guest.bus == VMQ_BOOT_PORT)
		__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"((uint16_t)address) : "memory");
	else
		*(volatile uint32_t *)(uintptr_t)address = value;
}

static void write_registers(const struct probe_command *c)
{
	for (uint32_t i = 0; c->n == PROBE_FOREVER || i < c->n; i++)
		for (uint32_t k = 0; k < c->batch; k++)
			write_register(guest.doorbell + c->reg[k], c->word[k]);
}

__attribute__((noreturn)) static void end(uint32_t op)
{
	static const uint8_t no_table[10];

	if (op == PROBE_TRIPLE)
		__asm__ volatile("lidt %0; ud2" : : "m"(no_table));
	while (op == PROBE_SPIN)
		__asm__ volatile("pause");
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* ---- all of it ------------------------------------------------------------------------------------ */

static int obey_simple(const struct probe_command *c)
{
	switch (c->op) {
	case PROBE_EXIT:
		vmq_guest_exit(&guest, 2);
		break;
	case PROBE_PEEK:
		reply.value = read_at(c->offset);
		break;
	case PROBE_POKE:
		*(volatile uint64_t *)at(c->offset) = c->value;
		break;
	case PROBE_SUM:
		for (uint32_t i = 0; i < c->n; i++)
			reply.value += read_at(c->offset + 8 * i);
		break;
	case PROBE_SCRIBBLE:
		scribble(c);
		break;
	case PROBE_WRITE:
		write_registers(c);
		break;
	case PROBE_HANG:
	case PROBE_SPIN:
	case PROBE_TRIPLE:
		end(c->op);
	}
	return 0;
}

static int obey_peer(struct peer *host, struct peer *p, const struct probe_command *c)
{
	switch (c->op) {
	case PROBE_STATE:
		reply.value = (uint64_t)vmq_chan_poison(&p->chan);
		reply.n = p->chan.peer_epoch;
		return (int)p->chan.state;
	case PROBE_SEND:
		return send(p, c);
	case PROBE_COUNT:
		return count(host, p, c);
	case PROBE_ALLOC:
		return alloc(p, c);
	case PROBE_GIVE:
		return give(p, c);
	case PROBE_TAKEN:
		return taken(p);
	case PROBE_FREE:
		return free_page(p, c);
	case PROBE_CLAIM:
		return claim(p, c);
	case PROBE_ATTACH:
		return vmq_guest_attach(&guest, p->slot, &p->chan, p->entries, PROBE_PAGES, VMQ_PAGE_SIZE);
	}
	return VMQ_EINVAL;
}

void obey(struct peer *host, const struct probe_command *order)
{
	struct probe_command c = *order; /* looks meanwhile may bring the next */
	struct peer *p = peer_named(c.peer);

	memset(&reply, 0, sizeof(reply));
	start();
	if (!c.peer[0])
		reply.rc = obey_simple(&c);
	else
		reply.rc = p ? obey_peer(host, p, &c) : VMQ_ENOENT;
	if (p) {
		reply.got = p->got;
		reply.bad = p->bad;
	}
	answer(host, c.op);
}
