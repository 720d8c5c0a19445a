/* SPDX-License-Identifier: BSD-2-Clause */
/* fabric.h - endpoints of the xen transport in domains of the fake Xen, what is inside
 * them, and what they must not leave behind. */
#ifndef TESTS_XEN_FABRIC_H
#define TESTS_XEN_FABRIC_H

#include "fake.h"
#include "support.h"
#include "xen.h"

#define DOMAINS 6u

/* Domains 0 to 5, members of the fabric who may have any name and talk with everybody. */
void fabric_start(void);
void fabric_stop(void);

/* Open an endpoint, as a process of its own. why: NULL, or room for 200 bytes. */
int fabric_open(uint32_t domid, const char *name, const char *settings, struct vmq **q, char *why);
struct vmq *fabric_vm(uint32_t domid, const char *name, const char *settings);
/* Its process is killed, or its domain was destroyed: what it had in memory is still there,
 * until it is forgotten. Both in one: who is quick sees it close. */
void fabric_crash(struct vmq *q);
void fabric_forget(struct vmq *q);
void fabric_kill(struct vmq *q);

/* What the transport knows. */
struct xen *fabric_xen(struct vmq *q);
/* Its channel with a peer of that name. */
struct xen_chan *fabric_chan(struct vmq *q, const char *peer);

/* Nodes: /tool/vmq/FABRIC/..., a record, an offer. */
const char *fabric_member(uint32_t domid);
const char *fabric_record(uint32_t domid, const char *name);
const char *fabric_offer(uint32_t domid, const char *name, uint32_t to, const char *peer);
/* Make a domain a member again; -1 ends those whom it may talk with. */
void fabric_allow(uint32_t domid, const char *names, const int *others);

/* Send there and back. */
bool fabric_talk(struct vmq *a, uint32_t to_b, struct vmq *b, uint32_t to_a);
/* Sending and receiving ends both take note of who has gone, so that it is let go of. */
void fabric_settle(struct vmq *q);
/* ... and channels that wait for their peers' ends have done so. */
void fabric_quiet(struct vmq *q);
/* The next event within PATIENCE; the other endpoints look at their news meanwhile. */
uint32_t fabric_event(struct vmq *q, struct vmq *other, struct vmq_event *e);

/* All that can be counted of domains, and of this process. */
struct fabric_counts {
	unsigned n[FAKE_STORE_CALLS][DOMAINS];
	int fds, maps;
};
void fabric_count(struct fabric_counts *c);
/* Is it as it was? Says what is not. */
bool fabric_same(const struct fabric_counts *then);

#endif
