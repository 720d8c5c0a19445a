/* SPDX-License-Identifier: BSD-2-Clause */
/* core_hostile.c - each rule that the core checks, broken on purpose. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "core_fixture.h"

#define LANE 4096u
#define TAG 3u /* of a first session: epochs 1 and 2 */

/* Side 1 is poisoned for this reason, and side 0 is not touched by that. */
static void judged(struct pair *p, enum vmq_poison reason)
{
	cr_expect_eq(vmq_chan_poison(&p->ch[1]), reason);
	cr_expect_eq(le(ctl_of(p, 1)->poison), reason);
	cr_expect_eq(vmq_chan_progress(&p->ch[1]), VMQ_EPEER);
	cr_expect_eq(vmq_chan_poison(&p->ch[0]), VMQ_POISON_NONE);
	cr_expect_eq(p->ch[0].state, VMQ_STATE_ESTABLISHED);
	cr_expect_eq(put(&p->ch[0], 8, 0), 0);
}

/* Side 1 must find `reason` when it looks, and then neither read nor sleep. */
static void poisoned(struct pair *p, enum vmq_poison reason)
{
	struct vmq_record rec;

	cr_assert_eq(vmq_rx_peek(&p->ch[1].rx, &rec), VMQ_EPEER);
	cr_expect_eq(vmq_rx_peek(&p->ch[1].rx, &rec), VMQ_EPEER);
	cr_expect_eq(vmq_rx_arm(&p->ch[1].rx) & VMQ_RX_DATA, VMQ_RX_DATA);
	judged(p, reason);
}

/* Put a header at the place where side 1 looks next. */
static void forge(struct pair *p, uint32_t word, uint32_t len)
{
	struct vmq_layout_record *rec = header_at(p, 0, p->ch[1].rx.own);

	rec->len = le(len);
	rec->word = le(word);
}

struct header {
	uint32_t word, len;
	enum vmq_poison reason;
};

/* The HELLO took 128 bytes: the reader looks at offset 128 of 4,096. */
static const struct header headers[] = {
	{ VMQ_REC_WORD(LANE - 128 + 8, VMQ_KIND_MSG, 0, TAG), 8, VMQ_POISON_SPAN },
	{ VMQ_REC_WORD(VMQ_SPAN_MAX, VMQ_KIND_MSG, 0, TAG), 8, VMQ_POISON_SPAN },
	{ VMQ_REC_WORD(0, VMQ_KIND_MSG, 0, TAG), 0, VMQ_POISON_SPAN },
	{ VMQ_REC_WORD(0, VMQ_KIND_MSG, 0, TAG + 1), 0, VMQ_POISON_SPAN },
	{ VMQ_REC_WORD(VMQ_SPAN_MAX, VMQ_KIND_MSG, 0, TAG + 1), 0, VMQ_POISON_SPAN },
	{ 0xffffffffu, 0xffffffffu, VMQ_POISON_SPAN },
	{ VMQ_REC_WORD(64, VMQ_KIND_MSG, 0, TAG), 57, VMQ_POISON_LENGTH },
	{ VMQ_REC_WORD(8, VMQ_KIND_MSG, 0, TAG), 1, VMQ_POISON_LENGTH },
	{ VMQ_REC_WORD(64, VMQ_KIND_MSG, 0, TAG), 0xffffffffu, VMQ_POISON_LENGTH },
	{ VMQ_REC_WORD(64, VMQ_KIND_MSG, 0, TAG), 0xfffffff8u, VMQ_POISON_LENGTH },
	{ VMQ_REC_WORD(LANE - 128, VMQ_KIND_MSG, 0, TAG), LANE - 128 - 7, VMQ_POISON_LENGTH },
	{ VMQ_REC_WORD(64, VMQ_KIND_MSG, 0, TAG + 1), 57, VMQ_POISON_LENGTH },
	{ VMQ_REC_WORD(64, VMQ_KIND_PAD, 0, TAG), 0, VMQ_POISON_PAD },
	{ VMQ_REC_WORD(LANE - 128 - 8, VMQ_KIND_PAD, 0, TAG), 0, VMQ_POISON_PAD },
};

ParameterizedTestParameters(hostile, bad_headers)
{
	return cr_make_param_array(const struct header, headers, sizeof(headers) / sizeof(headers[0]));
}

ParameterizedTest(const struct header *h, hostile, bad_headers)
{
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	cr_assert_eq(p.ch[1].rx.own, 128u);
	forge(&p, h->word, h->len);
	poisoned(&p, h->reason);
	pair_close(&p);
}

Test(hostile, the_largest_true_header_is_taken)
{
	struct pair p;
	struct vmq_record rec;

	pair_open(&p, LANE, 0, 0);
	forge(&p, VMQ_REC_WORD(LANE - 128, VMQ_KIND_MSG, 0, TAG), LANE - 128 - 8);
	cr_assert_eq(vmq_rx_peek(&p.ch[1].rx, &rec), 1);
	cr_expect_eq(rec.len, LANE - 136);
	pair_close(&p);
}

Test(hostile, padding_at_the_start_of_the_lane)
{
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	forge(&p, VMQ_REC_WORD(LANE - 128, VMQ_KIND_PAD, 0, TAG), 0);
	header_at(&p, 0, 0)->word = le(VMQ_REC_WORD(LANE, VMQ_KIND_PAD, 0, TAG));
	header_at(&p, 0, 0)->len = 0;
	poisoned(&p, VMQ_POISON_PAD);
	pair_close(&p);
}

/* A lane that is one ring of old records: each look is bounded. */
Test(hostile, old_records_round_and_round)
{
	struct pair p;
	struct vmq_record rec;

	pair_open(&p, LANE, 0, 0);
	for (uint32_t at = 0; at < LANE; at += 8) {
		header_at(&p, 0, at)->word = le(VMQ_REC_WORD(8, VMQ_KIND_MSG, 0, TAG + 1));
		header_at(&p, 0, at)->len = 0;
	}
	for (uint32_t i = 1; i < 100; i++) {
		cr_assert_eq(vmq_rx_peek(&p.ch[1].rx, &rec), 0);
	
		cr_assert_leq(p.ch[1].rx.stale, i * 64);
	}
	cr_expect_eq(vmq_rx_arm(&p.ch[1].rx) & VMQ_RX_DATA, VMQ_RX_DATA);
	pair_close(&p);
}

/* A restart in such a lane ends too, and the session after it works. */
Test(hostile, restart_over_a_ring_of_old_records)
{
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	for (uint32_t at = 0; at < LANE; at += 8)
		header_at(&p, 0, at)->word = le(VMQ_REC_WORD(8, VMQ_KIND_MSG, 0, TAG));
	ctl_of(&p, 0)->prod = le(0xfffff000u);
	cr_assert_eq(pair_attach(&p, 0, 9), 0);
	pair_connect(&p);
	cr_assert_eq(put(&p.ch[0], 100, 1), 0);
	cr_expect(got(&p.ch[1], 100, 1));
	cr_expect_leq(p.ch[1].rx.stale, LANE / 8);
	pair_close(&p);
}

static const uint32_t consumed[] = { 64, 1, 127, 129, 4096, 0x80000000u, 0xffffffffu, 0xffffff80u };

ParameterizedTestParameters(hostile, bad_consume_indices)
{
	return cr_make_param_array(const uint32_t, consumed, sizeof(consumed) / sizeof(consumed[0]));
}

/* The HELLO ends at 128, so that 128 is the one index that is true. */
ParameterizedTest(const uint32_t *cons, hostile, bad_consume_indices)
{
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	vmq_rx_release(&p.ch[0].rx);
	vmq_rx_release(&p.ch[1].rx);
	cr_assert_gt(vmq_tx_room(&p.ch[1].tx, 1), 0u);
	cr_assert_eq(p.ch[1].tx.cons, 128u);
	ctl_of(&p, 0)->cons = le(*cons);
	cr_expect_eq(vmq_tx_room(&p.ch[1].tx, 1), 0u);
	cr_expect_eq(put(&p.ch[1], 8, 0), VMQ_EPEER);
	cr_expect_null(vmq_tx_reserve(&p.ch[1].tx, 0));
	cr_expect_not(vmq_tx_space_arm(&p.ch[1].tx, 8));
	judged(&p, VMQ_POISON_CONSUME);
	pair_close(&p);
}

/* An index that goes back frees nothing twice. */
Test(hostile, a_consume_index_that_goes_back)
{
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	for (uint32_t n = 0; n < 20; n++)
		cr_assert_eq(put(&p.ch[1], 50, n), 0);
	ctl_of(&p, 0)->cons = le(128 + 640);
	cr_assert_gt(vmq_tx_room(&p.ch[1].tx, 1), 0u);
	ctl_of(&p, 0)->cons = le(128 + 576);
	vmq_tx_room(&p.ch[1].tx, 1);
	cr_expect_eq(vmq_chan_poison(&p.ch[1]), VMQ_POISON_CONSUME);
	pair_close(&p);
}

Test(hostile, a_consume_index_off_the_grid)
{
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	for (uint32_t n = 0; n < 20; n++)
		cr_assert_eq(put(&p.ch[1], 50, n), 0);
	ctl_of(&p, 0)->cons = le(128 + 644);
	cr_expect_eq(vmq_tx_room(&p.ch[1].tx, 1), 0u);
	cr_expect_eq(vmq_chan_poison(&p.ch[1]), VMQ_POISON_CONSUME);
	pair_close(&p);
}

/* What a peer that has not come up says of its consume index means nothing. */
Test(hostile, a_peer_that_never_comes_up)
{
	struct pair p;
	uint32_t n = 0;

	pair_plan(&p, LANE, 0, 0);
	cr_assert_eq(vmq_chan_progress(&p.ch[0]), 1);
	cr_assert_eq(vmq_chan_progress(&p.ch[1]), 1);
	ctl_of(&p, 0)->cons = le(0x12345678);
	while (n < LANE && put(&p.ch[1], 50, n) == 0)
		n++;
	cr_expect_lt(n, LANE / 64);
	cr_expect_eq(put(&p.ch[1], 50, n), VMQ_EAGAIN);
	cr_expect_eq(vmq_chan_poison(&p.ch[1]), VMQ_POISON_NONE);
	pair_close(&p);
}

/* Side 0's HELLO, ready to be spoilt: offset 8 of its lane, behind the header. */
static struct vmq_layout_hello *hello_of(struct pair *p)
{
	return (void *)(header_at(p, 0, 0) + 1);
}

enum spoil { NOT_FIRST, SHORT, SMALL_SIZE, NAME, MAJOR };

struct hello_case {
	enum spoil spoil;
	enum vmq_poison reason;
};

static const struct hello_case hellos[] = {
	{ NOT_FIRST, VMQ_POISON_HELLO },
	{ SHORT, VMQ_POISON_HELLO },
	{ SMALL_SIZE, VMQ_POISON_HELLO },
	{ NAME, VMQ_POISON_HELLO },
	{ MAJOR, VMQ_POISON_VERSION },
};

static void spoil(struct pair *p, enum spoil how)
{
	struct vmq_layout_record *rec = header_at(p, 0, 0);
	struct vmq_layout_hello *hello = hello_of(p);

	if (how == NOT_FIRST)
		rec->word = le(VMQ_REC_WORD(128, VMQ_KIND_MSG, 0, TAG));
	if (how == SHORT)
		rec->len = le(sizeof(*hello) - 1);
	if (how == SMALL_SIZE)
		hello->size = le(sizeof(*hello) - 1);
	if (how == NAME)
		memset(hello->ident.name, 'x', sizeof(hello->ident.name));
	if (how == MAJOR)
		hello->major = 0x7777;
}

ParameterizedTestParameters(hostile, bad_hellos)
{
	return cr_make_param_array(const struct hello_case, hellos, sizeof(hellos) / sizeof(hellos[0]));
}

ParameterizedTest(const struct hello_case *c, hostile, bad_hellos)
{
	struct pair p;

	pair_plan(&p, LANE, 0, 0);
	cr_assert_eq(vmq_chan_progress(&p.ch[0]), 1);
	spoil(&p, c->spoil);
	cr_expect_eq(vmq_chan_progress(&p.ch[1]), VMQ_EPEER);
	cr_expect_eq(vmq_chan_poison(&p.ch[1]), c->reason);
	cr_expect_eq(le(ctl_of(&p, 1)->poison), c->reason);
	cr_expect_neq(p.ch[1].state, VMQ_STATE_ESTABLISHED);
	cr_expect_eq(vmq_chan_progress(&p.ch[1]), VMQ_EPEER);
	cr_expect_eq(vmq_chan_poison(&p.ch[0]), VMQ_POISON_NONE);
	pair_close(&p);
}

/* A state that there is none of, before the handshake, in it and after it. */
Test(hostile, bad_state)
{
	for (int steps = 0; steps < 4; steps++) {
		struct pair p;

		pair_plan(&p, LANE, 0, 0);
		for (int i = 0; i < steps; i++)
			cr_assert_eq(vmq_chan_progress(&p.ch[i & 1]), 1);
		ctl_of(&p, 0)->state = le(VMQ_STATE_POISONED + 1);
		cr_expect_eq(vmq_chan_progress(&p.ch[1]), VMQ_EPEER);
		cr_expect_eq(vmq_chan_poison(&p.ch[1]), VMQ_POISON_STATE);
		cr_expect_eq(le(ctl_of(&p, 1)->poison), VMQ_POISON_STATE);
		cr_expect_eq(p.ch[1].state, VMQ_STATE_POISONED);
		pair_close(&p);
	}
}

struct desc {
	uint32_t first, count, mode, gen, len;
	unsigned reason;
};

#define GEN (3u << 16) /* what a first session of epochs 1 and 2 starts from */

/* Pools of 8: 0 to 7 are side 0's, 8 to 15 side 1's, who takes. */
static const struct desc descs[] = {
	{ 0, 1, VMQ_PAGE_MOVE, GEN + 1, 4096, VMQ_POISON_NONE },
	{ 0, 8, VMQ_PAGE_SHARE, GEN + 9, 32768, VMQ_POISON_NONE },
	{ 16, 1, VMQ_PAGE_MOVE, GEN + 1, 1, VMQ_POISON_PAGE_RANGE },
	{ 0, 17, VMQ_PAGE_MOVE, GEN + 1, 1, VMQ_POISON_PAGE_RANGE },
	{ 15, 2, VMQ_PAGE_MOVE, GEN + 1, 1, VMQ_POISON_PAGE_RANGE },
	{ 0, 0, VMQ_PAGE_MOVE, GEN + 1, 0, VMQ_POISON_PAGE_RANGE },
	{ 0xffffffffu, 1, VMQ_PAGE_MOVE, GEN + 1, 1, VMQ_POISON_PAGE_RANGE },
	{ 0xffffffffu, 2, VMQ_PAGE_MOVE, GEN + 1, 1, VMQ_POISON_PAGE_RANGE },
	{ 2, 0xffffffffu, VMQ_PAGE_MOVE, GEN + 1, 1, VMQ_POISON_PAGE_RANGE },
	{ 0, 1, VMQ_PAGE_MOVE, GEN + 1, 4097, VMQ_POISON_PAGE_RANGE },
	{ 0, 8, VMQ_PAGE_MOVE, GEN + 1, 0xffffffffu, VMQ_POISON_PAGE_RANGE },
	{ 8, 1, VMQ_PAGE_MOVE, GEN + 1, 1, VMQ_POISON_PAGE_OWNER },
	{ 7, 2, VMQ_PAGE_LEND, GEN + 1, 1, VMQ_POISON_PAGE_OWNER },
	{ 0, 1, 0, GEN + 1, 1, VMQ_POISON_PAGE_MODE },
	{ 0, 1, 4, GEN + 1, 1, VMQ_POISON_PAGE_MODE },
	{ 0, 1, 0xffffffffu, GEN + 1, 1, VMQ_POISON_PAGE_MODE },
	{ 0, 1, VMQ_PAGE_MOVE | 0x100, GEN + 1, 1, VMQ_POISON_PAGE_MODE },
	{ 0, 1, VMQ_PAGE_MOVE, GEN, 1, VMQ_POISON_PAGE_GEN },
	{ 0, 1, VMQ_PAGE_MOVE, GEN - 1, 1, VMQ_POISON_PAGE_GEN },
	{ 0, 1, VMQ_PAGE_MOVE, (GEN + 1) | 1u << 29, 1, VMQ_POISON_PAGE_GEN },
	{ 0, 1, VMQ_PAGE_MOVE, 0xffffffffu, 1, VMQ_POISON_PAGE_GEN },
};

static unsigned take(struct pair *p, const struct desc *d)
{
	struct vmq_layout_page wire = { .first = le(d->first), .count = le(d->count),
		.mode = le(d->mode), .gen = le(d->gen), .len = le(d->len), .reserved = 0xffffffffu };
	struct vmq_pages run;
	enum vmq_page_mode mode;

	return vmq_pages_take(&p->ch[1].pages, &wire, &run, &mode);
}

ParameterizedTestParameters(hostile, page_descriptors)
{
	return cr_make_param_array(const struct desc, descs, sizeof(descs) / sizeof(descs[0]));
}

ParameterizedTest(const struct desc *d, hostile, page_descriptors)
{
	struct pair p;
	struct desc again = *d;

	pair_open(&p, LANE, 8, 0);
	cr_assert_eq(take(&p, d), d->reason);
	if (!d->reason) {
		again.gen++;
		cr_expect_eq(take(&p, &again), VMQ_POISON_PAGE_OWNER, "it is out already");
	}
	pair_close(&p);
}

/* What the peer's words amount to, once it says that they changed. */
static uint32_t collect(struct pair *p)
{
	struct vmq_layout_ctl *ctl = ctl_of(p, 0);

	ctl->page_seq = le(le(ctl->page_seq) + 1);
	return vmq_pages_collect(&p->ch[1].pages);
}

/* The peer's page words are claims: only the return that is awaited counts. */
Test(hostile, page_words_that_lie)
{
	struct pair p;
	struct vmq_pages lent, kept;
	vmq_le32 *words;

	pair_open(&p, LANE, 8, 0);
	words = (void *)((uint8_t *)ctl_of(&p, 0) + VMQ_CTL_PAGE_WORDS);
	cr_assert_eq(vmq_pages_alloc(&p.ch[1].pages, 1, &lent), 0);
	cr_assert_eq(vmq_pages_alloc(&p.ch[1].pages, 1, &kept), 0);
	cr_assert_eq(vmq_pages_give(&p.ch[1].pages, &lent, VMQ_PAGE_LEND), 0);
	for (unsigned i = 0; i < 16; i++)
		words[i] = le(VMQ_PAGEW(lent.gen - 1, VMQ_PAGEW_RETURN));
	cr_expect_eq(collect(&p), 0, "an old return");
	words[kept.first] = le(VMQ_PAGEW(kept.gen, VMQ_PAGEW_RETURN));
	cr_expect_eq(collect(&p), 0, "a page it never had");
	for (unsigned op = 0; op < 8; op++) {
		words[lent.first] = le(VMQ_PAGEW(lent.gen, op));
		cr_expect_eq(collect(&p), op == VMQ_PAGEW_RETURN);
	}
	cr_expect(vmq_pages_held(&p.ch[1].pages, &kept));
	pair_close(&p);
}
