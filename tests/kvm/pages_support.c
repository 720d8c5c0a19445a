/* SPDX-License-Identifier: BSD-2-Clause */
/* pages_support.c - what the tests of pages share. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "pages.h"

#define WORDS (VMQ_PAGE_SIZE / 8)

struct vms_guest *a, *b;

static void connect_both(void)
{
	vms_connected(a, "b");
	vms_connected(b, "a");
}

void pages_start(void)
{
	vms_start();
	a = vms_boot("a");
	b = vms_boot("b");
	connect_both();
}

void pages_b_anew(void)
{
	vms_kill(b);
	b = vms_boot("b");
	connect_both();
}

/* ---- which memory is it? ------------------------------------------------------------------- */

struct where where_is(const struct vms_guest *g, uint64_t in_window)
{
	return where_in(getpid(), (uint8_t *)vmq_kvm_window(g->kvm, NULL) + in_window);
}

/* ---- what the guests' CPUs see --------------------------------------------------------------- */

uint64_t peek(struct vms_guest *g, uint64_t in_window)
{
	return vms_ask(g, DO(PEEK, .offset = in_window)).value;
}

void poke(struct vms_guest *g, uint64_t in_window, uint64_t value)
{
	vms_ask(g, DO(POKE, .offset = in_window, .value = value));
}

bool page_says(struct vms_guest *g, uint64_t in_window, uint64_t word)
{
	return vms_ask(g, DO(SUM, .offset = in_window, .n = WORDS)).value == word * WORDS &&
		peek(g, in_window) == word && peek(g, in_window + 8 * (WORDS - 1)) == word;
}

struct probe_reply alloc(struct vms_guest *g, const char *for_peer, uint64_t word)
{
	struct probe_reply r = vms_ask_of(g, for_peer, DO(ALLOC, .value = word));

	cr_assert_eq(r.rc, 0);
	cr_assert(page_says(g, r.offset, word));
	return r;
}

struct probe_reply give(struct vms_guest *g, const char *to, bool received, uint32_t mode)
{
	struct probe_reply r = vms_ask_of(g, to, DO(GIVE, .n = received, .when = mode));

	cr_assert_eq(r.rc, 1, "the VMM changed %d pages", r.rc);
	return r;
}

struct probe_reply taken(struct vms_guest *g, const char *from, uint32_t mode)
{
	struct probe_reply r = vms_ask_of(g, from, DO(TAKEN));

	cr_assert_geq(r.rc, 0);
	cr_assert_eq(r.n, mode);
	return r;
}

void free_page(struct vms_guest *g, const char *peer, bool received)
{
	cr_assert_geq(vms_ask_of(g, peer, DO(FREE, .n = received)).rc, 0);
}
