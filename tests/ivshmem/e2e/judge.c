/* SPDX-License-Identifier: BSD-2-Clause */
/* judge.c - what the judge waits for. */
#include <stdio.h>

#include "world.h"

#define SOME 500u /* messages that show that there is traffic */

/* So many of them are there, have sent to the judge and to each other, and gave a book. */
static bool all_there(struct ring *r, const char *const *names)
{
	for (; *names; names++) {
		struct ring_peer *p = ring_find(r, *names);

		if (!p || !p->there || !p->has_page || p->received < SOME || p->sent < SOME)
			return false;
		for (const char *const *other = names + 1; *other; other++) {
			struct ring_peer *o = ring_find(r, *other);
			const struct ring_book *a = p->page.addr, *b = o && o->has_page ? o->page.addr : NULL;

			if (!b || a->sent[o - r->peers] < SOME || b->sent[p - r->peers] < SOME)
				return false;
		}
	}
	return true;
}

bool judge_sees(struct ring *r, const char *const *names)
{
	return JUDGE_UNTIL(r, 2 * PATIENCE_MS, all_there(r, names));
}

static bool order_all(struct ring *r, const char *const *names, enum ring_kind order)
{
	bool ok = true;

	for (; *names; names++) {
		ring_find(r, *names)->has_counts = false;
		ok &= ring_order(r, *names, order);
	}
	return ok;
}

static bool all_counted(struct ring *r, const char *const *names)
{
	for (; *names; names++)
		if (!ring_find(r, *names)->has_counts)
			return false;
	return true;
}

/* What one sent, the other received. */
static bool agree(struct ring *r, const char *const *names, bool say)
{
	bool ok = true;

	for (const char *const *from = names; *from; from++) {
		struct ring_peer *p = ring_find(r, *from);
		uint32_t id = (uint32_t)(p - r->peers);

		ok &= p->counts.sent[r->id] == p->received && p->counts.received[r->id] == p->sent;
		for (const char *const *to = names; *to; to++) {
			struct ring_peer *o = ring_find(r, *to);

			if (o == p)
				continue;
			ok &= p->counts.sent[o - r->peers] == o->counts.received[id];
			if (say)
				fprintf(stderr, "%s sent %llu to %s, which received %llu\n", *from,
					(unsigned long long)p->counts.sent[o - r->peers], *to,
					(unsigned long long)o->counts.received[id]);
		}
	}
	return ok;
}

bool judge_settles(struct ring *r, const char *const *names)
{
	uint64_t until = now_ns() + PATIENCE;
	bool ok = false;

	r->quiet = true;
	while (!ok && now_ns() < until) {
		if (!order_all(r, names, RING_QUIET) || !JUDGE_UNTIL(r, PATIENCE_MS, all_counted(r, names)))
			return false;
		ok = agree(r, names, false);
	}
	agree(r, names, !ok);
	return order_all(r, names, RING_END) && ok && !r->gaps;
}
