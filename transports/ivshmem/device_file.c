/* SPDX-License-Identifier: BSD-2-Clause */
/* device_file.c - a host program at the file of ivshmem-plain devices: no doorbells. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ivdev.h"

static void file_close(struct vmq__ivdev *d)
{
	if (d->region)
		munmap(d->region, d->size);
	free(d);
}

static void file_ring(struct vmq__ivdev *d, uint32_t doorbell, uint32_t vector)
{
	(void)d;
	(void)doorbell;
	(void)vector;
}

static const struct vmq__ivdev_ops file_ops = {
	.close = file_close,
	.ring = file_ring,
	.drain = vmq__ivdev_drain_bell,
	.service = vmq__ivdev_no_service,
};

static int cannot_open(const char *path, int e, const struct vmq__ivdev_why *why)
{
	struct stat st;

	if (e == ENXIO && !stat(path, &st) && S_ISSOCK(st.st_mode))
		return why->fail(why->ctx, VMQ_EPROTO, "%.120s is a socket: a server's is for ivshmem:unix=", path);
	if (e == EISDIR)
		return why->fail(why->ctx, VMQ_EPROTO, "%.120s is a folder, and no file that can be a region", path);
	return why->fail(why->ctx, vmq__ivdev_errno(e), "%.120s cannot be opened: %s%s", path, strerror(e),
		e == ENOENT ? ": QEMU makes it, with share=on,mem-path=" : "");
}

int vmq__ivdev_file(const char *path, const int bell[VMQ_FDS], const struct vmq__ivdev_why *why,
	struct vmq__ivdev **out)
{
	struct vmq__ivdev *d;
	int fd, rc;

	if (!*path)
		return why->fail(why->ctx, VMQ_EURI, "file= needs the path of a region");
	/* Nonblocking: what stands there may be no file at all. */
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		return cannot_open(path, errno, why);
	}
	d = calloc(1, sizeof(*d));
	rc = VMQ_ENOMEM;
	if (d) {
		vmq__ivdev_init(d, &file_ops, bell);
		rc = vmq__ivdev_map(d, fd, path, why, NULL);
	}
	close(fd);
	if (!rc)
		*out = d;
	else if (d)
		file_close(d);
	return rc;
}
