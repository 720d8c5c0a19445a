/* SPDX-License-Identifier: BSD-2-Clause */
/* deaths.c - what the survivors of a death say. */
#include <inttypes.h>
#include <stdio.h>

#include "deaths.h"

void death_before(struct death *d, struct ring *judge, const char *name, const char *const *others)
{
	struct ring_peer *p = ring_find(judge, name);

	*d = (struct death){ .judge = judge, .name = name, .others = others,
		.id = (uint32_t)(p - judge->peers), .leaves = p->leaves, .ends = p->ends, .joins = p->joins };
	for (; *others; others++) {
		struct ring_peer *o = ring_find(judge, *others);

		d->told_left[o - judge->peers] = o->told_left[d->id];
		d->told_joined[o - judge->peers] = o->told_joined[d->id];
	}
}

static bool all_told(const struct death *d)
{
	struct ring *r = d->judge;
	struct ring_peer *p = &r->peers[d->id];

	if (p->leaves == d->leaves || p->ends == d->ends)
		return false;
	for (const char *const *other = d->others; *other; other++) {
		struct ring_peer *o = ring_find(r, *other);

		if (o->told_left[d->id] == d->told_left[o - r->peers])
			return false;
	}
	return true;
}

/* Does a survivor have all that the dead one's book says was sent to it? */
static bool complete(const char *from, const char *to, uint64_t sent, uint64_t received, uint64_t ns)
{
	fprintf(stderr, "%s died: %s knew after %" PRIu64 " ms, and has %" PRIu64 " of %" PRIu64 " messages\n",
		from, to, ns / 1000000, received, sent);
	return received >= sent && sent;
}

bool death_seen(struct death *d, uint64_t when, int deadline_ms)
{
	struct ring *r = d->judge;
	struct ring_peer *p = &r->peers[d->id];
	bool ok = JUDGE_UNTIL(r, deadline_ms, all_told(d));

	if (!ok)
		return false;
	ok = complete(d->name, r->name, p->book_before.sent[r->id], p->received_before, p->left_ns - when);
	for (const char *const *other = d->others; *other; other++) {
		struct ring_peer *o = ring_find(r, *other);

		ok &= complete(d->name, *other, p->book_before.sent[o - r->peers], o->told_received[d->id],
			o->told_ns[d->id] - when);
	}
	return ok;
}

static bool all_met(const struct death *d)
{
	struct ring *r = d->judge;
	struct ring_peer *p = &r->peers[d->id];

	if (p->joins == d->joins || !p->there)
		return false;
	for (const char *const *other = d->others; *other; other++) {
		struct ring_peer *o = ring_find(r, *other);

		if (o->told_joined[d->id] == d->told_joined[o - r->peers])
			return false;
	}
	return true;
}

bool death_mended(struct death *d)
{
	return JUDGE_UNTIL(d->judge, 2 * PATIENCE_MS, all_met(d));
}
