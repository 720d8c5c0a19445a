/* SPDX-License-Identifier: BSD-2-Clause */
/* dial.h - what an ivshmem server says to a client that comes. */
#ifndef VMQ_DOCTOR_DIAL_H
#define VMQ_DOCTOR_DIAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What one conversation brought. Zero-fill it, with fd -1. */
struct doctor_dial {
	int64_t version, id;
	bool has_version, has_id, closed;
	int region;            /* or -1 */
	unsigned vectors;      /* of this client */
	unsigned peers;        /* others that were there */
	int64_t last;          /* the peer whose eventfds are under way */
	pid_t pid;             /* who serves, or 0 */
	uid_t uid;
};

/* Listen on a socket until the server has told everything, or for `ms`. */
void doctor_dial(int sock, unsigned ms, struct doctor_dial *dial);

#endif
