/* SPDX-License-Identifier: BSD-2-Clause */
/* core_doorbell.c - who is rung, when, and how often. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "core_fixture.h"

#define LANE 4096u

/* The second start passes 2^32 within the first few records. */
static const uint32_t starts[] = { 0, 0xffffff40u };

#define FROM_EACH_START(name) \
	ParameterizedTestParameters(doorbell, name) \
	{ \
		return cr_make_param_array(const uint32_t, starts, 2); \
	} \
	ParameterizedTest(const uint32_t *start, doorbell, name)

static bool put_kicks(struct vmq_chan *ch, enum vmq_when when)
{
	cr_assert_eq(put(ch, 8, 0), 0);
	return vmq_tx_kick_due(&ch->tx, when);
}

/* A pair whose reader has taken all there was, and has had a last AUTO. */
static void open_idle(struct pair *p, uint32_t start)
{
	pair_open(p, LANE, 0, start);
	cr_assert_eq(drain(&p->ch[1]), 0);
	vmq_tx_kick_due(&p->ch[0].tx, VMQ_WHEN_AUTO);
}

FROM_EACH_START(awake_is_not_rung)
{
	struct pair p;

	open_idle(&p, *start);
	for (int i = 0; i < 10; i++)
		cr_expect_not(put_kicks(&p.ch[0], VMQ_WHEN_AUTO));
	cr_expect_eq(p.ch[0].tx.suppressed, 11u);
	pair_close(&p);
}

FROM_EACH_START(drowsy_is_not_rung)
{
	struct pair p;

	open_idle(&p, *start);
	vmq_rx_drowse(&p.ch[1].rx);
	for (int i = 0; i < 10; i++)
		cr_expect_not(put_kicks(&p.ch[0], VMQ_WHEN_AUTO));
	pair_close(&p);
}

FROM_EACH_START(armed_is_rung_once_an_arming)
{
	struct pair p;

	open_idle(&p, *start);
	for (int round = 0; round < 40; round++) {
		vmq_rx_drowse(&p.ch[1].rx);
		cr_assert_eq(vmq_rx_arm(&p.ch[1].rx), 0u);
		cr_assert(put_kicks(&p.ch[0], VMQ_WHEN_AUTO), "round %d", round);
		for (int i = 0; i < 5; i++)
			cr_assert_not(put_kicks(&p.ch[0], VMQ_WHEN_AUTO));
		vmq_rx_wake(&p.ch[1].rx);
		cr_assert_not(put_kicks(&p.ch[0], VMQ_WHEN_AUTO));
		cr_assert_eq(drain(&p.ch[1]), 7);
	}
	pair_close(&p);
}

FROM_EACH_START(arming_sees_what_is_there)
{
	struct pair p;

	open_idle(&p, *start);
	cr_assert_eq(put(&p.ch[0], 8, 0), 0);
	cr_expect_eq(vmq_rx_arm(&p.ch[1].rx), VMQ_RX_DATA);
	cr_assert_eq(drain(&p.ch[1]), 1);
	cr_expect_eq(vmq_rx_arm(&p.ch[1].rx), 0u);
	vmq_chan_set_poison(&p.ch[1], VMQ_POISON_KIND);
	cr_expect_eq(vmq_rx_arm(&p.ch[1].rx), VMQ_RX_DATA, "poison must be seen, not slept on");
	pair_close(&p);
}

FROM_EACH_START(now_is_always_rung)
{
	struct pair p;

	open_idle(&p, *start);
	cr_expect(put_kicks(&p.ch[0], VMQ_WHEN_NOW));
	cr_expect(put_kicks(&p.ch[0], VMQ_WHEN_NOW));
	vmq_rx_drowse(&p.ch[1].rx);
	cr_expect(put_kicks(&p.ch[0], VMQ_WHEN_NOW));
	vmq_rx_arm(&p.ch[1].rx);
	cr_expect(put_kicks(&p.ch[0], VMQ_WHEN_NOW));
	cr_expect(put_kicks(&p.ch[0], VMQ_WHEN_NOW));
	pair_close(&p);
}

FROM_EACH_START(lazy_is_never_rung_and_auto_makes_up_for_it)
{
	struct pair p;

	open_idle(&p, *start);
	cr_assert_eq(vmq_rx_arm(&p.ch[1].rx), 0u);
	for (int i = 0; i < 5; i++)
		cr_expect_not(put_kicks(&p.ch[0], VMQ_WHEN_LAZY));
	cr_expect(put_kicks(&p.ch[0], VMQ_WHEN_AUTO), "the lazy ones passed the index");
	cr_expect_not(put_kicks(&p.ch[0], VMQ_WHEN_AUTO));
	cr_expect_eq(drain(&p.ch[1]), 7);
	pair_close(&p);
}

/* A flush: AUTO with nothing new after LAZY ones. */
FROM_EACH_START(auto_without_a_record_rings_for_lazy_ones)
{
	struct pair p;

	open_idle(&p, *start);
	cr_assert_eq(vmq_rx_arm(&p.ch[1].rx), 0u);
	cr_expect_not(vmq_tx_kick_due(&p.ch[0].tx, VMQ_WHEN_AUTO));
	cr_expect_not(put_kicks(&p.ch[0], VMQ_WHEN_LAZY));
	cr_expect(vmq_tx_kick_due(&p.ch[0].tx, VMQ_WHEN_AUTO));
	cr_expect_not(vmq_tx_kick_due(&p.ch[0].tx, VMQ_WHEN_AUTO));
	pair_close(&p);
}

/* LAZY to a drowsy peer that then arms before it sees the record cannot be: but
 * it may have armed at the record's own index before the record came. */
FROM_EACH_START(lazy_to_drowsy_then_armed)
{
	struct pair p;

	open_idle(&p, *start);
	vmq_rx_drowse(&p.ch[1].rx);
	cr_expect_not(put_kicks(&p.ch[0], VMQ_WHEN_LAZY));
	cr_expect_eq(vmq_rx_arm(&p.ch[1].rx), VMQ_RX_DATA);
	cr_expect(put_kicks(&p.ch[0], VMQ_WHEN_AUTO));
	pair_close(&p);
}

FROM_EACH_START(a_batch_is_one_kick)
{
	struct pair p;

	open_idle(&p, *start);
	cr_assert_eq(vmq_rx_arm(&p.ch[1].rx), 0u);
	for (int i = 0; i < 8; i++) {
		cr_assert_not_null(vmq_tx_reserve(&p.ch[0].tx, 40));
		vmq_tx_commit(&p.ch[0].tx, VMQ_KIND_MSG, 0, 40, i == 7);
	}
	vmq_tx_publish(&p.ch[0].tx);
	cr_expect(vmq_tx_kick_due(&p.ch[0].tx, VMQ_WHEN_AUTO));
	cr_expect_not(vmq_tx_kick_due(&p.ch[0].tx, VMQ_WHEN_AUTO));
	pair_close(&p);
}

Test(doorbell, strict_decides_alike)
{
	struct pair p;

	pair_plan(&p, LANE, 0, 0);
	p.strict = true;
	cr_assert_eq(pair_attach(&p, 0, 5), 0);
	cr_assert_eq(pair_attach(&p, 1, 6), 0);
	pair_connect(&p);
	cr_expect_not(put_kicks(&p.ch[0], VMQ_WHEN_AUTO));
	cr_assert_eq(drain(&p.ch[1]), 1);
	vmq_rx_arm(&p.ch[1].rx);
	cr_expect_not(put_kicks(&p.ch[0], VMQ_WHEN_LAZY));
	cr_expect(put_kicks(&p.ch[0], VMQ_WHEN_AUTO));
	cr_expect_not(put_kicks(&p.ch[0], VMQ_WHEN_AUTO));
	cr_expect(put_kicks(&p.ch[0], VMQ_WHEN_NOW));
	pair_close(&p);
}

static void fill_up(struct vmq_chan *ch, uint32_t len)
{
	int said;

	do
		said = put(ch, len, 0);
	while (said == 0);
	cr_assert_eq(said, VMQ_EAGAIN);
}

FROM_EACH_START(space_is_rung_once_when_it_is_there)
{
	struct pair p;
	struct vmq_record rec;
	unsigned kicks = 0;

	open_idle(&p, *start);
	for (int round = 0; round < 20; round++) {
		fill_up(&p.ch[0], 56);
		cr_assert(vmq_tx_space_arm(&p.ch[0].tx, 56), "a full lane: sleep");
		kicks = 0;
		while (vmq_rx_peek(&p.ch[1].rx, &rec) == 1) {
			kicks += vmq_rx_next(&p.ch[1].rx) == VMQ_RX_KICK;
			cr_assert_leq(kicks, 1u);
		}
		kicks += vmq_rx_release(&p.ch[1].rx) == VMQ_RX_KICK;
		cr_assert_eq(kicks, 1u, "round %d", round);
		vmq_tx_space_wake(&p.ch[0].tx);
		cr_assert_eq(put(&p.ch[0], 56, 0), 0);
	}
	pair_close(&p);
}

FROM_EACH_START(space_that_is_there_already)
{
	struct pair p;

	open_idle(&p, *start);
	cr_expect_not(vmq_tx_space_arm(&p.ch[0].tx, 56), "an empty lane: do not sleep");
	vmq_tx_space_wake(&p.ch[0].tx);
	fill_up(&p.ch[0], 56);
	cr_assert_gt(drain(&p.ch[1]), 10);
	cr_expect_not(vmq_tx_space_arm(&p.ch[0].tx, 56), "drained before it armed");
	vmq_chan_set_poison(&p.ch[0], VMQ_POISON_KIND);
	cr_expect_not(vmq_tx_space_arm(&p.ch[0].tx, 56), "no sleep on poison");
	pair_close(&p);
}

FROM_EACH_START(nobody_asked_for_space)
{
	struct pair p;
	struct vmq_record rec;

	open_idle(&p, *start);
	fill_up(&p.ch[0], 56);
	while (vmq_rx_peek(&p.ch[1].rx, &rec) == 1)
		cr_assert_eq(vmq_rx_next(&p.ch[1].rx), 0u);
	cr_expect_eq(vmq_rx_release(&p.ch[1].rx), 0u);
	pair_close(&p);
}

/* Once woken, the record that the sleeper armed for must fit, at each place of
 * the lane and for each length. */
FROM_EACH_START(after_the_space_kick_it_fits)
{
	struct pair p;
	struct vmq_record rec;

	open_idle(&p, *start);
	for (uint32_t n = 0; n < 2000; n++) {
		uint32_t len = (n * 37) % (p.ch[0].tx.inline_max + 1);
		unsigned kick = 0;

		fill_up(&p.ch[0], n % 300);
		if (!vmq_tx_space_arm(&p.ch[0].tx, len))
			kick = VMQ_RX_KICK;
		while (!kick && vmq_rx_peek(&p.ch[1].rx, &rec) == 1)
			kick = vmq_rx_next(&p.ch[1].rx);
		if (!kick)
			kick = vmq_rx_release(&p.ch[1].rx);
		cr_assert_eq(kick, VMQ_RX_KICK);
		vmq_tx_space_wake(&p.ch[0].tx);
		cr_assert_eq(put(&p.ch[0], len, n), 0, "length %u in round %u", len, n);
		cr_assert_geq(drain(&p.ch[1]), 1);
	}
	pair_close(&p);
}

/* A reader that is about to sleep itself must not leave a sleeping writer. */
FROM_EACH_START(arming_answers_a_wish_for_space)
{
	struct pair p;
	struct vmq_record rec;
	unsigned kicks = 0;

	open_idle(&p, *start);
	fill_up(&p.ch[0], 56);
	while (vmq_rx_peek(&p.ch[1].rx, &rec) == 1)
		kicks += vmq_rx_next(&p.ch[1].rx);
	cr_assert_eq(kicks, 0u);
	cr_assert(vmq_tx_space_arm(&p.ch[0].tx, p.ch[0].tx.inline_max));
	cr_expect_eq(vmq_rx_arm(&p.ch[1].rx), VMQ_RX_KICK);
	pair_close(&p);
}

FROM_EACH_START(the_vmm_sees_who_is_to_be_rung)
{
	struct pair p;

	open_idle(&p, *start);
	cr_expect_not(vmq_layout_kick_due(p.region, &p.geo, 0));
	cr_assert_eq(put(&p.ch[0], 8, 0), 0);
	cr_expect_not(vmq_layout_kick_due(p.region, &p.geo, 0), "awake");
	cr_assert_eq(drain(&p.ch[1]), 1);
	vmq_rx_drowse(&p.ch[1].rx);
	cr_expect_not(vmq_layout_kick_due(p.region, &p.geo, 0), "drowsy");
	cr_assert_eq(vmq_rx_arm(&p.ch[1].rx), 0u);
	cr_expect_not(vmq_layout_kick_due(p.region, &p.geo, 0), "nothing to read");
	cr_expect_not(put_kicks(&p.ch[0], VMQ_WHEN_LAZY));
	cr_expect_eq(vmq_layout_kick_due(p.region, &p.geo, 0), VMQ_KICK_DATA, "lazy, and a sleeper");
	cr_expect_not(vmq_layout_kick_due(p.region, &p.geo, 1), "the other way");
	pair_close(&p);
}

FROM_EACH_START(the_vmm_sees_a_wish_for_space)
{
	struct pair p;

	open_idle(&p, *start);
	fill_up(&p.ch[0], 56);
	cr_assert(vmq_tx_space_arm(&p.ch[0].tx, 56));
	cr_expect_not(vmq_layout_kick_due(p.region, &p.geo, 1), "still full");
	cr_assert_gt(drain(&p.ch[1]), 10);
	cr_expect_eq(vmq_layout_kick_due(p.region, &p.geo, 1), VMQ_KICK_SPACE, "side 0 waits for it");
	vmq_tx_space_wake(&p.ch[0].tx);
	cr_expect_not(vmq_layout_kick_due(p.region, &p.geo, 1));
	pair_close(&p);
}

FROM_EACH_START(a_wish_for_pages_is_not_one_for_space)
{
	struct pair p;

	open_idle(&p, *start);
	cr_expect_not(vmq_rx_page_kick_due(&p.ch[1].rx), "nobody waits");
	cr_assert_eq(put(&p.ch[0], 56, 0), 0);
	vmq_tx_page_arm(&p.ch[0].tx);
	cr_assert_eq(drain(&p.ch[1]), 1);
	cr_expect_eq(vmq_rx_release(&p.ch[1].rx), 0u, "room is not what it waits for");
	cr_expect(vmq_rx_page_kick_due(&p.ch[1].rx));
	vmq_tx_space_wake(&p.ch[0].tx);
	cr_expect_not(vmq_rx_page_kick_due(&p.ch[1].rx));
	pair_close(&p);
}
