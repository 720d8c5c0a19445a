/* SPDX-License-Identifier: BSD-2-Clause */
/* tree.h - the nodes of the made-up XenStore, with their permissions and quotas. All paths
 * are absolute; functions give 0 or an errno. */
#ifndef TESTS_XEN_TREE_H
#define TESTS_XEN_TREE_H

#include <xenstore.h>

#include "fake.h"

#define TREE_PERMS 128u
#define TREE_ENTRY 2048u       /* bytes of a node: value, names of children, permissions */
#define TREE_DOMAIN_PERMS 5u   /* that a domain but 0 may give a node */

struct tree_node {
	struct tree_node *parent, *child, *next;
	char *name;
	void *value;
	unsigned len, perms_count;
	uint64_t gen;              /* when it, or its list of children, last changed */
	struct xs_permissions perms[TREE_PERMS];
};

struct tree {
	struct tree_node *root;
	unsigned owned[FAKE_DOMAINS], quota;
	bool live;                 /* the store itself, no transaction's copy: it is counted */
};

void tree_make(struct tree *t);
void tree_copy(struct tree *to, const struct tree *from);
void tree_free(struct tree *t);

bool tree_path_ok(const char *path);
struct tree_node *tree_find(const struct tree *t, const char *path);
/* What a domain may do with a node: XS_PERM_*. */
unsigned tree_may(const struct tree_node *n, uint32_t domid);
/* The node, if the domain may do that; else ENOENT or EACCES, as XenStore tells it. */
int tree_get(const struct tree *t, uint32_t domid, const char *path, unsigned want, struct tree_node **n);

int tree_write(struct tree *t, uint32_t domid, const char *path, const void *value, unsigned len);
int tree_mkdir(struct tree *t, uint32_t domid, const char *path);
int tree_rm(struct tree *t, uint32_t domid, const char *path);
int tree_allow(struct tree *t, uint32_t domid, const char *path, const struct xs_permissions *perms,
	unsigned count);
/* A domain is no more: what it owns goes, and nobody is it in permissions. */
void tree_forget(struct tree *t, uint32_t domid, void (*removed)(const struct tree_node *n));
void tree_path(const struct tree_node *n, char *path, size_t len);

#endif
