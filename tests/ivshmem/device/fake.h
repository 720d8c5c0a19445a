/* SPDX-License-Identifier: BSD-2-Clause */
/* fake.h - an ivshmem server that says what a test wants, and devices that listen to it. */
#ifndef TESTS_IVSHMEM_FAKE_H
#define TESTS_IVSHMEM_FAKE_H

#include <pthread.h>
#include <stdbool.h>

#include "device.h"
#include "support.h"

#define FAKE_PEERS 8
#define FAKE_VECTORS 64
#define FAKE_SIZE (1u << 20)

struct fake_peer {
	int sock;
	uint32_t id;
	int ev[FAKE_VECTORS];
};

struct fake {
	char dir[64], path[96];
	int listener, region;
	unsigned vectors, count;
	uint32_t next_id;
	struct fake_peer peer[FAKE_PEERS];
	/* What it says to a newcomer, p; NULL: what it should. */
	void (*say)(struct fake *f, struct fake_peer *p);
	int fds;            /* of the process, when the test began */
};

/* A server with a region of FAKE_SIZE bytes and 3 vectors. */
void fake_start(struct fake *f);
/* It dies; its socket's name stays. Its eventfds live on with those who have them. */
void fake_kill(struct fake *f);
/* It comes back. region: a new one. */
void fake_restart(struct fake *f, bool region);
/* Dies, and nothing of it or of devices that listened to it is left: asserts that. */
void fake_end(struct fake *f);

/* Accept who waits, within PATIENCE, and greet it. */
struct fake_peer *fake_accept(struct fake *f);
/* What a stock server says, and its parts. */
void fake_greet(struct fake *f, struct fake_peer *p);
void fake_say(int sock, int64_t value, int fd);
/* len bytes, with n descriptors (n times the same). */
void fake_say_raw(int sock, const void *bytes, size_t len, int fd, unsigned n);
/* Version, id and region; the vectors to p itself. */
void fake_say_hello(struct fake *f, struct fake_peer *p);
void fake_say_own(struct fake *f, struct fake_peer *p);
/* A peer that is only in the server's mind: id's n vectors, all the same eventfd. */
void fake_say_peer(struct fake_peer *to, uint32_t id, unsigned n, int ev);

/* One side of the fabric: a device, and the bells that it was opened with. */
struct side {
	struct vmq__ivdev *d;
	int bell[VMQ_FDS];
	char text[256];     /* why it could not be opened */
};

/* Open the device at an address; in two steps: the bells, then the device. */
int side_open(struct side *s, const char *address);
void side_bells(struct side *s);
int side_try(struct side *s, const char *address);
/* Open it at the fake server, which greets it meanwhile. */
int side_join(struct side *s, struct fake *f);
void side_close(struct side *s);

/* service(), and the fake's part, until all these bits were said; the bits that were. */
unsigned side_serve(struct side *s, struct fake *f, unsigned bits);
/* service() until it finds nothing to do; the bits that were said. */
unsigned side_settle(struct side *s);

bool readable(int fd);
bool readable_soon(int fd);
/* Does fd[kind] wake, and is silent when drained? Nothing else must be rung. */
void assert_rung(struct side *s, unsigned kind);

#endif
