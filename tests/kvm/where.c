/* SPDX-License-Identifier: BSD-2-Clause */
/* where.c - which memory stands behind an address: the kernel's Documentation/
 * admin-guide/mm/pagemap.rst and filesystems/proc.rst. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "where.h"

#define PAGE 4096u

static uint64_t frame_of(pid_t pid, uintptr_t at)
{
	uint64_t entry = 0;
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/pagemap", (int)pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_assert_eq(pread(fd, &entry, sizeof(entry), (off_t)(at / PAGE * sizeof(entry))), 8);
	close(fd);
	return entry >> 63 ? entry & ((1ull << 55) - 1) : 0;
}

struct where where_in(pid_t pid, const void *address)
{
	uintptr_t at = (uintptr_t)address, from, to;
	struct where w = { .frame = frame_of(pid, at) };
	uint64_t offset, inode;
	char line[512];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/%d/maps", (int)pid);
	f = fopen(line, "re");
	cr_assert_not_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %*s %lx %*s %lu", &from, &to, &offset, &inode) != 4)
			continue;
		if (at < from || at >= to)
			continue;
		w.inode = inode;
		w.offset = inode ? offset + at - from : 0;
	}
	fclose(f);
	return w;
}

bool same(struct where x, struct where y)
{
	return x.inode && x.inode == y.inode && x.offset == y.offset && x.frame == y.frame;
}
