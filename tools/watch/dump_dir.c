/* SPDX-License-Identifier: BSD-2-Clause */
/* dump_dir.c - an ivshmem region's directory, and the channels that are offered in it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/atomic.h"
#include "dir.h"
#include "dump.h"

static const char *slot_state(const struct vmq__dir *dir, uint32_t i, const struct dump_slot *s)
{
	if (vmq__dir_life(dir, i, &(struct vmq__dir_who){ 0 }))
		return "live";
	if (s->live && s->live == s->claim && s->live != s->gone)
		return "damaged";
	return !s->claim || s->gone == s->claim ? "free" : "claimed";
}

static void read_slot(const struct vmq__dir *dir, uint32_t i, struct dump_dir *d)
{
	const struct vmq_ivshmem_slot *at = vmq__dir_slot(dir, i);
	struct dump_slot *s = &d->slot[i];
	bool good = watch_text(s->name, at->name, sizeof(at->name));

	s->claim = vmq__le32(at->claim);
	s->live = vmq__le32(at->live);
	s->doorbell = vmq__le32(at->doorbell);
	s->vectors = vmq__le32(at->vectors);
	s->lane_size = vmq__le32(at->lane_size);
	s->pool_pages = vmq__le32(at->pool_pages);
	s->heartbeat = vmq__le32(at->heartbeat);
	s->gone = vmq__le32(at->gone);
	for (unsigned kind = 0; kind < 3; kind++)
		s->bell[kind] = vmq__le32(at->bell[kind]);
	memcpy(s->uuid, at->uuid, sizeof(s->uuid));
	s->state = slot_state(dir, i, s);
	if (!strcmp(s->state, "damaged"))
		dump_wrong(&d->wrongs, "place %" PRIu32 ": what stands there is no endpoint", i + 1);
	else if (!strcmp(s->state, "live") && !good)
		dump_wrong(&d->wrongs, "place %" PRIu32 ": its name is no text that ends", i + 1);
}

/* ---- offers ---------------------------------------------------------------------------------- */

static void offer_wrongs(const struct vmq__dir *dir, const struct dump_offer *f, struct dump_wrongs *w)
{
	uint32_t arena, pages, each;

	vmq__dir_arena(dir, f->from, &arena, &pages, &each);
	if (f->first < arena || f->count > pages || f->first - arena > pages - f->count)
		dump_wrong(w, "place %" PRIu32 " offers place %" PRIu32 " pages %" PRIu32 " and on, %" PRIu32
			" of them, which are not in its arena", f->from + 1, f->to + 1, f->first, f->count);
	if (vmq__dir_layer(f->from, f->to) != f->from)
		dump_wrong(w, "place %" PRIu32 " offers place %" PRIu32 " a channel, but is not the one to do so",
			f->from + 1, f->to + 1);
}

static int read_offer(const struct watch_mem *m, const struct vmq__dir *dir, uint32_t from, uint32_t to,
	const struct dump_options *o, struct dump_dir *d)
{
	const struct vmq_ivshmem_cell *cell = vmq__dir_cell(dir, from, to);
	uint32_t serial = vmq__le32(cell->serial);
	struct dump_offer *f;
	void *list = d->offers;
	uint64_t before = d->wrongs.count;

	if (!serial || from == to)
		return 0;
	f = watch_grow(&list, &d->offer_count, &d->offer_room, sizeof(*f));
	d->offers = list;
	if (!f)
		return VMQ_ENOMEM;
	f->from = from;
	f->to = to;
	f->serial = serial;
	f->claim = vmq__le32(cell->claim);
	f->peer_claim = vmq__le32(cell->peer_claim);
	f->first = vmq__le32(cell->offer.first);
	f->count = vmq__le32(cell->offer.count);
	offer_wrongs(dir, f, &d->wrongs);
	f->channel.ch.code = VMQ_EPROTO;
	if (d->wrongs.count != before)
		return 0;
	return dump_channel_read(m, (uint64_t)f->first << VMQ_PAGE_SHIFT, (uint64_t)f->count << VMQ_PAGE_SHIFT, o,
		&f->channel);
}

/* ---- all of it ---------------------------------------------------------------------------------- */

static void take_header(const struct vmq__dir *dir, const struct vmq_ivshmem_header *h, struct dump_dir *d)
{
	d->size = dir->size;
	d->slots = dir->slots;
	d->beat_ms = dir->beat_ms;
	d->dead_ms = dir->dead_ms;
	d->slots_off = dir->slots_off;
	d->cells_off = dir->cells_off;
	d->heap_off = dir->heap_off;
	d->arena_size = dir->arena_size;
	d->server_life = vmq__le32(h->server_life);
	d->next_id = vmq__le32(h->next_id);
}

static int read_all(const struct watch_mem *m, const struct dump_options *o, struct vmq__dir *dir,
	struct dump_dir *d)
{
	size_t slots = dir->slots * sizeof(struct vmq_ivshmem_slot);
	size_t cells = (size_t)dir->slots * dir->slots * sizeof(struct vmq_ivshmem_cell);
	int rc;

	dir->region = calloc(1, slots + cells);
	if (!dir->region)
		return VMQ_ENOMEM;
	rc = watch_mem_read(m, dir->slots_off, dir->region, slots);
	if (!rc)
		rc = watch_mem_read(m, dir->cells_off, dir->region + slots, cells);
	dir->slots_off = 0;
	dir->cells_off = slots;
	for (uint32_t i = 0; !rc && i < dir->slots; i++)
		read_slot(dir, i, d);
	for (uint32_t i = 0; !rc && i < dir->slots * dir->slots; i++)
		rc = read_offer(m, dir, i / dir->slots, i % dir->slots, o, d);
	free(dir->region);
	return rc;
}

int dump_dir_read(const struct watch_mem *m, const struct dump_options *o, struct dump_dir *d)
{
	_Alignas(struct vmq_ivshmem_header) uint8_t header[VMQ_IVSHMEM_HEADER];
	struct vmq__dir dir = { 0 };
	int rc = watch_mem_read(m, 0, header, sizeof(header));

	if (rc)
		return rc;
	rc = vmq__dir_read(header, m->size, &dir);
	if (rc) {
		dump_wrong(&d->wrongs, rc == VMQ_EVERSION ? "the directory is of another version, or needs features "
			"that are not known" : rc == VMQ_EINVAL ? "no ivshmem region has %" PRIu64 " bytes" :
			"the directory's header is damaged", m->size);
		return 0;
	}
	take_header(&dir, (const void *)header, d);
	return read_all(m, o, &dir, d);
}

void dump_dir_free(struct dump_dir *d)
{
	for (size_t i = 0; i < d->offer_count; i++)
		dump_channel_free(&d->offers[i].channel);
	free(d->offers);
	dump_wrongs_free(&d->wrongs);
	memset(d, 0, sizeof(*d));
}
