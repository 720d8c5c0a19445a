/* SPDX-License-Identifier: BSD-2-Clause */
/* fabric.h - what the files of `vmq-xen-fabric` share: a fabric of the xen transport, as
 * domain 0 makes it. vmq/xen.h says which nodes there are. */
#ifndef TOOL_XEN_FABRIC_H
#define TOOL_XEN_FABRIC_H

#include <stdbool.h>
#include <stdint.h>
#include <xenstore.h>

#include "sim.h"
#include "store.h"

#define FABRIC_PATH 512
#define FABRIC_TEXT 4096       /* of names: what a node can hold */
/* The value of a fabric's node: all its members may talk, or those that a file says. */
#define FABRIC_OPEN "all"
#define FABRIC_CLOSED "topology"

struct fabric_member {
	uint32_t domid;
	char domain[VMQ_NAME_MAX + 1]; /* its name, which is the VM's of a topology; or "" */
	char names[FABRIC_TEXT];   /* the node's value */
	bool asked;                /* by this call */
};

struct fabric {
	struct xs_handle *xs;
	xs_transaction_t t;
	char name[VMQ_NAME_MAX + 1], node[XEN_NODE_MAX];
	struct sim_topology *topology; /* or NULL */
	struct fabric_member *members;
	unsigned count;
	uint32_t *dropped;         /* members that are none any more */
	unsigned dropped_count;
	bool closed;               /* as XenStore says: by a topology */
	bool there;
	bool look;                 /* change nothing by a look */
	bool again;                /* what there is to note was noted */
};

/* Complain; -1. What XenStore has said is behind it, if e is not 0. */
int fabric_fail(int e, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fabric_note(const struct fabric *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* domains.c: domains that there are. A name, or a domid; 0, or -1 and a complaint. */
bool fabric_domain_there(struct fabric *f, uint32_t domid);
void fabric_domain_name(struct fabric *f, uint32_t domid, char name[VMQ_NAME_MAX + 1]);
bool fabric_domain_find(struct fabric *f, const char *name, uint32_t *domid);
bool fabric_domid(const char *text, uint32_t *domid);

/* members.c: read those of the store, and drop domains that are none any more; add one, or
 * change its names. 0, an errno, or -1 after a complaint. */
int fabric_load(struct fabric *f);
struct fabric_member *fabric_member(struct fabric *f, uint32_t domid);
int fabric_add(struct fabric *f, uint32_t domid, const char *names);
/* By domid: in whatever order they came, the same is written. */
void fabric_sort(struct fabric *f);
/* Those of the topology, and no others but those asked for. */
int fabric_follow(struct fabric *f);
bool fabric_may_talk(const struct fabric *f, const struct fabric_member *a, const struct fabric_member *b);
void fabric_unload(struct fabric *f);

/* write.c: 0, or an errno. Only what is different is written. In a transaction: */
int fabric_write(struct fabric *f);
/* Take members away; none: the fabric. */
int fabric_remove(struct fabric *f, const uint32_t *domids, unsigned count);
int fabric_drop(struct fabric *f, uint32_t domid);
/* And then, without one: what follows from it for the members' records. */
int fabric_settle(struct fabric *f);

/* list.c: print a fabric, or all. 0 or -1. */
int fabric_list(struct fabric *f);
int fabric_list_all(struct fabric *f);

#endif
