/* SPDX-License-Identifier: BSD-2-Clause */
/* dump_read.c - one channel, and what is wrong with its header, its ends and its page words. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/atomic.h"
#include "dump.h"

void dump_wrong(struct dump_wrongs *w, const char *format, ...)
{
	va_list args;

	if (w->count < DUMP_WRONGS) {
		va_start(args, format);
		if (vasprintf(&w->text[w->count], format, args) < 0)
			w->text[w->count] = NULL;
		va_end(args);
	}
	w->count++;
}

void dump_wrongs_cut(struct dump_wrongs *w, uint64_t count)
{
	for (uint64_t i = count; i < w->count && i < DUMP_WRONGS; i++) {
		free(w->text[i]);
		w->text[i] = NULL;
	}
	w->count = count;
}

void dump_wrongs_free(struct dump_wrongs *w)
{
	dump_wrongs_cut(w, 0);
}

/* ---- the header -------------------------------------------------------------------------- */

static void table_wrongs(const struct vmq_layout_header *h, uint64_t limit, struct dump_wrongs *w)
{
	static const char *const parts[] = { "control area 0", "control area 1", "lane 0", "lane 1", "pool 0",
		"pool 1" };
	uint64_t floor = VMQ_HEADER_SIZE;

	for (unsigned i = 0; i < VMQ_PART_COUNT; i++) {
		uint64_t off = vmq__le64(h->part[i].off), size = vmq__le64(h->part[i].size);

		if (off % VMQ_PAGE_SIZE || size % VMQ_PAGE_SIZE)
			dump_wrong(w, "%s is not of whole pages", parts[i]);
		if (off > limit || size > limit - off) {
			dump_wrong(w, "%s leaves the region", parts[i]);
			continue;
		}
		if (off < floor)
			dump_wrong(w, "%s lies on what stands before it", parts[i]);
		if ((i == VMQ_PART_LANE0 || i == VMQ_PART_LANE1) &&
				(size < VMQ_LANE_MIN || size > VMQ_LANE_MAX || size & (size - 1)))
			dump_wrong(w, "%s has %" PRIu64 " bytes, which no lane can have", parts[i], size);
		floor = off + size;
	}
}

static void header_wrongs(const struct vmq_layout_header *h, uint64_t size, struct dump_wrongs *w)
{
	uint64_t region = vmq__le64(h->region_size), before = w->count;
	uint64_t unknown = vmq__le64(h->features_required) & ~VMQ_FEAT_KNOWN;

	if (vmq__le32(h->magic[0]) != VMQ_MAGIC_LO || vmq__le32(h->magic[1]) != VMQ_MAGIC_HI)
		dump_wrong(w, "no region begins like this: its first bytes are not 89 56 4d 51 0d 0a 1a 0a");
	if (vmq__le16(h->major) != VMQ_LAYOUT_MAJOR)
		dump_wrong(w, "version %u.%u of the format is not known", vmq__le16(h->major), vmq__le16(h->minor));
	if (unknown)
		dump_wrong(w, "features are required that are not known: 0x%" PRIx64, unknown);
	if (vmq__le32(h->header_size) != VMQ_HEADER_SIZE)
		dump_wrong(w, "the header's size is %" PRIu32, vmq__le32(h->header_size));
	if (vmq__le32(h->page_shift) != VMQ_PAGE_SHIFT)
		dump_wrong(w, "pages of 2^%" PRIu32 " bytes", vmq__le32(h->page_shift));
	if (vmq__le32(h->parts) < VMQ_PART_COUNT)
		dump_wrong(w, "its table has %" PRIu32 " parts", vmq__le32(h->parts));
	if (region > size)
		dump_wrong(w, "it says that it has %" PRIu64 " bytes, but there are %" PRIu64, region, size);
	table_wrongs(h, region, w);
	if (w->count == before)
		dump_wrong(w, "its parts do not fit together");
}

/* ---- the ends ----------------------------------------------------------------------------- */

static void arm_wrongs(const struct watch_end *e, unsigned s, struct dump_wrongs *w)
{
	if ((e->arm & VMQ_ARM_MASK) > VMQ_ARM_ARMED)
		dump_wrong(w, "side %u: arm word 0x%" PRIx32 " has no state", s, e->arm);
	if ((e->space_arm & VMQ_ARM_MASK) == VMQ_ARM_DROWSY || (e->space_arm & VMQ_ARM_MASK) > VMQ_ARM_ARMED)
		dump_wrong(w, "side %u: arm word for room 0x%" PRIx32 " has no state", s, e->space_arm);
}

static void end_wrongs(const struct watch_end *e, unsigned s, struct dump_wrongs *w)
{
	if (e->bad_name)
		dump_wrong(w, "side %u: its name is no text that ends", s);
	if (e->state > VMQ_STATE_POISONED)
		dump_wrong(w, "side %u: there is no state %" PRIu32, s, e->state);
	if (e->state != VMQ_STATE_NONE && !e->epoch)
		dump_wrong(w, "side %u: it has attached without an epoch", s);
	if (e->state == VMQ_STATE_POISONED && !e->poison)
		dump_wrong(w, "side %u: it is poisoned without a reason", s);
	if (e->poison && !strcmp(vmq_poison_text((int)e->poison), "unknown reason"))
		dump_wrong(w, "side %u: there is no reason %" PRIu32 " for poison", s, e->poison);
	if (e->prod % VMQ_REC_ALIGN || e->cons % VMQ_REC_ALIGN || e->start % VMQ_REC_ALIGN)
		dump_wrong(w, "side %u: an index is no multiple of %u", s, VMQ_REC_ALIGN);
	arm_wrongs(e, s, w);
}

/* ---- page words ------------------------------------------------------------------------------ */

static int page_word(struct dump_channel *d, uint32_t page, const uint32_t word[2],
	const struct dump_options *o)
{
	struct dump_page *p;
	void *list = d->pages;

	for (unsigned s = 0; s < 2; s++) {
		d->ops[s][VMQ_PAGEW_OP(word[s])]++;
		if (VMQ_PAGEW_OP(word[s]) > VMQ_PAGEW_RETURN)
			dump_wrong(&d->wrongs, "side %u: page %" PRIu32 ": word 0x%" PRIx32 " says nothing", s, page,
				word[s]);
	}
	if (!o->page_words || (!word[0] && !word[1]))
		return 0;
	p = watch_grow(&list, &d->page_count, &d->page_room, sizeof(*p));
	d->pages = list;
	if (!p)
		return VMQ_ENOMEM;
	*p = (struct dump_page){ page, { word[0], word[1] } };
	return 0;
}

static int read_pages(const struct watch_mem *m, struct dump_channel *d, const struct dump_options *o)
{
	uint32_t pages = d->ch.geo.pool_pages[0] + d->ch.geo.pool_pages[1], words[2][512];
	int rc = 0;

	for (uint32_t at = 0; !rc && at < pages; at += 512) {
		uint32_t n = pages - at < 512 ? pages - at : 512;

		for (unsigned s = 0; !rc && s < 2; s++)
			rc = watch_mem_read(m, d->ch.off + d->ch.geo.ctl_off[s] + VMQ_CTL_PAGE_WORDS + 4ull * at,
				words[s], n * sizeof(words[s][0]));
		for (uint32_t i = 0; !rc && i < n; i++)
			rc = page_word(d, at + i, (uint32_t[]){ vmq__le32(words[0][i]), vmq__le32(words[1][i]) }, o);
	}
	return rc;
}

/* ---- all of it --------------------------------------------------------------------------------- */

int dump_channel_read(const struct watch_mem *m, uint64_t off, uint64_t size, const struct dump_options *o,
	struct dump_channel *d)
{
	uint64_t there = off < m->size ? m->size - off : 0;
	int rc;

	memset(d, 0, sizeof(*d));
	size = size < there ? size : there;
	if (size < sizeof(d->header)) {
		dump_wrong(&d->wrongs, "%" PRIu64 " bytes are too few for a header", size);
		d->ch.code = VMQ_EPROTO;
		return 0;
	}
	rc = watch_mem_read(m, off, &d->header, sizeof(d->header));
	if (!rc)
		rc = watch_channel_read(m, off, size, &d->ch);
	if (rc == VMQ_EPROTO || rc == VMQ_EVERSION) {
		header_wrongs(&d->header, size, &d->wrongs);
		return 0;
	}
	for (unsigned s = 0; !rc && s < 2; s++)
		end_wrongs(&d->ch.end[s], s, &d->wrongs);
	for (unsigned s = 0; !rc && s < 2; s++)
		rc = dump_lane_read(m, d, s, o);
	if (!rc)
		rc = read_pages(m, d, o);
	if (rc == VMQ_EPROTO) { /* a file that became shorter meanwhile */
		dump_wrong(&d->wrongs, "it ends before its last part does");
		rc = 0;
	}
	return rc;
}

void dump_channel_free(struct dump_channel *d)
{
	for (unsigned s = 0; s < 2; s++)
		free(d->lane[s].records);
	free(d->pages);
	dump_wrongs_free(&d->wrongs);
	memset(d, 0, sizeof(*d));
}
