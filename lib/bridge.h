/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge.h - what the files of bridges share. A "far" is the connection to another
 * VMM. Everything here is under the VMM's lock. */
#ifndef VMQ_LIB_BRIDGE_H
#define VMQ_LIB_BRIDGE_H

#include "packet.h"
#include "vmm.h"

#define FAR_VERSION 1u

enum far_type {
	FAR_HELLO = 1, /* both: number: the VMM's instance; code: 0 or why not */
	FAR_READY,     /* who connected: this connection it shall be */
	FAR_VM_ADD,    /* number: its life; id, lane, pages, uuid, name; fds: doorbells */
	FAR_VM_ANSWER, /* both: id, code: 0 or why this VM is left out */
	FAR_VM_DEL,    /* id */
	FAR_WANT,      /* who connected: a channel of its VM id to VM peer, please */
	FAR_JOIN,      /* who accepted: number of the channel, its VM id, VM peer of that
	                * life, side, epoch; fds: region, ledger */
	FAR_JOINED,    /* who connected: number */
	FAR_LEAVE,     /* both: number, code: an end of the channel is over */
	FAR_SYNC,      /* both: number: take out what your VM gave away or back */
	FAR_SYNCED,    /* the answer: number */
};

/* One packet. Same machine, same version: host byte order. */
struct far_packet {
	uint32_t version, type;
	uint64_t number, life;
	uint32_t id, peer, side, epoch, lane, pages;
	int32_t code;
	uint8_t uuid[16];
	char name[VMQ_NAME_MAX + 1];
};

/* A packet that waits for room. */
struct far_out {
	struct far_packet packet;
	int fds[PACKET_FDS];
	struct far_out *next;
};

struct bridge_far {
	struct vmq_bridge *bridge;
	int sock, pid;              /* sock -1: dropped */
	struct far_target *target;  /* whom this VMM called; NULL: it was called, and
	                             * makes the channels */
	uint64_t instance;          /* of the other VMM; 0: it has not said HELLO */
	bool ready;
	int answer;                 /* to this VMM's VMs: VMQ_EAGAIN: none yet; 0; a no */
	const char *broken;         /* to be dropped, and why */
	struct far_out *queue, **tail;
	unsigned queued;
	struct bridge_far *next;
};

/* Somebody to stay connected with. */
struct far_target {
	char path[108];
	uint64_t instance;          /* who answered there last */
	struct bridge_far *far;
	int code;                   /* how the last call ended; 0: it has not */
	int error;                  /* errno, if it found nobody; else 0 */
	const char *why;            /* what was last logged of it */
	struct far_target *next;
};

struct bridge_line {
	struct bridge_line *next;
	char text[];
};

struct vmq_bridge {
	struct vmq_vmm *vmm;
	uint64_t instance, channels;
	int sock, epfd, stopfd, timerfd;
	bool deaf;                  /* no descriptor for who called last */
	uint32_t retry_ms;
	char path[108];
	void (*log)(void *ctx, const char *line);
	void *ctx;
	struct far_target *targets;
	struct bridge_far *fars, *dropped;
	struct bridge_line *lines, **last_line; /* to be logged without the lock */
};

/* bridge.c. What the VMM that was called last says to this VMM's VMs: 0, VMQ_EAGAIN
 * (nothing yet), VMQ_ECONN (nobody there), VMQ_EACCES (another user's), VMQ_EVERSION,
 * VMQ_EPROTO (that is no VMM), VMQ_EEXIST (a name or id is taken), VMQ_EMFILE,
 * VMQ_ENOMEM. *error is the errno of a call that found nobody, else 0. Takes the lock. */
int vmq__bridge_answer(struct vmq_bridge *b, int *error);
__attribute__((format(printf, 2, 3))) void vmq__bridge_log(struct vmq_bridge *b, const char *format, ...);
/* Try again after a while, if there is something to try. */
void vmq__bridge_rearm(struct vmq_bridge *b);

/* bridge_far.c: one connection */
int vmq__far_new(struct vmq_bridge *b, int sock, int pid, struct far_target *target);
void vmq__far_serve(struct bridge_far *far, unsigned events);
/* Its end: quiet, or with a line that says why. Its VMs are gone. `died`: the other
 * VMM closed it. Freed by vmq__far_reap(). */
void vmq__far_drop(struct bridge_far *far, const char *why, bool died);
void vmq__far_reap(struct vmq_bridge *b);
/* Never waits: what finds no room is queued, and who reads nothing is dropped. */
void vmq__far_send(struct bridge_far *far, const struct far_packet *m, const int *fds, unsigned n);

/* bridge_dial.c: who calls whom */
void vmq__dial(struct vmq_bridge *b);
bool vmq__dial_wanted(const struct vmq_bridge *b);
/* Packets before the connection is ready. Returns why it is to be dropped: NULL (it
 * is not), "" (quietly), or a reason. */
const char *vmq__dial_packet(struct bridge_far *far, const struct far_packet *m);

/* vmm_far.c: the VMs of other VMMs. The functions that take packets return NULL, or
 * what was wrong with it. They take what they use of fds[]. */
void vmq__far_announce_all(struct bridge_far *far);
const char *vmq__far_vm_add(struct bridge_far *far, const struct far_packet *m, int fds[PACKET_FDS]);
const char *vmq__far_vm_del(struct bridge_far *far, const struct far_packet *m);
struct vmq_vm *vmq__far_vm(const struct bridge_far *far, uint32_t id);
void vmq__far_lost(struct bridge_far *far, bool died);

/* vmm_span.c: channels to them */
const char *vmq__span_packet(struct bridge_far *far, const struct far_packet *m, int fds[PACKET_FDS]);
/* This VMM goes: say what there is to say about all channels. */
void vmq__span_goodbye(struct bridge_far *far);

static inline struct far_packet vmq__far_packet(enum far_type type)
{
	return (struct far_packet){ .version = FAR_VERSION, .type = type };
}

#endif
