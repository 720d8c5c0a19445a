/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm_page.c - the page tables of VMs follow what VMs hand over to each other.
 *
 * What the VMs wrote into their page words are claims. The VMM's own table says who
 * owns a page: only its owner can give it away, and only who has it can return it.
 */
#include "core/atomic.h"
#include "vmm.h"

#define GEN_MASK 0x1fffffffu

static uint32_t word(const struct vmm_channel *ch, unsigned side, uint32_t page)
{
	const uint8_t *ctl = ch->meta + ch->geo.ctl_off[side];

	return vmq__load_acquire((const vmq_le32 *)(ctl + VMQ_CTL_PAGE_WORDS) + page);
}

static uint32_t seq(const struct vmm_channel *ch, unsigned side)
{
	const struct vmq_layout_ctl *ctl = (const void *)(ch->meta + ch->geo.ctl_off[side]);

	return vmq__load_acquire(&ctl->page_seq);
}

static int set(struct vmm_channel *ch, unsigned side, uint32_t page, uint8_t state)
{
	return ch->link[side].window ? vmq__window_set(ch->link[side].window, page, 1, state) : 0;
}

static void count(struct vmm_channel *ch, unsigned side, unsigned op)
{
	struct vmq_vmm_stats *s = ch->link[side].vm ? &ch->link[side].vm->stats : NULL;

	if (!s)
		return;
	s->pages_moved += op == VMQ_PAGE_MOVE;
	s->pages_lent += op == VMQ_PAGE_LEND;
	s->pages_shared += op == VMQ_PAGE_SHARE;
	s->pages_returned += op == VMQ_PAGEW_RETURN;
	s->page_refused += op == 0;
}

/* Did the side that has the page, without it being home there, give it back? */
static int returned(struct vmm_channel *ch, uint32_t page, unsigned home)
{
	struct vmm_page *t = &ch->page[page];
	unsigned from = t->out ? !t->owner : t->owner;
	unsigned to = t->out ? t->owner : home;
	int rc;

	if (from == to || word(ch, from, page) != VMQ_PAGEW(t->gen, VMQ_PAGEW_RETURN))
		return 0;
	rc = set(ch, from, page, WINDOW_ZERO);
	if (rc >= 0)
		rc = set(ch, to, page, WINDOW_WRITE);
	if (rc < 0)
		return rc;
	t->owner = (uint8_t)to;
	t->out = 0;
	count(ch, from, VMQ_PAGEW_RETURN);
	return 1;
}

/* Does a side say that it hands this page over, newer than what the table has? */
static bool gives(const struct vmm_channel *ch, unsigned side, uint32_t page, uint32_t *gen, unsigned *op)
{
	uint32_t w = word(ch, side, page);

	*gen = VMQ_PAGEW_GEN(w);
	*op = VMQ_PAGEW_OP(w);
	if (*op < VMQ_PAGE_MOVE || *op > VMQ_PAGE_SHARE)
		return false;
	/* The first hand-over of a session may have any generation. */
	return *gen != ch->page[page].gen && (!ch->page[page].gen ||
		((*gen - ch->page[page].gen) & GEN_MASK) <= GEN_MASK / 2);
}

static int give(struct vmm_channel *ch, uint32_t page)
{
	struct vmm_page *t = &ch->page[page];
	unsigned from = t->owner, op;
	uint32_t gen;
	int rc;

	if (t->out || !gives(ch, from, page, &gen, &op))
		return 0;
	if (op == VMQ_PAGE_MOVE) {
		rc = set(ch, from, page, WINDOW_ZERO);
		if (rc >= 0)
			rc = set(ch, !from, page, WINDOW_WRITE);
	} else {
		rc = set(ch, !from, page, op == VMQ_PAGE_LEND ? WINDOW_READ : WINDOW_WRITE);
	}
	if (rc < 0)
		return rc;
	t->gen = gen;
	if (op == VMQ_PAGE_MOVE)
		t->owner = (uint8_t)!from;
	else
		t->out = (uint8_t)op;
	count(ch, from, op);
	return 1;
}

/* A hand-over by who does not own the page: ignored, and counted. */
static int refused(struct vmm_channel *ch, uint32_t page)
{
	unsigned side = !ch->page[page].owner, op;
	uint32_t gen;

	if (!gives(ch, side, page, &gen, &op))
		return 0;
	count(ch, side, 0);
	return VMQ_EPEER;
}

static int page_sync(struct vmm_channel *ch, uint32_t page)
{
	unsigned home = page >= ch->geo.pool_pages[0];
	int back = returned(ch, page, home), out;

	if (back < 0)
		return back;
	out = give(ch, page);
	if (out < 0)
		return out;
	return back || out ? 1 : refused(ch, page);
}

int vmm__pages(struct vmm_channel *ch, uint32_t first, uint32_t n)
{
	uint32_t pages = ch->geo.pool_pages[0] + ch->geo.pool_pages[1];
	uint32_t now[2] = { seq(ch, 0), seq(ch, 1) };
	int changed = 0, bad = 0;

	if (!n && now[0] == ch->seq[0] && now[1] == ch->seq[1])
		return 0;
	if (!n) {
		first = 0;
		n = pages;
	}
	for (uint32_t p = first; p < first + n; p++) {
		int rc = page_sync(ch, p);

		if (rc < 0)
			bad = rc;
		else
			changed += rc;
		if (rc == VMQ_ENOMEM)
			return rc;
	}
	if (n == pages) {
		ch->seq[0] = now[0];
		ch->seq[1] = now[1];
	}
	return bad ? bad : changed;
}
