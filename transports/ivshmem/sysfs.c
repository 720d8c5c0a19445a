/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sysfs.c - an ivshmem device through the files that Linux shows of it: no driver, no
 * IOMMU, but no interrupt either. With ivshmem-doorbell, peers can be rung.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"
#include "ivdev.h"
#include "pci.h"

struct sysfs {
	struct vmq__ivdev d;
	vmq_le32 *regs; /* NULL: cannot ring */
};

static int open_file(const struct vmq__pci *pci, const char *file, int flags)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", vmq__pci_sysfs, pci->bdf, file);
	return open(path, flags | O_CLOEXEC);
}

/* Let the device decode its addresses. That is left so at close: others may have come to
 * use it meanwhile. */
static int enable(const struct vmq__pci *pci)
{
	int fd = open_file(pci, "enable", O_RDWR), e = 0;
	char count = '0';

	if (fd < 0 || ((read(fd, &count, 1) != 1 || count == '0') && pwrite(fd, "1", 1, 0) != 1))
		e = errno;
	if (fd >= 0)
		close(fd);
	errno = e;
	return e && !pci->enabled ? vmq__ivdev_errno(e) : 0;
}

static int map_region(struct sysfs *s, const struct vmq__pci *pci, const struct vmq__ivdev_why *why)
{
	int fd = open_file(pci, "resource2", O_RDWR), rc;

	if (fd < 0) {
		rc = vmq__ivdev_errno(errno);
		return why->fail(why->ctx, rc, "the memory of %s cannot be opened: %s", pci->bdf, strerror(errno));
	}
	rc = vmq__ivdev_map(&s->d, fd, "the device's memory", why, NULL);
	close(fd);
	return rc;
}

/* Without its registers, the device is as good as ivshmem-plain. */
static void map_regs(struct sysfs *s, const struct vmq__pci *pci)
{
	int fd = pci->interrupts ? open_file(pci, "resource0", O_RDWR) : -1;
	uint32_t id;
	void *regs;

	if (fd < 0)
		return;
	regs = mmap(NULL, IVDEV_REGS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (regs == MAP_FAILED)
		return;
	s->regs = regs;
	s->d.caps = VMQ_CAP_EXIT;
	id = vmq__load(s->regs + IVDEV_REG_ID / sizeof(*s->regs));
	if (id <= IVDEV_ID_MAX)
		s->d.doorbell = id;
}

static void sysfs_close(struct vmq__ivdev *d)
{
	struct sysfs *s = (struct sysfs *)d;

	if (s->regs)
		munmap((void *)(uintptr_t)s->regs, IVDEV_REGS);
	if (d->region)
		munmap(d->region, d->size);
	free(s);
}

static void sysfs_ring(struct vmq__ivdev *d, uint32_t doorbell, uint32_t vector)
{
	struct sysfs *s = (struct sysfs *)d;

	if (!s->regs)
		return;
	vmq__fence(); /* what it rings for is seen before */
	vmq__store(s->regs + IVDEV_REG_RING / sizeof(*s->regs), vmq__ivdev_word(doorbell, vector));
}

static const struct vmq__ivdev_ops sysfs_ops = {
	.close = sysfs_close,
	.ring = sysfs_ring,
	.drain = vmq__ivdev_drain_bell,
	.service = vmq__ivdev_no_service,
};

int vmq__ivdev_sysfs(const struct vmq__pci *pci, const int bell[VMQ_FDS], const struct vmq__ivdev_why *why,
	struct vmq__ivdev **d)
{
	struct sysfs *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return VMQ_ENOMEM;
	vmq__ivdev_init(&s->d, &sysfs_ops, bell);
	rc = enable(pci);
	if (rc)
		why->fail(why->ctx, rc, "%s cannot be enabled (that takes root): %s", pci->bdf, strerror(errno));
	else
		rc = map_region(s, pci, why);
	if (rc) {
		sysfs_close(&s->d);
		return rc;
	}
	map_regs(s, pci);
	*d = &s->d;
	return 0;
}
