/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dir.h - the directory in an ivshmem region (vmq/ivshmem.h): to write it, to check it,
 * to claim a slot of it. Needs no more of a system than the core does, and memcmp().
 *
 * A struct vmq__dir is private memory: what vmq__dir_read() found good, frozen. All
 * offsets that the functions use come from it.
 */
#ifndef VMQ_IVSHMEM_DIR_H
#define VMQ_IVSHMEM_DIR_H

#include <stdbool.h>

#include <vmq/core.h>
#include <vmq/ivshmem.h>

struct vmq__dir {
	uint8_t *region;
	uint64_t size;
	uint32_t slots, beat_ms, dead_ms;
	uint64_t slots_off, cells_off, heap_off, arena_size;
	struct vmq_ivshmem_header header; /* as it was read, line 1 zeroed */
};

/* What a directory may look like; zeros: as follows from the region's size. */
struct vmq__dir_plan {
	uint32_t slots, beat_ms, dead_ms;
};

/* Who an endpoint is, in a slot's words: a private copy. */
struct vmq__dir_who {
	uint32_t doorbell, vectors, lane_size, pool_pages;
	uint8_t uuid[16];
	char name[VMQ_NAME_MAX + 1];
};

/* ---- the header ------------------------------------------------------------------- */

/* Slots for a region of that size where nobody says otherwise: 4 below 128 MiB, 8 below
 * 256 MiB, else 16. */
uint32_t vmq__dir_slots(uint64_t size);

/* Write a header (plan NULL: the default one); slots, cells and arenas are left alone: in
 * a fresh region they are zeros, which is right. The same bytes from two writers at once
 * do no harm. 0, or VMQ_EINVAL: the size is no power of two or too small for the plan. */
int vmq__dir_write(void *region, uint64_t size, const struct vmq__dir_plan *plan);

/* Zero slots and cells as well, for a region that has been used for something else. */
int vmq__dir_format(void *region, uint64_t size, const struct vmq__dir_plan *plan);

/* Check the header of a region of `size` mapped bytes, each number read once, and freeze
 * it. 0; VMQ_EINVAL (no size that a region has); VMQ_ENOENT (zeros, or a default header
 * that is just being written); VMQ_EVERSION; VMQ_EPROTO. */
int vmq__dir_read(void *region, uint64_t size, struct vmq__dir *dir);

/* Is the header still as it was frozen (without the server's line)? */
bool vmq__dir_intact(const struct vmq__dir *dir);

struct vmq_ivshmem_header *vmq__dir_header(const struct vmq__dir *dir);

/* ---- slots ------------------------------------------------------------------------- */

struct vmq_ivshmem_slot *vmq__dir_slot(const struct vmq__dir *dir, uint32_t index);

/* The life that is in a slot: its claim, if its line holds and the server has not declared
 * it gone; else 0. who (may be NULL) gets a checked copy: a name that is terminated and
 * valid, sizes in range. Says nothing of its heartbeat. */
uint32_t vmq__dir_life(const struct vmq__dir *dir, uint32_t index, struct vmq__dir_who *who);

/* Could `now` be a later number of a claim than `before`? Else somebody wrote there who
 * claims nothing. */
bool vmq__dir_follows(uint32_t before, uint32_t now);

/* Exchange a slot's claim for the one after `expected`. Returns the new claim, or 0 if
 * somebody else was quicker. */
uint32_t vmq__dir_claim(const struct vmq__dir *dir, uint32_t index, uint32_t expected);

/* Fill in the line of a claimed slot, and let it hold; change what rings it; leave it, if
 * it is still that life's. */
void vmq__dir_enter(const struct vmq__dir *dir, uint32_t index, uint32_t claim,
	const struct vmq__dir_who *who);
void vmq__dir_rewire(const struct vmq__dir *dir, uint32_t index, uint32_t doorbell, uint32_t vectors);
void vmq__dir_leave(const struct vmq__dir *dir, uint32_t index, uint32_t claim);

/* Is the slot still this life's, as it was entered? 0: yes; VMQ_EGONE: a later life has
 * claimed it; VMQ_EPEER: it was overwritten. */
int vmq__dir_mine(const struct vmq__dir *dir, uint32_t index, uint32_t claim,
	const struct vmq__dir_who *who);

/* Ring: publish, fence, store. What to ring beside the bell word is in *who of
 * vmq__dir_life(); silence: store 0, fence, look. True if it had rung. */
void vmq__dir_ring(const struct vmq__dir *dir, uint32_t index, unsigned kind);
bool vmq__dir_silence(const struct vmq__dir *dir, uint32_t index, unsigned kind);

/* ---- cells and arenas ----------------------------------------------------------------- */

struct vmq_ivshmem_cell *vmq__dir_cell(const struct vmq__dir *dir, uint32_t writer, uint32_t peer);

/* Which of two slots lays their channels out. */
uint32_t vmq__dir_layer(uint32_t a, uint32_t b);

/* A slot's arena in pages of the region; the share of it of each peer that the slot lays
 * out for; and how many pages one channel may take: half of that, for the peer's life that
 * is there and for the one before, or all where half is not enough for a channel. */
void vmq__dir_arena(const struct vmq__dir *dir, uint32_t index, uint32_t *first, uint32_t *count,
	uint32_t *each);
uint32_t vmq__dir_share(const struct vmq__dir *dir, uint32_t index);

#endif
