/* SPDX-License-Identifier: BSD-2-Clause */
/* store_state.h - what the files of the store share: what was last seen of the fabric, and
 * what of it may have changed since. */
#ifndef VMQ_XEN_STORE_STATE_H
#define VMQ_XEN_STORE_STATE_H

#include <xenstore.h>

#include "store.h"

#define XEN_PATH 512
#define XEN_DOMIDS 0x7ff0u     /* domids of domains are below it */

/* A record, and the offer to this endpoint that stands below it. */
struct xen_seen {
	struct xen_record r;
	struct xen_offer offer;
	int offered;               /* 0; why there is none; or, to be read again: */
	bool stale;
};

/* A domain of the fabric that this one may see. */
struct xen_member {
	struct xen_member *next;
	uint32_t domid;
	char *names;               /* that it may have, as the toolstack wrote it */
	bool watched;              /* its records: by a watch; else the tick has to do */
	bool dirty;                /* ... are to be read again */
	bool kept;                 /* at the last look at the list */
	uint32_t count;
	struct xen_seen seen[XEN_RECORDS];
};

struct xen_store {
	struct xs_handle *xs;
	struct xen_why why;
	char fabric[VMQ_NAME_MAX + 1], fabric_node[XEN_NODE_MAX];
	uint32_t domid;
	int lock;                  /* on the name, or -1 */
	bool deaf;                 /* no watches: vmq__xen_store_doubt() has to do */
	struct xen_record own;     /* life 0: none yet */
	struct xen_member *members;
	bool list_dirty;           /* the members are to be read again */
	bool own_dirty;            /* ... and the own record */
	bool perms_dirty;          /* who may read it is to be put right */
	bool lost, doubt;
};

/* store.c */
int vmq__xen_store_say(const struct xen_store *s, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A node's value, to be freed; NULL with errno. A value that is no text is EINVAL. */
char *vmq__xen_store_get(struct xen_store *s, xs_transaction_t t, const char *path);
bool vmq__xen_domid(const char *text, uint32_t *domid);
/* Paths: of a member; of a domain's records (name NULL), or of one. */
void vmq__xen_member_path(const struct xen_store *s, uint32_t domid, char path[XEN_PATH]);
void vmq__xen_record_path(const struct xen_store *s, uint32_t domid, const char *name, char path[XEN_PATH]);

/* store_perms.c: may the domain be seen by this one? As the toolstack says. */
bool vmq__xen_visible(struct xen_store *s, uint32_t domid);
/* Who may read the member's node may read the records. 0 or an errno. */
int vmq__xen_perms(struct xen_store *s, xs_transaction_t t, const char *path);
/* One domain may read it. */
bool vmq__xen_perms_one(struct xen_store *s, const char *path, uint32_t domid);

/* store_look.c: bring what was seen up to date. */
void vmq__xen_look(struct xen_store *s);
struct xen_member *vmq__xen_member(struct xen_store *s, uint32_t domid);
void vmq__xen_members_free(struct xen_store *s);

#endif
