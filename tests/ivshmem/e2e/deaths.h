/* SPDX-License-Identifier: BSD-2-Clause */
/* deaths.h - one member dies, and the others are asked what they saw of it. */
#ifndef E2E_DEATHS_H
#define E2E_DEATHS_H

#include "world.h"

/* What a busy machine adds to a deadline. */
#define SLACK_MS 4000

/* What was known of the victim before. */
struct death {
	struct ring *judge;
	const char *name;
	const char *const *others; /* who see it too */
	uint32_t id;
	unsigned leaves, ends, joins, told_left[RING_IDS], told_joined[RING_IDS];
	uint64_t when;
};

void death_before(struct death *d, struct ring *judge, const char *name, const char *const *others);
/* It died at `when`: all are told in time, and have received whatever was committed to
 * them. Prints how long it took. */
bool death_seen(struct death *d, uint64_t when, int deadline_ms);
/* It is there again, with the same id, and all have met it. */
bool death_mended(struct death *d);

#endif
