/* SPDX-License-Identifier: BSD-2-Clause */
/* stats.h - a snapshot, printed. */
#ifndef VMQ_TOOL_WATCH_STATS_H
#define VMQ_TOOL_WATCH_STATS_H

#include <stdio.h>

#include "watch.h"

/* Each returns 0 or TOOL_FAILED; a stream that failed is for whoever ends the command. */
int stats_json(const struct watch_snapshot *s, FILE *to);
int stats_prometheus(const struct watch_snapshot *s, FILE *to);

/* A VM's counters: those of exits by kind, in the order in which they are shown; then the
 * rest. */
enum { STATS_EXITS = 5 };
struct stats_exit {
	const char *kind;
	uint64_t count;
};
void stats_exits(const struct watch_vm *vm, struct stats_exit exits[STATS_EXITS]);

#endif
