/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring.h - a member of a fabric that sends numbered messages to everybody there, without
 * end, and looks that what comes is complete and in order. The same in guests, in host
 * programs and in the test itself, which is the member called "judge": the others tell it
 * what they see, and do what it orders. All of that goes by messages.
 */
#ifndef E2E_RING_H
#define E2E_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmq/vmq.h>

#define RING_IDS 16u
#define RING_JUDGE "judge"

enum ring_kind {
	RING_DATA = 1, /* number, and bytes that follow from it */
	RING_BOOK,     /* to the judge, with a page: see struct ring_book */
	RING_TOLD,     /* to the judge: enum ring_tale, about a peer */
	RING_COUNTS,   /* to the judge: how much was sent and received */
	RING_QUIET,    /* by the judge: send no more data, and give your counts */
	RING_DIE,      /* by the judge: be killed while you go on sending */
	RING_END,      /* by the judge: leave in order */
};

enum ring_tale { RING_JOINED = 1, RING_LEFT, RING_POISONED, RING_GAP };

struct ring_message {
	uint32_t kind, stream; /* stream: new for each life of a channel */
	uint64_t number;
	uint32_t len;          /* bytes that follow */
	uint32_t tale, about;
	uint64_t sent[RING_IDS], received[RING_IDS]; /* RING_COUNTS */
};
/* A data message has no more of it than this. */
#define RING_HEAD offsetof(struct ring_message, tale)
#define RING_BYTES 512u

/* In a page that a member shares with the judge, who can read it when the member is dead:
 * so many messages had been sent to each peer, by its id, when vmq_send() came back. */
struct ring_book {
	uint64_t sent[RING_IDS];
};

struct ring_peer {
	char name[VMQ_NAME_MAX + 1];
	bool there;
	uint32_t out, in;           /* streams */
	uint64_t sent, received;
	uint64_t received_before;   /* of the life that ended last */
	struct ring_book book_before; /* the judge's: what that life had in its book */
	unsigned joins, leaves, poisons;
	unsigned ends;              /* vmq_recv() said so often that it had left */
	uint64_t left_ns;
	/* for the judge */
	struct vmq_page page;       /* its book */
	bool has_page, has_counts;
	struct ring_message counts;
	unsigned told_left[RING_IDS], told_joined[RING_IDS];
	uint64_t told_received[RING_IDS]; /* when it left: what was received before */
	uint64_t told_ns[RING_IDS];
};

struct ring {
	struct vmq *q;
	uint32_t id;
	char name[VMQ_NAME_MAX + 1];
	struct ring_peer peers[RING_IDS];
	bool quiet, counted, end, down;
	unsigned lost, back;            /* VMQ_EVENT_LOST, VMQ_EVENT_BACK */
	uint64_t lost_ns, back_ns;
	unsigned gaps, poisons;
	struct vmq_page book;           /* shared with the judge */
	bool has_book;
	uint32_t random;
};

/* Join at an address. Says what was wrong, and returns vmq_open()'s code. */
int ring_open(struct ring *r, const char *address);
void ring_close(struct ring *r);

/* A little of everything: news, messages out, messages in. Waits some ms at most. */
void ring_step(struct ring *r);

/* A member's whole life, until the judge ends it: an exit code. */
int ring_run(const char *address);

/* For the judge. */
struct ring_peer *ring_find(struct ring *r, const char *name); /* NULL: never seen */
bool ring_order(struct ring *r, const char *name, enum ring_kind order);

#endif
