/* SPDX-License-Identifier: BSD-2-Clause */
/* device_pci.c - a guest at its ivshmem device: which one, and the way to it. */
#include <string.h>

#include "ivdev.h"
#include "pci.h"

static int look_for(const char *bdf, const struct vmq__ivdev_why *why, struct vmq__pci *pci)
{
	int rc = vmq__pci_find(*bdf ? bdf : NULL, 0, pci);

	if (rc == VMQ_EINVAL)
		return why->fail(why->ctx, VMQ_EURI, "'%.60s' is no ivshmem device's address, as 0000:00:04.0; "
			"nor is it unix=PATH or file=PATH", bdf);
	if (rc && *bdf)
		return why->fail(why->ctx, VMQ_ECONN, "there is no device at %.60s: try lspci -n -d 1af4:1110", bdf);
	if (rc)
		return why->fail(why->ctx, VMQ_ECONN, "this machine has no ivshmem device: start QEMU with "
			"-device ivshmem-doorbell or ivshmem-plain");
	return 0;
}

int vmq__ivdev_pci(const char *bdf, const int bell[VMQ_FDS], const struct vmq__ivdev_why *why,
	struct vmq__ivdev **d)
{
	struct vmq__pci pci;
	int rc = look_for(bdf, why, &pci);

	if (rc)
		return rc;
	if (!strcmp(pci.driver, "vfio-pci"))
		return vmq__ivdev_vfio(&pci, bell, why, d);
	return vmq__ivdev_sysfs(&pci, bell, why, d);
}
