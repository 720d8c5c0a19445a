/* SPDX-License-Identifier: BSD-2-Clause */
/* core_fixture.h - two channels over one region, for the tests of the core. */
#ifndef CORE_FIXTURE_H
#define CORE_FIXTURE_H

#include <vmq/core.h>

struct pair {
	uint8_t *region;
	struct vmq_geometry geo;
	struct vmq_ident ident[2];
	struct vmq_page_entry *entries[2];
	struct vmq_chan ch[2];
	uint32_t lane, pages; /* of each side */
	uint32_t start;
	bool strict;
};

/* A region with lanes of `lane` bytes and pools of `pages` pages, both ends
 * attached with epochs 1 and 2 and not yet connected. */
void pair_plan(struct pair *p, uint32_t lane, uint32_t pages, uint32_t start);
int pair_attach(struct pair *p, unsigned side, uint32_t epoch);

/* Both ends established, or the calling test fails. */
void pair_connect(struct pair *p);

/* pair_plan() and pair_connect() in one. */
void pair_open(struct pair *p, uint32_t lane, uint32_t pages, uint32_t start);
void pair_close(struct pair *p);

/* The bytes of message number n, so that each place of each message differs. */
void fill(void *to, uint32_t len, uint32_t n);
bool filled(const void *from, uint32_t len, uint32_t n);

/* Send message n of len bytes; its result. */
int put(struct vmq_chan *ch, uint32_t len, uint32_t n);

/* Take one message; true if it is message n of len bytes. */
bool got(struct vmq_chan *ch, uint32_t len, uint32_t n);

/* Take all that is there; how many records, or a negative code. */
int drain(struct vmq_chan *ch);

/* The header of the record at index `at` of side `side`'s lane. */
struct vmq_layout_record *header_at(struct pair *p, unsigned side, uint32_t at);
struct vmq_layout_ctl *ctl_of(struct pair *p, unsigned side);

/* Little-endian numbers, whatever the machine that runs the test. */
uint32_t le(uint32_t v);

#endif
