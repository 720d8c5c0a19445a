/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * station.h - peers on other machines.
 *
 * A lab is a host (machine 0) and guests, which run the same program, at the same
 * addresses. Each machine has a station: a process that runs peers of others there, and
 * carries what peers say. Guests' stations reach the host's through a serial line, and
 * each other through the host's.
 *
 * A test connects to its own machine's station, by a socket of whole packets, once for
 * each peer: it sends a struct station_order, then both sides exchange steps of 8 bytes;
 * the last packet is the peer's wait status, an int. When the test closes the connection
 * or ends, the peer is killed.
 */
#ifndef STATION_H
#define STATION_H

#include <poll.h>

#include "conformance.h"

#define STATION_HOST 0u
#define STATION_MACHINES 3u
#define STATION_CHANS 24u
#define STATION_FDS (STATION_CHANS + STATION_MACHINES + 1)

/* Thread ids that name their machine as well. */
#define STATION_TID_BITS 24

/* Addresses of the program: a body, and NUL-terminated texts or 0. */
struct station_order {
	uint32_t machine;
	uint32_t body, name, arg;
};

/* What crosses a serial line. */
struct station_frame {
	uint8_t mark, kind;
	uint8_t to;     /* machine */
	uint8_t side;   /* of the connection: 0 who asked for the peer, 1 the peer */
	uint32_t chan;  /* the asking machine << 24 | a number */
	union {
		struct station_order order;
		uint64_t step;
		int status;
		uint64_t sum;
	};
};

struct station_chan {
	uint32_t id;      /* 0: free, or not asked for yet */
	int fd;           /* -1: free */
	pid_t pid;        /* of the peer */
	uint8_t side, to; /* own side; the machine at the other end */
};

struct station_link {
	int fd; /* -1: none */
	size_t have;
	union {
		struct station_frame frame;
		uint8_t bytes[sizeof(struct station_frame)];
	};
};

struct station {
	uint32_t machine;
	int listener;
	uint32_t last;  /* number of the last channel */
	uint64_t sum;   /* of the program */
	bool broken;    /* a line ended, or carries something else */
	bool here[STATION_MACHINES]; /* has said that it is up */
	struct station_link link[STATION_MACHINES];
	struct station_chan chan[STATION_CHANS];
};

/* The station of a machine, for tests that connect at path. */
bool station_open(struct station *s, uint32_t machine, const char *path);
/* Reach a machine through a descriptor, which the station gets. */
void station_link(struct station *s, uint32_t machine, int fd);
/* Tell the host's station that this one is up. */
void station_hello(struct station *s);
/* What to poll, STATION_FDS of them, and to be called with the result. */
void station_watch(const struct station *s, struct pollfd fds[STATION_FDS]);
void station_serve(struct station *s, const struct pollfd fds[STATION_FDS]);

/* A guest's station, at its second serial line, until the power goes. The arguments are
 * for the suite, if it is run there. */
int station_guest(uint32_t machine, int argc, char **argv);

#endif
