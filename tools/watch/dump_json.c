/* SPDX-License-Identifier: BSD-2-Clause */
/* dump_json.c - a decoded region, for programs. */
#include "common.h"
#include "core/atomic.h"
#include "dump.h"
#include "json.h"

static json_t *wrongs(const struct dump_wrongs *w)
{
	json_t *list = json_array();

	for (uint64_t i = 0; i < w->count && i < DUMP_WRONGS; i++)
		if (w->text[i])
			json_array_append_new(list, json_string(w->text[i]));
	return list;
}

/* ---- the header and the ends -------------------------------------------------------------------- */

static json_t *header(const struct dump_channel *d)
{
	static const char *const names[] = { "ctl0", "ctl1", "lane0", "lane1", "pool0", "pool1" };
	const struct vmq_layout_header *h = &d->header;
	json_t *parts = json_object();

	for (unsigned i = 0; i < VMQ_PART_COUNT; i++)
		json_object_set_new(parts, names[i], json_pack("{s:o,s:o}",
			"offset", watch_number(vmq__le64(h->part[i].off)),
			"size", watch_number(vmq__le64(h->part[i].size))));
	return json_pack("{s:i,s:i,s:o,s:o,s:o,s:o}", "major", vmq__le16(h->major), "minor", vmq__le16(h->minor),
		"region_size", watch_number(vmq__le64(h->region_size)),
		"features_offered", watch_number(vmq__le64(h->features_offered)),
		"features_required", watch_number(vmq__le64(h->features_required)), "parts", parts);
}

static json_t *arm(uint32_t word)
{
	return json_pack("{s:s,s:I}", "state", watch_arm(word), "index", (json_int_t)(word & ~VMQ_ARM_MASK));
}

static json_t *end(const struct watch_end *e)
{
	json_t *o = json_pack("{s:s,s:I,s:s,s:b,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
		"name", e->ident.name, "id", (json_int_t)e->ident.id, "uuid", watch_uuid(e->ident.uuid).text,
		"gone", e->gone != 0, "state", watch_state(e->state), "epoch", (json_int_t)e->epoch,
		"peer_epoch", (json_int_t)e->peer_epoch, "start", (json_int_t)e->start,
		"prod", (json_int_t)e->prod, "cons", (json_int_t)e->cons, "max_msg", (json_int_t)e->max_msg,
		"heartbeat", (json_int_t)e->heartbeat, "page_seq", (json_int_t)e->page_seq);

	json_object_set_new(o, "arm", arm(e->arm));
	json_object_set_new(o, "space_arm", arm(e->space_arm));
	json_object_set_new(o, "sent", watch_number(e->sent));
	json_object_set_new(o, "sent_bytes", watch_number(e->sent_bytes));
	json_object_set_new(o, "received", watch_number(e->received));
	json_object_set_new(o, "received_bytes", watch_number(e->received_bytes));
	json_object_set_new(o, "kicks", watch_number(e->kicks));
	json_object_set_new(o, "poison", watch_poison(e->poison));
	return o;
}

/* ---- records and pages ---------------------------------------------------------------------------- */

static json_t *record(const struct dump_record *r)
{
	uint32_t n = r->head_len < DUMP_PREVIEW ? r->head_len : DUMP_PREVIEW;
	char hex[2 * DUMP_PREVIEW + 1] = "";

	for (uint32_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", r->head[i]);
	return json_pack("{s:I,s:I,s:I,s:I,s:s,s:I,s:b,s:s}", "index", (json_int_t)r->index,
		"offset", (json_int_t)r->off, "span", (json_int_t)r->span, "len", (json_int_t)r->len,
		"kind", watch_kind(r->kind), "flags", (json_int_t)r->flags, "old", r->old, "bytes", hex);
}

static json_t *lane(const struct dump_channel *d, unsigned from)
{
	const struct dump_lane *l = &d->lane[from];
	json_t *records = json_array(), *kinds = json_object();

	for (unsigned k = 0; k < DUMP_KINDS; k++)
		if (l->kinds[k])
			json_object_set_new(kinds, watch_kind(k), watch_number(l->kinds[k] +
				(uint64_t)json_integer_value(json_object_get(kinds, watch_kind(k)))));
	for (size_t i = 0; i < l->count; i++)
		json_array_append_new(records, record(&l->records[i]));
	return json_pack("{s:I,s:o,s:o,s:o,s:o,s:b,s:o}", "size", (json_int_t)d->ch.geo.lane_size[from],
		"depth", l->depth_known ? json_integer(l->depth) : json_null(),
		"in_flight", watch_number(l->total), "old", watch_number(l->old), "kinds", kinds,
		"changed", l->changed, "records", records);
}

static json_t *page_words(const struct dump_channel *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->page_count; i++) {
		json_t *said = json_array();

		for (unsigned s = 0; s < 2; s++)
			json_array_append_new(said, json_pack("{s:s,s:I}",
				"op", watch_page_op(VMQ_PAGEW_OP(d->pages[i].word[s])),
				"generation", (json_int_t)VMQ_PAGEW_GEN(d->pages[i].word[s])));
		json_array_append_new(list, json_pack("{s:I,s:o}", "page", (json_int_t)d->pages[i].page, "sides", said));
	}
	return list;
}

static json_t *pages(const struct dump_channel *d, unsigned s)
{
	json_t *o = json_pack("{s:I}", "pages", (json_int_t)d->ch.geo.pool_pages[s]), *said = json_object();

	for (unsigned op = 1; op < DUMP_OPS; op++)
		if (d->ops[s][op])
			json_object_set_new(said, watch_page_op(op), watch_number(d->ops[s][op] +
				(uint64_t)json_integer_value(json_object_get(said, watch_page_op(op)))));
	json_object_set_new(o, "said", said);
	return o;
}

static json_t *channel(const struct dump_channel *d, const struct dump_options *o)
{
	json_t *root = json_pack("{s:s,s:o,s:o,s:o}", "kind", "channel", "offset", watch_number(d->ch.off),
		"header", header(d), "wrong", wrongs(&d->wrongs));

	if (d->ch.code)
		return root;
	json_object_set_new(root, "ends", json_pack("[o,o]", end(&d->ch.end[0]), end(&d->ch.end[1])));
	json_object_set_new(root, "lanes", json_pack("[o,o]", lane(d, 0), lane(d, 1)));
	json_object_set_new(root, "pools", json_pack("[o,o]", pages(d, 0), pages(d, 1)));
	if (o->page_words)
		json_object_set_new(root, "page_words", page_words(d));
	return root;
}

int dump_channel_json(const struct dump_channel *d, const struct dump_options *o)
{
	return tool_json_line(channel(d, o), stdout);
}

/* ---- an ivshmem region ------------------------------------------------------------------------------ */

static json_t *slot(const struct dump_slot *s, uint32_t i)
{
	return json_pack("{s:I,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:[b,b,b]}", "place", (json_int_t)i + 1,
		"name", s->name, "state", s->state, "uuid", watch_uuid(s->uuid).text, "claim", (json_int_t)s->claim,
		"live", (json_int_t)s->live, "gone", (json_int_t)s->gone, "doorbell", (json_int_t)s->doorbell,
		"vectors", (json_int_t)s->vectors, "lane_size", (json_int_t)s->lane_size,
		"pool_pages", (json_int_t)s->pool_pages, "heartbeat", (json_int_t)s->heartbeat,
		"rung", s->bell[0] != 0, s->bell[1] != 0, s->bell[2] != 0);
}

static json_t *offer(const struct dump_offer *f, const struct dump_options *o)
{
	json_t *one = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "serial", (json_int_t)f->serial,
		"from", (json_int_t)f->from + 1, "to", (json_int_t)f->to + 1, "claim", (json_int_t)f->claim,
		"peer_claim", (json_int_t)f->peer_claim, "first", (json_int_t)f->first,
		"count", (json_int_t)f->count);

	if (!f->channel.ch.code || f->channel.wrongs.count)
		json_object_set_new(one, "channel", channel(&f->channel, o));
	return one;
}

int dump_dir_json(const struct dump_dir *d, const struct dump_options *o)
{
	json_t *slots = json_array(), *offers = json_array();

	for (uint32_t i = 0; i < d->slots; i++)
		json_array_append_new(slots, slot(&d->slot[i], i));
	for (size_t i = 0; i < d->offer_count; i++)
		json_array_append_new(offers, offer(&d->offers[i], o));
	return tool_json_line(json_pack("{s:s,s:o,s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "kind", "ivshmem",
		"region_size", watch_number(d->size), "beat_ms", (json_int_t)d->beat_ms,
		"dead_ms", (json_int_t)d->dead_ms, "server_life", (json_int_t)d->server_life,
		"slots_off", watch_number(d->slots_off), "cells_off", watch_number(d->cells_off),
		"heap_off", watch_number(d->heap_off), "arena_size", watch_number(d->arena_size),
		"slots", slots, "offers", offers, "wrong", wrongs(&d->wrongs)), stdout);
}
