/* SPDX-License-Identifier: BSD-2-Clause */
/* victim.h - endpoints in processes of their own, which go on whatever is done to the
 * region: each opens, talks to the others, and opens again when it has to. */
#ifndef TESTS_IVSHMEM_VICTIM_H
#define TESTS_IVSHMEM_VICTIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#define VICTIMS 3
#define VICTIM_CALL_S 20 /* no call may take longer: a signal ends the process */

enum victim_phase {
	VICTIM_START,  /* until all have talked to all */
	VICTIM_ATTACK,
	VICTIM_CALM,   /* open again, and talk as if nothing had been */
	VICTIM_END,
};

/* Shared by the test and its victims. */
struct victim_board {
	atomic_int phase;
	struct victim_state {
		char uri[200];
		pid_t pid;
		atomic_int lives;              /* endpoints that it has opened */
		atomic_int heard[VICTIMS];     /* messages in this phase, from each */
		atomic_int poisons, downs;     /* events since the attack began */
		atomic_int recvs;              /* poison, as said by vmq_recv() */
		const char *volatile call;     /* what it is in */
	} v[VICTIMS];
};

struct victim_board *victims_new(void);
void victims_free(struct victim_board *b);
void victim_start(struct victim_board *b, int index);

/* Wait for all to have heard all in this phase, and begin the next. False: some did not. */
bool victims_talk(struct victim_board *b, enum victim_phase next);
/* Let all end. False, with a message, if one crashed, hung or met an error it should not. */
bool victims_end(struct victim_board *b);

#endif
