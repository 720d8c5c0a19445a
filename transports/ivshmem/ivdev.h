/* SPDX-License-Identifier: BSD-2-Clause */
/* ivdev.h - what the kinds of devices (device.h) share. */
#ifndef VMQ_IVSHMEM_IVDEV_H
#define VMQ_IVSHMEM_IVDEV_H

#include <sys/stat.h>

#include "device.h"

struct vmq__pci;

/* As vmq__errno(), but a device that is forbidden or in use has a code of its own. */
int vmq__ivdev_errno(int e);

/* May a region have so many bytes? `what` is its name for people. 0 or VMQ_EPROTO. */
int vmq__ivdev_sized(uint64_t size, const char *what, const struct vmq__ivdev_why *why);

/* Map a file that is a region, all of it; st (may be NULL) gets what fstat() says. */
int vmq__ivdev_map(struct vmq__ivdev *d, int fd, const char *what, const struct vmq__ivdev_why *why,
	struct stat *st);

/* Nothing but the endpoint's own bells: fd[] is bell[], no doorbell, no news. */
void vmq__ivdev_init(struct vmq__ivdev *d, const struct vmq__ivdev_ops *ops, const int bell[VMQ_FDS]);

/* Silence an eventfd, ring one: never waiting, whoever has changed its O_NONBLOCK, which is
 * shared with all who have the eventfd. hush: 1 had rung, 0 had not, -1 cannot be read. */
int vmq__ivdev_hush(int fd);
void vmq__ivdev_ring(int fd);

/* For ops: drain of what is only rung by way of bell[]; service of who has no server. */
bool vmq__ivdev_drain_bell(struct vmq__ivdev *d, unsigned kind);
unsigned vmq__ivdev_no_service(struct vmq__ivdev *d);

/* The device's registers: BAR0. */
#define IVDEV_REGS 4096u   /* bytes to map of it: a page; it has 256 */
#define IVDEV_REG_ID 8u    /* own id */
#define IVDEV_REG_RING 12u /* peer << 16 | vector */
#define IVDEV_ID_MAX 0xffffu

/* What to write to ring a peer; 0xffffffff, which rings nobody that there is: no such id or
 * vector can be. */
static inline uint32_t vmq__ivdev_word(uint32_t doorbell, uint32_t vector)
{
	return doorbell > IVDEV_ID_MAX || vector > IVDEV_ID_MAX ? UINT32_MAX : doorbell << 16 | vector;
}

/* vfio.c, sysfs.c: one way each to a PCI device. */
int vmq__ivdev_vfio(const struct vmq__pci *pci, const int bell[VMQ_FDS], const struct vmq__ivdev_why *why,
	struct vmq__ivdev **d);
int vmq__ivdev_sysfs(const struct vmq__pci *pci, const int bell[VMQ_FDS], const struct vmq__ivdev_why *why,
	struct vmq__ivdev **d);

#endif
