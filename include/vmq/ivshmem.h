/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ivshmem.h - the directory at the start of an ivshmem region, byte by byte.
 *
 * The region of QEMU's inter-VM shared memory device is mapped whole by everybody.
 * libvmq's endpoints find each other in it by a directory: a header, a slot for each
 * endpoint, a cell for each ordered pair of slots; behind it an arena for each slot,
 * in which the slot's owner lays out channels (layout.h). Numbers are little-endian.
 *
 *	0           struct vmq_ivshmem_header
 *	slots_off   struct vmq_ivshmem_slot[slots]
 *	cells_off   struct vmq_ivshmem_cell[slots][slots]   [writer][peer]
 *	heap_off    arenas, arena_size bytes for each slot
 *
 * Nothing here is out of anybody's reach: whoever has the device can write all of it.
 * A reader freezes the header when it opens, reads each other number once, and checks
 * it; docs/transports/ivshmem.md says what is left to fear.
 *
 * Words have one writer each, but for `claim` (compare and exchange), `bell` (peers store
 * 1, the owner 0) and `gone` (the owner when it leaves, else the server).
 * docs/ivshmem-directory.md has the rules.
 */
#ifndef VMQ_IVSHMEM_H
#define VMQ_IVSHMEM_H

#include <vmq/layout.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 89 'V' 'M' 'D' 0d 0a 1a 0a */
#define VMQ_IVSHMEM_MAGIC_LO 0x444d5689u
#define VMQ_IVSHMEM_MAGIC_HI 0x0a1a0a0du
#define VMQ_IVSHMEM_MAJOR 1u
#define VMQ_IVSHMEM_MINOR 0u

#define VMQ_IVSHMEM_HEADER 4096u
#define VMQ_IVSHMEM_REGION_MIN (256u << 10) /* bytes; a power of two, as all regions */
#define VMQ_IVSHMEM_SLOTS_MIN 2u
#define VMQ_IVSHMEM_SLOTS_MAX 256u
#define VMQ_IVSHMEM_NOBODY UINT32_MAX       /* no doorbell id */

/* A life of a slot is a number; the next one is the sum of it and this, which skips 0. So
 * a number that somebody wrote there by chance is none of the next lives'. */
#define VMQ_IVSHMEM_CLAIM_STEP 0x9e3779b1u

/* How often an endpoint shows that it is alive, and after how long without it is dead,
 * in milliseconds, where a server does not say otherwise. */
#define VMQ_IVSHMEM_BEAT_MS 100u
#define VMQ_IVSHMEM_DEAD_MS 2000u

/* Page 0. Written once, but for line 1, by the server or, where there is none that knows
 * of it, by the first endpoints: it follows from the region's size, so that it is the
 * same whoever writes it. The magic's first word is stored last. */
struct vmq_ivshmem_header {
	vmq_le32 magic[2];
	vmq_le16 major, minor;
	vmq_le32 header_size;       /* VMQ_IVSHMEM_HEADER */
	vmq_le64 features_offered;  /* 0 */
	vmq_le64 features_required; /* an unknown bit here: stay away */
	vmq_le64 region_size;       /* bytes */
	vmq_le32 slots;
	vmq_le32 slot_size, cell_size; /* bytes */
	vmq_le32 beat_ms, dead_ms;
	uint8_t pad0[4];
	vmq_le64 slots_off, cells_off, heap_off, arena_size; /* bytes; whole pages */
	uint8_t reserved0[32];
	/* line 1: the server's */
	vmq_le32 server_life;       /* goes up each time that a server takes the region */
	vmq_le32 next_id;           /* doorbell id that it gives out next */
	uint8_t reserved1[VMQ_IVSHMEM_HEADER - 136];
};

/* An endpoint's place. Its index + 1 is the endpoint's id on the fabric. */
struct vmq_ivshmem_slot {
	/* line 0: who is here */
	vmq_le32 claim;      /* number of the slot's life; 0: never used. A claimer
	                      * exchanges it for the next one */
	vmq_le32 live;       /* the claim, while the rest of this line holds for it */
	vmq_le32 doorbell;   /* id at ivshmem doorbells, or VMQ_IVSHMEM_NOBODY */
	vmq_le32 vectors;    /* how many of them wake this end: kind k rings vector k,
	                      * if k is below; else its bell word is polled */
	vmq_le32 lane_size;  /* bytes of the lanes that it wants to receive on */
	vmq_le32 pool_pages; /* pages that it wants to bring into each channel */
	uint8_t uuid[16];
	char name[VMQ_NAME_MAX + 1]; /* NUL-terminated UTF-8 */
	uint8_t reserved0[44];
	/* line 1: goes up each beat_ms */
	vmq_le32 heartbeat;
	uint8_t reserved1[124];
	/* line 2: somebody rang; by enum vmq_fd: data, space, news */
	vmq_le32 bell[3];
	uint8_t reserved2[116];
	/* line 3: the claim whose owner has left, or is gone as the server knows: the slot
	 * is free. While it is another, a claim that is not live is one under way */
	vmq_le32 gone;
	uint8_t reserved3[124];
};

/* A run of whole pages of the region; count 0: none. */
struct vmq_ivshmem_extent {
	vmq_le32 first, count;
};

#define VMQ_IVSHMEM_HOLDS 4u

/* What slot i says of its channel with slot j. Of each pair one end lays the channels
 * out, in its arena: the lower slot if the sum of both is odd, else the higher. */
struct vmq_ivshmem_cell {
	/* offer, by the end that lays out: 0 or a number that is new each time; last to
	 * be written, first to be withdrawn */
	vmq_le32 serial;
	vmq_le32 claim, peer_claim; /* for which lives of the two slots it is */
	struct vmq_ivshmem_extent offer;
	/* by the other end: the serial of the offer that it took up and dropped last */
	vmq_le32 dropped;
	uint8_t reserved0[40];
	/* what this end still uses of the other's arena, offered or not */
	struct vmq_ivshmem_extent hold[VMQ_IVSHMEM_HOLDS];
	uint8_t reserved1[32];
};

VMQ_STATIC_ASSERT(sizeof(struct vmq_ivshmem_header) == VMQ_IVSHMEM_HEADER, "directory header size");
VMQ_OFFSET_IS(vmq_ivshmem_header, magic, 0);
VMQ_OFFSET_IS(vmq_ivshmem_header, major, 8);
VMQ_OFFSET_IS(vmq_ivshmem_header, header_size, 12);
VMQ_OFFSET_IS(vmq_ivshmem_header, features_offered, 16);
VMQ_OFFSET_IS(vmq_ivshmem_header, features_required, 24);
VMQ_OFFSET_IS(vmq_ivshmem_header, region_size, 32);
VMQ_OFFSET_IS(vmq_ivshmem_header, slots, 40);
VMQ_OFFSET_IS(vmq_ivshmem_header, slot_size, 44);
VMQ_OFFSET_IS(vmq_ivshmem_header, cell_size, 48);
VMQ_OFFSET_IS(vmq_ivshmem_header, beat_ms, 52);
VMQ_OFFSET_IS(vmq_ivshmem_header, dead_ms, 56);
VMQ_OFFSET_IS(vmq_ivshmem_header, slots_off, 64);
VMQ_OFFSET_IS(vmq_ivshmem_header, cells_off, 72);
VMQ_OFFSET_IS(vmq_ivshmem_header, heap_off, 80);
VMQ_OFFSET_IS(vmq_ivshmem_header, arena_size, 88);
VMQ_OFFSET_IS(vmq_ivshmem_header, server_life, 128);
VMQ_OFFSET_IS(vmq_ivshmem_header, next_id, 132);
VMQ_STATIC_ASSERT(sizeof(struct vmq_ivshmem_slot) == 512, "slot size");
VMQ_OFFSET_IS(vmq_ivshmem_slot, claim, 0);
VMQ_OFFSET_IS(vmq_ivshmem_slot, live, 4);
VMQ_OFFSET_IS(vmq_ivshmem_slot, doorbell, 8);
VMQ_OFFSET_IS(vmq_ivshmem_slot, vectors, 12);
VMQ_OFFSET_IS(vmq_ivshmem_slot, lane_size, 16);
VMQ_OFFSET_IS(vmq_ivshmem_slot, pool_pages, 20);
VMQ_OFFSET_IS(vmq_ivshmem_slot, uuid, 24);
VMQ_OFFSET_IS(vmq_ivshmem_slot, name, 40);
VMQ_OFFSET_IS(vmq_ivshmem_slot, heartbeat, 128);
VMQ_OFFSET_IS(vmq_ivshmem_slot, bell, 256);
VMQ_OFFSET_IS(vmq_ivshmem_slot, gone, 384);
VMQ_STATIC_ASSERT(sizeof(struct vmq_ivshmem_cell) == 128, "cell size");
VMQ_OFFSET_IS(vmq_ivshmem_cell, serial, 0);
VMQ_OFFSET_IS(vmq_ivshmem_cell, claim, 4);
VMQ_OFFSET_IS(vmq_ivshmem_cell, peer_claim, 8);
VMQ_OFFSET_IS(vmq_ivshmem_cell, offer, 12);
VMQ_OFFSET_IS(vmq_ivshmem_cell, dropped, 20);
VMQ_OFFSET_IS(vmq_ivshmem_cell, hold, 64);

#ifdef __cplusplus
}
#endif
#endif
