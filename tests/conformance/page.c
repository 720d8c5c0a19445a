/* SPDX-License-Identifier: BSD-2-Clause */
/* page.c - pages change hands, come back, and are whole when they do. */
#include <criterion/criterion.h>
#include <string.h>

#include "conformance.h"

#define PAGE VMQ_PAGE_SIZE
#define POOL "pages=4"

TestSuite(page, .init = conf_start, .fini = conf_stop);

/* Receive a page; the message beside it is its mode in text. */
static struct vmq_page take(struct conf_peer *me, struct vmq *q, uint32_t mode)
{
	struct vmq_msg msg;
	char buf[32];
	int64_t n = vmq_recv(q, buf, sizeof(buf), &msg, PATIENCE);

	need(n == 4 && !memcmp(buf, "page", 4));
	need(msg.flags == VMQ_MSG_PAGE);
	need(msg.page.mode == mode);
	need(msg.page.peer == msg.peer);
	return msg.page;
}

static struct vmq_page filled(struct vmq *q, uint32_t peer, size_t len, uint32_t n)
{
	struct vmq_page page;

	cr_assert_eq(vmq_page_alloc(q, peer, len, &page, PATIENCE), 0);
	cr_assert_eq((uintptr_t)page.addr % PAGE, 0u);
	cr_assert_eq(page.len, len);
	pattern(page.addr, len, n);
	return page;
}

static int give(struct vmq *q, struct vmq_page *page, enum vmq_page_mode mode, uint32_t flags)
{
	return vmq_page_send(q, page, mode, "page", 4, flags, PATIENCE);
}

/* ---- MOVE ------------------------------------------------------------------------- */

/* Take moved pages of growing length, free them when told. */
static void take_moved(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);
	struct vmq_page page;

	need(conf_meet(q, "a"));
	for (uint32_t i = 0; i < 6; i++) {
		page = take(me, q, VMQ_PAGE_MOVE);
		need(matches(page.addr, page.len, i));
		pattern(page.addr, page.len, 99); /* it is its own now */
		peer_tell(me, page.len);
		peer_hear(me);
		need(matches(page.addr, page.len, 99));
		need(vmq_page_free(q, &page) == 0);
		need(!page.addr);
	}
	need(conf_stats(q).pages_received >= 6);
	need(vmq_close(q) == 0);
}

Test(page, move)
{
	struct vmq *a = conf_vm("a", POOL);
	bool unmap = vmq_caps(a) & VMQ_CAP_UNMAP;
	struct vmq_page page, old;
	struct conf_peer peer;
	uint32_t b;

	conf_spawn(&peer, "b", take_moved, NULL);
	b = conf_meet(a, "b");
	for (uint32_t i = 0; i < 6; i++) {
		size_t len = 1 + i * 3000;

		page = old = filled(a, b, len, i);
		cr_assert_eq(give(a, &page, VMQ_PAGE_MOVE, i % 2 ? VMQ_SEND_NOW : VMQ_SEND_AUTO), 0);
		cr_expect_eq(give(a, &page, VMQ_PAGE_MOVE, 0), VMQ_ESTALE, "use after move");
		cr_expect_eq(vmq_page_free(a, &page), VMQ_ESTALE);
		cr_expect_eq(conf_hear(&peer), len);
		if (unmap)
			cr_expect(zeros(old.addr, len), "the sender still sees what it moved");
		if (unmap) /* and what it writes there goes nowhere */
			fill(old.addr, 0x5a, len);
		conf_tell(&peer, 0);
	}
	cr_expect_geq(conf_stats(a).pages_sent, 6u);
	conf_join(&peer);
	vmq_close(a);
}

Test(page, lazily_moved)
{
	struct vmq *a = conf_vm("a", POOL);
	struct conf_peer peer;
	struct vmq_page page;
	uint32_t b;

	conf_spawn(&peer, "b", take_moved, NULL);
	b = conf_meet(a, "b");
	for (uint32_t i = 0; i < 6; i++) {
		page = filled(a, b, 1 + i * 3000, i);
		cr_assert_eq(give(a, &page, VMQ_PAGE_MOVE, VMQ_SEND_LAZY), 0);
		cr_assert_eq(vmq_yield(a), 0);
		cr_expect_eq(conf_hear(&peer), 1 + i * 3000u);
		if (vmq_caps(a) & VMQ_CAP_UNMAP)
			cr_expect(zeros(page.addr, 1 + i * 3000), "the sender still sees what it moved");
		conf_tell(&peer, 0);
	}
	conf_join(&peer);
	vmq_close(a);
}

/* A page goes to the peer, which writes it and moves it back, until all of the pool
 * was around. */
static void send_back(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);
	struct vmq_page page;

	need(conf_meet(q, "a"));
	for (uint32_t i = 0; i < 40; i++) {
		page = take(me, q, VMQ_PAGE_MOVE);
		need(matches(page.addr, page.len, i));
		pattern(page.addr, page.len, i + 1000);
		need(give(q, &page, VMQ_PAGE_MOVE, 0) == 0);
		need(vmq_page_free(q, &page) == VMQ_ESTALE);
	}
	peer_hear(me);
	need(vmq_close(q) == 0);
}

Test(page, back_home)
{
	struct vmq *a = conf_vm("a", POOL);
	struct vmq_page page;
	struct conf_peer peer;
	struct vmq_msg msg;
	char buf[8];
	uint32_t b;

	conf_spawn(&peer, "b", send_back, NULL);
	b = conf_meet(a, "b");
	for (uint32_t i = 0; i < 40; i++) {
		page = filled(a, b, 3 * PAGE, i);
		cr_assert_eq(give(a, &page, VMQ_PAGE_MOVE, 0), 0);
		cr_assert_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), 4);
		cr_assert_eq(msg.flags, VMQ_MSG_PAGE);
		cr_assert(matches(msg.page.addr, 3 * PAGE, i + 1000));
		cr_assert_eq(vmq_page_free(a, &msg.page), 0);
		cr_assert_eq(vmq_page_free(a, &msg.page), VMQ_ESTALE);
	}
	/* The whole pool is free again. */
	cr_expect_eq(vmq_page_alloc(a, b, 4 * PAGE, &page, VMQ_NOWAIT), 0);
	conf_tell(&peer, 0);
	conf_join(&peer);
	vmq_close(a);
}

/* ---- LEND and SHARE ----------------------------------------------------------------- */

static void borrow(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);
	struct vmq_page page;

	need(conf_meet(q, "a"));
	for (uint32_t i = 0; i < 4; i++) {
		page = take(me, q, VMQ_PAGE_LEND);
		need(matches(page.addr, page.len, i));
		need(give(q, &page, VMQ_PAGE_MOVE, 0) == VMQ_ESTALE); /* not its to give */
		peer_tell(me, 0);
		peer_hear(me);
		need(matches(page.addr, page.len, i + 100)); /* the lender wrote */
		need(vmq_page_free(q, &page) == 0);
		need(vmq_page_free(q, &page) == VMQ_ESTALE);
		peer_tell(me, 0);
	}
	peer_hear(me);
	need(vmq_close(q) == 0);
}

Test(page, lend)
{
	struct vmq *a = conf_vm("a", POOL);
	struct vmq_page page;
	struct conf_peer peer;
	uint32_t b;

	conf_spawn(&peer, "b", borrow, NULL);
	b = conf_meet(a, "b");
	for (uint32_t i = 0; i < 4; i++) {
		bool first = i % 2;

		page = filled(a, b, 4 * PAGE, i);
		cr_assert_eq(give(a, &page, VMQ_PAGE_LEND, i % 3), 0);
		conf_hear(&peer);
		cr_expect(matches(page.addr, page.len, i), "the lender still has it");
		cr_expect_eq(give(a, &page, VMQ_PAGE_LEND, 0), VMQ_ESTALE, "lent already");
		pattern(page.addr, page.len, i + 100);
		if (first)
			cr_expect_eq(vmq_page_free(a, &page), 0, "the lender frees first");
		conf_tell(&peer, 0);
		conf_hear(&peer);
		if (!first)
			cr_expect_eq(vmq_page_free(a, &page), 0, "the borrower freed first");
		cr_expect_eq(vmq_page_free(a, &page), VMQ_ESTALE);
	}
	/* The last to come back may be under way. */
	cr_expect_eq(vmq_page_alloc(a, b, 4 * PAGE, &page, PATIENCE), 0);
	conf_tell(&peer, 0);
	conf_join(&peer);
	vmq_close(a);
}

static void share(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);
	struct vmq_page page;

	need(conf_meet(q, "a"));
	page = take(me, q, VMQ_PAGE_SHARE);
	for (uint32_t i = 0; i < 10; i += 2) {
		need(matches(page.addr, page.len, i));
		pattern(page.addr, page.len, i + 1);
		peer_tell(me, 0);
		peer_hear(me);
	}
	need(vmq_page_free(q, &page) == 0);
	need(vmq_close(q) == 0);
}

Test(page, both_write_what_is_shared)
{
	struct vmq *a = conf_vm("a", POOL);
	struct vmq_page page;
	struct conf_peer peer;
	uint32_t b;

	conf_spawn(&peer, "b", share, NULL);
	b = conf_meet(a, "b");
	page = filled(a, b, 2 * PAGE + 17, 0);
	cr_assert_eq(give(a, &page, VMQ_PAGE_SHARE, 0), 0);
	for (uint32_t i = 1; i < 10; i += 2) {
		conf_hear(&peer);
		cr_assert(matches(page.addr, page.len, i));
		pattern(page.addr, page.len, i + 1);
		conf_tell(&peer, 0);
	}
	conf_join(&peer);
	cr_expect_eq(vmq_page_free(a, &page), 0);
	vmq_close(a);
}

Test(page, to_oneself)
{
	struct vmq *a = conf_vm("a", POOL);
	uint32_t self = (uint32_t)vmq_id(a);
	struct vmq_page page;
	struct vmq_msg msg;
	char buf[8];

	for (uint32_t i = 0; i < 12; i++) {
		enum vmq_page_mode mode = (enum vmq_page_mode)(1 + i % 3);

		page = filled(a, self, 2 * PAGE, i);
		cr_assert_eq(give(a, &page, mode, 0), 0);
		cr_assert_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), 4);
		cr_assert_eq(msg.flags, VMQ_MSG_PAGE);
		cr_assert(matches(msg.page.addr, 2 * PAGE, i));
		if (mode == VMQ_PAGE_MOVE)
			cr_expect(zeros(page.addr, 2 * PAGE));
		cr_assert_eq(vmq_page_free(a, &msg.page), 0);
		cr_assert_eq(vmq_page_free(a, &page), mode == VMQ_PAGE_MOVE ? VMQ_ESTALE : 0);
	}
	vmq_close(a);
}
