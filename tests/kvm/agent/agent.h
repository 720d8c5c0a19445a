/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * agent.h - what a guest that is an endpoint and its host tell each other.
 *
 * A guest has a block of addresses of its own, so that the host can tell by an address
 * whose it is:
 *
 *	block + 0             its memory: struct agent_mail, the calls' bytes, the heap
 *	block + AGENT_VIEWS   its two views of the channel to itself
 *	block + AGENT_WINDOW  its window
 *
 * The host writes a call's arguments, goes one up in `asked` and interrupts the guest;
 * the guest does the call, sets `done` to the same number and writes the call's index to
 * AGENT_PORT. As many calls are under way at once as there are places for them.
 */
#ifndef AGENT_H
#define AGENT_H

#include <stdint.h>

#define AGENT_FIRST 0x20000000u /* of 11 blocks below the devices of a PC */
#define AGENT_BLOCK 0x08000000u
#define AGENT_BLOCKS 11u
#define AGENT_MEMORY 0x03000000u /* bytes */
#define AGENT_VIEWS 0x03000000u
#define AGENT_WINDOW 0x04000000u
#define AGENT_WINDOW_SIZE 0x04000000u

#define AGENT_DOORBELL 0x510u /* ports */
#define AGENT_PORT 0x520u
#define AGENT_VECTOR_DOORBELL 0x40u
#define AGENT_VECTOR_CALL 0x50u /* of a higher class: not held up by doorbells */
#define AGENT_VECTOR_TIMER 0x51u

#define AGENT_CALLS 4u
#define AGENT_ARGS 6
#define AGENT_BYTES 0x00240000u /* for what a call's pointers point to */

enum agent_op {
	AGENT_OPEN, /* address, flags, errmsg, errlen */
	AGENT_CLOSE,
	AGENT_COPY, /* to, from, bytes: by the guest's CPU */
	AGENT_POKE, /* write a byte to an address */
	AGENT_PEER, AGENT_PEER_INFO, AGENT_ID, AGENT_CAPS, AGENT_STATS, AGENT_EVENT, AGENT_FD,
	AGENT_SEND, AGENT_SENDV, AGENT_SEND_BATCH, AGENT_BROADCAST, AGENT_RESERVE, AGENT_COMMIT, AGENT_CANCEL,
	AGENT_FLUSH, AGENT_YIELD,
	AGENT_PAGE_ALLOC, AGENT_PAGE_SEND, AGENT_PAGE_FREE,
	AGENT_RECV, AGENT_RECV_BATCH, AGENT_PEEK, AGENT_RELEASE, AGENT_POLL,
	AGENT_OPS,
};

struct agent_call {
	uint32_t asked, done;
	uint32_t waiting; /* it sleeps, and everything that is to wake it is armed */
	uint32_t op;      /* enum agent_op */
	int64_t result;
	uint64_t arg[AGENT_ARGS]; /* without the endpoint; addresses are the guest's */
};

struct agent_mail {
	uint64_t tsc_scale; /* nanoseconds for each tick of the clock, times 2^32 */
	struct agent_call call[AGENT_CALLS];
};

/* From the block's start. */
#define AGENT_CALL_BYTES(index) (0x1000u + (index) * AGENT_BYTES)
#define AGENT_HEAP AGENT_CALL_BYTES(AGENT_CALLS)

#endif
