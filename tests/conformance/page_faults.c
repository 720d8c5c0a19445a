/* SPDX-License-Identifier: BSD-2-Clause */
/* page_faults.c - pages in wrong hands, pools that run dry, writes that fault. */
#include <criterion/criterion.h>

#include "conformance.h"

#define PAGE VMQ_PAGE_SIZE
#define POOL "pages=4"

TestSuite(page_faults, .init = conf_start, .fini = conf_stop);

static void try_to_write(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);
	struct vmq_msg msg;

	need(conf_meet(q, "a"));
	for (int i = 0; i < 2; i++) {
		need(vmq_recv(q, NULL, 0, &msg, PATIENCE) == 0);
		need(msg.flags & VMQ_MSG_PAGE);
		peer_tell(me, write_faults(msg.page.addr));
		need(vmq_page_free(q, &msg.page) == 0);
	}
	peer_hear(me);
	need(vmq_close(q) == 0);
}

Test(page_faults, borrower_writes)
{
	struct vmq *a = conf_vm("a", POOL);
	struct conf_peer peer;
	struct vmq_page page;
	uint32_t b;

	conf_spawn(&peer, "b", try_to_write, NULL);
	b = conf_meet(a, "b");
	cr_assert_eq(vmq_page_alloc(a, b, PAGE, &page, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_page_send(a, &page, VMQ_PAGE_LEND, NULL, 0, 0, PATIENCE), 0);
	cr_expect_eq(conf_hear(&peer), (vmq_caps(a) & VMQ_CAP_READONLY) != 0);
	cr_assert_eq(vmq_page_alloc(a, b, PAGE, &page, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_page_send(a, &page, VMQ_PAGE_SHARE, NULL, 0, 0, PATIENCE), 0);
	cr_expect_eq(conf_hear(&peer), 0u, "what is shared may be written");
	conf_tell(&peer, 0);
	conf_join(&peer);
	vmq_close(a);
}

static void idle(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);

	need(conf_meet(q, "a"));
	peer_hear(me);
	need(vmq_close(q) == 0);
}

Test(page_faults, handles)
{
	struct vmq *a = conf_vm("a", POOL);
	struct vmq_page page, wrong;
	struct conf_peer b, c;
	uint32_t to_b, to_c;

	conf_spawn(&b, "b", idle, NULL);
	conf_spawn(&c, "c", idle, NULL);
	to_b = conf_meet(a, "b");
	to_c = conf_meet(a, "c");
	cr_assert_eq(vmq_page_alloc(a, to_b, 2 * PAGE, &page, VMQ_NOWAIT), 0);
	wrong = page;
	wrong.peer = to_c; /* another peer's */
	cr_expect_eq(vmq_page_free(a, &wrong), VMQ_ESTALE);
	cr_expect_eq(vmq_page_send(a, &wrong, VMQ_PAGE_MOVE, NULL, 0, 0, 0), VMQ_ESTALE);
	wrong = page;
	wrong.gen++;
	cr_expect_eq(vmq_page_free(a, &wrong), VMQ_ESTALE);
	wrong = page;
	wrong.epoch++;
	cr_expect_eq(vmq_page_send(a, &wrong, VMQ_PAGE_LEND, NULL, 0, 0, 0), VMQ_ESTALE);
	wrong = page;
	wrong.count = UINT32_MAX;
	cr_expect_eq(vmq_page_free(a, &wrong), VMQ_ESTALE);
	wrong = page;
	wrong.first = 3;
	cr_expect_eq(vmq_page_free(a, &wrong), VMQ_ESTALE);
	wrong = page;
	wrong.len = 2 * PAGE + 1;
	cr_expect_eq(vmq_page_send(a, &wrong, VMQ_PAGE_MOVE, NULL, 0, 0, 0), VMQ_EMSGSIZE);
	cr_expect_eq(vmq_page_send(a, &page, (enum vmq_page_mode)4, NULL, 0, 0, 0), VMQ_EINVAL);
	cr_expect_eq(vmq_page_send(a, &page, (enum vmq_page_mode)0, NULL, 0, 0, 0), VMQ_EINVAL);
	/* After all of that the right handle is still good, once. */
	cr_expect_eq(vmq_page_free(a, &page), 0);
	cr_expect_eq(vmq_page_free(a, &page), VMQ_ESTALE);
	conf_tell(&b, 0);
	conf_tell(&c, 0);
	conf_join(&b);
	conf_join(&c);
	vmq_close(a);
}

/* ---- pools ---------------------------------------------------------------------------- */

/* Take four pages, and free one when the other end sleeps for it. */
static void return_to_sleeper(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);
	struct vmq_page page[4];
	struct vmq_msg msg;

	need(conf_meet(q, "a"));
	for (int i = 0; i < 4; i++) {
		need(vmq_recv(q, NULL, 0, &msg, PATIENCE) == 0);
		page[i] = msg.page;
	}
	need(thread_sleeps((int)peer_hear(me)));
	need(vmq_page_free(q, &page[2]) == 0);
	peer_hear(me);
	need(vmq_close(q) == 0);
}

Test(page_faults, pool_runs_dry)
{
	struct vmq *a = conf_vm("a", POOL "&lazy_us=60000000");
	struct conf_peer peer;
	struct vmq_page page;
	uint64_t from;
	uint32_t b;

	conf_spawn(&peer, "b", return_to_sleeper, NULL);
	b = conf_meet(a, "b");
	cr_expect_eq(vmq_page_alloc(a, b, 0, &page, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_page_alloc(a, b, 4 * PAGE + 1, &page, PATIENCE), VMQ_EMSGSIZE);
	cr_expect_eq(vmq_page_alloc(a, b, SIZE_MAX, &page, PATIENCE), VMQ_EMSGSIZE);
	for (uint32_t i = 0; i < 4; i++) {
		cr_assert_eq(vmq_page_alloc(a, b, PAGE, &page, VMQ_NOWAIT), 0);
		cr_assert_eq(vmq_page_send(a, &page, VMQ_PAGE_MOVE, NULL, 0, 0, PATIENCE), 0);
	}
	cr_expect_eq(vmq_page_alloc(a, b, 1, &page, VMQ_NOWAIT), VMQ_ENOMEM);
	cr_expect_eq(vmq_page_alloc(a, b, 1, &page, VMQ_MS(20)), VMQ_ETIMEDOUT);
	from = now_ns();
	conf_tell(&peer, (uint64_t)thread_id());
	cr_expect_eq(vmq_page_alloc(a, b, PAGE, &page, PATIENCE), 0);
	cr_expect_lt(now_ns() - from, PATIENCE / 2, "woken, and not at the end of its patience");
	cr_expect_geq(conf_stats(a).kicks_received, 1u, "the return must be rung for");
	fill(page.addr, 1, PAGE);
	conf_tell(&peer, 0);
	conf_join(&peer);
	vmq_close(a);
}

Test(page_faults, no_pool)
{
	struct vmq *a = conf_vm("a", "pages=4294967295");
	struct conf_peer peer;
	struct vmq_page page;
	uint32_t b;

	conf_spawn(&peer, "b", idle, NULL);
	b = conf_meet(a, "b");
	cr_expect_eq(vmq_page_alloc(a, b, 1, &page, VMQ_NOWAIT), VMQ_ENOTSUP);
	conf_tell(&peer, 0);
	conf_join(&peer);
	vmq_close(a);
}
