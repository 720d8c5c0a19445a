/* SPDX-License-Identifier: BSD-2-Clause */
/* vmq_cat.h - what the files of `vmq cat` share. */
#ifndef VMQ_TOOL_CAT_H
#define VMQ_TOOL_CAT_H

#include <pthread.h>
#include <stdatomic.h>

#include "common.h"

#define CAT_CHUNK 65536u

/* How the sending thread ended, beside exit codes. */
#define CAT_SENDING (-1) /* not yet */
#define CAT_WAITED (-2)  /* it was told to, and had nothing to send */

struct cat {
	struct vmq *q;
	const char *address, *name;
	int64_t timeout;
	bool until_gone;          /* the peer ends by leaving, not by an empty message */
	uint32_t peer, epoch;
	int over_fd;              /* readable when the sending thread is to end */
	pthread_t sender;
	size_t out_most;          /* what one write() takes without waiting */
	bool out_ended;           /* the peer's end was there */
	bool more;                /* and something behind it */
	bool others, down;        /* strangers' messages were; the fabric has gone */
	_Atomic int in_code;      /* of the sending thread: CAT_*, or an exit code */
	_Atomic uint64_t moved, last; /* bytes; when something last moved */
};

/* Something went, or came. */
void cat_moved(struct cat *c, size_t bytes);

/* vmq_cat_in.c: standard input to the peer, as a thread. */
void *cat_sender(void *cat);

/* vmq_cat_out.c: the peer to standard output, until both directions have ended, or the exit
 * code. TOOL_GONE: nothing was said yet. */
int cat_receive(struct cat *c);

#endif
