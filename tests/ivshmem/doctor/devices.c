/* SPDX-License-Identifier: BSD-2-Clause */
/* devices.c - `vmq doctor` in guests that are made up: which device, and how it can be used. */
#include <criterion/criterion.h>

#include "machine.h"

static struct machine m;

static void setup(void)
{
	machine_make(&m);
}

static void teardown(void)
{
	machine_remove(&m);
}

TestSuite(devices, .init = setup, .fini = teardown);

Test(devices, none)
{
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(commands_are(&m, "with interrupts:", "vmq ivshmem-server --size 64M /run/vmq.sock",
		"-M q35 -device intel-iommu,intremap=on -chardev socket,id=vmq,path=/run/vmq.sock -device "
		"ivshmem-doorbell,chardev=vmq,vectors=3",
		"intel_iommu=on no_timer_check", NULL));
	cr_assert(commands_are(&m, "polled,",
		"-object memory-backend-file,id=vmq,share=on,mem-path=/dev/shm/vmq,size=64M -device "
		"ivshmem-plain,memdev=vmq", NULL));
	cr_assert(commands_are(&m, "without KVM", "-accel tcg,thread=multi -smp 1,maxcpus=2", NULL));
}

Test(devices, no_sysfs)
{
	vmq__pci_sysfs = "/nonexistent";
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
}

Test(devices, plain)
{
	machine_device(&m, BDF, false, REGION);
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(found(&m, "ok", BDF ": ivshmem-plain, 1024 KiB, driver none"));
	cr_assert(found(&m, "warn", "polled: ivshmem-plain has no interrupts; ivshmem-doorbell has"));
	cr_assert(found(&m, "ok", "no directory yet: the first endpoint lays it out"));
}

/* Only the first 64 bytes of the configuration are there for others than root: the list of
 * capabilities is behind. */
Test(devices, capabilities_out_of_sight)
{
	uint8_t config[64] = { 0xf4, 0x1a, 0x10, 0x11, 0x02, 0, 0x10 };

	config[0x34] = 0x40;
	machine_device(&m, BDF, true, REGION);
	machine_file(&m, DEVICE "/config", config, sizeof(config), sizeof(config));
	doctor_guest(&m.d);
	cr_assert(found(&m, "ok", BDF ": ivshmem-doorbell, 1024 KiB, driver none"));
	machine_device(&m, BDF, false, REGION);
	machine_file(&m, DEVICE "/config", config, sizeof(config), sizeof(config));
	doctor_guest(&m.d);
	cr_assert(found(&m, "ok", BDF ": ivshmem-plain, 1024 KiB, driver none"));
}

/* A list that leads to itself, and one that leads out, come to an end. */
Test(devices, capabilities_that_lead_nowhere)
{
	uint8_t config[256] = { 0xf4, 0x1a, 0x10, 0x11, 0x02, 0, 0x10 };

	config[0x34] = 0x40;
	config[0x40] = 0x09;
	config[0x41] = 0x40;
	machine_device(&m, BDF, false, REGION);
	machine_file(&m, DEVICE "/config", config, sizeof(config), sizeof(config));
	doctor_guest(&m.d);
	cr_assert(found(&m, "ok", BDF ": ivshmem-plain, 1024 KiB, driver none"));
	config[0x34] = 0xff;
	machine_file(&m, DEVICE "/config", config, 80, 80);
	doctor_guest(&m.d);
	cr_assert(found(&m, "ok", BDF ": ivshmem-plain, 1024 KiB, driver none"));
}

Test(devices, sizes_that_are_none)
{
	machine_device(&m, BDF, false, 3u << 20);
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(found(&m, "fail", "a region of 3145728 bytes: it must be a power of two, at least 256 KiB"));
	machine_device(&m, BDF, false, 128u << 10);
	doctor_guest(&m.d);
	cr_assert(commands_are(&m, "a region of 131072 bytes", "vmq ivshmem-server --size 64M "
		"/run/vmq.sock", NULL));
	machine_text(&m, DEVICE "/resource", "nonsense\n");
	doctor_guest(&m.d);
	cr_assert(found(&m, "fail", "a region of 0 bytes: it must be a power of two, at least 256 KiB"));
}

Test(devices, which_one)
{
	machine_device(&m, "0000:00:10.0", false, REGION);
	machine_device(&m, "0001:00:01.0", false, REGION);
	machine_device(&m, "0000:00:0a.0", false, REGION);
	machine_folder(&m, "/sys/bus/pci/devices/nonsense");
	machine_text(&m, "/sys/bus/pci/devices/0000:00:00.0/vendor", "0x8086\n");
	doctor_guest(&m.d);
	cr_assert(found(&m, "ok", "0000:00:0a.0: ivshmem-plain, 1024 KiB, driver none"));
	cr_assert(found(&m, "note", "there is another one: `vmq doctor ivshmem:0000:00:10.0`"));
	cr_assert(found(&m, "note", "there is another one: `vmq doctor ivshmem:0001:00:01.0`"));
	m.d.bdf = "0000:00:10.0";
	doctor_guest(&m.d);
	cr_assert(found(&m, "ok", "0000:00:10.0: ivshmem-plain, 1024 KiB, driver none"));
	m.d.bdf = "0000:00:00.0";
	doctor_guest(&m.d);
	cr_assert(found(&m, "fail", "0000:00:00.0 is not the address of an ivshmem device (PCI 1af4:1110)"));
	m.d.bdf = "0000:00:1f.0";
	doctor_guest(&m.d);
	cr_assert(found(&m, "fail", "there is no PCI device 0000:00:1f.0"));
	m.d.bdf = "../0000:00:10.0";
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
}

static bool not_enabled_nor_to_be(void)
{
	doctor_guest(&m.d);
	return verdict_is(&m, "cannot") &&
	       commands_are(&m, "the device is not enabled;", "echo 1 > " DEVICE "/enable", NULL);
}

Test(devices, not_enabled)
{
	const uint8_t config[64] = { 0xf4, 0x1a, 0x10, 0x11 };

	machine_device(&m, BDF, false, REGION);
	machine_file(&m, DEVICE "/config", config, sizeof(config), sizeof(config));
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(commands_are(&m, "the device is not enabled yet", "echo 1 > " DEVICE "/enable", NULL));
	machine_mode(&m, DEVICE "/resource2", 0666);
	cr_assert(machine_as_nobody(not_enabled_nor_to_be));
}

static bool not_theirs(void)
{
	doctor_guest(&m.d);
	return verdict_is(&m, "cannot") &&
	       commands_are(&m, "this user may not open the device's memory: Permission denied",
		       "sudo chown $USER " DEVICE "/resource0 " DEVICE "/resource2", NULL);
}

Test(devices, somebody_elses)
{
	machine_device(&m, BDF, false, REGION);
	machine_mode(&m, DEVICE "/resource2", 0600);
	cr_assert(machine_as_nobody(not_theirs));
}

/* What a file of sysfs says of its size, and what the device does, should be one. */
Test(devices, memory_of_another_size)
{
	machine_device(&m, BDF, false, REGION);
	machine_file(&m, DEVICE "/resource2", "", 0, REGION / 2);
	doctor_guest(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
}

Test(devices, one_processor_without_kvm)
{
	machine_device(&m, BDF, false, REGION);
	machine_text(&m, "/sys/devices/system/cpu/possible", "0\n");
	doctor_guest(&m.d);
	cr_assert_eq(json_array_size(m.d.findings), 4); /* no word of processors */
	m.d.hypervisor = "TCGTCGTCGTCG";
	doctor_guest(&m.d);
	cr_assert(commands_are(&m, "QEMU runs without KVM and with one possible processor",
		"-accel tcg,thread=multi -smp 1,maxcpus=2", NULL));
	machine_text(&m, "/sys/devices/system/cpu/possible", "0-1\n");
	doctor_guest(&m.d);
	cr_assert(found(&m, "note", "QEMU runs without KVM: it needs -accel tcg,thread=multi, which a guest "
		"can't see"));
}
