/* SPDX-License-Identifier: BSD-2-Clause */
/* top_rate.c - what changed between two snapshots, each second. */
#include <stdlib.h>
#include <string.h>

#include "top.h"

#define UNKNOWN (-1.0)

/* ---- to find the same again -------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct watch_vm *v = a, *w = b;
	int order = strcmp(v->name, w->name);

	return order ? order : v->id < w->id ? -1 : v->id > w->id;
}

static int by_key(const void *a, const void *b)
{
	const struct watch_channel *c = a, *d = b;

	return c->key < d->key ? -1 : c->key > d->key;
}

void top_sort(struct watch_snapshot *s)
{
	if (s->vm_count)
		qsort(s->vms, s->vm_count, sizeof(*s->vms), by_name);
	if (s->channel_count)
		qsort(s->channels, s->channel_count, sizeof(*s->channels), by_key);
}

static const struct watch_vm *vm_before(const struct watch_snapshot *s, const struct watch_vm *vm)
{
	return s && s->vm_count ? bsearch(vm, s->vms, s->vm_count, sizeof(*vm), by_name) : NULL;
}

static const struct watch_channel *channel_before(const struct watch_snapshot *s,
	const struct watch_channel *ch)
{
	const struct watch_channel *was = s && s->channel_count ?
		bsearch(ch, s->channels, s->channel_count, sizeof(*ch), by_key) : NULL;

	return was && !was->code ? was : NULL;
}

/* ---- rates --------------------------------------------------------------------------------- */

/* A counter that went back has begun anew. */
static double rate(uint64_t before, uint64_t now, double seconds)
{
	return (double)(now >= before ? now - before : now) / seconds;
}

static uint64_t pages(const struct vmq_vmm_stats *t)
{
	return t->pages_moved + t->pages_lent + t->pages_shared;
}

static struct top_vm vm_rate(const struct watch_snapshot *before, const struct watch_vm *vm, double seconds)
{
	const struct watch_vm *was = vm_before(before, vm);
	struct stats_exit e[STATS_EXITS], f[STATS_EXITS];
	struct top_vm t = { .vm = vm, .kicks = UNKNOWN, .bypass = UNKNOWN, .drains = UNKNOWN,
		.pages = UNKNOWN, .beats = UNKNOWN };

	for (unsigned i = 0; i < STATS_EXITS; i++)
		t.exits[i] = UNKNOWN;
	if (!was)
		return t;
	stats_exits(was, e);
	stats_exits(vm, f);
	for (unsigned i = 0; i < STATS_EXITS; i++)
		t.exits[i] = rate(e[i].count, f[i].count, seconds);
	t.kicks = rate(was->stats.kicks, vm->stats.kicks, seconds);
	t.bypass = rate(was->stats.bypass, vm->stats.bypass, seconds);
	t.drains = rate(was->stats.drains, vm->stats.drains, seconds);
	/* Another life in the same place beats anew. */
	t.beats = was->life == vm->life ? (uint32_t)(vm->heartbeat - was->heartbeat) / seconds : UNKNOWN;
	t.pages = rate(pages(&was->stats), pages(&vm->stats), seconds);
	return t;
}

static struct top_lane lane_rate(const struct watch_channel *was, const struct watch_channel *ch,
	unsigned from, double seconds)
{
	struct top_lane t = { .ch = ch, .from = from, .messages = UNKNOWN, .bytes = UNKNOWN,
		.kicks = UNKNOWN };

	if (!was)
		return t;
	t.messages = rate(watch_messages(was, from), watch_messages(ch, from), seconds);
	t.bytes = rate(watch_bytes(was, from), watch_bytes(ch, from), seconds);
	t.kicks = rate(was->end[from].kicks, ch->end[from].kicks, seconds);
	return t;
}

static bool poisoned(const struct top_lane *t)
{
	return t->ch->code || t->ch->end[0].poison || t->ch->end[1].poison;
}

static int busiest(const void *a, const void *b)
{
	const struct top_lane *t = a, *u = b;

	if (poisoned(t) != poisoned(u))
		return poisoned(t) ? -1 : 1;
	if (t->messages != u->messages)
		return t->messages > u->messages ? -1 : 1;
	if (t->ch->key != u->ch->key)
		return t->ch->key < u->ch->key ? -1 : 1;
	return t->from < u->from ? -1 : t->from > u->from;
}

static void lane_rates(const struct watch_snapshot *before, const struct watch_snapshot *now, double seconds,
	struct top_rates *r)
{
	for (size_t i = 0; i < now->channel_count; i++) {
		const struct watch_channel *ch = &now->channels[i], *was = channel_before(before, ch);

		for (unsigned from = 0; from < (ch->code ? 1 : 2); from++) {
			struct top_lane *t = &r->lanes[r->lane_count++];

			*t = lane_rate(ch->code ? NULL : was, ch, from, seconds);
			r->messages += t->messages > 0 ? t->messages : 0;
			r->bytes += t->bytes > 0 ? t->bytes : 0;
		}
	}
	if (r->lane_count)
		qsort(r->lanes, r->lane_count, sizeof(*r->lanes), busiest);
}

int top_rate(const struct watch_snapshot *before, const struct watch_snapshot *now, struct top_rates *r)
{
	double seconds = before && now->at > before->at ? (double)(now->at - before->at) / 1e9 : 1;

	*r = (struct top_rates){ .known = before };
	r->vms = calloc(now->vm_count + 1, sizeof(*r->vms));
	r->lanes = calloc(2 * now->channel_count + 1, sizeof(*r->lanes));
	if (!r->vms || !r->lanes) {
		top_rate_free(r);
		return VMQ_ENOMEM;
	}
	for (size_t i = 0; i < now->vm_count; i++)
		r->vms[r->vm_count++] = vm_rate(before, &now->vms[i], seconds);
	lane_rates(before, now, seconds, r);
	return 0;
}

void top_rate_free(struct top_rates *r)
{
	free(r->vms);
	free(r->lanes);
	*r = (struct top_rates){ 0 };
}
