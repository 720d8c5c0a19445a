/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake.h - a Xen within one process: the functions of libxenstore, libxengnttab and
 * libxenevtchn that the transport calls, over a tree in memory, a memfd and pipes.
 *
 * A handle belongs to the domain, and to the process of it, that the thread is in when it
 * opens it. Domain 0 is there from the start. The rules are Xen's: what a domain may not do
 * there, it may not do here.
 */
#ifndef TESTS_XEN_FAKE_H
#define TESTS_XEN_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_DOMAINS 64u       /* domids are below it */

/* As after a boot: domain 0 alone, no fault, nothing counted. Every handle was closed. */
void fake_xen_reset(void);

/* This thread is in that domain from now on; at first, in 0. */
void fake_xen_domain(uint32_t domid);
uint32_t fake_xen_current(void);
/* Handles that this thread opens are of that process from now on; at first, of 0. */
void fake_xen_process(uint32_t process);
uint32_t fake_xen_current_process(void);

/* A domain comes, with the nodes that libxl makes for it, or goes: with its nodes, ports
 * and handles (they fail from then on, and have to be closed as ever). What it granted stays
 * as long as somebody has it mapped. */
void fake_xen_create(uint32_t domid, const char *name);
void fake_xen_destroy(uint32_t domid);
bool fake_xen_exists(uint32_t domid);

/* A process dies: all its handles are closed by the kernel, with what that does. They fail
 * from then on, and have to be closed as ever. */
void fake_xen_crash(uint32_t process);
/* Its lock on an endpoint's name goes, too, which is no handle of Xen's. */
void fake_xen_unlock(const char *fabric, uint32_t domid, const char *name);

/* ---- counters ------------------------------------------------------------------------- */

enum fake_count {
	FAKE_NODES,            /* that the domain owns */
	FAKE_WATCHES, FAKE_TRANSACTIONS, FAKE_STORES, /* of XenStore; handles */
	FAKE_GRANTS,           /* pages that it granted */
	FAKE_MAPPINGS,         /* pages of others that it has mapped */
	FAKE_PORTS,            /* event channels */
	FAKE_GNTSHRS, FAKE_GNTTABS, FAKE_EVTCHNS, /* handles */
	FAKE_STORE_CALLS,      /* questions to XenStore, ever */
	FAKE_MAP_CALLS,        /* hypercalls that map, ever */
	FAKE_COUNTS
};

/* Now, of one domain. */
unsigned fake_xen_count(enum fake_count what, uint32_t domid);
void fake_xen_add(enum fake_count what, uint32_t domid, int more); /* for the parts */

/* ---- faults ----------------------------------------------------------------------------- */

enum fake_fault {
	FAKE_CONFLICT,         /* a transaction has to be tried again */
	FAKE_DEAF,             /* a watch does not tell */
	FAKE_NO_WATCH,         /* xs_watch() fails */
	FAKE_NO_THREAD,        /* ... as in a static program: it is made, but says no */
	FAKE_NO_OPEN,          /* an open fails (of any library) */
	FAKE_NO_GRANT,         /* gntalloc refuses: ENOSPC */
	FAKE_NO_MAP,           /* gntdev refuses: ENOMEM */
	FAKE_NO_PORT,          /* no event channel is free */
	FAKE_FAULTS
};

/* So often from now on (0: no more), after `skip` times that go well. */
void fake_xen_fault(enum fake_fault fault, unsigned skip, unsigned times);
bool fake_xen_faulty(enum fake_fault fault); /* for the parts: is it now? */

/* Quotas, of each domain but 0; 0: Xen's default (1000 nodes; 1024 granted pages, as
 * gntalloc's limit). */
void fake_xen_node_quota(unsigned nodes);
void fake_xen_grant_limit(unsigned pages);
unsigned fake_xen_grant_limit_now(void);

/* ---- the parts --------------------------------------------------------------------------- */

/* A file of the fake. Each part registers once, at its first open; its functions are called
 * with the lock held. Any of them may be NULL. */
struct fake_part {
	void (*reset)(void);
	void (*destroy)(uint32_t domid);
	void (*crash)(uint32_t process);
};

void fake_xen_part(const struct fake_part *part); /* with the lock held, or not */

/* The one lock of all parts. It may be taken again by who has it. */
void fake_xen_lock(void);
void fake_xen_free(void);

/* store.c, for fake.c */
void fake_store_create(uint32_t domid, const char *name);

/* For tests, as domain 0: a node's value ("" if there is none; static), and what a
 * toolstack does. */
const char *fake_store_value(const char *path);
bool fake_store_there(const char *path);
void fake_store_write(const char *path, const char *value);
void fake_store_remove(const char *path);
/* Permissions, as "n0 r3 b4". */
void fake_store_allow(const char *path, const char *perms);
const char *fake_store_perms(const char *path);
/* Make a domain a member of a fabric, as the toolstack does; others: domids that may talk
 * to it, ending in -1. */
void fake_store_member(const char *fabric, uint32_t domid, const char *names, const int *others);

#endif
