/* SPDX-License-Identifier: BSD-2-Clause */
/* probes.c - each probe is passed when it should be, with the arguments that
 * docs/observability.md says. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <vmq/vmm.h>

#include "support.h"
#include "tracer.h"

#define LANE (256u << 10) /* the default */

static struct vmq *a, *b;
static uint32_t ida, idb;

static void setup(void)
{
	cr_assert_eq(vmq_open("sim:probes?name=a", NULL, &a), 0);
	cr_assert_eq(vmq_open("sim:probes?name=b", NULL, &b), 0);
	idb = both_meet(a, "b", b, "a");
	ida = (uint32_t)vmq_id(a);
	cr_assert_geq(tracer_attach(), 10u, "the library has no probes that can be read");
}

static void teardown(void)
{
	vmq_close(a);
	vmq_close(b);
}

TestSuite(probes, .init = setup, .fini = teardown);

/* Passed `times` times, the last time with these arguments? */
static void passed(const char *name, unsigned times, unsigned count, const uint64_t *arg)
{
	struct tracer_hit hit;
	unsigned hits = tracer_take(name, &hit);

	cr_assert_eq(hits, times, "%s: passed %u times and not %u", name, hits, times);
	cr_assert_eq(hit.count, count, "%s: has %u arguments", name, hit.count);
	for (unsigned i = 0; i < count; i++)
		cr_expect_eq(hit.arg[i], arg[i], "%s: argument %u is %llu and not %llu", name, i,
			(unsigned long long)hit.arg[i], (unsigned long long)arg[i]);
}
#define PASSED(name, times, ...) \
	passed(name, times, sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t), (uint64_t[]){ __VA_ARGS__ })

static void silent(const char *name)
{
	struct tracer_hit hit;

	cr_expect_eq(tracer_take(name, &hit), 0, "%s: passed for no reason", name);
}

static char text[512 << 10];

Test(probes, a_message)
{
	char in[16];

	cr_assert_eq(vmq_send(a, idb, "seven 7", 7, VMQ_SEND_LAZY, VMQ_NOWAIT), 0);
	PASSED("send", 1, ida, idb, 1, 7);
	silent("kick");
	silent("receive");
	cr_assert_eq(vmq_recv(b, in, sizeof(in), NULL, PATIENCE), 7);
	PASSED("receive", 1, idb, ida, 7);
	silent("send");
}

Test(probes, every_way_to_send)
{
	struct vmq_iovec iov[3] = { { "one", 3 }, { "two", 3 }, { "three", 5 } };
	void *place;

	cr_assert_eq(vmq_sendv(a, idb, iov, 3, VMQ_SEND_LAZY, VMQ_NOWAIT), 0);
	PASSED("send", 1, ida, idb, 1, 11);
	cr_assert_eq(vmq_send_batch(a, idb, iov, 3, VMQ_SEND_LAZY, VMQ_NOWAIT), 3);
	PASSED("send", 1, ida, idb, 3, 11);
	cr_assert_eq(vmq_broadcast(a, "all", 3, VMQ_SEND_LAZY, VMQ_NOWAIT), 1);
	PASSED("send", 1, ida, idb, 1, 3);
	cr_assert_eq(vmq_reserve(a, idb, 9, &place, VMQ_NOWAIT), 0);
	silent("send");
	memset(place, 0, 9);
	cr_assert_eq(vmq_commit(a, 8, VMQ_SEND_LAZY), 0);
	PASSED("send", 1, ida, idb, 1, 8);
	/* In fragments. */
	cr_assert_eq(vmq_send(a, idb, text, 100000, VMQ_SEND_LAZY, VMQ_NOWAIT), 0);
	PASSED("send", 1, ida, idb, 1, 100000);
}

Test(probes, every_way_to_receive)
{
	struct vmq_msg batch[2] = { { .data = text, .cap = 100 }, { .data = text + 100, .cap = 100 } }, peeked;

	for (uint32_t i = 1; i <= 3; i++)
		cr_assert_eq(vmq_send(a, idb, text, i, VMQ_SEND_LAZY, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_recv_batch(b, batch, 2, PATIENCE), 2);
	PASSED("receive", 2, idb, ida, 2);
	cr_assert_eq(vmq_peek(b, &peeked, PATIENCE), 0);
	silent("receive");
	cr_assert_eq(vmq_release(b), 0);
	PASSED("receive", 1, idb, ida, 3);
	cr_assert_eq(vmq_send(a, idb, text, 100000, VMQ_SEND_LAZY, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_recv(b, text, sizeof(text), NULL, PATIENCE), 100000);
	PASSED("receive", 1, idb, ida, 100000);
}

Test(probes, doorbells_and_exits)
{
	struct tracer_hit hit;

	cr_assert_eq(vmq_send(a, idb, "x", 1, VMQ_SEND_NOW, VMQ_NOWAIT), 0);
	PASSED("kick", 1, ida, idb, VMQ_KICK_DATA, 1);
	PASSED("vmm_doorbell", 1, ida, idb, VMQ_KICK_DATA, 1);
	tracer_take("exit", &hit);
	tracer_take("vmm_exit", &hit);
	cr_assert_eq(vmq_yield(a), 0);
	PASSED("exit", 1, ida, VMQ_EXIT_YIELD, 0);
	PASSED("vmm_exit", 1, ida, VMQ_EXIT_YIELD, 0);
	cr_assert_eq(vmq_send(a, idb, "x", 1, VMQ_SEND_LAZY, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_yield(a), 0);
	PASSED("exit", 1, ida, VMQ_EXIT_YIELD, 1);
	silent("kick");
}

Test(probes, pages)
{
	struct vmq_page page;
	struct vmq_msg msg;

	cr_assert_eq(vmq_page_alloc(a, idb, 2 * VMQ_PAGE_SIZE, &page, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_page_send(a, &page, VMQ_PAGE_LEND, "meta", 4, VMQ_SEND_LAZY, VMQ_NOWAIT), 0);
	PASSED("page_send", 1, ida, idb, page.first, 2, VMQ_PAGE_LEND);
	PASSED("send", 1, ida, idb, 1, 4);
	silent("page_receive");
	cr_assert_eq(vmq_recv(b, text, sizeof(text), &msg, PATIENCE), 4);
	PASSED("page_receive", 1, idb, ida, page.first, 2, VMQ_PAGE_LEND);
	cr_assert_eq(vmq_page_free(b, &msg.page), 0);
	PASSED("page_free", 1, idb, ida, page.first, 2);
	cr_assert_eq(vmq_page_free(b, &msg.page), VMQ_ESTALE);
	silent("page_free");
	cr_assert_eq(vmq_page_free(a, &page), 0);
	PASSED("page_free", 1, ida, idb, page.first, 2);
}

/* The lanes that these endpoints write hold bytes that are no record. Of what is mapped
 * writable, lanes are what has their size. */
static void scribble(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from, to, offset;
	char line[400];

	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "memfd:vmq-region") && sscanf(line, "%lx-%lx rw-s %lx", &from, &to, &offset) == 3 &&
				to - from == LANE)
			memset((void *)from, 0xff, LANE);
	fclose(maps);
}

Test(probes, poison)
{
	struct vmq_peer_info info = { .size = sizeof(info) };

	scribble();
	cr_assert_eq(vmq_recv(b, text, sizeof(text), NULL, PATIENCE), VMQ_EPEER);
	cr_assert_eq(vmq_peer_info(b, ida, &info), 0);
	PASSED("poison", 1, idb, ida, (uint64_t)info.poison);
	cr_assert_neq(info.poison, 0);
}
