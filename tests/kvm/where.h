/* SPDX-License-Identifier: BSD-2-Clause */
/* where.h - which memory stands behind an address of a process. */
#ifndef TESTS_KVM_WHERE_H
#define TESTS_KVM_WHERE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A page by its number in the machine (0 where that may not be seen), and by its file
 * (inode 0: of no file). */
struct where {
	uint64_t frame, inode, offset;
};

struct where where_in(pid_t pid, const void *at);
bool same(struct where x, struct where y);

#endif
