/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.h - XenStore, as the transport uses it: vmq/xen.h says which nodes there are.
 *
 * All calls are under the endpoint's lock. They wait for xenstored's answers, and for
 * nobody else. What domains write is hostile: it is parsed strictly, and of one domain at
 * most XEN_RECORDS records are looked at.
 */
#ifndef VMQ_XEN_STORE_H
#define VMQ_XEN_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include <vmq/layout.h>

#define XEN_RECORDS 64u

/* An endpoint, as it (or its successor) says. */
struct xen_record {
	uint32_t domid;            /* whose nodes it stands in: XenStore vouches */
	char name[VMQ_NAME_MAX + 1];
	uint32_t id;               /* on the fabric */
	uint64_t life;             /* of the endpoint; 0: none */
	uint32_t lane_size, pool_pages;
	uint8_t uuid[16];
};

struct xen_offer {
	uint64_t life;             /* of the peer that it is for */
	uint32_t serial, echo;
	uint32_t root;             /* grant reference */
	uint32_t port[3];          /* event channels, by VMQ_FD_*; side 1: zeros */
};

struct xen_store;

/* Who explains an error: as fail() of struct vmq_port_ops. */
struct xen_why {
	int (*say)(void *ctx, int code, const char *format, ...);
	void *ctx;
};

/*
 * Connect, find out the own domid, and that the toolstack has made this domain a member of
 * the fabric. VMQ_ECONN (no XenStore), VMQ_ENOENT (no member of such a fabric), VMQ_EURI (no
 * such name for a fabric: as VMs' names, see name.h), VMQ_ENOMEM, VMQ_EMFILE, VMQ_ESYS.
 */
int vmq__xen_store_open(struct xen_store **s, const char *fabric, const struct xen_why *why);

/*
 * Take a name. In: name, lane_size, pool_pages, uuid. Sets domid, a life, and the id: the
 * same for the same name unless another endpoint in sight has it. Writes the record, in one
 * transaction with the look at the others', so that of two who race one loses. What a
 * process that was killed left behind in this domain is removed, also of other names.
 * VMQ_EEXIST (somebody in sight has the name), VMQ_EACCES (the member may not have that
 * name), VMQ_ENOMEM (XenStore's quota; no id is free), VMQ_ESYS.
 */
int vmq__xen_store_claim(struct xen_store *s, struct xen_record *own, const struct xen_why *why);

/* Remove the own record and all offers, and let go of the name. */
void vmq__xen_store_close(struct xen_store *s);

/* Readable when something has changed. -1 in a static program, where libxenstore has no thread
 * that could hear watches: vmq__xen_store_doubt(), now and then, finds out. */
int vmq__xen_store_fd(struct xen_store *s);

/* Take note of what watches tell (a bounded number); true if a look is worth it. Also puts
 * the own record's permissions right when the member's have changed. */
bool vmq__xen_store_news(struct xen_store *s);

/* The next news call looks at everything again, as if all watches had fired: heals what a
 * watch did not tell. */
void vmq__xen_store_doubt(struct xen_store *s);

/* Has the own record vanished, or does it belong to another life? Then this endpoint is off
 * the fabric: the toolstack took the membership away, or another process the name. */
bool vmq__xen_store_lost(struct xen_store *s);

/* Call `each` for every record in sight but the own one. Reads what has changed since the
 * last look from XenStore, and the rest from memory. Records of names that their domain may
 * not have, or that are ill-formed, are left out. */
void vmq__xen_store_peers(struct xen_store *s, void (*each)(void *ctx, const struct xen_record *r),
	void *ctx);

/* Offer: write or remove the own one for a peer; read the peer's for this endpoint.
 * read: 0, VMQ_ENOENT (there is none), VMQ_EPROTO (ill-formed). */
int vmq__xen_store_offer(struct xen_store *s, const struct xen_record *peer, const struct xen_offer *o);
void vmq__xen_store_withdraw(struct xen_store *s, const struct xen_record *peer);
int vmq__xen_store_read_offer(struct xen_store *s, const struct xen_record *peer, struct xen_offer *o);

/* ---- name.c: names in paths, values as text -------------------------------------------- */

#define XEN_NODE_MAX (3 * VMQ_NAME_MAX + 1) /* of a name as a node, with the NUL */

void vmq__xen_node(const char *name, char node[XEN_NODE_MAX]);
/* False: that is not how a name is written. */
bool vmq__xen_name(const char *node, char name[VMQ_NAME_MAX + 1]);
/* Is name among the words of a member's value? */
bool vmq__xen_allowed(const char *value, const char *name);
int vmq__xen_record_text(const struct xen_record *r, char *text, unsigned len);
bool vmq__xen_record_parse(const char *text, struct xen_record *r); /* all but domid, name */
int vmq__xen_offer_text(const struct xen_offer *o, char *text, unsigned len);
bool vmq__xen_offer_parse(const char *text, struct xen_offer *o);

/* ---- lock.c: a name is held by one process of a domain at a time, until it ends --------- */

/* A descriptor that holds the name, or VMQ_EEXIST (somebody else does), or another error. */
int vmq__xen_lock(const char *fabric, uint32_t domid, const char *name);
/* Does anybody hold it? */
bool vmq__xen_locked(const char *fabric, uint32_t domid, const char *name);

#endif
