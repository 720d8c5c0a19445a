/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vfio.c - an ivshmem device bound to vfio-pci: its interrupts ring the endpoint's bells.
 *
 * The device does no DMA, so there is nothing to map in the IOMMU; but an MSI-X message is
 * a write by the device, and is lost unless the device is a bus master. Closing the
 * descriptors undoes all of it, at the end of the process too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"
#include "ivdev.h"
#include "loop.h"
#include "pci.h"

struct vfio {
	struct vmq__ivdev d;
	const struct vmq__ivdev_why *why; /* only at open */
	const char *bdf;                  /* only at open */
	int container, group, device;
	uint64_t regs_at;                 /* BAR0 in the device's file */
	vmq_le32 *regs;                   /* NULL: it cannot be mapped */
};

/* errno says why; `text` what to do. */
static int refused(struct vfio *v, const char *what, const char *text)
{
	int e = errno;

	return v->why->fail(v->why->ctx, vmq__ivdev_errno(e), "%s: %s: %s%s", v->bdf, what, strerror(e), text);
}

/* ---- group and device ----------------------------------------------------------------- */

static int open_group(struct vfio *v, int number)
{
	char path[64];

	v->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (v->container < 0)
		return refused(v, "/dev/vfio/vfio", " (modprobe vfio-pci; vmq doctor says more)");
	snprintf(path, sizeof(path), "/dev/vfio/%d", number);
	v->group = open(path, O_RDWR | O_CLOEXEC);
	if (v->group < 0)
		return refused(v, path, errno == EBUSY ? " (another process has the device)" :
			errno == EACCES ? " (root may chown it to this user)" : "");
	return 0;
}

static int set_iommu(struct vfio *v)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (ioctl(v->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
			!ioctl(v->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU))
		return v->why->fail(v->why->ctx, VMQ_ENOTSUP,
			"%s: vfio has no type1 IOMMU here (modprobe vfio_iommu_type1)", v->bdf);
	if (ioctl(v->group, VFIO_GROUP_GET_STATUS, &status))
		return refused(v, "vfio group", "");
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return v->why->fail(v->why->ctx, VMQ_EBUSY,
			"%s: other devices of its IOMMU group are not bound to vfio-pci", v->bdf);
	if (ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container))
		return refused(v, "vfio container", "");
	if (ioctl(v->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return refused(v, "vfio IOMMU",
			" (without interrupt remapping it needs vfio_iommu_type1.allow_unsafe_interrupts=1)");
	v->device = ioctl(v->group, VFIO_GROUP_GET_DEVICE_FD, v->bdf);
	return v->device < 0 ? refused(v, "vfio device", "") : 0;
}

static int region_info(struct vfio *v, uint32_t index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info){ .argsz = sizeof(*info), .index = index };
	return ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, info) ? refused(v, "vfio region", "") : 0;
}

static void *map_bar(struct vfio *v, const struct vfio_region_info *info, size_t size)
{
	void *at;

	if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP)) {
		errno = ENOTSUP;
		return NULL;
	}
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v->device, (off_t)info->offset);
	return at == MAP_FAILED ? NULL : at;
}

/* ---- registers -------------------------------------------------------------------------- */

static int read_reg(struct vfio *v, unsigned reg, uint32_t *value)
{
	vmq_le32 raw;

	if (v->regs) {
		*value = vmq__load(v->regs + reg / sizeof(*v->regs));
		return 0;
	}
	if (pread(v->device, &raw, sizeof(raw), (off_t)(v->regs_at + reg)) != sizeof(raw))
		return -1;
	*value = vmq__le32(raw);
	return 0;
}

static void vfio_ring(struct vmq__ivdev *d, uint32_t doorbell, uint32_t vector)
{
	struct vfio *v = (struct vfio *)d;
	uint32_t word = vmq__ivdev_word(doorbell, vector);
	vmq_le32 raw = vmq__le32(word);
	int e = errno;

	vmq__fence(); /* what it rings for is seen before */
	if (v->regs)
		vmq__store(v->regs + IVDEV_REG_RING / sizeof(*v->regs), word);
	else if (pwrite(v->device, &raw, sizeof(raw), (off_t)(v->regs_at + IVDEV_REG_RING)) < 0)
		errno = e; /* as if nobody had heard it */
}

static int map_bars(struct vfio *v)
{
	struct vfio_region_info info;
	int rc = region_info(v, VFIO_PCI_BAR0_REGION_INDEX, &info);

	if (rc)
		return rc;
	v->regs_at = info.offset;
	/* The BAR is smaller than a page: not all systems let it be mapped. */
	v->regs = map_bar(v, &info, IVDEV_REGS);
	rc = region_info(v, VFIO_PCI_BAR2_REGION_INDEX, &info);
	if (!rc)
		rc = vmq__ivdev_sized(info.size, "the device's memory", v->why);
	if (rc)
		return rc;
	v->d.region = map_bar(v, &info, (size_t)info.size);
	v->d.size = info.size;
	return v->d.region ? 0 : refused(v, "the device's memory", "");
}

/* ---- interrupts --------------------------------------------------------------------------- */

static int be_master(struct vfio *v)
{
	struct vfio_region_info info;
	uint16_t command;
	int rc = region_info(v, VFIO_PCI_CONFIG_REGION_INDEX, &info);
	off_t at = (off_t)info.offset + PCI_COMMAND;

	if (rc)
		return rc;
	if (pread(v->device, &command, sizeof(command), at) != sizeof(command))
		return refused(v, "PCI command register", "");
	command |= vmq__le16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	if (pwrite(v->device, &command, sizeof(command), at) != sizeof(command))
		return refused(v, "PCI command register", "");
	return 0;
}

static int wire_vectors(struct vfio *v, uint32_t count)
{
	const struct vfio_irq_set set = {
		.argsz = (uint32_t)(sizeof(set) + count * sizeof(int32_t)),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX, .count = count };
	_Alignas(struct vfio_irq_set) uint8_t irqs[sizeof(set) + VMQ_FDS * sizeof(int32_t)];

	memcpy(irqs, &set, sizeof(set));
	for (uint32_t k = 0; k < count; k++)
		memcpy(irqs + sizeof(set) + k * sizeof(int32_t), &v->d.bell[k], sizeof(int32_t));
	return ioctl(v->device, VFIO_DEVICE_SET_IRQS, irqs) ? refused(v, "MSI-X", "") : 0;
}

/* Vector k rings bell[k]. ivshmem-plain has no vectors, and cannot ring either. */
static int wire(struct vfio *v)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	uint32_t count;
	int rc;

	if (ioctl(v->device, VFIO_DEVICE_GET_IRQ_INFO, &info))
		return refused(v, "MSI-X", "");
	count = info.count < VMQ_FDS ? info.count : VMQ_FDS;
	if (!count)
		return 0;
	rc = be_master(v);
	if (!rc)
		rc = wire_vectors(v, count);
	if (rc)
		return rc;
	v->d.vectors = count;
	v->d.caps = VMQ_CAP_WAKE | VMQ_CAP_EXIT;
	if (read_reg(v, IVDEV_REG_ID, &v->d.doorbell) || v->d.doorbell > IVDEV_ID_MAX)
		v->d.doorbell = VMQ_IVSHMEM_NOBODY;
	return 0;
}

/* ---- open and close ----------------------------------------------------------------------- */

static void vfio_close(struct vmq__ivdev *d)
{
	struct vfio *v = (struct vfio *)d;

	/* Mappings first: they keep the device open. */
	if (v->regs)
		munmap((void *)(uintptr_t)v->regs, IVDEV_REGS);
	if (d->region)
		munmap(d->region, d->size);
	vmq__loop_close(v->device);
	vmq__loop_close(v->group);
	vmq__loop_close(v->container);
	free(v);
}

static const struct vmq__ivdev_ops vfio_ops = {
	.close = vfio_close,
	.ring = vfio_ring,
	.drain = vmq__ivdev_drain_bell,
	.service = vmq__ivdev_no_service,
};

int vmq__ivdev_vfio(const struct vmq__pci *pci, const int bell[VMQ_FDS], const struct vmq__ivdev_why *why,
	struct vmq__ivdev **d)
{
	struct vfio *v = calloc(1, sizeof(*v));
	int rc;

	if (!v)
		return VMQ_ENOMEM;
	vmq__ivdev_init(&v->d, &vfio_ops, bell);
	v->why = why;
	v->bdf = pci->bdf;
	v->container = v->group = v->device = -1;
	rc = open_group(v, pci->group);
	if (!rc)
		rc = set_iommu(v);
	if (!rc)
		rc = map_bars(v);
	if (!rc)
		rc = wire(v);
	if (rc) {
		vfio_close(&v->d);
		return rc;
	}
	v->why = NULL;
	v->bdf = NULL;
	*d = &v->d;
	return 0;
}
