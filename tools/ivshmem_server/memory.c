/* SPDX-License-Identifier: BSD-2-Clause */
/* memory.c - where the region's memory comes from. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "srv.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* How large the memory is to be, if it has `has` bytes now (0: it is new). */
static int size_it(struct srv_region *r, const struct srv_options *o, uint64_t has, const char *what)
{
	r->size = has ? has : o->size ? o->size : SRV_SIZE;
	if (o->size && o->size != r->size)
		return srv_fail("%s has %llu bytes, not %llu", what, (unsigned long long)has,
			(unsigned long long)o->size);
	if (r->size < VMQ_IVSHMEM_REGION_MIN || r->size > SRV_SIZE_MAX || r->size & (r->size - 1))
		return srv_fail("%s has %llu bytes: a region has a power of two of them, 256K to 1T",
			what, (unsigned long long)has);
	r->fresh = !has;
	return 0;
}

static int grow(const struct srv_region *r, const char *what)
{
	if (!ftruncate(r->fd, (off_t)r->size))
		return 0;
	return srv_fail("%s: cannot have %llu bytes: %s", what, (unsigned long long)r->size, strerror(errno));
}

/* ---- memory without a name -------------------------------------------------------------- */

static int memfd(struct srv_region *r, const struct srv_options *o)
{
	bool huge = o->memory == SRV_HUGETLB;
	const char *what = huge ? "memory in huge pages" : "memory";

	if (size_it(r, o, 0, what))
		return -1;
	r->fd = memfd_create("vmq-ivshmem", MFD_CLOEXEC | MFD_ALLOW_SEALING | (huge ? MFD_HUGETLB : 0));
	if (r->fd < 0)
		return srv_fail("%s: %s", what, strerror(errno));
	if (grow(r, what))
		return -1;
	/* Whoever maps it, or looks into it, may count on its size. */
	if (fcntl(r->fd, F_ADD_SEALS, SEALS))
		return srv_fail("%s: cannot be sealed: %s", what, strerror(errno));
	r->keep = true;
	return 0;
}

/* A file that has no name once it is open. */
static int hugetlbfs(struct srv_region *r, const struct srv_options *o)
{
	struct statfs fs;
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/vmq-ivshmem-XXXXXX", o->where);

	if (size_it(r, o, 0, o->where))
		return -1;
	r->fd = n < (int)sizeof(path) ? mkostemp(path, O_CLOEXEC) : -1;
	if (r->fd < 0)
		return srv_fail("%s: %s", o->where, strerror(errno));
	unlink(path);
	if (fstatfs(r->fd, &fs) || (uint64_t)fs.f_type != HUGETLBFS_MAGIC)
		return srv_fail("%s is no folder of a hugetlbfs", o->where);
	return grow(r, o->where);
}

/* ---- a file ------------------------------------------------------------------------------ */

/* The lock is of a descriptor that no client gets: with the region's own it would last
 * as long as the last of them. */
static int lock(struct srv_region *r, const char *path)
{
	char self[40];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", r->fd);
	r->lock = open(self, O_RDONLY | O_CLOEXEC);
	if (r->lock < 0)
		return srv_fail("%s: %s", path, strerror(errno));
	if (!flock(r->lock, LOCK_EX | LOCK_NB))
		return 0;
	if (errno == EWOULDBLOCK)
		return srv_fail("another server has %s", path);
	return srv_fail("%s: cannot be locked: %s", path, strerror(errno));
}

/* Memory for all of it now: later nobody could be told that there is none. */
static int allocate(struct srv_region *r, const char *path)
{
	int e;

	if (grow(r, path))
		return -1;
	e = posix_fallocate(r->fd, 0, (off_t)r->size);
	if (!e || e == EOPNOTSUPP || e == EINVAL)
		return 0;
	if (ftruncate(r->fd, 0))
		e = errno;
	return srv_fail("%s: no room for %llu bytes: %s", path, (unsigned long long)r->size, strerror(e));
}

static int file(struct srv_region *r, const struct srv_options *o)
{
	struct stat st;

	r->fd = open(o->where, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, 0600);
	if (r->fd < 0 && errno == EEXIST)
		r->fd = open(o->where, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (r->fd < 0 || fstat(r->fd, &st))
		return srv_fail("%s: %s", o->where, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return srv_fail("%s is no file", o->where);
	if (lock(r, o->where) || size_it(r, o, (uint64_t)st.st_size, o->where))
		return -1;
	return r->fresh ? allocate(r, o->where) : 0;
}

/* ---- a region that systemd kept ------------------------------------------------------------ */

/* Memory that this server made in an earlier life, with the seals it set. */
static bool ours(int fd, struct stat *st)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS && !fstat(fd, st);
}

static int stored_region(struct srv_region *r, const struct srv_options *o, int fd)
{
	struct stat st;

	r->fd = fd;
	if (!ours(fd, &st))
		return srv_fail("the region that systemd keeps was not made by this server");
	return size_it(r, o, (uint64_t)st.st_size, "the region that systemd keeps");
}

int srv_memory_open(struct srv_region *r, const struct srv_options *o, int stored)
{
	bool own = o->memory == SRV_ANY || o->memory == SRV_MEMFD || o->memory == SRV_HUGETLB;
	struct stat st;

	/* Other memory was asked for since it was kept. */
	if (stored >= 0 && (!own || (o->format && o->size && ours(stored, &st) &&
			(uint64_t)st.st_size != o->size))) {
		srv_systemd_forget();
		close(stored);
		stored = -1;
	}
	if (stored >= 0)
		return stored_region(r, o, stored);
	if (o->memory == SRV_FILE)
		return file(r, o);
	return o->memory == SRV_HUGETLBFS ? hugetlbfs(r, o) : memfd(r, o);
}
