/* SPDX-License-Identifier: BSD-2-Clause */
/* ivshmem_guests.c - the suite over ivshmem: with peers in a Linux guest under QEMU. The
 * build says where the tests run (LAB_HOST) and what guests have (LAB_VFIO). */
#include <stdio.h>

#include "lab.h"

const struct lab_plan lab_plan = { .host = LAB_HOST, .interrupts = LAB_VFIO };

static bool start(void)
{
	return lab_inside();
}

static void stop(void)
{
}

static void uri(const char *vm, char *text, size_t len)
{
	char path[80];

	lab_path("ivshmem", path, sizeof(path));
	if (lab_machine() == STATION_HOST)
		snprintf(text, len, "ivshmem:unix=%s?name=%s", path, vm);
	else
		snprintf(text, len, "ivshmem:?name=%s", vm);
}

/* With vfio an endpoint has a device for itself: any that nobody else has now. */
static int open_device(const char *vm, const char *settings, uint32_t flags, struct vmq **q)
{
	char text[256], why[200] = "";
	struct vmq_options o = { .size = sizeof(o), .flags = flags, .errmsg = why, .errlen = sizeof(why) };
	int rc = VMQ_EBUSY;

	if (!LAB_VFIO || lab_machine() == STATION_HOST)
		return 1;
	for (unsigned i = 0; i < LAB_DEVICES && rc == VMQ_EBUSY; i++) {
		snprintf(text, sizeof(text), "ivshmem:0000:00:%02x.0?name=%s%s%s", 16 + i, vm,
			settings ? "&" : "", settings ? settings : "");
		rc = vmq_open(text, &o, q);
	}
	if (rc)
		fprintf(stderr, "%s: %s: %s\n", text, vmq_errname(rc), why);
	return rc;
}

const struct conf_fabric conf_fabric = {
	.name = "ivshmem-guests",
	.processes = true,
	.slow = 4, /* QEMU without KVM */
	.caps = VMQ_CAP_PAGES | (LAB_HOST || LAB_VFIO ? VMQ_CAP_WAKE : 0) | (LAB_HOST ? 0 : VMQ_CAP_EXIT),
	.start = start,
	.stop = stop,
	.uri = uri,
	.open = open_device,
	.spawn = lab_spawn,
	.join = lab_join,
};
