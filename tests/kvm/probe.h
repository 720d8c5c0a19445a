/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.h - what the host asks of a probe guest, and how that answers.
 *
 * A probe obeys the messages of its peer "host" that are commands, one at a time, and
 * answers each with a reply. All other messages, from whoever, it takes, checks and
 * counts; pages that come along it takes and keeps.
 */
#ifndef TESTS_KVM_PROBE_H
#define TESTS_KVM_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#define PROBE_MAGIC 0x65626f72u /* first word of commands and replies */
#define PROBE_PEERS 12u         /* that a probe can have */
#define PROBE_PAGES 32u         /* of a channel, both pools: as vms.c has it */
#define PROBE_FOREVER 0u        /* for PROBE_WRITE */

enum probe_op {
	PROBE_INFO = 1, /* nothing */
	PROBE_STATE,    /* of the channel with `peer`: rc its state, value its poison */
	PROBE_SEND,     /* n messages of len bytes to `peer`, as `when` says; a natural exit
	                 * after every `batch` of them (0: none) */
	PROBE_COUNT,    /* says BEGUN, then waits for n messages from `peer` more than the
	                 * last time; asleep, or with `when` 1 by looking only */
	PROBE_BEGUN,
	PROBE_EXIT,     /* a natural exit */
	PROBE_PEEK,     /* value: the 8 bytes at `offset` of the window */
	PROBE_POKE,     /* write `value` there */
	PROBE_SUM,      /* value: of the n 8-byte words from `offset` on */
	PROBE_ALLOC,    /* a page for `peer`, filled with `value`; offset: where */
	PROBE_GIVE,     /* hand over to `peer` what was allocated (n 0) or received (n 1), in
	                 * mode `when`. rc: of the VMM; value: what reads there afterwards */
	PROBE_TAKEN,    /* waits for one page more from `peer`. offset: where; value: its
	                 * first word; rc: of the VMM; n: its mode */
	PROBE_FREE,     /* ... what was allocated (n 0) or received (n 1). rc: of the VMM */
	PROBE_CLAIM,    /* say `value` of page n of the channel with `peer`, as only the VMM
	                 * and the peer may believe or not. rc: of the VMM */
	PROBE_SCRIBBLE, /* `value` over n bytes from `offset` on, 8 bytes every `len` */
	PROBE_WRITE,    /* word[i] to doorbell + reg[i], n times each, or for ever; `batch` of
	                 * the four are used */
	PROBE_ATTACH,   /* attach to the channel with `peer` once more */
	PROBE_HANG,     /* halt for ever: these three have no reply */
	PROBE_SPIN,
	PROBE_TRIPLE,   /* a triple fault */
};

struct probe_command {
	uint32_t magic, op;
	char peer[16];
	uint32_t n, len, when, batch;
	uint64_t offset, value;
	uint32_t reg[4], word[4];
};

/* The counts are of what happened since the command came. COUNT: since BEGUN, but
 * interrupts since it last fell asleep without a message. */
struct probe_reply {
	uint32_t magic, op;
	int32_t rc;
	uint32_t n;
	uint64_t offset, value;
	uint32_t kicks, exits;      /* doorbells; commands to the VMM */
	uint32_t interrupts;
	uint32_t got, bad;          /* messages from `peer` ever; of them, not as they should be */
	uint32_t first;             /* COUNT: found by the first look that found some */
};

/* Message number n to a peer. */
static inline void probe_fill(uint32_t *to, uint32_t len, uint32_t n)
{
	for (uint32_t i = 0; i < len / 4; i++)
		to[i] = n * 16777619u + i;
}

static inline bool probe_matches(const uint32_t *from, uint32_t len, uint32_t n)
{
	for (uint32_t i = 0; i < len / 4; i++)
		if (from[i] != n * 16777619u + i)
			return false;
	return true;
}

#endif
