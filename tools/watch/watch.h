/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch.h - what `vmq top`, `vmq stats` and `vmq dump` see: VMs, and channels with both
 * their ends. Nothing is ever written, and nothing that stands in shared memory is
 * believed: each number is copied out once, and the copy is checked.
 */
#ifndef VMQ_TOOL_WATCH_H
#define VMQ_TOOL_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmq/core.h>
#include <vmq/vmm.h>

/* ---- mem.c: where regions are read ------------------------------------------------- */

/* A descriptor to read from. Mapped where nobody can make it shorter under the mapping
 * (a sealed memfd), or where it cannot be read otherwise (a PCI device's memory). */
struct watch_mem {
	int fd;
	uint64_t size;
	const uint8_t *map;
};

/* Take over fd, in any case. 0 or VMQ_ESYS (errno), VMQ_EPROTO (nothing to read from). */
int watch_mem_open(struct watch_mem *m, int fd);
void watch_mem_close(struct watch_mem *m);
/* Copy out, each aligned word of 8 bytes at once. 0, VMQ_EPROTO (not there), VMQ_ESYS. */
int watch_mem_read(const struct watch_mem *m, uint64_t off, void *to, size_t len);

/* ---- text.c: what may be shown to people, and what words mean ----------------------- */

/* A copy that is valid UTF-8 without control characters, and ends: what is not becomes
 * '?'. False if there was something. `from` has `size` bytes. */
bool watch_text(char *to, const char *from, size_t size);

const char *watch_state(uint32_t state);
const char *watch_arm(uint32_t word);
const char *watch_kind(uint32_t kind);
const char *watch_page_op(uint32_t op);
/* 16 bytes as they are printed. */
struct watch_uuid {
	char text[37];
};
struct watch_uuid watch_uuid(const uint8_t uuid[16]);

/* ---- channel.c ------------------------------------------------------------------------ */

/* One end: what its control area says. */
struct watch_end {
	struct vmq_ident ident;
	bool bad_name; /* it had to be mended to be shown */
	uint32_t gone; /* not 0: as its VMM says */
	uint32_t state, epoch, peer_epoch, start, max_msg, poison, heartbeat;
	uint32_t prod, cons, arm, space_arm, page_seq;
	uint64_t sent, sent_bytes, received, received_bytes, kicks;
};

struct watch_channel {
	uint64_t key;   /* the same channel in the next snapshot */
	uint64_t off;   /* of its region, in the file */
	uint32_t vouched[2]; /* ids of its VMs, as the hub or the directory says; 0: none */
	int code;       /* 0; else it cannot be read, and only key and off hold */
	struct vmq_geometry geo;
	struct watch_end end[2];
};

/* Read the channel whose region begins at off, and has at most `size` bytes. Fills
 * ch->code, too, and returns it. */
int watch_channel_read(const struct watch_mem *m, uint64_t off, uint64_t size, struct watch_channel *ch);

/* Only its ends, once more. 0, or as watch_mem_read(). */
int watch_ends_read(const struct watch_mem *m, struct watch_channel *ch);

/* Messages and bytes that side `from` sent in this session, as far as one of both ends
 * has said so. */
uint64_t watch_messages(const struct watch_channel *ch, unsigned from);
uint64_t watch_bytes(const struct watch_channel *ch, unsigned from);
/* Bytes that stand in its lane. False: the indices make no sense, or there is no session. */
bool watch_depth(const struct watch_channel *ch, unsigned from, uint32_t *depth);

/* ---- snapshot.c ------------------------------------------------------------------------- */

enum watch_kind { WATCH_HUB, WATCH_CHANNEL, WATCH_IVSHMEM };

struct watch_vm {
	char name[VMQ_NAME_MAX + 1];
	uint32_t id;
	bool there;
	bool counted;     /* `stats` holds */
	struct vmq_vmm_stats stats;
	uint32_t life, heartbeat; /* of a slot */
};

struct watch_snapshot {
	enum watch_kind kind;
	uint64_t at;      /* ns */
	struct watch_vm *vms;
	struct watch_channel *channels;
	size_t vm_count, channel_count, vm_room, channel_room;
};

/* One more, zeroed; NULL: no memory. */
struct watch_vm *watch_add_vm(struct watch_snapshot *s);
struct watch_channel *watch_add_channel(struct watch_snapshot *s);
/* A VM's name and id are those that the hub or the directory knows it by; what stands in
 * the channel's header is for channels whose VM has left. */
void watch_name_ends(struct watch_snapshot *s);
void watch_free(struct watch_snapshot *s);
/* Sum of the endpoints that are there. */
size_t watch_there(const struct watch_snapshot *s);

/* ---- sources: file.c, hub.c, ivshmem.c ----------------------------------------------------- */

/* Where snapshots come from. */
struct watch_source {
	const char *path;
	char *own; /* the path, if it is a part of what was given */
	bool hub;
	struct watch_mem mem; /* if it is no hub */
	char why[300];        /* what went wrong, for people */
};

/* WHAT: a hub's socket (`sim:unix=PATH` or PATH), or a file. 0 or an error; `why` is set. */
int watch_open(struct watch_source *src, const char *what);
void watch_close(struct watch_source *src);
/* Look once. The caller frees the snapshot, also after an error. */
int watch_look(struct watch_source *src, struct watch_snapshot *s);
/* Fill in src->why, unless it is; returns code. */
int watch_why(struct watch_source *src, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

int watch_hub_look(struct watch_source *src, struct watch_snapshot *s);
int watch_hub_probe(struct watch_source *src);
/* VMQ_ENOENT: it is no directory. */
int watch_ivshmem_look(const struct watch_mem *m, struct watch_snapshot *s);
/* Is it a region of whole pages that begins with a directory's magic? */
bool watch_ivshmem_is(const struct watch_mem *m);

#endif
