/* SPDX-License-Identifier: BSD-2-Clause */
/* pci.h - ivshmem devices as Linux shows them in sysfs. */
#ifndef VMQ_IVSHMEM_PCI_H
#define VMQ_IVSHMEM_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define VMQ__PCI_VENDOR 0x1af4u
#define VMQ__PCI_DEVICE 0x1110u
#define VMQ__PCI_NAME 32u

/* One ivshmem device of this machine. */
struct vmq__pci {
	char bdf[VMQ__PCI_NAME];    /* 0000:00:04.0 */
	char driver[VMQ__PCI_NAME]; /* bound to it, or "" */
	int group;                  /* IOMMU group, or -1 */
	bool enabled;               /* its memory is decoded */
	uint64_t size;              /* bytes of BAR2 */
	bool interrupts;            /* it has MSI-X: ivshmem-doorbell, not -plain */
};

/* Where sysfs is: "/sys", but for tests. */
extern const char *vmq__pci_sysfs;

/* Find the n-th ivshmem device, in the order of their addresses, or the one at bdf (if not
 * NULL; n is ignored). 0; VMQ_ENOENT; VMQ_EINVAL (that device is no ivshmem device). */
int vmq__pci_find(const char *bdf, unsigned n, struct vmq__pci *pci);

#endif
