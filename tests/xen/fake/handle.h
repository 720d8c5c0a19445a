/* SPDX-License-Identifier: BSD-2-Clause */
/* handle.h - an open connection to the made-up XenStore. */
#ifndef TESTS_XEN_HANDLE_H
#define TESTS_XEN_HANDLE_H

#include "tree.h"

struct watch {
	struct watch *next;
	char *path, *given, *token; /* given: as it came, maybe relative */
};

struct event {
	struct event *next;
	char *path, *token;
};

struct change {
	enum { CHANGE_WRITE, CHANGE_MKDIR, CHANGE_RM, CHANGE_ALLOW } what;
	char *path;
	void *value;               /* or permissions */
	unsigned len;
};

/* A transaction: a copy of the store, what was asked of it, and what is to be done. */
struct deal {
	struct deal *next;
	xs_transaction_t id;
	struct tree tree;
	struct { char *path; uint64_t gen; } *seen;
	struct change *change;
	unsigned seen_count, change_count;
};

struct xs_handle {
	struct xs_handle *next;
	uint32_t domid, process;
	bool dead;
	int fd;                    /* an eventfd: there are events */
	struct watch *watches;
	struct event *events, **tail;
	struct deal *deals;
	unsigned watch_count, deal_count;
};

extern struct tree fake__tree;
extern struct xs_handle *fake__handles;

/* The tree, made if need be. */
struct tree *fake__store(void);
/* The absolute path, on the heap; NULL with errno. */
char *fake__path(const struct xs_handle *h, const char *path);
/* Carry a change out, in the store: with watches; or in a transaction's copy. */
int fake__change(struct tree *t, uint32_t domid, const struct change *c);

/* deal.c: a transaction's copy, and that it has looked at a path of it; what it is to do. */
struct tree *fake__deal_tree(struct xs_handle *h, xs_transaction_t t, const char *path);
void fake__deal_note(struct xs_handle *h, xs_transaction_t t, const struct change *c);
void fake__deals_drop(struct xs_handle *h);

/* watch.c: who is to be told? Before a change, and after it. */
void fake__fire_before(const char *path, bool tree_goes);
void fake__fire_after(const char *path);
void fake__fire_removed(const struct tree_node *n);
void fake__watches_drop(struct xs_handle *h);

#endif
