/* SPDX-License-Identifier: BSD-2-Clause */
/* top.h - what the files of `vmq top` share. */
#ifndef VMQ_TOOL_WATCH_TOP_H
#define VMQ_TOOL_WATCH_TOP_H

#include <stdio.h>

#include "stats.h"
#include "watch.h"

/* ---- top_rate.c: what changed between two snapshots ------------------------------------ */

/* Each second; negative: not known yet. */
struct top_vm {
	const struct watch_vm *vm;
	double exits[STATS_EXITS], kicks, bypass, drains, pages;
	double beats; /* of a place in an ivshmem region */
};

struct top_lane {
	const struct watch_channel *ch;
	unsigned from;
	double messages, bytes, kicks;
};

struct top_rates {
	struct top_vm *vms;
	struct top_lane *lanes; /* poisoned ones first, then the busiest */
	size_t vm_count, lane_count;
	bool known;             /* there was a snapshot before */
	double messages, bytes; /* of all lanes */
};

/* In an order in which what is the same can be found: for the next two. */
void top_sort(struct watch_snapshot *s);
/* `before` may be NULL. The result points into `now`. 0 or VMQ_ENOMEM. */
int top_rate(const struct watch_snapshot *before, const struct watch_snapshot *now, struct top_rates *r);
void top_rate_free(struct top_rates *r);

/* ---- top_view.c: lines for a width ------------------------------------------------------ */

struct top_view {
	FILE *to;
	const char *path;
	unsigned width, height; /* height 0: as many lines as there are */
	bool screen;            /* each line clears what stood there */
	bool colour;
};

void top_show(const struct top_view *v, const struct watch_snapshot *s, const struct top_rates *r);

/* ---- term.c: the terminal ----------------------------------------------------------------- */

/* Take the screen and the keys, and give them back: as often as one likes. */
void term_enter(void);
void term_leave(void);

/* Signals that a terminal sends, as bytes to read from a descriptor: SIGWINCH, SIGTSTP,
 * SIGQUIT. Negative: none to be had. */
int term_signals(void);
/* The signal does what it would have done. The screen is given back meanwhile. */
void term_obey(int number);

void term_size(unsigned *columns, unsigned *rows);

#endif
