/* SPDX-License-Identifier: BSD-2-Clause */
/* liar.h - an endpoint, and a peer of the test's own making in the same region, which
 * follows the directory's rules as far as it likes. */
#ifndef TESTS_IVSHMEM_LIAR_H
#define TESTS_IVSHMEM_LIAR_H

#include <criterion/criterion.h>

#include "core/atomic.h"
#include "pair.h"

/* Of slot 0's peers, the one that lays their channels out, and one that it lays out for. */
#define LAYER 2u
#define TAKER 3u

struct liar {
	struct pair p;
	struct vmq *q;         /* the endpoint that is lied to, in slot 0 */
	struct heard h;        /* what it has told */
	uint32_t claim;        /* of the liar */
	uint32_t arena, pages; /* of slot LAYER */
};
extern struct liar liar;

void liar_start(void);
void liar_stop(void);

/* A new life in a slot. */
struct vmq__dir_who liar_who(const char *name);
void liar_enter(uint32_t slot, const struct vmq__dir_who *who);
void liar_leave(uint32_t slot);
/* The liar's heart beats, and the endpoint looks, for so long or until `until` says so. */
bool liar_lives(uint32_t slot, unsigned ms, bool (*until)(void));

/* Lay out a channel as it should be, or whatever is there, and offer it to the endpoint. */
uint32_t liar_lay_out(uint32_t first);
void liar_offer(uint32_t first, uint32_t count);
/* What the endpoint holds of LAYER's arena. */
const struct vmq_ivshmem_extent *liar_held(unsigned i);
bool liar_holds_something(void);
bool liar_holds_nothing(void);

/* After all that, the endpoint and an honest peer are as they should be. */
void liar_all_is_well(void);

#endif
