/* SPDX-License-Identifier: BSD-2-Clause */
/* pages.h - guests "a" and "b" for tests of pages: what their CPUs see, and which
 * memory that is. */
#ifndef TESTS_KVM_PAGES_H
#define TESTS_KVM_PAGES_H

#include "vms.h"
#include "where.h"

#define A_SAYS 0x6120736179732061ull
#define B_SAYS 0x6220736179732062ull

extern struct vms_guest *a, *b;

/* For TestSuite(): both are there, and connected. And b, once more. */
void pages_start(void);
void pages_b_anew(void);

struct where where_is(const struct vms_guest *g, uint64_t in_window);

/* A guest's CPU reads, writes; finds the whole page to be the same word. */
uint64_t peek(struct vms_guest *g, uint64_t in_window);
void poke(struct vms_guest *g, uint64_t in_window, uint64_t value);
bool page_says(struct vms_guest *g, uint64_t in_window, uint64_t word);

/* The guest's own steps, which succeed: probe.h. */
struct probe_reply alloc(struct vms_guest *g, const char *for_peer, uint64_t word);
struct probe_reply give(struct vms_guest *g, const char *to, bool received, uint32_t mode);
struct probe_reply taken(struct vms_guest *g, const char *from, uint32_t mode);
void free_page(struct vms_guest *g, const char *peer, bool received);

#endif
