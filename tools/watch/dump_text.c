/* SPDX-License-Identifier: BSD-2-Clause */
/* dump_text.c - a decoded region, for people. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/atomic.h"
#include "dump.h"

static void wrongs(const struct dump_wrongs *w)
{
	for (uint64_t i = 0; i < w->count && i < DUMP_WRONGS; i++)
		printf("WRONG: %s\n", w->text[i] ? w->text[i] : "(no memory to say it)");
	if (w->count > DUMP_WRONGS)
		printf("WRONG: and %" PRIu64 " more\n", w->count - DUMP_WRONGS);
}

/* ---- the header and the ends ----------------------------------------------------------------- */

static void header(const struct dump_channel *d)
{
	static const char *const parts[] = { "ctl0", "ctl1", "lane0", "lane1", "pool0", "pool1" };
	const struct vmq_layout_header *h = &d->header;

	printf("channel at 0x%" PRIx64 ": version %u.%u, %" PRIu64 " bytes, features 0x%" PRIx64 " (required 0x%"
		PRIx64 ")\n", d->ch.off, vmq__le16(h->major), vmq__le16(h->minor), vmq__le64(h->region_size),
		vmq__le64(h->features_offered), vmq__le64(h->features_required));
	for (unsigned i = 0; i < VMQ_PART_COUNT; i++)
		printf("  %-6s at 0x%-10" PRIx64 " %" PRIu64 " bytes\n", parts[i], vmq__le64(h->part[i].off),
			vmq__le64(h->part[i].size));
}

static void end(const struct watch_end *e, unsigned s)
{
	printf("side %u: %s, id %" PRIu32 ", uuid %s%s\n", s, e->ident.name, e->ident.id,
		watch_uuid(e->ident.uuid).text, e->gone ? ", gone" : "");
	printf("  state %s, epoch 0x%08" PRIx32 ", saw epoch 0x%08" PRIx32 ", takes %" PRIu32
		" bytes, heartbeat %" PRIu32 "\n", watch_state(e->state), e->epoch, e->peer_epoch, e->max_msg,
		e->heartbeat);
	printf("  start 0x%08" PRIx32 ", prod 0x%08" PRIx32 ", cons 0x%08" PRIx32 "\n", e->start, e->prod,
		e->cons);
	printf("  messages: %s at 0x%08" PRIx32 "; room: %s at 0x%08" PRIx32 "\n", watch_arm(e->arm),
		e->arm & ~VMQ_ARM_MASK, watch_arm(e->space_arm), e->space_arm & ~VMQ_ARM_MASK);
	printf("  sent %" PRIu64 " (%" PRIu64 " bytes), received %" PRIu64 " (%" PRIu64 " bytes), kicks %" PRIu64
		"\n", e->sent, e->sent_bytes, e->received, e->received_bytes, e->kicks);
	if (e->poison)
		printf("  poison %" PRIu32 ": %s\n", e->poison, vmq_poison_text((int)e->poison));
}

/* ---- records ---------------------------------------------------------------------------------------- */

static void preview(const struct dump_record *r)
{
	uint32_t n = r->head_len < DUMP_PREVIEW ? r->head_len : DUMP_PREVIEW;

	for (uint32_t i = 0; i < DUMP_PREVIEW; i++)
		if (i < n)
			printf(" %02x", r->head[i]);
		else
			printf("   ");
	printf("  ");
	for (uint32_t i = 0; i < n; i++)
		putchar(r->head[i] >= 0x20 && r->head[i] < 0x7f ? r->head[i] : '.');
}

static void record(const struct dump_record *r)
{
	printf("  0x%08" PRIx32 " 0x%-8" PRIx32 " %6" PRIu32 " %6" PRIu32 "  %-8s", r->index, r->off, r->span,
		r->len, watch_kind(r->kind));
	preview(r);
	puts(r->old ? "  (of another session)" : "");
}

static void lane(const struct dump_channel *d, unsigned from)
{
	const struct dump_lane *l = &d->lane[from];

	printf("lane %u, from %s to %s: %" PRIu32 " bytes, ", from, d->ch.end[from].ident.name,
		d->ch.end[!from].ident.name, d->ch.geo.lane_size[from]);
	if (!l->depth_known) {
		puts(l->changed ? "changed while it was read" : "indices that make no sense");
		return;
	}
	printf("%" PRIu32 " in flight", l->depth);
	for (unsigned k = 0; k < DUMP_KINDS; k++)
		if (l->kinds[k])
			printf(", %" PRIu64 " %s", l->kinds[k], watch_kind(k));
	if (l->old)
		printf(", %" PRIu64 " of another session", l->old);
	puts(l->changed ? "; changed while it was read: what was received meanwhile is left out" : "");
	if (l->count)
		printf("  %-10s %-10s %6s %6s  %-8s bytes\n", "index", "offset", "span", "len", "kind");
	for (size_t i = 0; i < l->count; i++)
		record(&l->records[i]);
	if (l->total > l->count)
		printf("  and %" PRIu64 " more\n", l->total - l->count);
}

/* ---- pages ------------------------------------------------------------------------------------------ */

static void page_words(const struct dump_channel *d, const struct dump_options *o)
{
	uint32_t pages = d->ch.geo.pool_pages[0] + d->ch.geo.pool_pages[1];

	printf("pages: %" PRIu32 " of side 0, %" PRIu32 " of side 1\n", d->ch.geo.pool_pages[0],
		d->ch.geo.pool_pages[1]);
	for (unsigned s = 0; pages && s < 2; s++) {
		printf("  side %u says:", s);
		for (unsigned op = 0; op < DUMP_OPS; op++)
			if (d->ops[s][op])
				printf(" %" PRIu64 " %s", d->ops[s][op], watch_page_op(op));
		putchar('\n');
	}
	for (size_t i = 0; o->page_words && i < d->page_count; i++) {
		const struct dump_page *p = &d->pages[i];

		printf("  page %7" PRIu32 ":", p->page);
		for (unsigned s = 0; s < 2; s++)
			printf("  side %u %-6s generation 0x%08" PRIx32, s, watch_page_op(VMQ_PAGEW_OP(p->word[s])),
				VMQ_PAGEW_GEN(p->word[s]));
		putchar('\n');
	}
}

void dump_channel_text(const struct dump_channel *d, const struct dump_options *o)
{
	if (d->ch.code) {
		header(d);
		wrongs(&d->wrongs);
		return;
	}
	header(d);
	for (unsigned s = 0; s < 2; s++)
		end(&d->ch.end[s], s);
	for (unsigned s = 0; s < 2; s++)
		lane(d, s);
	page_words(d, o);
	wrongs(&d->wrongs);
}

/* ---- an ivshmem region ---------------------------------------------------------------------------- */

static void slot(const struct dump_slot *s, uint32_t i)
{
	printf("place %" PRIu32 ": %s, %s, uuid %s\n", i + 1, s->name[0] ? s->name : "no name", s->state,
		watch_uuid(s->uuid).text);
	printf("  claim 0x%08" PRIx32 ", live 0x%08" PRIx32 ", gone 0x%08" PRIx32 ", heartbeat %" PRIu32 "\n",
		s->claim, s->live, s->gone, s->heartbeat);
	printf("  lanes of %" PRIu32 " bytes, %" PRIu32 " pages, ", s->lane_size, s->pool_pages);
	if (s->doorbell == VMQ_IVSHMEM_NOBODY)
		printf("no doorbell");
	else
		printf("doorbell %" PRIu32 " with %" PRIu32 " vectors", s->doorbell, s->vectors);
	printf(", rung: %s%s%s%s\n", s->bell[0] ? "message " : "", s->bell[1] ? "room " : "",
		s->bell[2] ? "news" : "", s->bell[0] || s->bell[1] || s->bell[2] ? "" : "no");
}

void dump_dir_text(const struct dump_dir *d, const struct dump_options *o)
{
	if (d->slots)
		printf("directory of an ivshmem region: %" PRIu64 " bytes, %" PRIu32 " places, beat %" PRIu32
			" ms, dead after %" PRIu32 " ms\n  places at 0x%" PRIx64 ", cells at 0x%" PRIx64 ", arenas at 0x%"
			PRIx64 " of %" PRIu64 " bytes each, server's life %" PRIu32 "\n", d->size, d->slots,
			d->beat_ms, d->dead_ms, d->slots_off, d->cells_off, d->heap_off, d->arena_size,
			d->server_life);
	for (uint32_t i = 0; i < d->slots; i++)
		if (d->slot[i].claim || d->slot[i].live || d->slot[i].name[0])
			slot(&d->slot[i], i);
	wrongs(&d->wrongs);
	for (size_t i = 0; i < d->offer_count; i++) {
		const struct dump_offer *f = &d->offers[i];

		printf("\noffer %" PRIu32 " of place %" PRIu32 " to place %" PRIu32 ": pages %" PRIu32 " to %" PRIu64
			"\n", f->serial, f->from + 1, f->to + 1, f->first, (uint64_t)f->first + f->count);
		if (!f->channel.ch.code || f->channel.wrongs.count)
			dump_channel_text(&f->channel, o);
	}
}
