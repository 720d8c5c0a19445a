/* SPDX-License-Identifier: BSD-2-Clause */
/* overwritten.c - somebody writes over the directory, or over everything. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "anew.h"
#include "fabric.h"

#define SIZE (4u << 20)

static struct vmq *a, *b;
static uint32_t id;

static void make(void)
{
	fabric_make(SIZE, 4);
	a = fabric_vm("a", NULL);
	b = fabric_vm("b", NULL);
	id = both_meet(a, "b", b, "a");
	wait_event(a, VMQ_EVENT_JOIN);
	wait_event(b, VMQ_EVENT_JOIN);
}

static void unmake(void)
{
	vmq_close(a);
	vmq_close(b);
	fabric_end();
}

TestSuite(ivshmem_overwritten, .init = make, .fini = unmake);

static void poisoned(struct vmq *q)
{
	struct vmq_event e = wait_event(q, VMQ_EVENT_POISON);

	cr_expect_eq(e.reason, VMQ_POISON_DIRECTORY);
	cr_expect_eq(e.peer, q == a ? 2u : 1u);
}

static void nothing_more(struct vmq *q)
{
	struct vmq_event e = { .size = sizeof(e) };
	char c;

	wait_event(q, VMQ_EVENT_DOWN);
	cr_expect_eq(vmq_event(q, &e, VMQ_MS(20)), VMQ_ETIMEDOUT);
	while (vmq_recv(q, &c, 1, NULL, VMQ_MS(20)) == VMQ_EPEER)
		;
	cr_expect_eq(vmq_recv(q, &c, 1, NULL, PATIENCE), VMQ_ECONN);
	cr_expect_eq(vmq_send(q, 3 - (uint32_t)vmq_id(q), "x", 1, 0, PATIENCE), VMQ_EPEER);
}

Test(ivshmem_overwritten, the_header)
{
	fabric.map[2000] ^= 1;
	poisoned(a);
	poisoned(b);
	nothing_more(a);
	nothing_more(b);
}

Test(ivshmem_overwritten, a_slot)
{
	memset(slot(0), 0xa5, sizeof(*slot(0)));
	poisoned(a);
	nothing_more(a);
	poisoned(b);
	/* For b the fabric goes on. */
	vmq_close(a);
	vmq__store(&slot(0)->claim, 0);
	a = fabric_vm("c", NULL);
	both_meet(a, "b", b, "c");
}

Test(ivshmem_overwritten, zeros_over_a_slot)
{
	memset(slot(1), 0, sizeof(*slot(1)));
	poisoned(b);
	nothing_more(b);
	poisoned(a);
}

static void again(void)
{
	vmq_close(a);
	vmq_close(b);
	cr_assert_eq(vmq__dir_format(fabric.map, SIZE, &(struct vmq__dir_plan){ 4, BEAT_MS, DEAD_MS }), 0);
	a = fabric_vm("a", NULL);
	b = fabric_vm("b", NULL);
	id = both_meet(a, "b", b, "a");
	wait_event(a, VMQ_EVENT_JOIN);
	wait_event(b, VMQ_EVENT_JOIN);
}

/* The peer sees it first, and withdraws: that is not to be taken for a leave. */
Test(ivshmem_overwritten, a_slot_as_others_see_it)
{
	for (int round = 0; round < 20; round++) {
		memset(slot(1), 0xa5, sizeof(*slot(1)));
		poisoned(a);
		poisoned(b);
		again();
	}
}

Test(ivshmem_overwritten, a_line_that_is_none)
{
	memset(slot(1)->name, 'x', sizeof(slot(1)->name));
	poisoned(b);
	poisoned(a);
}

/* A pair's cell is theirs alone, and heals. */
Test(ivshmem_overwritten, an_offer_is_made_again)
{
	vmq__store(&cell(0, 1)->serial, 0x5a5a5a5a);
	wait_event(b, VMQ_EVENT_LEAVE);
	poisoned(a);
	WAIT(a, b, vmq_send(a, id, "x", 1, 0, VMQ_NOWAIT) == 0);
	wait_event(a, VMQ_EVENT_JOIN);
	wait_event(b, VMQ_EVENT_JOIN);
}

Test(ivshmem_overwritten, an_offer_of_nonsense)
{
	memset(cell(0, 1), 0x5a, sizeof(*cell(0, 1)));
	poisoned(b);
	poisoned(a);
	WAIT(a, b, vmq_send(a, id, "x", 1, 0, VMQ_NOWAIT) == 0);
}

Test(ivshmem_overwritten, bells_and_hearts_do_no_harm)
{
	for (int i = 0; i < 50; i++) {
		memset(slot(0)->bell, rand(), sizeof(slot(0)->bell));
		vmq__store(&slot(1)->heartbeat, (uint32_t)rand());
		turn(a, b);
	}
	cr_expect_eq(vmq_send(a, id, "x", 1, 0, PATIENCE), 0);
}

/* One end finds nonsense in a lane, and is closed before the other has looked. */
Test(ivshmem_overwritten, both_ends_report_a_lane)
{
	const struct vmq_ivshmem_cell *c = cell(0, 1);
	uint8_t *region = fabric.map + word(&c->offer.first) * 4096ull;
	struct vmq_geometry geo;
	char buf[8];

	cr_assert_eq(vmq_layout_read(region, word(&c->offer.count) * 4096ull, &geo), 0);
	cr_assert_eq(vmq_send(b, 1, "x", 1, 0, PATIENCE), 0);
	memset(region + geo.lane_off[1], 0xee, geo.lane_size[1]);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), NULL, PATIENCE), VMQ_EPEER);
	cr_expect_eq(wait_event(a, VMQ_EVENT_POISON).peer, 2u);
	vmq_close(a);
	cr_expect_eq(wait_event(b, VMQ_EVENT_POISON).peer, 1u);
	a = fabric_vm("a", NULL);
	both_meet(a, "b", b, "a");
}

/* There is no VMM that could say that a peer has gone. */
Test(ivshmem_overwritten, the_word_of_a_vmm)
{
	void *region = fabric.map + word(&cell(0, 1)->offer.first) * 4096ull;

	vmq_layout_set_gone(region, 0, 0x5a);
	poisoned(b);
	vmq_layout_set_gone(region, 1, 0x5a);
	poisoned(a);
}

/* ---- noise ------------------------------------------------------------------------------- */

/* The word: its address. */
static void live_on(int fd, char *const word[ANEW_WORDS])
{
	struct vmq_event e = { .size = sizeof(e) };
	char buf[600] = "";
	struct vmq *q;
	bool poison = false, down = false;

	(void)fd;
	if (vmq_open(word[0], NULL, &q))
		_exit(2);
	for (uint64_t until = now_ns() + PATIENCE; !down && now_ns() < until;) {
		for (uint32_t peer = 1; peer <= 4; peer++) {
			struct vmq_page page;
			struct vmq_msg msg;

			vmq_send(q, peer, buf, (size_t)rand() % sizeof(buf), (uint32_t)rand() % 3, VMQ_NOWAIT);
			if (!vmq_page_alloc(q, peer, 4096, &page, VMQ_NOWAIT)) {
				memset(page.addr, 1, 4096);
				if (vmq_page_send(q, &page, VMQ_PAGE_MOVE, NULL, 0, 0, VMQ_NOWAIT))
					vmq_page_free(q, &page);
			}
			if (vmq_recv(q, buf, sizeof(buf), &msg, VMQ_MS(1)) >= 0 && msg.flags & VMQ_MSG_PAGE) {
				memset(msg.page.addr, 1, 1);
				vmq_page_free(q, &msg.page);
			}
		}
		while (!vmq_event(q, &e, VMQ_NOWAIT)) {
			poison |= e.type == VMQ_EVENT_POISON;
			down |= e.type == VMQ_EVENT_DOWN;
		}
	}
	_exit(vmq_close(q) ? 1 : down ? poison ? 0 : 3 : 4);
}

/* Noise of one kind over part of the region, until all have had enough. */
static void noise(uint64_t from, uint64_t to, unsigned seed)
{
	const char *name[3] = { "c", "d", NULL };
	int status, left = 2;
	char uri[FABRIC_URI];
	pid_t pid[2];

	for (int i = 0; i < 2; i++) {
		fabric_uri(name[i], NULL, uri);
		pid[i] = ANEW(live_on, -1, uri);
	}
	for (int i = 0; i < 2; i++)
		cr_assert(both_meet(a, name[i], b, "a"));
	wait_event(a, VMQ_EVENT_JOIN);
	srand(seed);
	for (uint64_t until = now_ns() + PATIENCE; left && now_ns() < until;) {
		for (int i = 0; i < 64; i++)
			fabric.map[from + (uint64_t)rand() % (to - from)] = (uint8_t)rand();
		turn(a, b);
		for (int i = 0; i < 2; i++) {
			if (!pid[i] || waitpid(pid[i], &status, WNOHANG) != pid[i])
				continue;
			cr_expect_eq(status, 0, "%s: 0x%x", name[i], (unsigned)status);
			pid[i] = 0;
			left--;
		}
	}
	cr_expect_eq(left, 0, "they did not hear of it");
}

Test(ivshmem_overwritten, noise_over_all_slots, .timeout = 100)
{
	noise(fabric.d.slots_off, fabric.d.cells_off, 1);
}

Test(ivshmem_overwritten, noise_over_everything, .timeout = 100)
{
	noise(0, SIZE, 2);
}
