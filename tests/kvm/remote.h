/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote.h - endpoints that are guests, to be used like those of this process.
 *
 * What remote_open() gives is a handle for the functions of vmq.h, of which a program
 * that is linked with remote_*.c has its own (remote_wrap.h): each has the
 * guest's own libvmq do the call, on the guest's CPU. Other handles are left to the
 * library. So do the functions of support.h that touch pages, and thread_sleeps().
 */
#ifndef KVM_REMOTE_H
#define KVM_REMOTE_H

#include <vmq/vmm.h>

#include "agent/agent.h"

/* Can guests be run here? Else why not. */
bool remote_possible(char *why, size_t len);

/* Boot a guest on the VMM, and open its endpoint; settings as in an address, or NULL. */
int remote_open(struct vmq_vmm *vmm, const char *name, const char *settings, uint32_t flags,
	struct vmq **q);
/* Cut its power. */
void remote_die(struct vmq *q);
/* The end of all that are left. */
void remote_end(void);

/* ---- for remote_send.c and remote_recv.c ------------------------------------------------------------ */

struct guest;

/* A call that a guest is to do. */
struct call {
	struct guest *guest;
	unsigned place;
	size_t used; /* of its bytes */
};

/* Is q a guest's? Then a place for a call to it. */
bool call_begin(struct call *c, const struct vmq *q);
/* The same for the guest that an address belongs to. */
bool call_begin_at(struct call *c, const void *address);
/* What the library is to say of q: nothing is known of a guest that is gone. */
struct vmq *call_real(struct vmq *q);

/* Copy bytes to where the guest has them: their address there, 0 for NULL. */
uint64_t call_put(struct call *c, const void *data, size_t len);
/* ... room for bytes, */
uint64_t call_room(struct call *c, size_t len);
/* ... and where these are here. */
void *call_bytes(const struct call *c, uint64_t address);
/* Copy them back, from where the guest has them (0: nowhere). */
void call_fetch(const struct call *c, uint64_t address, void *to, size_t len);
/* Have it done. The place is kept until call_end(). */
int64_t call_do(struct call *c, enum agent_op op, const uint64_t arg[AGENT_ARGS]);
int64_t call_end(struct call *c, int64_t result);

#define CALL(c, op, ...) call_do(c, op, (const uint64_t[AGENT_ARGS]){ __VA_ARGS__ })

/* Writes of its guest that the VMM refused. */
unsigned call_faults(const struct call *c);

/* Does the thread wait for a guest that sleeps? Negative: it waits for none. */
int call_asleep(int tid);

#endif
