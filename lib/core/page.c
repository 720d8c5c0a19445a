/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page.c - who owns which page. Each end keeps a private table of all pages of
 * the channel; the peer's words and descriptors are claims that are checked
 * against it. Every hand-over raises the page's generation.
 */
#include "page.h"

#define GEN_MASK 0x1fffffffu

enum {
	PG_THEIRS,    /* the peer's: nothing of ours */
	PG_FREE,      /* in our pool */
	PG_OWNED,     /* ours, in use: allocated here or moved here */
	PG_OUT_MOVE,  /* from our pool, now the peer's for good */
	PG_OUT_LENT,  /* ours, and the peer reads it */
	PG_OUT_SHARED,
	PG_IN_LENT,   /* the peer's, and we read it */
	PG_IN_SHARED,
};

void vmq__pages_init(struct vmq_page_table *t, uint32_t gen)
{
	t->hint = t->home;
	/* Whatever the peer said so far, look again. */
	t->peer_seq = vmq__load(&t->peer_ctl->page_seq) - 1;
	for (uint32_t p = 0; p < t->pages; p++) {
		bool home = p >= t->home && p < t->home_end;

		t->entry[p] = (struct vmq_page_entry){
			.gen = gen & GEN_MASK,
			.state = home ? PG_FREE : PG_THEIRS,
		};
		vmq__store(&t->mine[p], 0);
	}
}

static bool run_ok(const struct vmq_page_table *t, uint32_t first, uint32_t count)
{
	return t->entry && count && first < t->pages && count <= t->pages - first;
}

static bool is_home(const struct vmq_page_table *t, uint32_t p)
{
	return p >= t->home && p < t->home_end;
}

/* Are all pages of the run of its generation and in a state of the mask? */
static bool run_in(const struct vmq_page_table *t, const struct vmq_pages *run, unsigned states)
{
	if (!run_ok(t, run->first, run->count))
		return false;
	for (uint32_t p = run->first; p < run->first + run->count; p++)
		if (t->entry[p].gen != run->gen || !(states & 1u << t->entry[p].state))
			return false;
	return true;
}

static void say(struct vmq_page_table *t, uint32_t p, uint32_t gen, unsigned op)
{
	/* Release: pairs with the acquire in vmq_pages_collect(): what was
	 * done to the page came before. */
	vmq__store_release(&t->mine[p], VMQ_PAGEW(gen, op));
}

static void said(struct vmq_page_table *t)
{
	vmq__store_release(&t->ctl->page_seq, ++t->seq);
}

static uint32_t free_run(const struct vmq_page_table *t, uint32_t at, uint32_t end, uint32_t count)
{
	uint32_t n = 0;

	for (; at < end; at++) {
		n = t->entry[at].state == PG_FREE ? n + 1 : 0;
		if (n == count)
			return at + 1 - count;
	}
	return UINT32_MAX;
}

/* One generation for the whole run, newer than any of its pages'. */
static uint32_t next_gen(const struct vmq_page_table *t, uint32_t first, uint32_t count)
{
	uint32_t gen = t->entry[first].gen;

	for (uint32_t p = first; p < first + count; p++)
		if (((t->entry[p].gen - gen) & GEN_MASK) <= GEN_MASK / 2)
			gen = t->entry[p].gen;
	return (gen + 1) & GEN_MASK;
}

static void run_set(struct vmq_page_table *t, const struct vmq_pages *run, unsigned state)
{
	for (uint32_t p = run->first; p < run->first + run->count; p++) {
		t->entry[p].gen = run->gen;
		t->entry[p].state = (uint8_t)state;
		t->entry[p].dropped = 0;
	}
}

int vmq_pages_alloc(struct vmq_page_table *t, uint32_t count, struct vmq_pages *run)
{
	uint32_t first;

	if (!t->entry || !count || count > t->home_end - t->home)
		return VMQ_EINVAL;
	vmq_pages_collect(t);
	first = free_run(t, t->hint, t->home_end, count);
	if (first == UINT32_MAX)
		first = free_run(t, t->home, t->home_end, count);
	if (first == UINT32_MAX)
		return VMQ_ENOMEM;
	*run = (struct vmq_pages){ first, count, next_gen(t, first, count) };
	run_set(t, run, PG_OWNED);
	t->hint = first + count;
	return 0;
}

static unsigned out_state(const struct vmq_page_table *t, uint32_t p, enum vmq_page_mode mode)
{
	if (mode == VMQ_PAGE_MOVE)
		return is_home(t, p) ? PG_OUT_MOVE : PG_THEIRS;
	return mode == VMQ_PAGE_LEND ? PG_OUT_LENT : PG_OUT_SHARED;
}

int vmq_pages_give(struct vmq_page_table *t, struct vmq_pages *run, enum vmq_page_mode mode)
{
	if (mode < VMQ_PAGE_MOVE || mode > VMQ_PAGE_SHARE)
		return VMQ_EINVAL;
	if (!run_in(t, run, 1u << PG_OWNED))
		return VMQ_ESTALE;
	run->gen = (run->gen + 1) & GEN_MASK;
	for (uint32_t p = run->first; p < run->first + run->count; p++) {
		t->entry[p].gen = run->gen;
		t->entry[p].state = (uint8_t)out_state(t, p, mode);
		say(t, p, run->gen, mode);
	}
	said(t);
	return 0;
}

void vmq_pages_ungive(struct vmq_page_table *t, struct vmq_pages *run)
{
	if (!run_ok(t, run->first, run->count))
		return;
	run->gen = (run->gen + 1) & GEN_MASK;
	run_set(t, run, PG_OWNED);
	for (uint32_t p = run->first; p < run->first + run->count; p++)
		say(t, p, run->gen, 0);
	said(t);
}

/* May the peer hand this page over? Only what it owns, at a newer generation. */
static unsigned take_check(const struct vmq_page_table *t, uint32_t p, uint32_t gen)
{
	const struct vmq_page_entry *e = &t->entry[p];

	if (e->state != PG_THEIRS && e->state != PG_OUT_MOVE)
		return VMQ_POISON_PAGE_OWNER;
	if (((gen - e->gen - 1) & GEN_MASK) > GEN_MASK / 2)
		return VMQ_POISON_PAGE_GEN;
	return VMQ_POISON_NONE;
}

unsigned vmq_pages_take(struct vmq_page_table *t, const struct vmq_layout_page *desc,
	struct vmq_pages *run, enum vmq_page_mode *mode)
{
	static const uint8_t in_state[] = {
		[VMQ_PAGE_MOVE] = PG_OWNED, [VMQ_PAGE_LEND] = PG_IN_LENT, [VMQ_PAGE_SHARE] = PG_IN_SHARED,
	};
	uint32_t first = vmq__le32(desc->first), count = vmq__le32(desc->count);
	uint32_t m = vmq__le32(desc->mode), gen = vmq__le32(desc->gen);

	if (m < VMQ_PAGE_MOVE || m > VMQ_PAGE_SHARE)
		return VMQ_POISON_PAGE_MODE;
	if (!run_ok(t, first, count) || vmq__le32(desc->len) > (uint64_t)count << VMQ_PAGE_SHIFT)
		return VMQ_POISON_PAGE_RANGE;
	if (gen & ~GEN_MASK)
		return VMQ_POISON_PAGE_GEN;
	for (uint32_t p = first; p < first + count; p++) {
		unsigned bad = take_check(t, p, gen);

		if (bad)
			return bad;
	}
	*run = (struct vmq_pages){ first, count, gen };
	*mode = (enum vmq_page_mode)m;
	run_set(t, run, in_state[m]);
	return VMQ_POISON_NONE;
}

/* A page of a run that its holder gives up. True: the peer gets it back. */
static bool page_free(struct vmq_page_table *t, uint32_t p)
{
	struct vmq_page_entry *e = &t->entry[p];

	if (e->state == PG_OUT_LENT || e->state == PG_OUT_SHARED) {
		e->dropped = 1;
		return false;
	}
	if (e->state == PG_OWNED && is_home(t, p)) {
		e->state = PG_FREE;
		return false;
	}
	/* A page of our own pool that the peer lent us is still out there. */
	e->state = is_home(t, p) ? PG_OUT_MOVE : PG_THEIRS;
	say(t, p, e->gen, VMQ_PAGEW_RETURN);
	return true;
}

static bool run_dropped(const struct vmq_page_table *t, const struct vmq_pages *run)
{
	for (uint32_t p = run->first; p < run->first + run->count; p++)
		if (t->entry[p].dropped)
			return true;
	return false;
}

int vmq_pages_free(struct vmq_page_table *t, const struct vmq_pages *run, bool *returned)
{
	const unsigned held = 1u << PG_OWNED | 1u << PG_OUT_LENT | 1u << PG_OUT_SHARED |
		1u << PG_IN_LENT | 1u << PG_IN_SHARED;

	*returned = false;
	vmq_pages_collect(t);
	if (!run_in(t, run, held) || run_dropped(t, run))
		return VMQ_ESTALE;
	for (uint32_t p = run->first; p < run->first + run->count; p++)
		*returned |= page_free(t, p);
	if (*returned)
		said(t);
	return 0;
}

/* The peer's claim on a page that we handed over has ended. */
static void page_back(struct vmq_page_table *t, uint32_t p)
{
	struct vmq_page_entry *e = &t->entry[p];

	if (e->state == PG_OUT_MOVE || (e->dropped && is_home(t, p))) {
		e->state = PG_FREE;
	} else if (e->dropped) {
		e->state = PG_THEIRS;
		say(t, p, e->gen, VMQ_PAGEW_RETURN);
		said(t);
	} else {
		e->state = PG_OWNED;
	}
	e->dropped = 0;
}

uint32_t vmq_pages_collect(struct vmq_page_table *t)
{
	uint32_t back = 0, seq;

	if (!t->entry)
		return 0;
	/* Acquire: pairs with the release in said(). */
	seq = vmq__load_acquire(&t->peer_ctl->page_seq);
	if (seq == t->peer_seq)
		return 0;
	t->peer_seq = seq;
	for (uint32_t p = 0; p < t->pages; p++) {
		const struct vmq_page_entry *e = &t->entry[p];

		if (e->state != PG_OUT_MOVE && e->state != PG_OUT_LENT && e->state != PG_OUT_SHARED)
			continue;
		/* Only our own table says which return is awaited: any other
		 * word of the peer means nothing here. */
		if (vmq__load_acquire(&t->theirs[p]) != VMQ_PAGEW(e->gen, VMQ_PAGEW_RETURN))
			continue;
		page_back(t, p);
		back++;
	}
	return back;
}

uint32_t vmq_pages_reclaim(struct vmq_page_table *t)
{
	uint32_t back = 0;

	for (uint32_t p = 0; t->entry && p < t->pages; p++) {
		const struct vmq_page_entry *e = &t->entry[p];

		if (e->state != PG_OUT_LENT && e->state != PG_OUT_SHARED)
			continue;
		page_back(t, p);
		back++;
	}
	return back;
}

bool vmq_pages_held(const struct vmq_page_table *t, const struct vmq_pages *run)
{
	return run_in(t, run, 1u << PG_OWNED | 1u << PG_OUT_LENT | 1u << PG_OUT_SHARED |
		1u << PG_IN_LENT | 1u << PG_IN_SHARED);
}
