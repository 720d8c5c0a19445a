/* SPDX-License-Identifier: BSD-2-Clause */
/* core_lane.c - records in and out of a lane. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#include "core_fixture.h"

#define LANE 4096u

/* First indices from which a lane's traffic passes 2^32 early, late or not. */
static const uint32_t starts[] = { 0, 0x7fffff80u, 0xffffff00u, 0xffffffc0u, 0xfffff000u, 0xffff8000u };

ParameterizedTestParameters(lane, every_length_over_many_laps)
{
	return cr_make_param_array(const uint32_t, starts, sizeof(starts) / sizeof(starts[0]));
}

ParameterizedTest(const uint32_t *start, lane, every_length_over_many_laps)
{
	struct pair p;
	uint32_t max, laps = 3;

	pair_open(&p, LANE, 0, *start);
	max = p.ch[0].tx.inline_max;
	for (uint32_t n = 0; n <= laps * max; n++) {
		uint32_t len = n % (max + 1);

		cr_assert_eq(put(&p.ch[0], len, n), 0);
		cr_assert_eq(put(&p.ch[1], max - len, n + 1), 0);
		cr_assert(got(&p.ch[1], len, n), "length %u", len);
		cr_assert(got(&p.ch[0], max - len, n + 1));
		vmq_rx_release(&p.ch[0].rx);
		vmq_rx_release(&p.ch[1].rx);
	}
	cr_expect_gt(p.ch[1].rx.own - p.start, 10 * LANE);
	cr_expect_eq(p.ch[1].rx.stale, 0u);
	pair_close(&p);
}

ParameterizedTestParameters(lane, filled_and_drained)
{
	return cr_make_param_array(const uint32_t, starts, sizeof(starts) / sizeof(starts[0]));
}

/* A full lane says so, loses nothing, and goes on after a drain. */
ParameterizedTest(const uint32_t *start, lane, filled_and_drained)
{
	struct pair p;
	uint32_t sent = 0, taken = 0;
	int said;

	pair_open(&p, LANE, 0, *start);
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t first = sent;

		while ((said = put(&p.ch[0], (sent * 37) % 600, sent)) == 0)
			sent++;
		cr_assert_eq(said, VMQ_EAGAIN);
		cr_assert_gt(sent, first, "no room after a drain in round %u", round);
		for (; taken < sent; taken++)
			cr_assert(got(&p.ch[1], (taken * 37) % 600, taken));
		cr_assert_eq(drain(&p.ch[1]), 0);
	}
	cr_expect_eq(vmq_chan_poison(&p.ch[0]), VMQ_POISON_NONE);
	pair_close(&p);
}

Test(lane, a_lane_holds_what_its_size_says)
{
	struct pair p;
	uint32_t n = 0;

	/* 56 bytes and a header are one line; HELLO has given its space back. The
	 * next header must stay free, so one line less than the lane has. */
	pair_open(&p, LANE, 0, 0);
	cr_assert_eq(drain(&p.ch[1]), 0);
	while (put(&p.ch[0], 56, n) == 0)
		n++;
	cr_expect_eq(n, LANE / 64 - 1);
	pair_close(&p);
}

/* A reader that is never idle gives space back too. */
Test(lane, taking_is_enough_to_give_space_back)
{
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	for (uint32_t n = 0; n < 8; n++)
		cr_assert_eq(put(&p.ch[0], 100, n), 0);
	for (uint32_t n = 8; n < 1000; n++) {
		cr_assert(got(&p.ch[1], 100, n - 8));
		cr_assert_eq(put(&p.ch[0], 100, n), 0);
	}
	pair_close(&p);
}

Test(lane, too_large_is_said_at_once)
{
	struct pair p;
	uint32_t max;

	pair_open(&p, LANE, 0, 0);
	max = p.ch[0].tx.inline_max;
	cr_expect_geq(max, LANE / 4 - 128);
	cr_expect_eq(put(&p.ch[0], max + 1, 0), VMQ_EMSGSIZE);
	cr_expect_null(vmq_tx_reserve(&p.ch[0].tx, max + 1));
	cr_expect_null(vmq_tx_reserve(&p.ch[0].tx, UINT32_MAX));
	cr_expect_eq(put(&p.ch[0], max, 0), 0);
	cr_expect(got(&p.ch[1], max, 0));
	pair_close(&p);
}

Test(lane, padding_at_the_wrap_is_not_seen)
{
	struct pair p;
	struct vmq_layout_record *pad;
	uint32_t at, left;

	pair_open(&p, LANE, 0, 0);
	while ((p.ch[0].tx.own & (LANE - 1)) < LANE - 128) {
		cr_assert_eq(put(&p.ch[0], 1, 1), 0);
		cr_assert(got(&p.ch[1], 1, 1));
		vmq_rx_release(&p.ch[1].rx);
	}
	at = p.ch[0].tx.own;
	left = LANE - (at & (LANE - 1));
	cr_assert_eq(put(&p.ch[0], 500, 9), 0);
	pad = header_at(&p, 0, at);
	cr_expect_eq(VMQ_REC_KIND(le(pad->word)), VMQ_KIND_PAD);
	cr_expect_eq(VMQ_REC_SPAN(le(pad->word)), left);
	cr_expect(got(&p.ch[1], 500, 9));
	cr_expect_eq(p.ch[1].rx.own & (LANE - 1), 512u);
	pair_close(&p);
}

/* Commit n records of a batch without publishing them. */
static void batch(struct vmq_chan *ch, uint32_t n, uint32_t len)
{
	for (uint32_t i = 0; i < n; i++) {
		void *to = vmq_tx_reserve(&ch->tx, len);

		cr_assert_not_null(to);
		fill(to, len, i);
		vmq_tx_commit(&ch->tx, VMQ_KIND_MSG, 0, len, i == n - 1);
	}
}

ParameterizedTestParameters(lane, a_batch_appears_at_once)
{
	return cr_make_param_array(const uint32_t, starts, sizeof(starts) / sizeof(starts[0]));
}

ParameterizedTest(const uint32_t *start, lane, a_batch_appears_at_once)
{
	struct pair p;
	struct vmq_record rec;

	pair_open(&p, LANE, 0, *start);
	for (uint32_t round = 0; round < 100; round++) {
		uint32_t n = 1 + round % 9, len = round * 3;

		batch(&p.ch[0], n, len);
		cr_assert_eq(vmq_rx_peek(&p.ch[1].rx, &rec), 0, "seen before it was published");
		vmq_tx_publish(&p.ch[0].tx);
		for (uint32_t i = 0; i < n; i++)
			cr_assert(got(&p.ch[1], len, i));
		cr_assert_eq(drain(&p.ch[1]), 0);
		cr_assert_eq(le(ctl_of(&p, 0)->prod), p.ch[0].tx.own);
	}
	pair_close(&p);
}

Test(lane, nothing_to_publish_changes_nothing)
{
	struct pair p;
	uint8_t *before;

	pair_open(&p, LANE, 0, 0);
	cr_assert_eq(put(&p.ch[0], 20, 0), 0);
	before = malloc(p.geo.region_size);
	cr_assert_not_null(before);
	memcpy(before, p.region, p.geo.region_size);
	vmq_tx_publish(&p.ch[0].tx);
	cr_assert_not_null(vmq_tx_reserve(&p.ch[0].tx, 0));
	vmq_tx_publish(&p.ch[0].tx);
	cr_expect_arr_eq(before, p.region, p.geo.region_size);
	free(before);
	pair_close(&p);
}

Test(lane, commit_less_than_reserved)
{
	struct pair p;
	uint8_t *to, *again;

	pair_open(&p, LANE, 0, 0);
	for (uint32_t n = 0; n < 500; n++) {
		uint32_t room = n % (p.ch[0].tx.inline_max + 1), len = room * (n % 3) / 2 / 2;

		to = vmq_tx_reserve(&p.ch[0].tx, room);
		again = vmq_tx_reserve(&p.ch[0].tx, room);
		cr_assert_not_null(to);
		cr_assert_eq(to, again);
		fill(to, len, n);
		vmq_tx_commit(&p.ch[0].tx, VMQ_KIND_MSG, 0, len, n & 1);
		vmq_tx_publish(&p.ch[0].tx);
		cr_assert(got(&p.ch[1], len, n));
		cr_assert_eq(drain(&p.ch[1]), 0);
	}
	pair_close(&p);
}

/* A consumer that looks behind the last record must read 0 there, whatever the
 * lap before left in that place. */
Test(lane, the_next_header_is_zero)
{
	struct pair p;
	struct vmq_record rec;

	pair_open(&p, LANE, 0, 0);
	memset(p.region + p.geo.lane_off[0], 0xff, LANE);
	cr_assert_eq(pair_attach(&p, 0, 11), 0);
	pair_connect(&p);
	for (uint32_t n = 0; n < 3 * LANE / 64; n++) {
		cr_assert_eq(put(&p.ch[0], n % 50, n), 0);
		cr_assert_eq(le(header_at(&p, 0, p.ch[0].tx.own)->word), 0u);
		cr_assert(got(&p.ch[1], n % 50, n));
		cr_assert_eq(vmq_rx_peek(&p.ch[1].rx, &rec), 0);
		memset(p.region + p.geo.lane_off[0] + ((p.ch[0].tx.own + 128) & (LANE - 1)) / 128 * 128,
			0xff, 64);
		vmq_rx_release(&p.ch[1].rx);
	}
	pair_close(&p);
}

Test(lane, kind_and_flags_arrive)
{
	struct pair p;
	struct vmq_record rec;

	pair_open(&p, LANE, 0, 0);
	for (unsigned flags = 0; flags < 16; flags++) {
		cr_assert_not_null(vmq_tx_reserve(&p.ch[0].tx, 4));
		vmq_tx_commit(&p.ch[0].tx, VMQ_KIND_FRAG, flags, 4, true);
		vmq_tx_publish(&p.ch[0].tx);
		cr_assert_eq(vmq_rx_peek(&p.ch[1].rx, &rec), 1);
		cr_expect_eq(rec.kind, VMQ_KIND_FRAG);
		cr_expect_eq(rec.flags, flags);
		vmq_rx_next(&p.ch[1].rx);
	}
	pair_close(&p);
}

Test(lane, a_peek_takes_nothing)
{
	struct pair p;
	struct vmq_record a, b;

	pair_open(&p, LANE, 0, 0);
	cr_assert_eq(put(&p.ch[0], 10, 1), 0);
	cr_assert_eq(vmq_rx_peek(&p.ch[1].rx, &a), 1);
	cr_assert_eq(vmq_rx_peek(&p.ch[1].rx, &b), 1);
	cr_expect_eq(a.data, b.data);
	cr_expect_eq(a.len, b.len);
	vmq_rx_next(&p.ch[1].rx);
	cr_expect_eq(vmq_rx_peek(&p.ch[1].rx, &b), 0);
	cr_expect_eq(p.ch[1].rx.received, 1u);
	pair_close(&p);
}

/* What vmq_tx_room() promises must fit, in n records of any split. */
Test(lane, the_room_that_was_promised_is_there)
{
	struct pair p;

	pair_open(&p, 16384, 0, 0);
	for (uint32_t round = 0; round < 300; round++) {
		uint32_t n = 1 + round % 7, room = vmq_tx_room(&p.ch[0].tx, n);
		uint32_t each = room / n < p.ch[0].tx.inline_max ? room / n : p.ch[0].tx.inline_max;

		for (uint32_t i = 0; room && i < n; i++)
			cr_assert_eq(put(&p.ch[0], each, i), 0);
		if (!room || round % 3 == 0)
			cr_assert_geq(drain(&p.ch[1]), 1);
	}
	cr_assert_geq(drain(&p.ch[1]), 0);
	cr_expect_gt(vmq_tx_room(&p.ch[0].tx, 1), 4096u);
	pair_close(&p);
}
