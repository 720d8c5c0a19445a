/* SPDX-License-Identifier: BSD-2-Clause */
/* server.h - what the files of a host program's device share: its talk with an ivshmem
 * server. The server is this user's or root's; it may lie or die all the same. */
#ifndef VMQ_IVSHMEM_SERVER_H
#define VMQ_IVSHMEM_SERVER_H

#include <pthread.h>
#include <sys/un.h>

#include "ivdev.h"

/* ---- server_wire.c: messages of 8 bytes, with at most one descriptor ---------------- */

struct vmq__iv_msg {
	int64_t value;
	int fd;   /* -1: none came, or there was no room for it in this process: */
	bool cut;
};

/* A message that has come in part. Zeroed, but for its fd: -1. */
struct vmq__iv_wire {
	struct vmq__iv_msg msg;
	unsigned have;
	uint8_t bytes[8];
};

/* The next message, never waiting. 0: it is there, and its fd the caller's; VMQ_EAGAIN;
 * VMQ_ECONN: the server has gone. */
int vmq__iv_wire_next(int sock, struct vmq__iv_wire *w, struct vmq__iv_msg *msg);
void vmq__iv_wire_reset(struct vmq__iv_wire *w);

/* ---- server_peers.c: the eventfds of the others --------------------------------------- */

#define IV_ID_MAX 65535
#define IV_PEERS 256u /* as many as a directory has slots */

struct vmq__iv_peer {
	uint32_t id, life;  /* life: of which server we have it */
	uint32_t seen;      /* vectors that came, those that are not kept too */
	int fd[VMQ_FDS];
};

struct vmq__iv_peers {
	unsigned count, max;
	struct vmq__iv_peer peer[IV_PEERS];
};

void vmq__iv_peers_init(struct vmq__iv_peers *all);
void vmq__iv_peers_free(struct vmq__iv_peers *all);

/* The server of that life says: a peer's next vector (fd is taken); a peer is gone. */
void vmq__iv_peers_add(struct vmq__iv_peers *all, uint32_t id, uint32_t life, int fd);
void vmq__iv_peers_gone(struct vmq__iv_peers *all, uint32_t id, uint32_t life);

/* Most vectors that any peer of that server's life has; 0: there are no others. */
uint32_t vmq__iv_peers_vectors(const struct vmq__iv_peers *all, uint32_t life);

void vmq__iv_peers_ring(struct vmq__iv_peers *all, uint32_t id, uint32_t vector);

/* Could it be an eventfd? Any other kind of file might wait where that does not. */
bool vmq__iv_eventfd(int fd);

/* ---- server_greet.c: what the server says ------------------------------------------------ */

enum vmq__iv_state {
	IV_LOST,  /* no server; it is being looked for */
	IV_GREET, /* there is one, and it has not yet said all of its greeting */
	IV_UP,
	IV_OVER,  /* another fabric is where ours was */
};

enum vmq__iv_step { IV_VERSION, IV_ID, IV_REGION, IV_VECTORS };

struct vmq__iv_server {
	struct vmq__ivdev d;
	pthread_mutex_t lock; /* peers, own */
	struct vmq__iv_peers peers;
	int own[VMQ_FDS];     /* own eventfds, of the last server that was up */
	/* the watch thread's, or the opener's */
	enum vmq__iv_state state;
	struct sockaddr_un at;
	unsigned at_len;
	int sock, timer;
	uint64_t until;       /* LOST: when to look again; GREET: the greeting's end */
	uint64_t quiet;       /* GREET: nothing more is to come after that */
	struct vmq__iv_wire wire;
	uint32_t life;        /* number of servers that were met */
	uint32_t heard;       /* messages of this one */
	enum vmq__iv_step step;
	uint32_t id, seen;    /* as the server says; own vectors that came */
	int greeted[VMQ_FDS]; /* own eventfds that came with a greeting */
	dev_t dev;            /* the region's file */
	ino_t ino;
	const struct vmq__ivdev_why *why; /* only at open */
	const char *lie;      /* what was wrong with the server's last word */
};

/* Forget what a connection has said. */
void vmq__iv_greet_reset(struct vmq__iv_server *s);

/* Take messages, a bounded number, never waiting. 0: nothing else is there right now;
 * VMQ_EAGAIN: more may be; VMQ_ECONN; VMQ_EPROTO, VMQ_EVERSION, VMQ_EMFILE: s->lie says
 * why; VMQ_ESTALE: it has another region than ours. */
int vmq__iv_greet_take(struct vmq__iv_server *s);

/* Has the server said all that a newcomer is told? idle: it has been quiet. */
bool vmq__iv_greet_done(const struct vmq__iv_server *s, bool idle);

/* From now on what it said holds: own id and vectors. */
void vmq__iv_greet_adopt(struct vmq__iv_server *s);

#endif
