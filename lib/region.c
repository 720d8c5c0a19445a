/* SPDX-License-Identifier: BSD-2-Clause */
/* region.c - regions over memfd, and the windows that VMs have on them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "internal.h"
#include "region.h"

int vmq__sealed_create(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

	if (fd < 0)
		return vmq__errno(errno);
	if (!ftruncate(fd, (off_t)size) && !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fd;
	rc = vmq__errno(errno);
	close(fd);
	return rc;
}

int vmq__sealed_check(int fd, uint64_t size)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;
	struct stat st;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) || fstatfs(fd, &fs))
		return VMQ_EPROTO;
	/* A hole in huge pages may have nothing to be filled with. */
	return st.st_size < 0 || (uint64_t)st.st_size < size || fs.f_type != TMPFS_MAGIC ? VMQ_EPROTO : 0;
}

int vmq__region_create(const struct vmq_geometry *geo, const struct vmq_ident ident[2])
{
	int fd = vmq__sealed_create("vmq-region", geo->region_size), rc;
	void *header;

	if (fd < 0)
		return fd;
	header = mmap(NULL, VMQ_HEADER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (header == MAP_FAILED) {
		rc = vmq__errno(errno);
		close(fd);
		return rc;
	}
	vmq_layout_write(header, geo, ident);
	munmap(header, VMQ_HEADER_SIZE);
	return fd;
}

static uint32_t pages_of(const struct vmq_geometry *geo)
{
	return geo->pool_pages[0] + geo->pool_pages[1];
}

/* What this end never writes it can't write. */
static int protect(uint8_t *base, const struct vmq_geometry *geo, unsigned side)
{
	if (mprotect(base, VMQ_HEADER_SIZE, PROT_READ))
		return -1;
	if (mprotect(base + geo->ctl_off[!side], geo->ctl_size, PROT_READ))
		return -1;
	return mprotect(base + geo->lane_off[!side], geo->lane_size[!side], PROT_READ);
}

static void *zero_pages(void *at, size_t size)
{
	return mmap(at, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);
}

static int map_run(struct vmq__window *w, uint32_t first, uint32_t count, uint8_t state, int populate)
{
	size_t off = w->geo.pool_off[0] + ((size_t)first << VMQ_PAGE_SHIFT);
	size_t size = (size_t)count << VMQ_PAGE_SHIFT;
	int prot = state == WINDOW_READ ? PROT_READ : PROT_READ | PROT_WRITE;
	void *at = state == WINDOW_ZERO ? zero_pages(w->base + off, size) :
		mmap(w->base + off, size, prot, MAP_SHARED | MAP_FIXED | populate,
			w->fd, (off_t)off);

	if (at == MAP_FAILED)
		return VMQ_ENOMEM; /* the only way: too many mappings */
	memset(w->state + first, state, count);
	return (int)count;
}

static int map_parts(struct vmq__window *w, unsigned side)
{
	const struct vmq_geometry *geo = &w->geo;
	uint32_t home = side ? geo->pool_pages[0] : 0;
	int rc;

	if (mmap(w->base, geo->pool_off[0], PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, w->fd, 0) ==
			MAP_FAILED || protect(w->base, geo, side))
		return vmq__errno(errno);
	if (!geo->pool_pages[side])
		return 0;
	/* Memory is taken when pages are first used, not for the whole pool. */
	rc = map_run(w, home, geo->pool_pages[side], WINDOW_WRITE, 0);
	return rc < 0 ? rc : 0;
}

int vmq__window_open(struct vmq__window **out, int fd, const struct vmq_geometry *geo, unsigned side,
	void *at)
{
	struct vmq__window *w = calloc(1, sizeof(*w) + pages_of(geo));
	int rc;

	if (!w)
		return VMQ_ENOMEM;
	w->geo = *geo;
	w->placed = at != NULL;
	w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (w->fd < 0) {
		rc = vmq__errno(errno);
		goto fail;
	}
	w->base = zero_pages(at, geo->region_size);
	if (w->base == MAP_FAILED) {
		rc = vmq__errno(errno);
		close(w->fd);
		goto fail;
	}
	rc = map_parts(w, side);
	if (rc) {
		vmq__window_close(w);
		return rc;
	}
	*out = w;
	return 0;
fail:
	free(w);
	return rc;
}

void vmq__window_close(struct vmq__window *w)
{
	if (!w)
		return;
	if (w->placed)
		zero_pages(w->base, w->geo.region_size);
	else
		munmap(w->base, w->geo.region_size);
	close(w->fd);
	free(w);
}

int vmq__window_set(struct vmq__window *w, uint32_t first, uint32_t count, uint8_t state)
{
	uint32_t end = first + count, p = first, from;
	int changed = 0, rc;

	while (p < end) {
		while (p < end && w->state[p] == state)
			p++;
		for (from = p; p < end && w->state[p] != state;)
			p++;
		if (from == p)
			break;
		/* A page that changes hands is about to be touched: one call is
		 * cheaper than a fault for each. */
		rc = map_run(w, from, p - from, state, MAP_POPULATE);
		if (rc < 0)
			return rc;
		changed += rc;
	}
	return changed;
}
