/* SPDX-License-Identifier: BSD-2-Clause */
/* device.c - which kind of device an address means, and what all kinds need. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "internal.h"
#include "ivdev.h"
#include "loop.h"

int vmq__ivdev_errno(int e)
{
	switch (e) {
	case EACCES:
	case EPERM:
		return VMQ_EACCES;
	case EBUSY:
		return VMQ_EBUSY;
	case EPROTOTYPE:
		return VMQ_EPROTO;
	case ENODEV:
	case ENXIO:
		return VMQ_ECONN;
	default:
		return vmq__errno(e);
	}
}

int vmq__ivdev_sized(uint64_t size, const char *what, const struct vmq__ivdev_why *why)
{
	if (size >= VMQ_IVSHMEM_REGION_MIN && !(size & (size - 1)) && size <= SIZE_MAX)
		return 0;
	return why->fail(why->ctx, VMQ_EPROTO, "%.120s has %llu bytes: a region has a power of two, at least %u KiB",
		what, (unsigned long long)size, VMQ_IVSHMEM_REGION_MIN >> 10);
}

int vmq__ivdev_map(struct vmq__ivdev *d, int fd, const char *what, const struct vmq__ivdev_why *why,
	struct stat *st)
{
	struct stat own;
	int rc;

	st = st ? st : &own;
	if (fstat(fd, st))
		return vmq__ivdev_errno(errno);
	if (!S_ISREG(st->st_mode))
		return why->fail(why->ctx, VMQ_EPROTO, "%.120s is no file that can be a region", what);
	rc = vmq__ivdev_sized((uint64_t)st->st_size, what, why);
	if (rc)
		return rc;
	d->region = mmap(NULL, (size_t)st->st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (d->region == MAP_FAILED) {
		d->region = NULL;
		rc = vmq__ivdev_errno(errno);
		return why->fail(why->ctx, rc, "%.120s cannot be mapped: %s", what, strerror(errno));
	}
	d->size = (uint64_t)st->st_size;
	return 0;
}

void vmq__ivdev_init(struct vmq__ivdev *d, const struct vmq__ivdev_ops *ops, const int bell[VMQ_FDS])
{
	d->ops = ops;
	d->doorbell = VMQ_IVSHMEM_NOBODY;
	d->news = -1;
	memcpy(d->bell, bell, sizeof(d->bell));
	memcpy(d->fd, bell, sizeof(d->fd));
}

int vmq__ivdev_hush(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t count;
	struct iovec iov = { &count, sizeof(count) };
	ssize_t n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);

	/* Before Linux 5.8 an eventfd does not know RWF_NOWAIT. */
	if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
		if (poll(&p, 1, 0) <= 0)
			return 0;
		n = read(fd, &count, sizeof(count));
	}
	if (n == (ssize_t)sizeof(count))
		return 1;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* RWF_NOWAIT is not for writes to eventfds. That somebody fills it between the two calls
 * takes a process that has it and means ill: it is this user's or root's, as the server. */
void vmq__ivdev_ring(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int e = errno;

	if (poll(&p, 1, 0) > 0 && p.revents & POLLOUT)
		vmq__loop_ring(fd);
	errno = e;
}

bool vmq__ivdev_drain_bell(struct vmq__ivdev *d, unsigned kind)
{
	return kind < VMQ_FDS && vmq__ivdev_hush(d->bell[kind]) > 0;
}

unsigned vmq__ivdev_no_service(struct vmq__ivdev *d)
{
	(void)d;
	return 0;
}

int vmq__ivdev_open(const char *address, const int bell[VMQ_FDS], const struct vmq__ivdev_why *why,
	struct vmq__ivdev **d)
{
	if (!strncmp(address, "unix=", 5))
		return vmq__ivdev_server(address + 5, bell, why, d);
	if (!strncmp(address, "file=", 5))
		return vmq__ivdev_file(address + 5, bell, why, d);
	return vmq__ivdev_pci(address, bell, why, d);
}
