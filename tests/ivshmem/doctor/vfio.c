/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio.c - `vmq doctor` and vfio-pci: what is missing, and what --fix does. */
#include <criterion/criterion.h>
#include <string.h>

#include "machine.h"

static struct machine m;

static void setup(void)
{
	machine_make(&m);
	machine_device(&m, BDF, true, REGION);
}

static void teardown(void)
{
	machine_remove(&m);
}

TestSuite(doctor_vfio, .init = setup, .fini = teardown);

#define UNBOUND "polled: the device is not at vfio-pci"
#define TO_VFIO "echo vfio-pci > " DEVICE "/driver_override"
#define PROBE "echo " BDF " > /sys/bus/pci/drivers_probe"

Test(doctor_vfio, no_iommu)
{
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(commands_are(&m, "polled: interrupts need vfio-pci, which needs an IOMMU, and this machine "
		"has none",
		"-M q35 -device intel-iommu,intremap=on", "intel_iommu=on no_timer_check", NULL));
}

Test(doctor_vfio, iommu_not_switched_on)
{
	machine_text(&m, "/sys/firmware/acpi/tables/DMAR", "DMAR");
	machine_text(&m, "/proc/cmdline", "console=ttyS0 quiet\n");
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(commands_are(&m, "polled: interrupts need vfio-pci, which needs the IOMMU; this machine "
		"has one",
		"intel_iommu=on no_timer_check", NULL));
	machine_text(&m, "/proc/cmdline", "console=ttyS0 intel_iommu=on quiet\n");
	doctor_guest(&m.d);
	cr_assert(commands_are(&m, "polled: interrupts need vfio-pci, which needs the IOMMU; this machine "
		"has one, and its kernel was told to use it", "dmesg | grep -i -e dmar -e iommu", NULL));
}

Test(doctor_vfio, no_modules)
{
	machine_group(&m, BDF, 3);
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(found(&m, "warn", "polled: interrupts need vfio-pci, and there is no such module in "
		"/lib/modules/" RELEASE ": install the rest of this kernel's modules"));
	cr_assert(!doctor_fix(&m.d));
	cr_assert(verdict_is(&m, "failed"));
}

Test(doctor_vfio, not_loaded)
{
	machine_group(&m, BDF, 3);
	machine_modules(&m);
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(commands_are(&m, UNBOUND, "insmod " MODULES "/drivers/vfio/vfio.ko",
		"insmod " MODULES "/drivers/vfio/vfio_iommu_type1.ko.xz",
		"insmod " MODULES "/drivers/vfio/pci/vfio-pci.ko", TO_VFIO, PROBE, NULL));
	machine_program(&m, "modprobe", "#!/bin/sh\n");
	doctor_guest(&m.d);
	cr_assert(commands_are(&m, UNBOUND, "modprobe vfio_iommu_type1", "modprobe vfio-pci",
		TO_VFIO, PROBE, NULL));
}

Test(doctor_vfio, loaded)
{
	machine_group(&m, BDF, 3);
	machine_vfio(&m, 3);
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(commands_are(&m, UNBOUND, TO_VFIO, PROBE, NULL));
}

Test(doctor_vfio, another_driver)
{
	machine_group(&m, BDF, 3);
	machine_vfio(&m, 3);
	machine_driver(&m, BDF, "uio_pci_generic");
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(commands_are(&m, "polled: the driver uio_pci_generic has the device",
		"echo " BDF " > " DEVICE "/driver/unbind", TO_VFIO, PROBE, NULL));
}

#define ECAP "/sys/class/iommu/dmar0/intel-iommu/ecap"
#define UNSAFE "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
#define NO_REMAPPING "the IOMMU cannot remap interrupts, and vfio refuses it"

/* To bind it would make it worse: vfio has it then, and gives it to nobody. */
Test(doctor_vfio, no_remapping)
{
	machine_group(&m, BDF, 3);
	machine_modules(&m);
	machine_text(&m, ECAP, "f00f42\n");
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(commands_are(&m, "polled: " NO_REMAPPING, "-device intel-iommu,intremap=on",
		"modprobe vfio_iommu_type1 allow_unsafe_interrupts=1", NULL));
	machine_vfio(&m, 3);
	machine_text(&m, UNSAFE, "N\n");
	doctor_guest(&m.d);
	cr_assert(commands_are(&m, "polled: " NO_REMAPPING, "-device intel-iommu,intremap=on", "echo Y > "
		"" UNSAFE, NULL));
	cr_assert(doctor_fix(&m.d));
	cr_assert(found(&m, "ok", "nothing for --fix to do at " BDF));
	machine_driver(&m, BDF, "vfio-pci");
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(commands_are(&m, NO_REMAPPING, "-device intel-iommu,intremap=on", "echo Y > " UNSAFE, NULL));
}

Test(doctor_vfio, remapping)
{
	machine_group(&m, BDF, 3);
	machine_vfio(&m, 3);
	machine_text(&m, ECAP, "f00f42\n");
	machine_text(&m, UNSAFE, "Y\n");
	doctor_guest(&m.d);
	cr_assert(commands_are(&m, UNBOUND, TO_VFIO, PROBE, NULL));
	machine_text(&m, UNSAFE, "N\n");
	machine_text(&m, ECAP, "f00f4a\n");
	doctor_guest(&m.d);
	cr_assert(commands_are(&m, UNBOUND, TO_VFIO, PROBE, NULL));
}

/* ---- at vfio-pci -------------------------------------------------------------------------- */

static void bound(void)
{
	machine_group(&m, BDF, 3);
	machine_vfio(&m, 3);
	machine_driver(&m, BDF, "vfio-pci");
}

/* As far as it goes where /dev/vfio is made up: guest_test goes on. */
Test(doctor_vfio, gets_to_the_group)
{
	bound();
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(found(&m, "fail", "vfio: what stands for the group is none: Inappropriate ioctl for device"));
}

static bool not_theirs(void)
{
	doctor_guest(&m.d);
	return verdict_is(&m, "cannot") && commands_are(&m, "this user may not open /dev/vfio/3: Permission "
		"denied",
		"sudo chown $USER /dev/vfio/3", NULL);
}

Test(doctor_vfio, somebody_elses)
{
	bound();
	machine_mode(&m, "/dev/vfio/3", 0);
	cr_assert(machine_as_nobody(not_theirs));
}

Test(doctor_vfio, no_group_device)
{
	bound();
	machine_group(&m, BDF, 4);
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(commands_are(&m, "vfio-pci has the device, but /dev/vfio/4 or /dev/vfio/vfio is not there",
		"modprobe vfio_iommu_type1", NULL));
}

#define OTHER "0000:00:05.0"

Test(doctor_vfio, neighbours)
{
	const char *text = OTHER " is in the same IOMMU group (3) and at the driver e1000e: vfio gives the "
		"group out only without that";
	const char *command = "echo " OTHER " > /sys/bus/pci/devices/" OTHER "/driver/unbind";

	machine_group(&m, BDF, 3);
	machine_vfio(&m, 3);
	machine_group(&m, OTHER, 3);
	machine_group(&m, "0000:00:06.0", 3);
	machine_group(&m, "0000:00:07.0", 3);
	machine_driver(&m, "0000:00:06.0", "pcieport");
	doctor_guest(&m.d);
	cr_assert(commands_are(&m, UNBOUND, TO_VFIO, PROBE, NULL));
	/* To bind it in such company would leave it to nobody. */
	machine_driver(&m, OTHER, "e1000e");
	cr_assert(doctor_fix(&m.d));
	cr_assert(found(&m, "ok", "nothing for --fix to do at " BDF));
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(commands_are(&m, "polled: " OTHER, command, NULL));
	machine_driver(&m, BDF, "vfio-pci");
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(commands_are(&m, text, command, NULL));
}

/* ---- --fix ------------------------------------------------------------------------------------ */

static bool holds(const char *file, const char *text)
{
	char has[128];

	machine_read(&m, file, has, sizeof(has));
	return !strcmp(has, text);
}

/* In a folder nothing probes: the device gets no driver, and all of it is taken back. */
Test(doctor_vfio, fix_that_does_not_take)
{
	machine_group(&m, BDF, 3);
	machine_vfio(&m, 3);
	machine_text(&m, DEVICE "/driver_override", "(null)\n");
	cr_assert(!doctor_fix(&m.d));
	cr_assert(verdict_is(&m, "failed"));
	cr_assert(found(&m, "fail", "vfio-pci did not take " BDF "; the kernel's log (dmesg) may say why"));
	cr_assert(found(&m, "note", "undone: echo \"\" > " DEVICE "/driver_override"));
	cr_assert(holds(DEVICE "/driver_override", ""));
	cr_assert(holds("/sys/bus/pci/drivers_probe", BDF));
}

Test(doctor_vfio, fix_leaves_other_drivers_alone)
{
	machine_group(&m, BDF, 3);
	machine_vfio(&m, 3);
	machine_driver(&m, BDF, "uio_pci_generic");
	machine_text(&m, "/sys/bus/pci/drivers/uio_pci_generic/unbind", "");
	machine_text(&m, "/sys/bus/pci/drivers/uio_pci_generic/bind", "");
	machine_text(&m, DEVICE "/driver_override", "");
	cr_assert(doctor_fix(&m.d));
	cr_assert(found(&m, "note", BDF " stays with the driver uio_pci_generic; `vmq doctor --fix ivshmem:" BDF
		"` takes it away if vfio-pci can have it"));
	cr_assert(holds("/sys/bus/pci/drivers/uio_pci_generic/unbind", ""));
	/* Told so, it does; and gives it back, as nothing probes here. */
	m.d.bdf = BDF;
	cr_assert(!doctor_fix(&m.d));
	cr_assert(holds("/sys/bus/pci/drivers/uio_pci_generic/unbind", BDF));
	cr_assert(holds("/sys/bus/pci/drivers/uio_pci_generic/bind", BDF));
	cr_assert(holds(DEVICE "/driver_override", ""));
}

Test(doctor_vfio, fix_stops_where_a_module_fails)
{
	machine_group(&m, BDF, 3);
	machine_modules(&m);
	machine_text(&m, DEVICE "/driver_override", "(null)\n");
	machine_program(&m, "modprobe", "#!/bin/sh\n[ $1 = vfio_iommu_type1 ] && exit\necho no such luck: "
		"$1\nexit 1\n");
	cr_assert(!doctor_fix(&m.d));
	cr_assert(found(&m, "ok", "modprobe vfio_iommu_type1"));
	cr_assert(found(&m, "fail", "modprobe vfio-pci: no such luck: vfio-pci"));
	cr_assert(holds(DEVICE "/driver_override", "(null)"));
}

Test(doctor_vfio, fix_enables_what_cannot_be_bound)
{
	const uint8_t config[64] = { 0xf4, 0x1a, 0x10, 0x11 };

	machine_file(&m, DEVICE "/config", config, sizeof(config), sizeof(config));
	cr_assert(doctor_fix(&m.d));
	cr_assert(found(&m, "ok", "echo 1 > " DEVICE "/enable"));
	cr_assert(holds(DEVICE "/enable", "1"));
}

Test(doctor_vfio, fix_has_nothing_to_do)
{
	cr_assert(doctor_fix(&m.d));
	cr_assert(found(&m, "ok", "nothing for --fix to do at " BDF));
	bound();
	cr_assert(doctor_fix(&m.d));
	cr_assert(found(&m, "ok", "nothing for --fix to do at " BDF));
	m.d.bdf = "0000:00:1f.7";
	cr_assert(!doctor_fix(&m.d));
	cr_assert(found(&m, "fail", "there is no ivshmem device to bind"));
}

static bool only_root(void)
{
	return !doctor_fix(&m.d) && found(&m, "fail", "only root can do that");
}

Test(doctor_vfio, fix_is_roots)
{
	machine_group(&m, BDF, 3);
	machine_vfio(&m, 3);
	cr_assert(machine_as_nobody(only_root));
}
