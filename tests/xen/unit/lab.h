/* SPDX-License-Identifier: BSD-2-Clause */
/* lab.h - endpoints' stores in domains of the fake, and what they see. */
#ifndef TESTS_XEN_UNIT_LAB_H
#define TESTS_XEN_UNIT_LAB_H

#include "fake.h"
#include "store.h"

/* One for each process: locks on names are the machine's. Paths of a domain's records (rest:
 * "/NAME"), and of a member; they stay for eight calls more. */
const char *fabric(void);
const char *at(unsigned domid, const char *rest);
const char *member_at(unsigned domid);

/* Domains 0, 1, 2 and 3, members of the fabric who may all talk with each other. */
void lab(void);
/* A store of a domain, and a claim of a name in it. */
struct xen_store *store_of(uint32_t domid);
int claim(struct xen_store *s, const char *name, struct xen_record *r);
/* Both; the test fails if that fails. */
struct xen_store *endpoint(uint32_t domid, const char *name, struct xen_record *r);
/* What the last failure said. */
extern char said[256];
extern const struct xen_why why;

/* The names in sight, in alphabetical order, as "1/a 2/b". Without a look at news: what it
 * would see anyway. */
const char *sees(struct xen_store *s);
/* The record of a name in sight; the test fails if there is none. */
struct xen_record record_of(struct xen_store *s, const char *name);
/* Take all news; were there any? */
bool news(struct xen_store *s);

#endif
