/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * core.h - the freestanding queue core (libvmq-core.a).
 *
 * For a kernel, a firmware, a unikernel or a VMM that wants the queues and
 * nothing else. The core is given memory and runs: no libc beyond memcpy and
 * memset, no allocation, no threads, no file descriptors, no clock. It never
 * rings a doorbell itself; it says when one is due.
 *
 * Shared memory is hostile. The core freezes a region's geometry at attach,
 * never reads its own indices back, copies each header before it looks at it,
 * and poisons the channel when the peer breaks a rule. Poison stays until the
 * channel is attached again.
 *
 * Structs are visible so that they can stand in static memory. Their fields are
 * the core's: initialise them with the functions here, and do not touch them.
 *
 * Threads: of one channel, one thread may use the tx functions while another
 * uses the rx functions. Everything else wants both quiet.
 */
#ifndef VMQ_CORE_H
#define VMQ_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmq/errors.h>
#include <vmq/layout.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- regions ------------------------------------------------------------ */

/* A region's geometry, frozen: what vmq_layout_plan() computed or
 * vmq_layout_read() checked. Offsets and sizes are bytes. */
struct vmq_geometry {
	uint64_t region_size;
	uint64_t features;
	uint64_t ctl_off[2], ctl_size;
	uint64_t lane_off[2], pool_off[2];
	uint32_t lane_size[2];
	uint32_t pool_pages[2];
};

/* Who stands at one side of a region; becomes struct vmq_layout_ident. */
struct vmq_ident {
	uint32_t id;
	uint8_t uuid[16];
	char name[VMQ_NAME_MAX + 1];
};

/*
 * Lay out a region in which side 0 and side 1 get lanes of lane_size[] bytes
 * (powers of two, VMQ_LANE_MIN to VMQ_LANE_MAX) and pools of pool_pages[] pages
 * (together at most VMQ_POOL_MAX). Fills geo; geo->region_size is what to
 * allocate, and a multiple of VMQ_PAGE_SIZE.
 * Returns 0 or VMQ_EINVAL.
 */
int vmq_layout_plan(const uint32_t lane_size[2], const uint32_t pool_pages[2],
	struct vmq_geometry *geo);

/*
 * Write the header of a zeroed region of geo->region_size bytes, with the
 * identities of both sides. The region is ready for vmq_chan_attach().
 */
void vmq_layout_write(void *region, const struct vmq_geometry *geo,
	const struct vmq_ident ident[2]);

/*
 * Check the header of a region of `size` mapped bytes, each number of it read
 * once, and freeze it in geo. The region may hold anything.
 * Returns 0; VMQ_EPROTO (no region, truncated, or inconsistent); VMQ_EVERSION
 * (another major version, or a required feature that this core lacks).
 */
int vmq_layout_read(const void *region, uint64_t size, struct vmq_geometry *geo);

/* Copy the identity of one side (0 or 1) out of a header; the name is cut to fit and
 * always terminated. */
void vmq_layout_ident_read(const void *region, unsigned side, struct vmq_ident *ident);

/* The VMM's word on a side: 0 while it is there, else why it is gone: -VMQ_EACCES if the
 * pair was refused, any other number if it left. Only the VMM calls the setter. */
uint32_t vmq_layout_gone(const void *region, unsigned side);
void vmq_layout_set_gone(void *region, unsigned side, uint32_t reason);

/* ---- the sending half of a channel -------------------------------------- */

/* When the peer is to look at what was sent. */
enum vmq_when {
	VMQ_WHEN_AUTO, /* ring if it sleeps */
	VMQ_WHEN_NOW,  /* ring always */
	VMQ_WHEN_LAZY, /* never ring: it looks, or the VMM drains */
};

struct vmq_chan;

struct vmq_tx {
	uint8_t *lane;
	struct vmq_layout_ctl *mine;
	const struct vmq_layout_ctl *theirs;
	uint32_t size, mask;  /* bytes of the lane, frozen */
	uint32_t own, cons;   /* produce index; last consume index that was seen */
	uint32_t unkicked;    /* no doorbell was considered from here on */
	uint32_t pend_off, pend_word; /* first record that is not published */
	uint32_t inline_max;  /* largest payload of one record */
	uint8_t tag;
	bool heard;           /* the peer's consume index is of this session */
	bool strict;          /* fence for each message; see vmq_chan_attach() */
	uint32_t poison;      /* enum vmq_poison */
	uint64_t sent, sent_bytes, suppressed;
};

/*
 * Room for one record of len bytes (at most tx->inline_max). Returns where to
 * write them, or NULL if the lane is full, len is too large or the channel is
 * poisoned. Nothing is taken until vmq_tx_commit(); a second reserve before it
 * gives the same place.
 */
void *vmq_tx_reserve(struct vmq_tx *tx, uint32_t len);

/*
 * Close the record that vmq_tx_reserve() gave room for: its kind (enum
 * vmq_kind), its flags (0 to 15) and its bytes (at most what was reserved). The
 * peer sees it after vmq_tx_publish(). `last` says that a publish follows at
 * once, so that the record is padded to a cache line of its own; pass false
 * inside a batch.
 */
void vmq_tx_commit(struct vmq_tx *tx, unsigned kind, unsigned flags, uint32_t len, bool last);

/* Publish all committed records at once. Nothing to publish: does nothing. */
void vmq_tx_publish(struct vmq_tx *tx);

/* After a publish: must the peer's doorbell be rung? */
bool vmq_tx_kick_due(struct vmq_tx *tx, enum vmq_when when);

/* Reserve, copy, commit and publish one record. Returns 0; VMQ_EAGAIN (full),
 * VMQ_EMSGSIZE, VMQ_EPEER (poisoned). Ask vmq_tx_kick_due() afterwards. */
int vmq_tx_put(struct vmq_tx *tx, unsigned kind, const void *data, uint32_t len);

/* Bytes of payload that n more records could have between them, at least. */
uint32_t vmq_tx_room(struct vmq_tx *tx, uint32_t n);

/*
 * Going to sleep until `need` bytes (as given to vmq_tx_reserve()) fit: asks the
 * peer to ring when they do. Returns true if the caller may sleep, false if
 * there is room (or poison) already. Publish first: what is not published never
 * leaves the lane. Call vmq_tx_space_wake() after the sleep.
 */
bool vmq_tx_space_arm(struct vmq_tx *tx, uint32_t need);
void vmq_tx_space_wake(struct vmq_tx *tx);

/* Going to sleep until the peer returns pages: look for them once more after this,
 * then sleep, then vmq_tx_space_wake(). */
void vmq_tx_page_arm(struct vmq_tx *tx);

/* ---- the receiving half -------------------------------------------------- */

struct vmq_rx {
	const uint8_t *lane;
	struct vmq_layout_ctl *mine;
	const struct vmq_layout_ctl *theirs;
	uint32_t size, mask;
	uint32_t own, published; /* consume index; what the peer was told of it */
	uint32_t span, len;      /* of the record that is being looked at */
	uint32_t max_msg;
	uint8_t tag;
	bool live;               /* has read in an earlier session */
	bool space_kicked;       /* the peer's wish for space was answered */
	uint32_t space_word;     /* which wish that was */
	uint32_t poison, beats;
	uint64_t received, received_bytes, stale;
};

/* A record as the receiver's private copy of its header describes it. */
struct vmq_record {
	const void *data; /* in the lane: the peer may still change the bytes */
	uint32_t len;
	uint8_t kind, flags;
};

/* What vmq_rx_next() and vmq_rx_arm() may say. */
#define VMQ_RX_DATA 1u /* a record is there: do not sleep */
#define VMQ_RX_KICK 2u /* ring the peer's doorbell: it waits for this space */

/*
 * Look at the next record without taking it. Returns 1 and fills rec; 0 if the
 * lane is empty; VMQ_EPEER if the channel is (or just got) poisoned. Skips
 * padding and records of an old epoch, a bounded number of them.
 */
int vmq_rx_peek(struct vmq_rx *rx, struct vmq_record *rec);

/* The lane is empty and an answer is awaited: a hint to fetch more of the next record
 * than its header. Wrong for a stream, where it disturbs the sender. */
void vmq_rx_prefetch(const struct vmq_rx *rx);

/* Take the record that vmq_rx_peek() showed. Returns VMQ_RX_KICK or 0. */
unsigned vmq_rx_next(struct vmq_rx *rx);

/* Tell the peer about all space that is free. For a receiver that found its
 * lane empty. Returns VMQ_RX_KICK or 0. */
unsigned vmq_rx_release(struct vmq_rx *rx);

/* Going to sleep, in two steps: DROWSY, look again for some microseconds, then
 * ARMED. Without the microseconds, or `strict`, a wake-up may be lost: the sender's
 * look at the word is not fenced (docs/memory-order.md). vmq_rx_arm() returns
 * VMQ_RX_* bits: sleep only without VMQ_RX_DATA. vmq_rx_wake() when awake again. */
void vmq_rx_drowse(struct vmq_rx *rx);
unsigned vmq_rx_arm(struct vmq_rx *rx);
void vmq_rx_wake(struct vmq_rx *rx);

/* After vmq_pages_free() returned something: does the peer sleep for it? */
bool vmq_rx_page_kick_due(struct vmq_rx *rx);

/* ---- pages --------------------------------------------------------------- */

/* One entry for each page of both pools, in private memory. */
struct vmq_page_entry {
	uint32_t gen;
	uint8_t state;
	uint8_t dropped; /* freed by its owner while it was lent */
	uint16_t reserved;
};

/* A run of pages and the generation that makes a handle to it go stale. */
struct vmq_pages {
	uint32_t first, count, gen;
};

struct vmq_page_table {
	struct vmq_page_entry *entry;
	uint32_t pages;           /* in both pools */
	uint32_t home, home_end;  /* the run that is this end's pool */
	vmq_le32 *mine;           /* own page words, never read back */
	const vmq_le32 *theirs;
	struct vmq_layout_ctl *ctl;
	const struct vmq_layout_ctl *peer_ctl;
	uint32_t seq, peer_seq;   /* own; the peer's when it was last looked at */
	uint32_t hint;            /* where the next search starts */
};

/* A free run of `count` pages of the own pool. Returns 0, VMQ_EINVAL (count 0 or
 * larger than the pool) or VMQ_ENOMEM (no such run; pages may still return). */
int vmq_pages_alloc(struct vmq_page_table *t, uint32_t count, struct vmq_pages *run);

/*
 * Hand a run that this end owns to the peer; run->gen is updated to the
 * hand-over's generation, which goes into the record's descriptor. After MOVE
 * the run is not this end's any more. Returns 0, VMQ_EINVAL or VMQ_ESTALE.
 */
int vmq_pages_give(struct vmq_page_table *t, struct vmq_pages *run, enum vmq_page_mode mode);

/* Undo vmq_pages_give() for a record that could not be sent. */
void vmq_pages_ungive(struct vmq_page_table *t, struct vmq_pages *run);

/* Check a descriptor (already copied out of the lane) and take the run. Returns
 * 0 and fills run and mode, or a reason to poison the channel (enum vmq_poison). */
unsigned vmq_pages_take(struct vmq_page_table *t, const struct vmq_layout_page *desc,
	struct vmq_pages *run, enum vmq_page_mode *mode);

/*
 * Give up a run: an own one goes back to its pool (at once, or when the peer
 * returns it), a received one back to the peer. Sets *returned if the peer got
 * something back (it may wait for it: ring). Returns 0 or VMQ_ESTALE (double free, not
 * received, moved away, of an old generation, no run).
 */
int vmq_pages_free(struct vmq_page_table *t, const struct vmq_pages *run, bool *returned);

/* Take note of what the peer returned. Returns the number of pages that came
 * back. Words of the peer that make no sense are ignored. */
uint32_t vmq_pages_collect(struct vmq_page_table *t);

/* The peer is dead: lent and shared pages are this end's again, moved ones are
 * lost. Returns how many came back. */
uint32_t vmq_pages_reclaim(struct vmq_page_table *t);

/* Is this run this end's to read (owned, borrowed or shared)? */
bool vmq_pages_held(const struct vmq_page_table *t, const struct vmq_pages *run);

/* ---- channels ------------------------------------------------------------ */

struct vmq_chan {
	struct vmq_tx tx;
	struct vmq_rx rx;
	struct vmq_page_table pages;
	const void *region;
	unsigned side;
	uint32_t state;           /* enum vmq_state */
	uint32_t epoch, peer_epoch;
	uint32_t max_msg, peer_max_msg;
	struct vmq_ident self, peer; /* peer: from its HELLO, once established */
	uint64_t peer_features;
};

/* Where parts are of a region that is not mapped in one piece, as when each end gives
 * the other only what it writes itself. NULL: at its offset in the region. */
struct vmq_parts {
	void *ctl[2], *lane[2]; /* by side */
};

/* Attach parameters. Zero-fill it, then set what is needed. */
struct vmq_chan_config {
	unsigned side;       /* 0 or 1 */
	uint32_t epoch;      /* non-zero and not used at this side before */
	uint32_t start;      /* first index of a fresh own lane, multiple of 64 */
	uint32_t max_msg;    /* largest message this end takes, bytes */
	bool strict;         /* full fence for each message: exact wake-ups
	                      * without timers, at a factor of four in rate */
	struct vmq_ident self;           /* goes into the HELLO */
	struct vmq_page_entry *entries;  /* one for each page of both pools, or
	                                  * NULL to leave pages alone */
	struct vmq_parts parts;
};

/*
 * Attach to a region whose header was read into geo. Both may be forgotten
 * afterwards but for the region itself, which stays in use. Starts (or restarts)
 * the handshake. Ring the peer's doorbell afterwards, always.
 * Returns 0 or VMQ_EINVAL.
 */
int vmq_chan_attach(struct vmq_chan *ch, void *region, const struct vmq_geometry *geo,
	const struct vmq_chan_config *config);

/*
 * Go on with the handshake as far as the peer allows; call it when the doorbell
 * rang. Returns 1 if something changed (ring the peer, look at ch->state), 0 if
 * not, VMQ_EPEER if the peer broke a rule (see vmq_chan_poison()).
 * Once ch->state is VMQ_STATE_ESTABLISHED, ch->peer says who is there.
 */
int vmq_chan_progress(struct vmq_chan *ch);

/* Say good-bye: the peer still gets what was sent, then sees CLOSED. */
void vmq_chan_close(struct vmq_chan *ch);

/* Has the peer closed or poisoned its end, or does the VMM say that it is gone? */
bool vmq_chan_peer_gone(const struct vmq_chan *ch);

/* Poison the channel (the first reason stays), or ask for the reason. */
void vmq_chan_set_poison(struct vmq_chan *ch, enum vmq_poison reason);
enum vmq_poison vmq_chan_poison(const struct vmq_chan *ch);

/* Refresh the counters that tools watch (`kicks`: doorbells rung so far) and, by
 * the receiving half, the heartbeat. */
void vmq_tx_beat(struct vmq_tx *tx, uint64_t kicks);
void vmq_rx_beat(struct vmq_rx *rx);

/* ---- for the VMM ---------------------------------------------------------- */

/* Does side `from`'s lane hold something that the other side sleeps through
 * (VMQ_KICK_DATA), and is there room that it sleeps for (VMQ_KICK_SPACE)? The words
 * are peers' and are trusted for this question only: the answer is a kick. */
unsigned vmq_layout_kick_due(const void *region, const struct vmq_geometry *geo, unsigned from);
/* vmq_layout_kick_due() for two control areas, of the lane's writer and of its reader. */
unsigned vmq_ctl_kick_due(const struct vmq_layout_ctl *writer, const struct vmq_layout_ctl *reader);

#ifdef __cplusplus
}
#endif
#endif
