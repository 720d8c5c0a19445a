/* SPDX-License-Identifier: BSD-2-Clause */
/* guest.c - ivshmem in a guest: is the device there, and how well can it be used? */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmq/vmq.h>

#include "doctor.h"

#define DEVICES_MOST 64u

static void no_device(struct doctor *d)
{
	doctor_say(d, DOCTOR_FAIL, "no ivshmem device (PCI 1af4:1110) on this machine: it is no guest, or "
		"its QEMU has none");
	doctor_say(d, DOCTOR_NOTE, "with interrupts: a server on the host, QEMU's flags, the guest's kernel "
		"arguments");
	doctor_command(d, "vmq ivshmem-server --size 64M /run/vmq.sock");
	doctor_command(d, "-M q35 -device intel-iommu,intremap=on -chardev socket,id=vmq,path=/run/vmq.sock "
		"-device ivshmem-doorbell,chardev=vmq,vectors=3");
	doctor_command(d, "intel_iommu=on no_timer_check");
	doctor_say(d, DOCTOR_NOTE, "polled, with nothing but a file on the host: QEMU's flags");
	doctor_command(d, "-object memory-backend-file,id=vmq,share=on,mem-path=/dev/shm/vmq,size=64M "
		"-device ivshmem-plain,memdev=vmq");
	doctor_say(d, DOCTOR_NOTE, "without KVM, two more flags: else the guest's atomic instructions are "
		"not atomic to others");
	doctor_command(d, "-accel tcg,thread=multi -smp 1,maxcpus=2");
}

static bool find(struct doctor *d, struct vmq__pci *pci)
{
	int rc = vmq__pci_find(d->bdf, 0, pci);

	if (!rc)
		return true;
	if (!d->bdf)
		no_device(d);
	else if (rc == VMQ_ENOENT)
		doctor_say(d, DOCTOR_FAIL, "there is no PCI device %s", d->bdf);
	else
		doctor_say(d, DOCTOR_FAIL, "%s is not the address of an ivshmem device (PCI 1af4:1110)", d->bdf);
	return false;
}

static void introduce(struct doctor *d, const struct vmq__pci *pci)
{
	struct vmq__pci other;

	doctor_say(d, DOCTOR_OK, "%s: %s, %llu KiB, driver %s", pci->bdf,
		pci->interrupts ? "ivshmem-doorbell" : "ivshmem-plain", (unsigned long long)pci->size >> 10,
		*pci->driver ? pci->driver : "none");
	for (unsigned n = 1; !d->bdf && n < DEVICES_MOST && !vmq__pci_find(NULL, n, &other); n++)
		doctor_say(d, DOCTOR_NOTE, "there is another one: `vmq doctor ivshmem:%s`", other.bdf);
}

/* Without KVM, QEMU makes a guest's LOCK prefixes atomic for other processes only if it
 * runs, or may come to run, several of its processors as threads. */
static void atomics(struct doctor *d)
{
	char possible[32];

	if (strcmp(d->hypervisor, "TCGTCGTCGTCG"))
		return;
	doctor_read(d, possible, sizeof(possible), "/sys/devices/system/cpu/possible");
	if (strcmp(possible, "0")) {
		doctor_say(d, DOCTOR_NOTE, "QEMU runs without KVM: it needs -accel tcg,thread=multi, which a "
			"guest can't see");
		return;
	}
	doctor_say(d, DOCTOR_WARN, "QEMU runs without KVM and with one possible processor: this guest's "
		"atomic instructions are not atomic to other processes, and messages may be lost; QEMU needs "
		"these flags:");
	doctor_command(d, "-accel tcg,thread=multi -smp 1,maxcpus=2");
}

/* ---- through sysfs --------------------------------------------------------------------------- */

static void not_open(struct doctor *d, const struct vmq__pci *pci, int e)
{
	doctor_say(d, DOCTOR_FAIL, "this user may not open the device's memory: %s", strerror(e));
	if (e == EACCES || e == EPERM)
		doctor_command(d, "sudo chown $USER /sys/bus/pci/devices/%s/resource0 "
			"/sys/bus/pci/devices/%s/resource2",
			pci->bdf, pci->bdf);
}

static bool map_resource(struct doctor *d, const struct vmq__pci *pci, int fd, struct doctor_region *r)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) || (uint64_t)st.st_size != pci->size) {
		doctor_say(d, DOCTOR_FAIL, "the device's memory in sysfs has another size than the device says");
		return false;
	}
	map = mmap(NULL, (size_t)pci->size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		doctor_say(d, DOCTOR_FAIL, "the device's memory cannot be mapped: %s", strerror(errno));
		return false;
	}
	*r = (struct doctor_region){ .fd = -1, .map = map, .size = pci->size };
	return true;
}

/* The transport enables it by itself if it may. The doctor changes nothing, so it cannot
 * look into the memory then. */
static bool enabled(struct doctor *d, const struct vmq__pci *pci)
{
	char path[DOCTOR_PATH];

	if (pci->enabled)
		return true;
	doctor_path(d, path, "/sys/bus/pci/devices/%s/enable", pci->bdf);
	if (access(path, W_OK))
		doctor_say(d, DOCTOR_FAIL, "the device is not enabled; `vmq doctor --fix` enables it, and so "
			"does, as root:");
	else
		doctor_say(d, DOCTOR_NOTE, "the device is not enabled yet, and its memory not seen: an "
			"endpoint of root's enables it, and so does:");
	doctor_command(d, "echo 1 > /sys/bus/pci/devices/%s/enable", pci->bdf);
	return false;
}

static bool open_resource(struct doctor *d, const struct vmq__pci *pci, struct doctor_region *r)
{
	char path[DOCTOR_PATH];
	bool mapped;
	int fd;

	doctor_path(d, path, "/sys/bus/pci/devices/%s/resource2", pci->bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		not_open(d, pci, errno);
		return false;
	}
	mapped = enabled(d, pci) && map_resource(d, pci, fd, r);
	close(fd);
	return mapped;
}

/* ---- all of it ---------------------------------------------------------------------------------- */

/* By which way the device would be opened, and what is to say of that way. */
static bool open_device(struct doctor *d, const struct vmq__pci *pci, struct doctor_region *r)
{
	bool at_vfio = !strcmp(pci->driver, "vfio-pci");

	if (!pci->interrupts)
		doctor_say(d, DOCTOR_WARN, "polled: ivshmem-plain has no interrupts; ivshmem-doorbell has");
	if (pci->interrupts || at_vfio)
		at_vfio = doctor_vfio(d, pci) && at_vfio;
	if (doctor_failed(d))
		return false;
	return at_vfio ? doctor_vfio_open(d, pci, r) : open_resource(d, pci, r);
}

static void guest_look(struct doctor *d)
{
	struct doctor_region r;
	struct vmq__pci pci;

	if (!find(d, &pci))
		return;
	introduce(d, &pci);
	atomics(d);
	if (!doctor_size(d, pci.size)) {
		doctor_command(d, "vmq ivshmem-server --size 64M /run/vmq.sock");
		return;
	}
	if (!open_device(d, &pci, &r))
		return;
	doctor_speed(d, &r);
	doctor_region(d, &r);
	munmap((void *)(uintptr_t)r.map, (size_t)r.size);
}

void doctor_guest(struct doctor *d)
{
	doctor_begin(d, "ivshmem-guest");
	guest_look(d);
	doctor_end(d);
}
