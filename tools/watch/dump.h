/* SPDX-License-Identifier: BSD-2-Clause */
/* dump.h - a region decoded: every byte of it may be anything. */
#ifndef VMQ_TOOL_WATCH_DUMP_H
#define VMQ_TOOL_WATCH_DUMP_H

#include <vmq/ivshmem.h>

#include "watch.h"

#define DUMP_KINDS 16
#define DUMP_OPS 8
#define DUMP_PREVIEW 16
#define DUMP_WRONGS 64 /* of one part; the rest is counted */

struct dump_options {
	uint64_t records;  /* of each lane, at most */
	bool page_words;
};

/* What is wrong with it. */
struct dump_wrongs {
	char *text[DUMP_WRONGS];
	uint64_t count;    /* also of those without a text */
};

void dump_wrong(struct dump_wrongs *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Only the first `count` remain. */
void dump_wrongs_cut(struct dump_wrongs *w, uint64_t count);
void dump_wrongs_free(struct dump_wrongs *w);

struct dump_record {
	uint32_t index, off, span, len, kind, flags, tag;
	bool old;          /* of another session */
	uint8_t head[sizeof(struct vmq_layout_hello)]; /* bytes behind the header */
	uint32_t head_len;
};

struct dump_lane {
	uint32_t from;     /* index of the first record in flight */
	uint32_t depth;
	bool depth_known;
	bool changed;      /* while it was read: what is missing was taken, or is of a new session */
	uint64_t kinds[DUMP_KINDS], old, total;
	struct dump_record *records;
	size_t count, room;
};

struct dump_page {
	uint32_t page, word[2];
};

struct dump_channel {
	struct vmq_layout_header header; /* numbers as they stand there: little-endian */
	struct watch_channel ch;         /* ch.code: 0, or nothing below holds */
	struct dump_lane lane[2];
	uint64_t ops[2][DUMP_OPS];       /* page words by what they say */
	struct dump_page *pages;         /* those that say something */
	size_t page_count, page_room;
	struct dump_wrongs wrongs;
};

/* dump_read.c: one channel. The caller frees it, also after an error: 0, VMQ_ENOMEM or
 * VMQ_ESYS; that it is damaged is none, and stands in ->wrongs. */
int dump_channel_read(const struct watch_mem *m, uint64_t off, uint64_t size, const struct dump_options *o,
	struct dump_channel *d);
void dump_channel_free(struct dump_channel *d);

/* dump_records.c: what is in flight from side `from`. */
int dump_lane_read(const struct watch_mem *m, struct dump_channel *d, unsigned from,
	const struct dump_options *o);

/* dump_dir.c: an ivshmem region's directory. */
struct dump_slot {
	uint32_t claim, live, doorbell, vectors, lane_size, pool_pages, heartbeat, bell[3], gone;
	uint8_t uuid[16];
	char name[VMQ_NAME_MAX + 1];
	const char *state; /* "free", "claimed", "live", "damaged" */
};

struct dump_offer {
	uint32_t from, to; /* slots */
	uint32_t serial, claim, peer_claim, first, count;
	struct dump_channel channel;
};

struct dump_dir {
	uint64_t size, slots_off, cells_off, heap_off, arena_size;
	uint32_t slots, beat_ms, dead_ms, server_life, next_id;
	struct dump_slot slot[VMQ_IVSHMEM_SLOTS_MAX];
	struct dump_offer *offers;
	size_t offer_count, offer_room;
	struct dump_wrongs wrongs;
};

/* As dump_channel_read(). */
int dump_dir_read(const struct watch_mem *m, const struct dump_options *o, struct dump_dir *d);
void dump_dir_free(struct dump_dir *d);

/* dump_text.c, dump_json.c: for people, for programs. */
void dump_channel_text(const struct dump_channel *d, const struct dump_options *o);
void dump_dir_text(const struct dump_dir *d, const struct dump_options *o);
int dump_channel_json(const struct dump_channel *d, const struct dump_options *o);
int dump_dir_json(const struct dump_dir *d, const struct dump_options *o);

/* A list's room for one more of `size` bytes, zeroed. NULL: no memory. */
void *watch_grow(void **list, size_t *count, size_t *room, size_t size);

#endif
