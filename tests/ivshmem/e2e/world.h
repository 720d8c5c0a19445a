/* SPDX-License-Identifier: BSD-2-Clause */
/* world.h - what a test needs of the world: a server, guests, programs of the host. All of
 * them die with the test, and write into files in its folder. */
#ifndef E2E_WORLD_H
#define E2E_WORLD_H

#include <stdbool.h>
#include <sys/types.h>

#include "ring.h"
#include "support.h"

#define WORLD_PROCESSES 16

struct world {
	char dir[64], sock[96], region[96];
	struct process {
		char name[32], log[128];
		unsigned lives;
		pid_t pid; /* 0: none */
		int status;
	} processes[WORLD_PROCESSES];
};

void world_make(struct world *w);
/* End what still runs; if the test failed, show what was said. */
void world_end(struct world *w, bool failed);

/* Our server, with more options, NULL at the end; or one that knows the protocol and
 * nothing else. Back when clients may come. */
bool world_server(struct world *w, const char *option, ...);
bool world_stock_server(struct world *w);

enum world_driver { WORLD_VFIO, WORLD_SYSFS };

/* A guest that runs this command, NULL at the end. */
void world_guest(struct world *w, const char *name, enum world_driver driver, const char *word, ...);
/* The same program, on the host. */
void world_program(struct world *w, const char *name, const char *word, ...);

/* SIGKILL; returns the time at which that was done. */
uint64_t world_kill(struct world *w, const char *name);
/* Wait for the end of a process. True: it ended with 0; of a guest, what it ran did. */
bool world_ended(struct world *w, const char *name, int ms);
/* Wait until it says that. */
bool world_says(struct world *w, const char *name, const char *text, int ms);
bool world_runs(struct world *w, const char *name);

/* ---- the judge ---------------------------------------------------------------------------- */

/* Step until the condition holds. False: time is up; says which condition. */
#define JUDGE_UNTIL(r, ms, condition) \
	({ \
		uint64_t until_ = now_ns() + VMQ_MS(ms); \
		bool holds_; \
		while (!(holds_ = (condition)) && now_ns() < until_) \
			ring_step(r); \
		if (!holds_) \
			fprintf(stderr, "%s:%d: not in time: %s\n", __FILE__, __LINE__, #condition); \
		holds_; \
	})

/* All of these are there, and messages of theirs have come, with books. */
bool judge_sees(struct ring *r, const char *const *names);
/* All of them are quiet, and each has received what the others sent; then they leave. */
bool judge_settles(struct ring *r, const char *const *names);

#endif
