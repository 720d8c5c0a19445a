/* SPDX-License-Identifier: BSD-2-Clause */
/* silent.c - who sends no more lets go of those who have left, all the same. */
#include <criterion/criterion.h>

#include "fabric.h"

TestSuite(silent, .init = fabric_start, .fini = fabric_stop);

/* What a's side of a channel with b costs its domain is given back, although a only
 * receives after it has sent. */
static void ends_with(void (*end)(struct vmq *q), bool tidy)
{
	struct vmq *a = fabric_vm(1, "a", NULL), *b;
	struct fabric_counts before;
	uint64_t until;
	uint32_t to_b;
	char c;

	fabric_count(&before);
	b = fabric_vm(2, "b", NULL);
	to_b = both_meet(a, "b", b, "a");
	cr_assert_eq(vmq_send(a, to_b, "x", 1, 0, PATIENCE), 0);
	cr_assert_eq(vmq_recv(b, &c, 1, NULL, PATIENCE), 1);
	end(b);
	cr_expect_eq(vmq_recv(a, &c, 1, NULL, PATIENCE), VMQ_EGONE);
	for (until = now_ns() + PATIENCE; fabric_xen(a)->chans && now_ns() < until;)
		cr_expect_eq(vmq_recv(a, &c, 1, NULL, VMQ_MS(50)), VMQ_ETIMEDOUT);
	cr_expect_null(fabric_xen(a)->chans, "a holds its channel with who has gone");
	cr_expect(!tidy || fabric_same(&before));
	vmq_close(a);
}

static void by_closing(struct vmq *q)
{
	vmq_close(q);
}

Test(silent, closed) { ends_with(by_closing, true); }
Test(silent, killed) { ends_with(fabric_kill, false); } /* its nodes stay for now */
