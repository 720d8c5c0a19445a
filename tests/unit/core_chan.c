/* SPDX-License-Identifier: BSD-2-Clause */
/* core_chan.c - the life of a channel. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "core_fixture.h"

#define LANE 4096u

/* Traffic in both directions, over more than a lap. */
static void talk(struct pair *p)
{
	for (uint32_t n = 0; n < 3 * LANE / 64; n++) {
		cr_assert_eq(put(&p->ch[0], n % 200, n), 0);
		cr_assert_eq(put(&p->ch[1], n % 150, n + 7), 0);
		cr_assert(got(&p->ch[1], n % 200, n));
		cr_assert(got(&p->ch[0], n % 150, n + 7));
		vmq_rx_release(&p->ch[0].rx);
		vmq_rx_release(&p->ch[1].rx);
	}
}

static bool up(const struct pair *p)
{
	return p->ch[0].state == VMQ_STATE_ESTABLISHED && p->ch[1].state == VMQ_STATE_ESTABLISHED;
}

Test(chan, attach_refuses_bad_arguments)
{
	struct pair p;
	struct vmq_chan_config config = { .side = 2, .epoch = 1 };

	pair_plan(&p, LANE, 0, 0);
	cr_expect_eq(vmq_chan_attach(&p.ch[0], p.region, &p.geo, &config), VMQ_EINVAL);
	config = (struct vmq_chan_config){ .side = 0, .epoch = 0 };
	cr_expect_eq(vmq_chan_attach(&p.ch[0], p.region, &p.geo, &config), VMQ_EINVAL);
	config.epoch = 1;
	cr_expect_eq(vmq_chan_attach(&p.ch[0], NULL, &p.geo, &config), VMQ_EINVAL);
	pair_close(&p);
}

/* All ways to interleave six steps of two ends, each bit a side. */
Test(chan, handshake_in_any_order)
{
	for (unsigned order = 0; order < 64; order++) {
		struct pair p;

		pair_plan(&p, LANE, 0, order & 1 ? 0xffffff00u : 0);
		for (unsigned i = 0; i < 6; i++)
			cr_assert_geq(vmq_chan_progress(&p.ch[order >> i & 1]), 0);
		for (unsigned i = 0; i < 4; i++)
			cr_assert_geq(vmq_chan_progress(&p.ch[i & 1]), 0);
		cr_assert(up(&p), "order %u", order);
		talk(&p);
		pair_close(&p);
	}
}

/* One end ahead of the other: it must not be able to hurt itself. */
Test(chan, one_end_attaches_late)
{
	struct pair p;

	pair_plan(&p, LANE, 0, 0);
	memset(p.region + p.geo.ctl_off[1], 0, VMQ_CTL_PAGE_WORDS);
	for (int i = 0; i < 5; i++)
		cr_expect_eq(vmq_chan_progress(&p.ch[0]), 0);
	cr_expect_eq(p.ch[0].state, VMQ_STATE_SYNC);
	cr_assert_eq(pair_attach(&p, 1, 77), 0);
	cr_expect_eq(vmq_chan_progress(&p.ch[0]), 1);
	cr_expect_eq(vmq_chan_progress(&p.ch[0]), 0);
	cr_expect_eq(p.ch[0].state, VMQ_STATE_ACK);
	cr_expect_eq(vmq_chan_progress(&p.ch[1]), 1);
	cr_expect_eq(p.ch[1].state, VMQ_STATE_ESTABLISHED);
	cr_expect_eq(vmq_chan_progress(&p.ch[0]), 1);
	cr_expect(up(&p));
	cr_expect_eq(vmq_chan_progress(&p.ch[0]), 0);
	cr_expect_eq(vmq_chan_progress(&p.ch[1]), 0);
	talk(&p);
	pair_close(&p);
}

static const uint32_t starts[] = { 0, 0xfffffc00u, 0xffffffc0u };

ParameterizedTestParameters(chan, the_first_to_be_up_may_send_at_once)
{
	return cr_make_param_array(const uint32_t, starts, 3);
}

/* The peer has said nothing of its consume index yet: whatever word stands there
 * from before is neither space nor a broken rule. */
ParameterizedTest(const uint32_t *start, chan, the_first_to_be_up_may_send_at_once)
{
	struct pair p;
	uint32_t n = 0, room;

	pair_plan(&p, LANE, 0, *start);
	cr_assert_eq(vmq_chan_progress(&p.ch[0]), 1);
	cr_assert_eq(vmq_chan_progress(&p.ch[1]), 1);
	cr_assert_eq(p.ch[1].state, VMQ_STATE_ESTABLISHED);
	room = vmq_tx_room(&p.ch[1].tx, 1);
	cr_expect_gt(room, 0u);
	cr_expect_lt(room, LANE);
	while (n < LANE && put(&p.ch[1], 100, n) == 0)
		n++;
	cr_expect_lt(n, LANE / 128);
	cr_assert_eq(vmq_chan_poison(&p.ch[1]), VMQ_POISON_NONE);
	cr_expect(vmq_tx_space_arm(&p.ch[1].tx, 100));
	vmq_tx_space_wake(&p.ch[1].tx);
	cr_assert_eq(vmq_chan_progress(&p.ch[0]), 1);
	for (uint32_t i = 0; i < n; i++)
		cr_assert(got(&p.ch[0], 100, i));
	pair_close(&p);
}

Test(chan, hello_says_who_is_there)
{
	struct pair p;
	uint8_t uuid[16];

	pair_open(&p, LANE, 0, 0);
	for (unsigned s = 0; s < 2; s++) {
		memset(uuid, 0xa0 + !s, sizeof(uuid));
		cr_expect_eq(p.ch[s].peer.id, p.ident[!s].id);
		cr_expect_str_eq(p.ch[s].peer.name, p.ident[!s].name);
		cr_expect_arr_eq(p.ch[s].peer.uuid, uuid, sizeof(uuid));
		cr_expect_eq(p.ch[s].peer_max_msg, p.ch[!s].max_msg);
		cr_expect_eq(p.ch[s].peer_features, VMQ_FEAT_KNOWN);
		cr_expect_eq(p.ch[s].peer_epoch, p.ch[!s].epoch);
		cr_expect_eq(p.ch[s].rx.received, 0u, "HELLO is no message");
		cr_expect_eq(p.ch[s].tx.sent, 0u);
	}
	pair_close(&p);
}

Test(chan, hello_record_on_the_wire)
{
	struct pair p;
	struct vmq_layout_record *rec;
	struct vmq_layout_hello hello;

	pair_plan(&p, LANE, 0, 0);
	cr_assert_eq(vmq_chan_progress(&p.ch[1]), 1);
	rec = header_at(&p, 1, 0);
	cr_expect_eq(VMQ_REC_KIND(le(rec->word)), VMQ_KIND_HELLO);
	cr_expect_eq(VMQ_REC_TAG(le(rec->word)), 3u, "epochs 1 and 2");
	cr_expect_eq(le(rec->len), sizeof(hello));
	memcpy(&hello, rec + 1, sizeof(hello));
	cr_expect_eq(le(hello.size), sizeof(hello));
	cr_expect_eq(le(hello.ident.id), 101u);
	cr_expect_str_eq(hello.ident.name, "beta");
	cr_expect_eq(memcmp(hello.software, "libvmq ", 7), 0);
	cr_expect_eq(le(ctl_of(&p, 1)->peer_epoch), 1u);
	cr_expect_eq(le(ctl_of(&p, 1)->epoch), 2u);
	pair_close(&p);
}

/* Restart side `s` in place with a new epoch while the other end stays. */
static void restart(struct pair *p, unsigned s, uint32_t epoch, unsigned first)
{
	cr_assert_eq(pair_attach(p, s, epoch), 0);
	for (unsigned i = 0; i < 6; i++)
		cr_assert_geq(vmq_chan_progress(&p->ch[(first + i) & 1]), 0);
	cr_assert(up(p));
}

Test(chan, restart_in_place)
{
	struct pair p;

	for (unsigned first = 0; first < 2; first++) {
		pair_open(&p, LANE, 0, 0xffffe000u);
		talk(&p);
		for (uint32_t n = 0; n < 5; n++)
			cr_assert_eq(put(&p.ch[0], 30, n), 0);
		restart(&p, 0, 40, first);
		cr_expect_eq(p.ch[1].rx.stale, 5u, "the old session's records, by count");
		cr_expect_eq(p.ch[1].peer_epoch, 40u);
		cr_expect_eq(p.ch[0].rx.stale, 0u);
		talk(&p);
		cr_expect_eq(p.ch[1].rx.stale, 5u);
		pair_close(&p);
	}
}

Test(chan, restart_with_more_old_records_than_one_look_skips)
{
	struct pair p;
	uint32_t n = 0;

	pair_open(&p, 65536, 0, 0);
	while (vmq_tx_room(&p.ch[0].tx, 1) && put(&p.ch[0], 30, n) == 0)
		n++;
	cr_assert_gt(n, 500u);
	restart(&p, 0, 40, 0);
	cr_expect_eq(p.ch[1].rx.stale, n);
	talk(&p);
	pair_close(&p);
}

/* A batch may end off the line; the restarted end goes on at a line. */
Test(chan, restart_behind_an_unaligned_batch)
{
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	for (int i = 0; i < 3; i++) {
		cr_assert_not_null(vmq_tx_reserve(&p.ch[0].tx, 10));
		vmq_tx_commit(&p.ch[0].tx, VMQ_KIND_MSG, 0, 10, false);
	}
	vmq_tx_publish(&p.ch[0].tx);
	cr_assert_neq(p.ch[0].tx.own % 64, 0u);
	restart(&p, 0, 40, 0);
	cr_expect_eq(p.ch[1].rx.stale, 3u);
	talk(&p);
	pair_close(&p);
}

/* The new HELLO then stands where old records are that the peer has not read. */
Test(chan, restart_with_a_full_lane)
{
	struct pair p;

	for (uint32_t len = 0; len < 600; len += 7) {
		uint32_t n = 0;

		pair_open(&p, LANE, 0, 0);
		while (put(&p.ch[0], len, n) == 0)
			n++;
		restart(&p, 0, 40, len & 1);
		cr_assert_eq(vmq_chan_poison(&p.ch[1]), VMQ_POISON_NONE);
		talk(&p);
		pair_close(&p);
	}
}

/* The survivor is up in the new session first, and fills its lane before the
 * restarted end has said where it reads. */
Test(chan, the_survivor_may_send_at_once)
{
	struct pair p;
	uint32_t n = 0;

	pair_open(&p, LANE, 0, 0);
	talk(&p);
	cr_assert_eq(put(&p.ch[1], 10, 0), 0);
	cr_assert_eq(pair_attach(&p, 0, 40), 0);
	cr_assert_eq(vmq_chan_progress(&p.ch[0]), 1);
	cr_assert_eq(vmq_chan_progress(&p.ch[1]), 1);
	cr_assert_eq(p.ch[1].state, VMQ_STATE_ESTABLISHED);
	while (n < LANE && put(&p.ch[1], 100, n) == 0)
		n++;
	cr_expect_eq(vmq_chan_poison(&p.ch[1]), VMQ_POISON_NONE);
	cr_assert_eq(vmq_chan_progress(&p.ch[0]), 1);
	for (uint32_t i = 0; i < n; i++)
		cr_assert(got(&p.ch[0], 100, i));
	pair_close(&p);
}

/* A reader of the old session must not take the new one's HELLO for a message. */
Test(chan, the_new_hello_is_not_read_in_the_old_session)
{
	struct pair p;
	struct vmq_record rec;

	pair_open(&p, LANE, 0, 0);
	talk(&p);
	cr_assert_eq(put(&p.ch[0], 30, 1), 0);
	cr_assert_eq(pair_attach(&p, 0, 40), 0);
	cr_assert_eq(vmq_chan_progress(&p.ch[0]), 1);
	cr_expect(got(&p.ch[1], 30, 1), "what was committed before is still delivered");
	cr_expect_eq(vmq_rx_peek(&p.ch[1].rx, &rec), 0);
	for (int i = 0; i < 4; i++)
		cr_assert_geq(vmq_chan_progress(&p.ch[!(i & 1)]), 0);
	cr_assert(up(&p));
	talk(&p);
	pair_close(&p);
}

/* An end that died between a header and its index left a header where the new
 * life starts. */
Test(chan, attach_clears_the_header_at_its_start)
{
	struct pair p;
	struct vmq_record rec;

	pair_open(&p, LANE, 0, 0);
	header_at(&p, 0, p.ch[0].tx.own)->word = le(VMQ_REC_WORD(64, VMQ_KIND_MSG, 0, 3));
	cr_assert_eq(pair_attach(&p, 0, 40), 0);
	cr_expect_eq(vmq_rx_peek(&p.ch[1].rx, &rec), 0);
	pair_close(&p);
}

Test(chan, both_restart_many_times)
{
	struct pair p;

	pair_open(&p, LANE, 4, 0xfffff000u);
	for (uint32_t round = 0; round < 100; round++) {
		uint32_t junk = round % 9;

		for (uint32_t i = 0; i < junk; i++)
			cr_assert_eq(put(&p.ch[round & 1], 20 * i, i), 0);
		cr_assert_eq(pair_attach(&p, round % 3 == 0, 10 + round), 0);
		if (round % 3 == 2)
			cr_assert_eq(pair_attach(&p, 1, 10 + round), 0);
		restart(&p, 0, 500 + round, round & 1);
		talk(&p);
	}
	pair_close(&p);
}

Test(chan, close_delivers_what_was_sent)
{
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	cr_expect_not(vmq_chan_peer_gone(&p.ch[1]));
	cr_assert_eq(put(&p.ch[0], 40, 3), 0);
	vmq_chan_close(&p.ch[0]);
	cr_expect(vmq_chan_peer_gone(&p.ch[1]));
	cr_expect_not(vmq_chan_peer_gone(&p.ch[0]));
	cr_expect(got(&p.ch[1], 40, 3));
	cr_expect_eq(vmq_chan_progress(&p.ch[0]), 0);
	cr_expect_eq(vmq_chan_progress(&p.ch[1]), 0);
	restart(&p, 0, 40, 0);
	cr_expect_not(vmq_chan_peer_gone(&p.ch[1]));
	talk(&p);
	pair_close(&p);
}

Test(chan, the_vmm_says_gone)
{
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	vmq_layout_set_gone(p.region, 1, 5);
	cr_expect(vmq_chan_peer_gone(&p.ch[0]));
	cr_expect_not(vmq_chan_peer_gone(&p.ch[1]));
	vmq_layout_set_gone(p.region, 1, 0);
	cr_expect_not(vmq_chan_peer_gone(&p.ch[0]));
	pair_close(&p);
}

Test(chan, beat_writes_the_counters)
{
	struct pair p;
	struct vmq_layout_ctl *ctl;
	uint32_t before;

	pair_open(&p, LANE, 0, 0);
	talk(&p);
	ctl = ctl_of(&p, 0);
	before = le(ctl->heartbeat);
	vmq_tx_beat(&p.ch[0].tx, 42);
	vmq_rx_beat(&p.ch[0].rx);
	cr_expect_eq(le(ctl->heartbeat), before + 1);
	cr_expect_eq(le((uint32_t)ctl->sent), 3 * LANE / 64);
	cr_expect_eq(le((uint32_t)ctl->received), 3 * LANE / 64);
	cr_expect_eq(le((uint32_t)ctl->kicks), 42u);
	cr_expect_gt(le((uint32_t)ctl->sent_bytes), 0u);
	vmq_tx_beat(&p.ch[1].tx, 0);
	vmq_rx_beat(&p.ch[1].rx);
	cr_expect_eq(le((uint32_t)ctl_of(&p, 1)->received_bytes), le((uint32_t)ctl->sent_bytes),
		"HELLO is no message");
	pair_close(&p);
}

Test(chan, poison_keeps_its_first_reason)
{
	struct pair p;
	struct vmq_record rec;

	pair_open(&p, LANE, 0, 0);
	cr_assert_eq(put(&p.ch[0], 4, 0), 0);
	vmq_chan_set_poison(&p.ch[1], VMQ_POISON_FRAGMENT);
	vmq_chan_set_poison(&p.ch[1], VMQ_POISON_KIND);
	cr_expect_eq(vmq_chan_poison(&p.ch[1]), VMQ_POISON_FRAGMENT);
	cr_expect_eq(le(ctl_of(&p, 1)->poison), VMQ_POISON_FRAGMENT);
	cr_expect_eq(vmq_rx_peek(&p.ch[1].rx, &rec), VMQ_EPEER);
	cr_expect_eq(put(&p.ch[1], 4, 0), VMQ_EPEER);
	cr_expect_eq(vmq_tx_room(&p.ch[1].tx, 1), 0u);
	cr_expect_eq(vmq_chan_progress(&p.ch[1]), VMQ_EPEER);
	cr_expect_eq(vmq_chan_poison(&p.ch[0]), VMQ_POISON_NONE, "the other end judges for itself");
	restart(&p, 1, 50, 1);
	cr_expect_eq(le(ctl_of(&p, 1)->poison), VMQ_POISON_NONE);
	talk(&p);
	pair_close(&p);
}
