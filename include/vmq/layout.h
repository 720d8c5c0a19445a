/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layout.h - the wire format of a channel, byte by byte.
 *
 * A channel lives in one region that two endpoints map: a header that the VMM
 * wrote, one control area for each writer, two lanes, two page pools. All
 * numbers are little-endian and of fixed width, whatever the machine. Nothing
 * in a region is an address, so that it can be saved, restored, cloned, dumped
 * and watched.
 *
 * docs/wire-format.md is the same in tables, with golden vectors. These structs
 * describe offsets: go through the functions of core.h to read or write shared
 * memory, because a peer may change it between two reads.
 */
#ifndef VMQ_LAYOUT_H
#define VMQ_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define VMQ_STATIC_ASSERT static_assert
#else
#define VMQ_STATIC_ASSERT _Static_assert
#endif

/* A little-endian number in shared memory. */
typedef uint16_t vmq_le16;
typedef uint32_t vmq_le32;
typedef uint64_t vmq_le64;

/* The first eight bytes of a region: 89 'V' 'M' 'Q' 0d 0a 1a 0a. The odd ones
 * are there, as in PNG, to show a text-mode or 7-bit copy. */
#define VMQ_MAGIC_LO 0x514d5689u
#define VMQ_MAGIC_HI 0x0a1a0a0du

#define VMQ_LAYOUT_MAJOR 1u /* changes when an old reader would go wrong */
#define VMQ_LAYOUT_MINOR 0u /* a minor version only adds */

#define VMQ_LINE 128u          /* hot fields stand on lines of their own */
#define VMQ_HEADER_SIZE 4096u  /* the header's page */
#define VMQ_PAGE_SHIFT 12u     /* pages of the pools: 4,096 bytes */
#define VMQ_PAGE_SIZE 4096u
#define VMQ_LANE_MIN 4096u     /* a lane is a power of two of bytes, */
#define VMQ_LANE_MAX (1u << 30) /* from 4 KiB to 1 GiB */
#define VMQ_POOL_MAX (1u << 20) /* pages in both pools together */
#define VMQ_NAME_MAX 43u       /* bytes of a VM's name, without the NUL */

/* Feature bits, in the header's and the HELLO's 64-bit words. */
#define VMQ_FEAT_PAGES (1ull << 0)  /* the region has page pools */
#define VMQ_FEAT_KNOWN VMQ_FEAT_PAGES

/* Entries of the header's offset table. Side 0 and side 1 are the two ends of
 * a channel; CTL0 and LANE0 are written by side 0 only. */
enum vmq_part {
	VMQ_PART_CTL0,
	VMQ_PART_CTL1,
	VMQ_PART_LANE0,
	VMQ_PART_LANE1,
	VMQ_PART_POOL0,
	VMQ_PART_POOL1,
	VMQ_PART_COUNT,
};

struct vmq_layout_extent {
	vmq_le64 off;  /* bytes from the region's start */
	vmq_le64 size; /* bytes */
};

/* Who stands at a side, in the VMM's words (64 bytes). */
struct vmq_layout_ident {
	vmq_le32 id;
	uint8_t uuid[16];
	char name[VMQ_NAME_MAX + 1]; /* NUL-terminated UTF-8 */
};

/* Page 0 of a region. Only the VMM writes it. */
struct vmq_layout_header {
	vmq_le32 magic[2];
	vmq_le16 major, minor;
	vmq_le32 header_size;       /* VMQ_HEADER_SIZE */
	vmq_le64 features_offered;
	vmq_le64 features_required; /* an unknown bit here: do not attach */
	vmq_le64 region_size;       /* bytes */
	vmq_le32 page_shift;        /* VMQ_PAGE_SHIFT */
	vmq_le32 parts;             /* entries of the table that are used */
	struct vmq_layout_extent part[8];
	uint8_t reserved0[16];
	struct vmq_layout_ident ident[2];
	uint8_t reserved1[64];
	/* line 3: liveness as the VMM sees it; 0 = there, else why it is gone: the number
	 * of VMQ_EACCES without its sign if the pair was refused, any other if it left */
	vmq_le32 gone[2];
	uint8_t reserved2[VMQ_HEADER_SIZE - 392];
};

/* States of an endpoint's end of a channel (vmq_layout_ctl.state). */
enum vmq_state {
	VMQ_STATE_NONE,        /* nobody has attached yet */
	VMQ_STATE_SYNC,        /* attached; the peer has not been seen */
	VMQ_STATE_ACK,         /* the peer's epoch was seen and echoed */
	VMQ_STATE_ESTABLISHED, /* both ends have seen each other */
	VMQ_STATE_CLOSED,      /* left in good order */
	VMQ_STATE_POISONED,    /* the peer broke the protocol: see poison */
};

/* The control area of one writer: only its owner writes it. */
struct vmq_layout_ctl {
	/* line 0: handshake */
	vmq_le32 state;      /* enum vmq_state */
	vmq_le32 epoch;      /* of this end; never 0 once attached */
	vmq_le32 peer_epoch; /* the epoch of the other end that this one saw */
	vmq_le32 start;      /* where this session starts in the own lane */
	vmq_le32 max_msg;    /* largest message this end takes, bytes */
	vmq_le32 poison;     /* enum vmq_poison: what the other end did */
	vmq_le32 heartbeat;  /* goes up whenever this end looks or sleeps */
	uint8_t pad0[100];
	/* line 1: up to where the own lane is published */
	vmq_le32 prod;
	uint8_t pad1[124];
	/* line 2: up to where the peer's lane is consumed */
	vmq_le32 cons;
	uint8_t pad2[124];
	/* line 3: wake me when the peer's lane passes this index */
	vmq_le32 arm;
	uint8_t pad3[124];
	/* line 4: wake me when the own lane is consumed up to this index */
	vmq_le32 space_arm;
	uint8_t pad4[124];
	/* line 5: for tools that watch; written seldom, never read back */
	vmq_le64 sent, sent_bytes, received, received_bytes, kicks;
	uint8_t pad5[88];
	/* line 6: goes up when one of the page words below changes */
	vmq_le32 page_seq;
	uint8_t pad6[252];
};
/* Then one word for each page of both pools (VMQ_PAGEW_*), to the area's end. */
#define VMQ_CTL_PAGE_WORDS 1024u

/* Arm words: an index, which is a multiple of 8, and a state in its low bits. */
#define VMQ_ARM_AWAKE 0u  /* looks by itself: no doorbell wanted */
#define VMQ_ARM_DROWSY 1u /* still looks, will soon arm */
#define VMQ_ARM_ARMED 2u  /* sleeps: ring when the index is passed */
#define VMQ_ARM_MASK 7u

/* Which doorbell: a message is there, or room (or a page) is there again. */
#define VMQ_KICK_DATA (1u << 0)
#define VMQ_KICK_SPACE (1u << 1)

/* A record: this header, then its bytes, then bytes up to the span's end.
 * Records start on multiples of 8 and never wrap. The word is stored last and
 * is 0 until the record may be read. */
struct vmq_layout_record {
	vmq_le32 word; /* VMQ_REC_* below */
	vmq_le32 len;  /* bytes that follow the header */
};
#define VMQ_REC_HEADER 8u
#define VMQ_REC_ALIGN 8u
#define VMQ_REC_SPAN(w) (((w) & 0xffffu) * 8u) /* whole record, bytes */
#define VMQ_REC_KIND(w) (((w) >> 16) & 0xfu)
#define VMQ_REC_FLAGS(w) (((w) >> 20) & 0xfu)
#define VMQ_REC_TAG(w) ((w) >> 24) /* low byte of the two epochs' sum */
#define VMQ_REC_WORD(span, kind, flags, tag) \
	((uint32_t)(span) / 8u | (uint32_t)(kind) << 16 | (uint32_t)(flags) << 20 | (uint32_t)(tag) << 24)
#define VMQ_SPAN_MAX (0xffffu * 8u)

enum vmq_kind {
	VMQ_KIND_PAD = 1,   /* skip to the lane's end */
	VMQ_KIND_HELLO = 2, /* struct vmq_layout_hello; first of a session */
	VMQ_KIND_MSG = 3,   /* a whole message */
	VMQ_KIND_FRAG = 4,  /* struct vmq_layout_frag, then a part of a message */
	VMQ_KIND_PAGE = 5,  /* struct vmq_layout_page, then inline bytes */
};

struct vmq_layout_frag {
	vmq_le32 total;  /* bytes of the whole message */
	vmq_le32 offset; /* where this part stands in it */
};

/* How a page is handed over. */
enum vmq_page_mode {
	VMQ_PAGE_MOVE = 1,  /* the receiver owns it now */
	VMQ_PAGE_LEND = 2,  /* the receiver reads it and returns it */
	VMQ_PAGE_SHARE = 3, /* both may write until the receiver returns it */
};

struct vmq_layout_page {
	vmq_le32 first;  /* page number in both pools, pool 0 first */
	vmq_le32 count;  /* pages */
	vmq_le32 mode;   /* enum vmq_page_mode */
	vmq_le32 gen;    /* generation of this hand-over */
	vmq_le32 len;    /* bytes in use, from the first page's start */
	vmq_le32 reserved;
};

struct vmq_layout_hello {
	vmq_le32 size; /* bytes of this struct; a later version only adds */
	vmq_le16 major, minor;
	vmq_le64 features;
	vmq_le32 max_msg;
	struct vmq_layout_ident ident;
	char software[28]; /* NUL-terminated: "libvmq 0.1.0" */
};

/* Page words: what the writer of a control area says of a page. */
#define VMQ_PAGEW(gen, op) ((uint32_t)(gen) << 3 | (uint32_t)(op))
#define VMQ_PAGEW_GEN(w) ((w) >> 3) /* 29 bits, wraps */
#define VMQ_PAGEW_OP(w) ((w) & 7u)
#define VMQ_PAGEW_RETURN 4u /* op, beside enum vmq_page_mode: given back */

#define VMQ_OFFSET_IS(type, field, off) \
	VMQ_STATIC_ASSERT(offsetof(struct type, field) == (off), #type "." #field)

VMQ_OFFSET_IS(vmq_layout_header, magic, 0);
VMQ_OFFSET_IS(vmq_layout_header, major, 8);
VMQ_OFFSET_IS(vmq_layout_header, minor, 10);
VMQ_OFFSET_IS(vmq_layout_header, header_size, 12);
VMQ_OFFSET_IS(vmq_layout_header, features_offered, 16);
VMQ_OFFSET_IS(vmq_layout_header, features_required, 24);
VMQ_OFFSET_IS(vmq_layout_header, region_size, 32);
VMQ_OFFSET_IS(vmq_layout_header, page_shift, 40);
VMQ_OFFSET_IS(vmq_layout_header, parts, 44);
VMQ_OFFSET_IS(vmq_layout_header, part, 48);
VMQ_OFFSET_IS(vmq_layout_header, ident, 192);
VMQ_OFFSET_IS(vmq_layout_header, gone, 384);
VMQ_STATIC_ASSERT(sizeof(struct vmq_layout_header) == VMQ_HEADER_SIZE, "header size");
VMQ_STATIC_ASSERT(sizeof(struct vmq_layout_extent) == 16, "extent size");
VMQ_STATIC_ASSERT(sizeof(struct vmq_layout_ident) == 64, "ident size");
VMQ_OFFSET_IS(vmq_layout_ctl, state, 0);
VMQ_OFFSET_IS(vmq_layout_ctl, epoch, 4);
VMQ_OFFSET_IS(vmq_layout_ctl, peer_epoch, 8);
VMQ_OFFSET_IS(vmq_layout_ctl, start, 12);
VMQ_OFFSET_IS(vmq_layout_ctl, max_msg, 16);
VMQ_OFFSET_IS(vmq_layout_ctl, poison, 20);
VMQ_OFFSET_IS(vmq_layout_ctl, heartbeat, 24);
VMQ_OFFSET_IS(vmq_layout_ctl, prod, 128);
VMQ_OFFSET_IS(vmq_layout_ctl, cons, 256);
VMQ_OFFSET_IS(vmq_layout_ctl, arm, 384);
VMQ_OFFSET_IS(vmq_layout_ctl, space_arm, 512);
VMQ_OFFSET_IS(vmq_layout_ctl, sent, 640);
VMQ_OFFSET_IS(vmq_layout_ctl, sent_bytes, 648);
VMQ_OFFSET_IS(vmq_layout_ctl, received, 656);
VMQ_OFFSET_IS(vmq_layout_ctl, received_bytes, 664);
VMQ_OFFSET_IS(vmq_layout_ctl, kicks, 672);
VMQ_OFFSET_IS(vmq_layout_ctl, page_seq, 768);
VMQ_STATIC_ASSERT(sizeof(struct vmq_layout_ctl) == VMQ_CTL_PAGE_WORDS, "control size");
VMQ_STATIC_ASSERT(sizeof(struct vmq_layout_record) == VMQ_REC_HEADER, "record size");
VMQ_STATIC_ASSERT(sizeof(struct vmq_layout_frag) == 8, "fragment size");
VMQ_STATIC_ASSERT(sizeof(struct vmq_layout_page) == 24, "page descriptor size");
VMQ_OFFSET_IS(vmq_layout_hello, features, 8);
VMQ_OFFSET_IS(vmq_layout_hello, max_msg, 16);
VMQ_OFFSET_IS(vmq_layout_hello, ident, 20);
VMQ_OFFSET_IS(vmq_layout_hello, software, 84);
VMQ_STATIC_ASSERT(sizeof(struct vmq_layout_hello) == 112, "hello size");

#ifdef __cplusplus
}
#endif
#endif
