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

static void count(struct vmm_channel *ch, unsigned side, unsigned op, uint32_t pages)
{
	struct vmq_vmm_stats *s = ch->link[side].vm ? &ch->link[side].vm->stats : NULL;

	if (!s)
		return;
	if (op == VMQ_PAGE_MOVE)
		s->pages_moved += pages;
	else if (op == VMQ_PAGE_LEND)
		s->pages_lent += pages;
	else if (op == VMQ_PAGE_SHARE)
		s->pages_shared += pages;
	else if (op == VMQ_PAGEW_RETURN)
		s->pages_returned += pages;
	else
		s->page_refused += pages;
}

/* One change to a page: what the table says next, and what each side then sees. */
struct step {
	unsigned op, from, owner, out;
	uint32_t gen;
	uint8_t view[2]; /* WINDOW_*, by side */
};

/* Did the side that has the page, without it being home there, give it back? */
static bool plan_return(const struct vmm_channel *ch, uint32_t page, struct step *s)
{
	const struct vmm_page *t = &ch->page[page];
	unsigned home = page >= ch->geo.pool_pages[0];
	unsigned from = t->out ? !t->owner : t->owner;
	unsigned to = t->out ? t->owner : home;

	if (from == to || word(ch, from, page) != VMQ_PAGEW(t->gen, VMQ_PAGEW_RETURN))
		return false;
	*s = (struct step){ .op = VMQ_PAGEW_RETURN, .from = from, .owner = to, .gen = t->gen };
	s->view[from] = WINDOW_ZERO;
	s->view[to] = WINDOW_WRITE;
	return true;
}

/* Does a side say that it hands this page over, newer than what the table has? */
static bool gives(const struct vmm_channel *ch, unsigned side, uint32_t page, struct step *s)
{
	uint32_t w = word(ch, side, page), known = ch->page[page].gen;

	*s = (struct step){ .op = VMQ_PAGEW_OP(w), .from = side, .gen = VMQ_PAGEW_GEN(w) };
	if (s->op < VMQ_PAGE_MOVE || s->op > VMQ_PAGE_SHARE || s->gen == known)
		return false;
	/* The first hand-over of a session may have any generation. */
	return !known || ((s->gen - known) & GEN_MASK) <= GEN_MASK / 2;
}

static bool plan_give(const struct vmm_channel *ch, uint32_t page, struct step *s)
{
	unsigned from = ch->page[page].owner;

	if (ch->page[page].out || !gives(ch, from, page, s))
		return false;
	s->view[from] = s->op == VMQ_PAGE_MOVE ? WINDOW_ZERO : WINDOW_WRITE;
	s->view[!from] = s->op == VMQ_PAGE_LEND ? WINDOW_READ : WINDOW_WRITE;
	s->owner = s->op == VMQ_PAGE_MOVE ? !from : from;
	s->out = s->op == VMQ_PAGE_MOVE ? 0 : s->op;
	return true;
}

static bool plan(const struct vmm_channel *ch, uint32_t page, struct step *s)
{
	return plan_return(ch, page, s) || plan_give(ch, page, s);
}

static bool same(const struct step *a, const struct step *b)
{
	return a->op == b->op && a->from == b->from && a->gen == b->gen && a->owner == b->owner;
}

/* What is taken away goes first. */
static int apply(struct vmm_channel *ch, uint32_t first, uint32_t n, const struct step *s)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned side = i ? !s->from : s->from;
		struct vmq__window *w = ch->link[side].window;
		int rc = w ? vmq__window_set(w, first, n, s->view[side]) : 0;

		if (rc < 0)
			return rc;
	}
	for (uint32_t p = first; p < first + n; p++)
		ch->page[p] = (struct vmm_page){ s->gen, (uint8_t)s->owner, (uint8_t)s->out };
	count(ch, s->from, s->op, n);
	return (int)n;
}

/* The longest run from `first` on to which the same happens. */
static uint32_t run_of(const struct vmm_channel *ch, uint32_t first, uint32_t end, const struct step *s)
{
	struct step next;
	uint32_t p = first + 1;

	while (p < end && plan(ch, p, &next) && same(s, &next))
		p++;
	return p - first;
}

/* A hand-over by who does not own the page is ignored, and counted. */
static bool refused(struct vmm_channel *ch, uint32_t page)
{
	struct step s;

	if (!gives(ch, !ch->page[page].owner, page, &s))
		return false;
	count(ch, !ch->page[page].owner, 0, 1);
	return true;
}

static int sync_range(struct vmm_channel *ch, uint32_t first, uint32_t end)
{
	int changed = 0, bad = 0, steps = 0;
	struct step s;

	/* A page may have come back and gone again: two steps. Two VMs that go on
	 * changing their words meanwhile are not waited for. */
	for (uint32_t p = first; p < end;) {
		int rc;

		if (steps++ == 2 || !plan(ch, p, &s)) {
			if (refused(ch, p))
				bad = VMQ_EPEER;
			p++;
			steps = 0;
			continue;
		}
		rc = apply(ch, p, run_of(ch, p, end, &s), &s);
		if (rc < 0)
			return rc;
		changed += rc;
	}
	return bad ? bad : changed;
}

int vmq__vmm_pages(struct vmm_channel *ch, uint32_t first, uint32_t n)
{
	uint32_t pages = ch->geo.pool_pages[0] + ch->geo.pool_pages[1];
	uint32_t now[2] = { seq(ch, 0), seq(ch, 1) };
	int rc;

	if (n)
		return sync_range(ch, first, first + n);
	if (now[0] == ch->seq[0] && now[1] == ch->seq[1])
		return 0;
	rc = sync_range(ch, 0, pages);
	if (rc != VMQ_ENOMEM) {
		ch->seq[0] = now[0];
		ch->seq[1] = now[1];
	}
	return rc;
}
