/* SPDX-License-Identifier: BSD-2-Clause */
/* core_noise.c - random bytes anywhere in a region, and bytes that change while
 * they are read. Nothing may crash, hang or reach past the region. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core_fixture.h"

#define LANE 4096u
#define POOL 8u
#define STEPS 400

/* What all runs of a test did together, so that a test that does nothing fails. */
static struct {
	uint32_t received, pages, poisons[16], established;
} seen;

static uint32_t rnd(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 16);
}

static uint32_t seed_of(uint64_t *seed, uint32_t n)
{
	*seed = 0x9e3779b97f4a7c15ull * (n + 1);
	return rnd(seed);
}

/* Read what is there, bytes too, and free some of the pages it brings. */
static void receive(struct vmq_chan *ch)
{
	static volatile uint8_t sink;
	struct vmq_record rec;

	for (int i = 0; i < 8 && vmq_rx_peek(&ch->rx, &rec) == 1; i++, seen.received++) {
		const uint8_t *bytes = rec.data;
		struct vmq_layout_page desc;
		struct vmq_pages run;
		enum vmq_page_mode mode;
		bool returned;

		for (uint32_t b = 0; b < rec.len; b++)
			sink = bytes[b];
		if (rec.kind == VMQ_KIND_PAGE && rec.len >= sizeof(desc)) {
			memcpy(&desc, rec.data, sizeof(desc));
			if (!vmq_pages_take(&ch->pages, &desc, &run, &mode) && ++seen.pages % 2)
				vmq_pages_free(&ch->pages, &run, &returned);
		}
		vmq_rx_next(&ch->rx);
	}
	vmq_rx_release(&ch->rx);
	(void)sink;
}

static void page_send(struct vmq_chan *ch, struct vmq_pages *run, enum vmq_page_mode mode)
{
	struct vmq_layout_page desc = { .mode = le(mode), .len = le(100) };

	vmq_pages_give(&ch->pages, run, mode);
	desc.first = le(run->first);
	desc.count = le(run->count);
	desc.gen = le(run->gen);
	if (vmq_tx_put(&ch->tx, VMQ_KIND_PAGE, &desc, sizeof(desc)))
		vmq_pages_ungive(&ch->pages, run);
}

static void page_step(struct vmq_chan *ch, uint64_t *seed)
{
	struct vmq_pages run;
	bool returned;

	if (vmq_pages_alloc(&ch->pages, 1 + rnd(seed) % 3, &run))
		return;
	if (rnd(seed) % 2)
		page_send(ch, &run, 1 + rnd(seed) % 3);
	if (rnd(seed) % 2)
		vmq_pages_free(&ch->pages, &run, &returned);
}

/* One step of an end's life, any. */
static void step(struct pair *p, unsigned side, uint64_t *seed)
{
	struct vmq_chan *ch = &p->ch[side];

	switch (rnd(seed) % 12) {
	case 0:
		vmq_rx_drowse(&ch->rx);
		break;
	case 1:
		vmq_rx_arm(&ch->rx);
		break;
	case 2:
		if (vmq_tx_space_arm(&ch->tx, rnd(seed) % 2000))
			vmq_tx_space_wake(&ch->tx);
		break;
	case 3:
		seen.established += vmq_chan_progress(ch) == 1 && ch->state == VMQ_STATE_ESTABLISHED;
		break;
	case 4:
		page_step(ch, seed);
		break;
	case 5:
		vmq_tx_beat(&ch->tx, 1);
		vmq_rx_beat(&ch->rx);
		vmq_layout_kick_due(p->region, &p->geo, side);
		vmq_tx_room(&ch->tx, 3);
		break;
	case 6:
		seen.poisons[vmq_chan_poison(ch) & 15]++;
		if (vmq_chan_poison(ch) || rnd(seed) % 16 == 0)
			pair_attach(p, side, rnd(seed) | 1);
		break;
	case 7:
	case 8:
		receive(ch);
		break;
	default:
		put(ch, rnd(seed) % 1200, 0);
		vmq_tx_kick_due(&ch->tx, rnd(seed) % 3);
	}
}

/* The parts of a region, as somewhere to spoil. */
static uint8_t *victim(struct pair *p, uint64_t *seed)
{
	const uint64_t parts[] = { 0, p->geo.ctl_off[0], p->geo.ctl_off[1], p->geo.lane_off[0],
		p->geo.lane_off[1] };
	uint64_t at = parts[rnd(seed) % 5] + (rnd(seed) % 2 ? rnd(seed) % 1100 : rnd(seed) % 4096);

	return p->region + at / 4 * 4;
}

static void spoil(struct pair *p, uint64_t *seed)
{
	uint8_t *at = victim(p, seed);
	uint32_t near = (rnd(seed) % 32) * 8, word = rnd(seed) % 3 ? rnd(seed) : le(near);

	memcpy(at, &word, sizeof(word));
}

Test(noise, random_words_while_both_go_on)
{
	for (uint32_t n = 0; n < 5000; n++) {
		struct pair p;
		uint64_t seed;

		seed_of(&seed, n);
		pair_open(&p, LANE, POOL, rnd(&seed) % 2 ? 0xfffff800u : 0);
		for (int i = 0; i < STEPS; i++) {
			step(&p, rnd(&seed) % 2, &seed);
			if (i > 30 && rnd(&seed) % 8 == 0)
				spoil(&p, &seed);
		}
		pair_close(&p);
	}
	cr_expect_gt(seen.received, 10000u);
	cr_expect_gt(seen.pages, 1000u);
	cr_expect_gt(seen.established, 1000u);
	for (unsigned r = VMQ_POISON_CONSUME; r <= VMQ_POISON_LENGTH; r++)
		cr_expect_gt(seen.poisons[r], 0u, "reason %u never came up", r);
	cr_expect_gt(seen.poisons[VMQ_POISON_HELLO], 0u);
}

/* The header as well as all else is noise from the start. */
Test(noise, attach_to_noise)
{
	for (uint32_t n = 0; n < 500; n++) {
		struct pair p;
		uint64_t seed;

		seed_of(&seed, n);
		pair_plan(&p, LANE, POOL, 0);
		for (uint64_t at = 0; at < p.geo.region_size; at++)
			p.region[at] = (uint8_t)rnd(&seed);
		for (unsigned s = 0; s < 2; s++)
			cr_assert_eq(pair_attach(&p, s, rnd(&seed) | 1), 0);
		for (int i = 0; i < STEPS; i++)
			step(&p, rnd(&seed) % 2, &seed);
		pair_close(&p);
	}
}

static bool inside(const struct vmq_geometry *geo, uint64_t size)
{
	uint64_t pages = (uint64_t)geo->pool_pages[0] + geo->pool_pages[1];

	for (unsigned s = 0; s < 2; s++) {
		if (geo->ctl_off[s] > size || geo->ctl_size > size - geo->ctl_off[s] ||
				geo->lane_off[s] > size || geo->lane_size[s] > size - geo->lane_off[s] ||
				geo->pool_off[s] > size ||
				(uint64_t)geo->pool_pages[s] << 12 > size - geo->pool_off[s])
			return false;
	}
	return geo->ctl_size >= VMQ_CTL_PAGE_WORDS + 4 * pages;
}

/* Whatever a header says, a geometry that is taken lies inside of the region. */
Test(noise, random_headers)
{
	uint32_t taken = 0;

	for (uint32_t n = 0; n < 20000; n++) {
		struct vmq_geometry geo;
		struct pair p;
		uint64_t seed, size;

		seed_of(&seed, n);
		pair_plan(&p, LANE, POOL, 0);
		size = p.geo.region_size;
		for (uint32_t i = rnd(&seed) % 4; i; i--)
			p.region[8 + rnd(&seed) % 168] = (uint8_t)(rnd(&seed) % 3 ? rnd(&seed) : 16);
		if (vmq_layout_read(p.region, size, &geo) == 0) {
			taken++;
			cr_assert(inside(&geo, size), "seed %u", n);
		}
		pair_close(&p);
	}
	cr_expect_gt(taken, 100u, "most must not be refused at the first check");
}

Test(noise, truncated_regions)
{
	struct pair p;
	struct vmq_geometry geo;
	uint8_t *cut;

	pair_plan(&p, LANE, POOL, 0);
	for (uint64_t size = 0; size < p.geo.region_size; size += size < 4096 ? 97 : 2048) {
		cut = malloc(size ? size : 1);
		cr_assert_not_null(cut);
		memcpy(cut, p.region, size);
		cr_assert_eq(vmq_layout_read(cut, size, &geo), VMQ_EPROTO, "size %u", (unsigned)size);
		free(cut);
	}
	cr_expect_eq(vmq_layout_read(p.region, p.geo.region_size - 1, &geo), VMQ_EPROTO);
	cr_expect_eq(vmq_layout_read(p.region, p.geo.region_size, &geo), 0);
	pair_close(&p);
}

struct flipper {
	struct vmq_layout_record *rec;
	_Atomic bool stop;
	pthread_t thread;
};

static void set(vmq_le32 *to, uint32_t v)
{
	atomic_store_explicit((_Atomic uint32_t *)to, le(v), memory_order_relaxed);
}

/* The peer's other hand: true headers and false ones, in turn. */
static void *flip(void *arg)
{
	struct flipper *f = arg;

	while (!atomic_load(&f->stop)) {
		set(&f->rec->word, VMQ_REC_WORD(64, VMQ_KIND_MSG, 0, 3));
		set(&f->rec->len, 56);
		set(&f->rec->word, VMQ_REC_WORD(VMQ_SPAN_MAX, VMQ_KIND_MSG, 0, 3));
		set(&f->rec->len, 0xffffffffu);
		set(&f->rec->word, VMQ_REC_WORD(8, VMQ_KIND_MSG, 0, 3));
		set(&f->rec->len, 0);
		set(&f->rec->word, 0);
	}
	return NULL;
}

/* A record is what the private copy of its header says, and that is checked. */
Test(noise, a_header_that_changes_while_it_is_read)
{
	struct pair p;
	struct flipper f = { .stop = false };
	uint32_t reasons[16] = { 0 };

	pair_open(&p, LANE, 0, 0);
	f.rec = header_at(&p, 0, p.ch[1].rx.own);
	cr_assert_eq(pthread_create(&f.thread, NULL, flip, &f), 0);
	for (int i = 0; i < 300000; i++) {
		struct vmq_rx rx = p.ch[1].rx;
		struct vmq_record rec;
		int said = vmq_rx_peek(&rx, &rec);

		if (said == 1)
			cr_assert(rec.len <= rx.span - VMQ_REC_HEADER &&
				rx.span <= LANE - (rx.own & (LANE - 1)));
		else if (said < 0)
			reasons[rx.poison & 15]++;
	}
	atomic_store(&f.stop, true);
	cr_assert_eq(pthread_join(f.thread, NULL), 0);
	for (unsigned r = 0; r < 16; r++)
		cr_expect(!reasons[r] || r == VMQ_POISON_SPAN || r == VMQ_POISON_LENGTH, "reason %u", r);
	pair_close(&p);
}
