/* SPDX-License-Identifier: BSD-2-Clause */
/* core_pad.c - a lane is never written over what its reader has not taken. Records for a
 * reader that sleeps do not end with a cache line; what comes after them, behind padding at
 * the lane's end, takes more room than it would without. */
#include <criterion/criterion.h>

#include "core_fixture.h"

#define LANE 4096u
#define STEPS 200000u

static uint32_t number(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void take(struct pair *p, uint32_t most)
{
	struct vmq_record rec;

	while (most-- && vmq_rx_peek(&p->ch[1].rx, &rec) > 0)
		vmq_rx_next(&p->ch[1].rx);
	vmq_rx_release(&p->ch[1].rx);
}

Test(pad, leaves_alone_what_is_not_yet_taken)
{
	struct vmq_tx *tx;
	uint32_t seed = 1, full = 0;
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	tx = &p.ch[0].tx;
	for (uint32_t n = 0; n < STEPS; n++) {
		uint32_t r = number(&seed);

		/* Some records go to a reader that sleeps. */
		if (r % 3)
			vmq_rx_wake(&p.ch[1].rx);
		else
			vmq_rx_arm(&p.ch[1].rx);
		if (put(&p.ch[0], number(&seed) % tx->inline_max, n)) {
			full++;
			take(&p, 1 + r % 4);
		}
		/* The next header is written, too. */
		cr_assert_leq(tx->own + VMQ_REC_HEADER - p.ch[1].rx.published, LANE, "in step %u", n);
	}
	cr_expect_gt(full, 1000u);
	cr_expect_eq(drain(&p.ch[1]) < 0, false);
	cr_expect_eq(vmq_chan_poison(&p.ch[1]), VMQ_POISON_NONE);
	pair_close(&p);
}
