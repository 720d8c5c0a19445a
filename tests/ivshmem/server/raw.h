/* SPDX-License-Identifier: BSD-2-Clause */
/* raw.h - a client that speaks the protocol of ivshmem and looks at each message. */
#ifndef TESTS_IVSHMEM_RAW_H
#define TESTS_IVSHMEM_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_VECTORS 64
#define RAW_PEERS 16

struct raw_peer {
	int64_t id;
	unsigned vectors;
	int fd[RAW_VECTORS];
};

struct raw {
	int sock, region;
	int64_t id;
	uint8_t *map;
	size_t size;
	struct raw_peer own;
	struct raw_peer peers[RAW_PEERS]; /* those whose vectors is 0 are free */
};

/* A connected socket, or -1. */
int raw_socket(const char *path);

/* One message: 1; 0: the server hung up; -1: none came in time. *fd: -1 if there is none. */
int raw_recv(int sock, int64_t *value, int *fd, int timeout_ms);

/* Join, and check the order of all messages on the way. `vectors`: how many it must give. */
bool raw_join(struct raw *r, const char *path, unsigned vectors);
void raw_leave(struct raw *r);

/* The next message: a join of somebody (all of its vectors), or a leave. Its id, or -1. */
int64_t raw_joined(struct raw *r, unsigned vectors);
int64_t raw_left(struct raw *r);
/* Has the server hung up? What is said before is passed over. */
bool raw_cut_off(int sock);
/* Nothing has been said to it. */
bool raw_quiet(int sock);

bool rung(int fd, int timeout_ms);

#endif
