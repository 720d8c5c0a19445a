/* SPDX-License-Identifier: BSD-2-Clause */
/* cycles.c - a thousand times there and gone, in each way: no grant, mapping, event channel,
 * node, watch, handle, descriptor or thread is left. */
#include <criterion/criterion.h>
#include <dirent.h>

#include "fabric.h"

#define CYCLES 1000u
#define B 2u

TestSuite(cycles, .init = fabric_start, .fini = fabric_stop);

static int count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int n = 0;

	cr_assert_not_null(tasks);
	while (readdir(tasks))
		n++;
	closedir(tasks);
	return n;
}

/* Once there and gone, with a message and a page; the way changes. */
static void cycle(struct vmq *a, unsigned n)
{
	struct vmq *b = fabric_vm(B, "b", n % 2 ? "lane=4096&pages=2" : "lane=8192&pages=1");
	uint32_t to_b = both_meet(a, "b", b, "a"), to_a = (uint32_t)vmq_id(a);
	struct vmq_page page;
	struct vmq_msg msg;

	cr_assert(fabric_talk(a, to_b, b, to_a), "cycle %u", n);
	cr_assert_eq(vmq_page_alloc(b, to_a, 1, &page, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_page_send(b, &page, (enum vmq_page_mode)(1 + n % 3), NULL, 0, 0, PATIENCE), 0);
	switch (n % 4) {
	case 0:
		vmq_close(b);
		break;
	case 1:
		fabric_kill(b);
		break;
	case 2:
		fake_xen_destroy(B);
		fabric_forget(b);
		fake_xen_create(B, "again");
		for (uint32_t d = 0; d < DOMAINS; d++)
			fabric_allow(d, "*", NULL); /* of a domain that is gone XenStore keeps nothing */
		break;
	default:
		cr_assert_eq(vmq_recv(a, NULL, 0, &msg, PATIENCE), 0);
		cr_assert_eq(vmq_page_free(a, &msg.page), 0);
		fake_store_remove(fabric_record(B, "b"));
		vmq_peer(b, "a", VMQ_MS(1), &to_b);
		vmq_close(b);
	}
	/* The page goes with the message that nobody wants. */
	while (vmq_recv(a, NULL, 0, NULL, PATIENCE) != VMQ_EGONE)
		;
	fabric_settle(a);
}

Test(cycles, one_stays, .timeout = 280)
{
	struct vmq *a = fabric_vm(1, "a", "lane=4096&pages=2");
	struct fabric_counts before;
	int threads;

	for (unsigned n = 0; n < 4; n++)
		cycle(a, n);
	vmq_close(fabric_vm(B, "x", NULL)); /* what was left of who was killed */
	fabric_quiet(a);
	fabric_count(&before);
	threads = count_threads();
	for (unsigned n = 0; n < CYCLES; n++)
		cycle(a, n);
	vmq_close(fabric_vm(B, "x", NULL));
	fabric_quiet(a);
	cr_expect(fabric_same(&before));
	cr_expect_leq(count_maps(), before.maps + CYCLES / 10, "%d mappings of memory, and %d before", count_maps(),
		before.maps);
	cr_expect_eq(count_threads(), threads);
	vmq_close(a);
	for (unsigned what = FAKE_NODES + 1; what < FAKE_STORE_CALLS; what++)
		cr_expect_eq(fake_xen_count((enum fake_count)what, 1), 0u, "counter %u", what);
}

/* Both come and go. */
Test(cycles, both_go, .timeout = 120)
{
	struct fabric_counts before;

	for (unsigned n = 0; n < CYCLES / 5; n++) {
		struct vmq *a = fabric_vm(n % 2 ? 1 : 3, "a", NULL);

		cycle(a, n);
		vmq_close(a);
		if (!n)
			fabric_count(&before);
	}
	vmq_close(fabric_vm(B, "x", NULL));
	cr_expect(fabric_same(&before));
}
