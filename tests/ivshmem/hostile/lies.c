/* SPDX-License-Identifier: BSD-2-Clause */
/* lies.c - each word of the directory says something else than it should. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/atomic.h"
#include "pair.h"

#define LOOK_NS 25000000ull /* longer than the endpoints' own looks at the directory */

static struct pair p;
static unsigned cases, opened;

static void start(void)
{
	pair_init(&p);
}

static void stop(void)
{
	fprintf(stderr, "%u lies, opened again %u times\n", cases, opened);
	pair_end(&p);
}

TestSuite(lies, .init = start, .fini = stop, .timeout = 500);

#define VALUES 6

/* 0, 1, all ones, a random one, what another slot has there, the next one. */
static uint32_t value(unsigned which, vmq_le32 *word, size_t stride)
{
	static uint32_t x = 2463534242u;
	const uint8_t *other = (uint8_t *)word + stride;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	if (which < 3)
		return which == 2 ? UINT32_MAX : which;
	if (which == 3)
		return x;
	return which == 4 ? vmq__load((const vmq_le32 *)(const void *)other) : vmq__load(word) + 1;
}

/* Look at both until `enough` says so. False: the time is over first. */
static bool look(struct heard h[2], uint64_t ns, bool (*enough)(const struct heard h[2]))
{
	uint64_t until = now_ns() + ns;

	do {
		pair_look(p.a, &h[0]);
		pair_look(p.b, &h[1]);
		if (enough && enough(h))
			return true;
	} while (now_ns() < until);
	return false;
}

static bool both_poisoned(const struct heard h[2])
{
	return h[0].poisons && h[1].poisons && h[0].downs && h[1].downs;
}

/* The other one loses a peer, and goes on. */
static bool first_poisoned(const struct heard h[2])
{
	return h[0].poisons && h[0].downs && (h[1].poisons || h[1].leaves);
}

static bool first_down(const struct heard h[2])
{
	return h[0].downs && (h[1].poisons || h[1].leaves);
}

/* One lie: `must` is what has to come of it, if it is not what was there before. */
static void lie(const char *what, size_t at, unsigned which, size_t stride,
	bool (*must)(const struct heard h[2]))
{
	vmq_le32 *word = (vmq_le32 *)(void *)(p.map + at);
	uint32_t was = vmq__load(word), is = value(which, word, stride);
	struct heard h[2] = { { 0 } };

	if (!p.a) {
		pair_open(&p);
		opened++;
		was = vmq__load(word);
		is = value(which, word, stride);
		look(h, 0, NULL);
		memset(h, 0, sizeof(h));
	}
	cases++;
	vmq__store(word, is);
	if (must && is != was)
		cr_assert(look(h, PATIENCE, must), "%s: word at %zu: %x instead of %x: poison %u %u, down %u %u",
			what, at, is, was, h[0].poisons, h[1].poisons, h[0].downs, h[1].downs);
	else
		look(h, LOOK_NS, NULL);
	if (vmq__load(word) == is)
		vmq__store(word, was);
	if (h[0].over || h[1].over || !pair_talks(&p, 3 * PAIR_DEAD_MS))
		pair_close(&p); /* and the next one opens it again */
}

static void lies(const char *what, size_t base, const size_t *at, size_t n, size_t stride,
	bool (*must)(const struct heard h[2]))
{
	for (size_t i = 0; i < n; i++)
		for (unsigned which = 0; which < VALUES; which++)
			lie(what, base + at[i], which, stride, must);
}
#define LIES(what, base, stride, must, ...) do { \
	static const size_t at[] = { __VA_ARGS__ }; \
	lies(what, base, at, sizeof(at) / sizeof(at[0]), stride, must); \
} while (0)

/* ---- the header --------------------------------------------------------------------------- */

Test(lies, header)
{
	LIES("header", 0, 4, both_poisoned, 0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68,
		72, 76, 80, 84, 88, 92, 96, 124, 256, 4092);
	LIES("the server's line", 0, 4, NULL, 128, 132, 136, 252);
}

/* ---- slots --------------------------------------------------------------------------------- */

#define SLOT(i) (p.d.slots_off + (i) * sizeof(struct vmq_ivshmem_slot))

Test(lies, own_slot)
{
	/* Who it is does not change while it is there. */
	LIES("line of a", SLOT(0), 512, first_poisoned, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 80);
	/* A claim that is a later life's is believed; it ends this one as well. */
	LIES("claim of a", SLOT(0), 512, first_down, 0, 4);
}

Test(lies, other_words_of_a_slot)
{
	LIES("words of a", SLOT(0), 512, NULL, 84, 124, 128, 132, 256, 260, 264, 268, 384, 388, 508);
	LIES("gone of b", SLOT(1), (size_t)-512, NULL, 384);
}

Test(lies, empty_slots)
{
	LIES("empty slot", SLOT(2), (size_t)-512, NULL, 0, 4, 8, 12, 16, 20, 24, 40, 80, 128, 256, 264, 384);
	LIES("last slot", SLOT(3), (size_t)-512, NULL, 0, 4, 384);
}

/* ---- cells ----------------------------------------------------------------------------------- */

#define CELL(i, j) (p.d.cells_off + ((i) * PAIR_SLOTS + (j)) * sizeof(struct vmq_ivshmem_cell))

Test(lies, cells)
{
	LIES("a's cell for b", CELL(0, 1), 384, NULL, 0, 4, 8, 12, 16, 20, 24, 64, 68, 72, 92, 96);
	LIES("b's cell for a", CELL(1, 0), (size_t)-384, NULL, 0, 4, 8, 12, 16, 20, 24, 64, 68, 72, 92, 96);
}

Test(lies, cells_of_nobody)
{
	LIES("a's cell for itself", CELL(0, 0), 128, NULL, 0, 4, 8, 12, 16, 64, 68);
	LIES("a's cell for nobody", CELL(0, 2), 128, NULL, 0, 12, 16, 64, 68);
	LIES("nobody's cell for a", CELL(2, 0), 128, NULL, 0, 4, 8, 12, 16, 64, 68, 92);
}

/* ---- to come in ----------------------------------------------------------------------------- */

/* Open in a region that lies: it says what is wrong, or finds a place; never forever. */
static void open_there(void)
{
	struct vmq *q = NULL;
	struct heard h = { 0 };
	int rc = pair_vm(&p, "c", &q);

	cases++;
	if (!rc) {
		pair_look(q, &h);
		vmq_close(q);
		return;
	}
	cr_expect(rc == VMQ_EPROTO || rc == VMQ_EVERSION || rc == VMQ_EEXIST || rc == VMQ_ENOMEM ||
		rc == VMQ_ECONN, "%s", vmq_errname(rc));
}

Test(lies, open_with_a_header_that_lies)
{
	for (size_t at = 0; at < 136; at += 4)
		for (unsigned which = 0; which < VALUES; which++) {
			vmq_le32 *word = (vmq_le32 *)(void *)(p.map + at);
			uint32_t was = vmq__load(word);

			vmq__store(word, value(which, word, 4));
			open_there();
			memset(p.map, 0, 4096);
			memcpy(p.map, &p.d.header, sizeof(p.d.header));
			vmq__store(word, was);
		}
	memset(p.map, 0xff, PAIR_SIZE);
	open_there();
	memset(p.map + 4, 0, PAIR_SIZE - 4);
	open_there();
}

/* Slots full of anything are taken once their hearts stand still. */
Test(lies, open_among_slots_that_lie)
{
	uint32_t x = 88172645u;

	for (int round = 0; round < 6; round++) {
		struct vmq *q = NULL;

		for (size_t at = p.d.slots_off; at < p.d.heap_off; at += 4) {
			x = x * 1664525u + 1013904223u;
			vmq__store((vmq_le32 *)(void *)(p.map + at), round ? x : UINT32_MAX);
		}
		cr_assert_eq(pair_vm(&p, "c", &q), 0, "round %d", round);
		cases++;
		vmq_close(q);
	}
	pair_open(&p);
}
