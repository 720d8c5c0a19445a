/* SPDX-License-Identifier: BSD-2-Clause */
/* dump_fixture.h - regions to decode: for the tests of `vmq dump`. */
#ifndef DUMP_FIXTURE_H
#define DUMP_FIXTURE_H

#include "core_fixture.h"
#include "dump.h"

#define LANE 4096u
#define PAGES 3u
#define START 0xfffffd00u

/* All that there is. */
extern const struct dump_options dump_all;

/* Of each kind of record one in side 0's lane but HELLO, which side 1 has taken, with padding
 * at the lane's end. */
void region_open(struct pair *p);

/* The bytes as a file; sealed: one that is mapped and not copied from. */
int file_of(const void *bytes, size_t size, bool sealed);

/* Decode them. The caller frees d. */
void decode(const void *bytes, size_t size, bool sealed, struct dump_channel *d);

#endif
