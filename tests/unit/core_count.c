/* SPDX-License-Identifier: BSD-2-Clause */
/* core_count.c - in a stream in which nobody sleeps, tools that watch see the counters grow;
 * and the first reason for poison stays. */
#include <criterion/criterion.h>

#include "core_fixture.h"

#define LANE 4096u

static uint64_t le64(uint64_t v)
{
	return le((uint32_t)v) | (uint64_t)le((uint32_t)(v >> 32)) << 32;
}

Test(count, a_stream_is_seen_by_both_ends_words)
{
	const struct vmq_layout_ctl *from, *to;
	uint32_t n = 0;
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	from = ctl_of(&p, 0);
	to = ctl_of(&p, 1);
	for (; n < 500; n++) {
		cr_assert_eq(put(&p.ch[0], 40, n), 0);
		cr_assert(got(&p.ch[1], 40, n));
		/* The sender is behind by a lane at the most, the receiver by an eighth of it. */
		cr_assert_leq(n + 1 - le64(from->sent), LANE / 64);
		cr_assert_leq(n + 1 - le64(to->received), LANE / 8 / 64);
		cr_assert_eq(le64(to->received_bytes), 40 * le64(to->received));
		cr_assert_eq(le64(from->sent_bytes), 40 * le64(from->sent));
	}
	pair_close(&p);
}

Test(count, the_first_reason_stays)
{
	struct vmq_record rec;
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	cr_assert_eq(put(&p.ch[0], 40, 1), 0);
	header_at(&p, 0, p.ch[0].tx.own - 64)->word = 0xffffffff;
	cr_assert_eq(vmq_rx_peek(&p.ch[1].rx, &rec), VMQ_EPEER);
	vmq_chan_set_poison(&p.ch[1], VMQ_POISON_KIND);
	cr_expect_eq(vmq_chan_poison(&p.ch[1]), VMQ_POISON_SPAN);
	cr_expect_eq(le(ctl_of(&p, 1)->poison), (uint32_t)VMQ_POISON_SPAN, "others are told another");
	pair_close(&p);
}
