/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio_open.c - the doctor opens a device as the transport does, step by step. It
 * does not make it a bus master, and takes no interrupts. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "doctor.h"

struct handles {
	int container, group, device;
};

static bool refused(struct doctor *d, const char *what)
{
	doctor_say(d, DOCTOR_FAIL, "vfio: %s: %s", what, strerror(errno));
	return false;
}

static bool open_group(struct doctor *d, const struct vmq__pci *pci, struct handles *h)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[DOCTOR_PATH];

	doctor_path(d, path, "/dev/vfio/%d", pci->group);
	h->group = open(path, O_RDWR | O_CLOEXEC);
	if (h->group < 0 && errno == EBUSY) {
		doctor_say(d, DOCTOR_WARN, "a program uses the device now, and only one at a time can");
		return false;
	}
	if (h->group < 0)
		return refused(d, "cannot open the group");
	if (ioctl(h->group, VFIO_GROUP_GET_STATUS, &status))
		return refused(d, "what stands for the group is none");
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		doctor_say(d, DOCTOR_FAIL, "vfio: the group is not viable: other devices in it are at other "
			"drivers");
		return false;
	}
	return true;
}

static bool open_container(struct doctor *d, struct handles *h)
{
	char path[DOCTOR_PATH];

	doctor_path(d, path, "/dev/vfio/vfio");
	h->container = open(path, O_RDWR | O_CLOEXEC);
	if (h->container < 0)
		return refused(d, "cannot open /dev/vfio/vfio");
	if (ioctl(h->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION)
		return refused(d, "another API version");
	if (ioctl(h->group, VFIO_GROUP_SET_CONTAINER, &h->container))
		return refused(d, "the group does not go into a container");
	if (!ioctl(h->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return true;
	return refused(d, "it does not take the IOMMU");
}

static bool open_bar(struct doctor *d, const struct vmq__pci *pci, struct handles *h, struct doctor_region *r)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = VFIO_PCI_BAR2_REGION_INDEX };
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	void *map;

	h->device = ioctl(h->group, VFIO_GROUP_GET_DEVICE_FD, pci->bdf);
	if (h->device < 0)
		return refused(d, "the device does not open");
	if (ioctl(h->device, VFIO_DEVICE_GET_REGION_INFO, &info) || info.size != pci->size)
		return refused(d, "the device's memory has another size");
	if (ioctl(h->device, VFIO_DEVICE_GET_IRQ_INFO, &irq))
		irq.count = 0;
	map = mmap(NULL, (size_t)info.size, PROT_READ, MAP_SHARED, h->device, (off_t)info.offset);
	if (map == MAP_FAILED)
		return refused(d, "the device's memory cannot be mapped");
	*r = (struct doctor_region){ .fd = -1, .map = map, .size = info.size };
	if (irq.count)
		doctor_say(d, DOCTOR_OK, "interrupts: opens through vfio, %u vectors", irq.count);
	if (irq.count && irq.count < 3)
		doctor_say(d, DOCTOR_NOTE, "with 3 vectors or more, none has to be polled for: QEMU's vectors=3");
	return true;
}

bool doctor_vfio_open(struct doctor *d, const struct vmq__pci *pci, struct doctor_region *r)
{
	struct handles h = { -1, -1, -1 };
	bool ok = open_group(d, pci, &h) && open_container(d, &h) && open_bar(d, pci, &h, r);

	/* The mapping keeps the device open. */
	if (h.device >= 0)
		close(h.device);
	if (h.group >= 0)
		close(h.group);
	if (h.container >= 0)
		close(h.container);
	return ok;
}
