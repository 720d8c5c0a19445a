/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm_page.c - the page tables of VMs follow what VMs hand over to each other.
 *
 * What the VMs wrote into their page words are claims. The VMM's own table says who
 * owns a page: only its owner can give it away, and only who has it can return it.
 *
 * Over a bridge there are two VMMs with a table each, and each changes only the
 * window of its near VM. What takes pages away from the far VM counts here once the
 * ledger says that its VMM has done it; the far VM's own word is only a reason to ask
 * for that. What the ledger was told binds: a VM that changes its word afterwards
 * does not get the page back. Ledger words come from another VMM, and are compared,
 * nothing else.
 */
#include "core/atomic.h"
#include "vmm.h"

#define GEN_MASK 0x1fffffffu
#define STEPS 4 /* of one page in one look */

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

static uint32_t pages_of(const struct vmm_channel *ch)
{
	return ch->geo.pool_pages[0] + ch->geo.pool_pages[1];
}

static vmq_le32 *entry(const struct vmm_channel *ch, unsigned side, uint32_t page)
{
	return ch->span.ledger + (size_t)side * pages_of(ch) + page;
}

static bool newer(uint32_t gen, uint32_t than)
{
	return gen != than && ((gen - than) & GEN_MASK) <= GEN_MASK / 2;
}

static bool is_far(const struct vmm_channel *ch, unsigned side)
{
	return ch->span.far == side;
}

/* What the far VMM has done. When it is dead, its VM has no window any more, and the
 * VM's word will do. */
static uint32_t done(const struct vmm_channel *ch, unsigned side, uint32_t page)
{
	/* Acquire: pairs with the release in tell(): its window has changed. */
	return ch->span.lost ? word(ch, side, page) : vmq__load_acquire(entry(ch, side, page));
}

/* Tell the far VMM what was taken out of the near VM's window. Never goes back. */
static void tell(struct vmm_channel *ch, uint32_t page, uint32_t w)
{
	uint32_t told = ch->page[page].told;

	if (!ch->span.ledger || (told && newer(VMQ_PAGEW_GEN(told), VMQ_PAGEW_GEN(w))))
		return;
	ch->page[page].told = w;
	/* Release: pairs with the acquire in done(). */
	vmq__store_release(entry(ch, !ch->span.far, page), w);
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
	bool wait;       /* none now: the far VMM has to take it away first */
};

/* The far VMM will have its say. */
static bool waits(const struct vmm_channel *ch)
{
	return !ch->span.lost && ch->link[ch->span.far].vm;
}

/* Does this word say that its writer no longer has what it got with `gen`? A borrower
 * that speaks of a later hand-over has given back the earlier one too. */
static bool ended(uint32_t w, uint32_t gen, bool borrowed)
{
	unsigned op = VMQ_PAGEW_OP(w);

	if (op == VMQ_PAGEW_RETURN && VMQ_PAGEW_GEN(w) == gen)
		return true;
	return (op == VMQ_PAGEW_RETURN || (borrowed && op)) && newer(VMQ_PAGEW_GEN(w), gen);
}

static bool has_ended(const struct vmm_channel *ch, unsigned side, uint32_t page, struct step *s)
{
	const struct vmm_page *t = &ch->page[page];
	bool said = ended(word(ch, side, page), t->gen, t->out);

	if (!is_far(ch, side))
		return said || ended(t->told, t->gen, t->out);
	if (ended(done(ch, side, page), t->gen, t->out))
		return true;
	s->wait = said && waits(ch);
	return false;
}

/* Did the side that has the page, without it being home there, give it back? */
static bool plan_return(const struct vmm_channel *ch, uint32_t page, struct step *s)
{
	const struct vmm_page *t = &ch->page[page];
	unsigned home = page >= ch->geo.pool_pages[0];
	unsigned from = t->out ? !t->owner : t->owner;
	unsigned to = t->out ? t->owner : home;

	if (from == to || !has_ended(ch, from, page, s))
		return false;
	*s = (struct step){ .op = VMQ_PAGEW_RETURN, .from = from, .owner = to, .gen = t->gen };
	s->view[from] = WINDOW_ZERO;
	s->view[to] = WINDOW_WRITE;
	return true;
}

/* Does a word of that side hand this page over, newer than what the table has? */
static bool gives(const struct vmm_channel *ch, unsigned side, uint32_t page, uint32_t w,
	struct step *s)
{
	uint32_t known = ch->page[page].gen;

	*s = (struct step){ .op = VMQ_PAGEW_OP(w), .from = side, .gen = VMQ_PAGEW_GEN(w) };
	if (s->op < VMQ_PAGE_MOVE || s->op > VMQ_PAGE_SHARE || s->gen == known)
		return false;
	/* The first hand-over of a session may have any generation. */
	return !known || newer(s->gen, known);
}

/* As gives(), for the owner: what its VMM has done comes first, then what it says. */
static bool has_given(const struct vmm_channel *ch, unsigned side, uint32_t page, struct step *s)
{
	if (is_far(ch, side) && gives(ch, side, page, done(ch, side, page), s) && s->op == VMQ_PAGE_MOVE)
		return true;
	if (!gives(ch, side, page, word(ch, side, page), s))
		return false;
	if (!is_far(ch, side) || s->op != VMQ_PAGE_MOVE)
		return true;
	s->wait = waits(ch);
	return false;
}

static bool plan_give(const struct vmm_channel *ch, uint32_t page, struct step *s)
{
	const struct vmm_page *t = &ch->page[page];
	unsigned from = t->owner;

	if (t->out || !has_given(ch, from, page, s))
		return false;
	s->view[from] = s->op == VMQ_PAGE_MOVE ? WINDOW_ZERO : WINDOW_WRITE;
	s->view[!from] = s->op == VMQ_PAGE_LEND ? WINDOW_READ : WINDOW_WRITE;
	s->owner = s->op == VMQ_PAGE_MOVE ? !from : from;
	s->out = s->op == VMQ_PAGE_MOVE ? 0 : s->op;
	/* The other VMM was told that this has come back already. */
	if (is_far(ch, from) && ended(t->told, s->gen, s->out))
		s->view[!from] = WINDOW_ZERO;
	return true;
}

static bool plan(const struct vmm_channel *ch, uint32_t page, struct step *s)
{
	*s = (struct step){ 0 };
	return plan_return(ch, page, s) || (!s->wait && plan_give(ch, page, s));
}

static bool same(const struct step *a, const struct step *b)
{
	return a->op == b->op && a->from == b->from && a->gen == b->gen && a->owner == b->owner &&
		a->view[0] == b->view[0] && a->view[1] == b->view[1];
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
	for (uint32_t p = first; p < first + n; p++) {
		ch->page[p].gen = s->gen;
		ch->page[p].owner = (uint8_t)s->owner;
		ch->page[p].out = (uint8_t)s->out;
		if (!is_far(ch, s->from) && s->view[s->from] == WINDOW_ZERO)
			tell(ch, p, VMQ_PAGEW(s->gen, s->op));
	}
	ch->span.changes++;
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

/* The near VM gave back what this VMM never saw it get: the owner's VMM must hear it. */
static void tell_unseen(struct vmm_channel *ch, uint32_t page)
{
	const struct vmm_page *t = &ch->page[page];
	unsigned near = !ch->span.far;
	uint32_t w;

	if (!ch->span.ledger || t->owner == near || t->out)
		return;
	w = word(ch, near, page);
	if (VMQ_PAGEW_OP(w) == VMQ_PAGEW_RETURN && (!t->gen || newer(VMQ_PAGEW_GEN(w), t->gen)))
		tell(ch, page, w);
}

/* A hand-over by who does not own the page is ignored, and counted. */
static bool refused(struct vmm_channel *ch, uint32_t page)
{
	unsigned side = !ch->page[page].owner;
	struct step s;

	if (!gives(ch, side, page, word(ch, side, page), &s))
		return false;
	count(ch, side, 0, 1);
	return true;
}

static int sync_range(struct vmm_channel *ch, uint32_t first, uint32_t end)
{
	int changed = 0, bad = 0, steps = 0;
	struct step s;

	/* A page may have come back and gone again: some steps. Two VMs that go on
	 * changing their words meanwhile are not waited for. */
	for (uint32_t p = first; p < end;) {
		int rc;

		if (steps++ == STEPS || !plan(ch, p, &s)) {
			if (s.wait)
				bad = VMQ_EAGAIN;
			else if (refused(ch, p) && !bad)
				bad = VMQ_EPEER;
			tell_unseen(ch, p);
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

int vmq__vmm_sync(struct vmm_channel *ch, uint32_t first, uint32_t n)
{
	uint32_t now[2] = { seq(ch, 0), seq(ch, 1) };
	int rc;

	if (n)
		return sync_range(ch, first, first + n);
	if (now[0] == ch->seq[0] && now[1] == ch->seq[1])
		return 0;
	rc = sync_range(ch, 0, pages_of(ch));
	if (rc != VMQ_ENOMEM && rc != VMQ_EAGAIN) {
		ch->seq[0] = now[0];
		ch->seq[1] = now[1];
	}
	return rc;
}

int vmq__vmm_pages(struct vmm_channel *ch, uint32_t first, uint32_t n)
{
	int rc = vmq__vmm_sync(ch, first, n);

	if (rc == VMQ_EAGAIN)
		vmq__far_ask(ch);
	return rc;
}
