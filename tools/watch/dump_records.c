/* SPDX-License-Identifier: BSD-2-Clause */
/* dump_records.c - what is in flight in a lane, read by the rules of its receiver, which
 * docs/wire-format.md has. */
#include <inttypes.h>
#include <string.h>

#include "common.h"
#include "core/atomic.h"
#include "dump.h"

#define WINDOW 65536u
#define PASSED_MAX 1000u

/* Where the walk is: part of the lane is copied, so that not each header is a call. */
struct walk {
	const struct watch_mem *m;
	struct dump_channel *d;
	struct dump_lane *lane;
	unsigned from;
	uint64_t lane_off;
	uint32_t size, index, left; /* left: bytes up to what is published */
	uint32_t window_off, window_len;
	uint32_t passed; /* how often the receiver was faster */
	uint8_t window[WINDOW];
};

/* Bytes of the lane, which must not wrap. */
static int look(struct walk *k, uint32_t off, void *to, uint32_t len)
{
	if (off < k->window_off || off + len > k->window_off + k->window_len) {
		uint32_t n = k->size - off < WINDOW ? k->size - off : WINDOW;
		int rc = watch_mem_read(k->m, k->lane_off + off, k->window, n);

		if (rc)
			return rc;
		k->window_off = off;
		k->window_len = n;
	}
	memcpy(to, k->window + (off - k->window_off), len);
	return 0;
}

#define WRONG(k, r, format, ...) \
	dump_wrong(&(k)->d->wrongs, "lane %u: record at index 0x%08" PRIx32 ": " format, (k)->from, (r)->index, \
		##__VA_ARGS__)

/* ---- what is inside ------------------------------------------------------------------------ */

static uint32_t word_at(const struct dump_record *r, size_t at)
{
	uint32_t w;

	memcpy(&w, r->head + at, sizeof(w));
	return vmq__le32(w);
}

static void check_hello(struct walk *k, const struct dump_record *r)
{
	struct vmq_layout_hello h;
	char name[VMQ_NAME_MAX + 1];

	if (r->index != k->d->ch.end[k->from].start)
		WRONG(k, r, "a HELLO that is not the session's first record");
	if (r->head_len < sizeof(h)) {
		WRONG(k, r, "a HELLO of %" PRIu32 " bytes", r->len);
		return;
	}
	memcpy(&h, r->head, sizeof(h));
	if (vmq__le32(h.size) < sizeof(h))
		WRONG(k, r, "a HELLO that says it has %" PRIu32 " bytes", vmq__le32(h.size));
	if (vmq__le16(h.major) != VMQ_LAYOUT_MAJOR)
		WRONG(k, r, "a HELLO of version %u", vmq__le16(h.major));
	if (!watch_text(name, h.ident.name, sizeof(h.ident.name)))
		WRONG(k, r, "a HELLO whose name is no text that ends");
	if (vmq__le32(h.ident.id) != k->d->ch.end[k->from].ident.id ||
			strcmp(name, k->d->ch.end[k->from].ident.name) != 0)
		WRONG(k, r, "a HELLO of %s, id %" PRIu32 ", who is not the one in the header", name,
			vmq__le32(h.ident.id));
}

static void check_page(struct walk *k, const struct dump_record *r)
{
	uint32_t pages = k->d->ch.geo.pool_pages[0] + k->d->ch.geo.pool_pages[1], first, count;

	if (r->head_len < sizeof(struct vmq_layout_page)) {
		WRONG(k, r, "pages without a descriptor");
		return;
	}
	first = word_at(r, offsetof(struct vmq_layout_page, first));
	count = word_at(r, offsetof(struct vmq_layout_page, count));
	if (!count || first >= pages || count > pages - first)
		WRONG(k, r, "pages %" PRIu32 " and on, %" PRIu32 " of them, of %" PRIu32, first, count, pages);
	else if (word_at(r, offsetof(struct vmq_layout_page, len)) > (uint64_t)count << VMQ_PAGE_SHIFT)
		WRONG(k, r, "more bytes in use than its pages have");
	if (word_at(r, offsetof(struct vmq_layout_page, mode)) - 1 > VMQ_PAGE_SHARE - 1)
		WRONG(k, r, "pages handed over in no known mode");
	if (word_at(r, offsetof(struct vmq_layout_page, gen)) >> 29)
		WRONG(k, r, "pages of a generation that cannot be");
}

static void check_fragment(struct walk *k, const struct dump_record *r)
{
	uint64_t total, offset;

	if (r->head_len < sizeof(struct vmq_layout_frag)) {
		WRONG(k, r, "a fragment without a head");
		return;
	}
	total = word_at(r, offsetof(struct vmq_layout_frag, total));
	offset = word_at(r, offsetof(struct vmq_layout_frag, offset));
	if (offset + (r->len - sizeof(struct vmq_layout_frag)) > total)
		WRONG(k, r, "a fragment that leaves its message");
}

static void check_inside(struct walk *k, const struct dump_record *r)
{
	if (r->kind == VMQ_KIND_HELLO)
		check_hello(k, r);
	else if (r->kind == VMQ_KIND_PAGE)
		check_page(k, r);
	else if (r->kind == VMQ_KIND_FRAG)
		check_fragment(k, r);
	else if (r->kind == VMQ_KIND_PAD && (!r->off || r->off + r->span != k->size))
		WRONG(k, r, "padding that is not at the lane's end");
	else if (r->kind != VMQ_KIND_MSG && r->kind != VMQ_KIND_PAD)
		WRONG(k, r, "there is no kind %" PRIu32, r->kind);
	if (r->flags)
		WRONG(k, r, "flags 0x%" PRIx32 ", which no version has", r->flags);
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* The record at the walk's place. 1; 0: it cannot be gone past; or an error. */
static int record(struct walk *k, struct dump_record *r)
{
	const struct watch_end *e = &k->d->ch.end[k->from];
	struct vmq_layout_record h;
	uint32_t word;
	int rc;

	*r = (struct dump_record){ .index = k->index, .off = k->index & (k->size - 1) };
	rc = look(k, r->off, &h, sizeof(h));
	if (rc)
		return rc;
	word = vmq__le32(h.word);
	r->len = vmq__le32(h.len);
	r->span = VMQ_REC_SPAN(word);
	r->kind = VMQ_REC_KIND(word);
	r->flags = VMQ_REC_FLAGS(word);
	r->tag = VMQ_REC_TAG(word);
	r->old = r->tag != ((e->epoch + e->peer_epoch) & 0xff);
	if (!word) {
		WRONG(k, r, "nothing is published there, but %" PRIu32 " bytes are said to be", k->left);
		return 0;
	}
	if (r->span < VMQ_REC_HEADER || r->span > k->size - r->off || r->span > k->left) {
		WRONG(k, r, "its span of %" PRIu32 " bytes leaves %s", r->span,
			r->span > k->size - r->off ? "the lane" : "what is published");
		return 0;
	}
	if (r->len > r->span - VMQ_REC_HEADER) {
		WRONG(k, r, "%" PRIu32 " bytes are more than its span holds", r->len);
		return 0;
	}
	r->head_len = r->len < sizeof(r->head) ? r->len : sizeof(r->head);
	rc = look(k, r->off + VMQ_REC_HEADER, r->head, r->head_len);
	return rc ? rc : 1;
}

static int keep(struct dump_lane *lane, const struct dump_record *r)
{
	void *list = lane->records, *one = watch_grow(&list, &lane->count, &lane->room, sizeof(*r));

	lane->records = list;
	if (!one)
		return VMQ_ENOMEM;
	memcpy(one, r, sizeof(*r));
	return 0;
}

/* A new session has begun since, in which the lane begins anew. */
static bool other_session(const struct watch_channel *was, const struct watch_channel *now, unsigned from)
{
	const struct watch_end *e = &was->end[from], *f = &now->end[from];
	const struct watch_end *to = &was->end[!from], *too = &now->end[!from];

	return e->epoch != f->epoch || e->start != f->start || e->peer_epoch != f->peer_epoch ||
		e->state != f->state || to->peer_epoch != too->peer_epoch || to->state != too->state;
}

/* Both ends go on while this is read: has the receiver come past the record since? Then it may
 * have been overwritten, and the walk goes on where the receiver is. 1; 0: it has not; or an error. */
static int passed(struct walk *k)
{
	const struct watch_channel *was = &k->d->ch;
	struct watch_channel now = *was;
	int rc = watch_ends_read(k->m, &now);
	uint32_t on = now.end[!k->from].cons - k->index;

	if (rc)
		return rc;
	if (other_session(was, &now, k->from))
		on = k->left;
	else if (now.end[!k->from].cons == was->end[!k->from].cons || on % VMQ_REC_ALIGN)
		return 0;
	if (!on || on > k->size) /* not past it, or none that makes sense */
		return 0;
	if (on > k->left || ++k->passed > PASSED_MAX)
		on = k->left;
	k->lane->changed = true;
	k->window_len = 0;
	k->index += on;
	k->left -= on;
	return 1;
}

/* Go past one record. 1; 0: there it ends; or an error. */
static int step(struct walk *k, const struct dump_options *o)
{
	struct dump_lane *lane = k->lane;
	uint64_t before = k->d->wrongs.count;
	struct dump_record r;
	int rc = record(k, &r), rc2;

	if (rc == 1 && !r.old)
		check_inside(k, &r);
	if (k->d->wrongs.count != before) {
		rc2 = passed(k);
		if (rc2 == 1)
			dump_wrongs_cut(&k->d->wrongs, before);
		if (rc2)
			return rc2;
	}
	if (rc <= 0)
		return rc;
	if (lane->count < o->records && keep(lane, &r))
		return VMQ_ENOMEM;
	lane->total++;
	lane->kinds[r.kind]++;
	lane->old += r.old;
	k->index += r.span;
	k->left -= r.span;
	return 1;
}

static int walk(struct walk *k, const struct dump_options *o)
{
	int rc = 1;

	while (k->left && rc == 1 && !tool_stopped())
		rc = step(k, o);
	return rc < 0 ? rc : 0;
}

/* Its indices made no sense, however often they were read: do they move? */
static bool moves(const struct watch_mem *m, const struct watch_channel *was, unsigned from)
{
	struct watch_channel now = *was;

	return !watch_ends_read(m, &now) && (other_session(was, &now, from) ||
		now.end[from].prod != was->end[from].prod || now.end[!from].cons != was->end[!from].cons);
}

int dump_lane_read(const struct watch_mem *m, struct dump_channel *d, unsigned from,
	const struct dump_options *o)
{
	struct dump_lane *lane = &d->lane[from];
	static struct walk k; /* too large for a stack, and there is one at a time */

	lane->depth_known = watch_depth(&d->ch, from, &lane->depth);
	lane->from = d->ch.end[from].prod - lane->depth;
	lane->changed = !lane->depth_known && moves(m, &d->ch, from);
	if (lane->changed)
		return 0;
	if (!lane->depth_known) {
		dump_wrong(&d->wrongs, "lane %u: from index 0x%08" PRIx32 " to 0x%08" PRIx32 " is no part of %" PRIu32
			" bytes", from, lane->from, d->ch.end[from].prod, d->ch.geo.lane_size[from]);
		return 0;
	}
	if (d->ch.end[from].prod % VMQ_REC_ALIGN)
		return 0;
	k = (struct walk){ .m = m, .d = d, .lane = lane, .from = from, .index = lane->from, .left = lane->depth,
		.size = d->ch.geo.lane_size[from], .lane_off = d->ch.off + d->ch.geo.lane_off[from] };
	return walk(&k, o);
}
