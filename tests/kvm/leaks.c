/* SPDX-License-Identifier: BSD-2-Clause */
/* leaks.c - queues come and go ten thousand times, machines some hundred times, and
 * nothing is left of them: descriptors, mappings, memory, KVM's memory slots. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vms.h"

#define CYCLES 10000  /* VMS at a time: the kernel's grace period, of milliseconds, is */
#define VMS 16        /* then waited for once for all of them */
#define WARM 160      /* until allocators have what they want */
#define MACHINES 200
#define GROWTH 256    /* pages of 4 KiB that an allocator may come to hold: much less
                       * than one a cycle */

#ifdef __SANITIZE_ADDRESS__
#define MEMORY false  /* the sanitizer keeps what was freed */
#else
#define MEMORY true
#endif

TestSuite(kvm_leaks, .timeout = 200);

static long resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long size, pages = 0;

	cr_assert_not_null(f);
	cr_assert_eq(fscanf(f, "%ld %ld", &size, &pages), 2);
	fclose(f);
	return pages;
}

struct held {
	int fds, maps;
	long pages;
};

static struct held held(void)
{
	return (struct held){ count_fds(), count_maps(), resident() };
}

static void nothing_more_than(struct held was)
{
	struct held is = held();

	cr_assert_eq(is.fds, was.fds, "%d descriptors, not %d", is.fds, was.fds);
	if (!MEMORY)
		return;
	cr_assert_leq(is.maps, was.maps + 2, "%d mappings, not %d", is.maps, was.maps);
	cr_assert_leq(is.pages, was.pages + GROWTH, "%ld pages, not %ld", is.pages, was.pages);
}

/* ---- queues that come and go, each with a channel to one that stays ------------------------- */

static struct machine stays, changes[VMS];
static struct vmq_kvm *peer;

static struct vmq_kvm *add(const struct machine *m, const char *name)
{
	struct vmq_kvm_config c = vms_config(name);
	struct vmq_kvm *kvm = NULL;

	c.vm_fd = m->vm;
	c.window_size = VMS * VMS_WINDOW_SIZE / 4;
	cr_assert_eq(vmq_kvm_add(vmm, &c, &kvm), 0);
	return kvm;
}

/* The peer's guest does not run: what it would write to the command register. */
static void peer_detaches(uint32_t slot)
{
	static struct {
		struct kvm_run run;
		uint32_t command;
	} exit;

	exit.run.exit_reason = KVM_EXIT_IO;
	exit.run.io.direction = KVM_EXIT_IO_OUT;
	exit.run.io.size = sizeof(exit.command);
	exit.run.io.port = VMS_PORT + 4;
	exit.run.io.count = 1;
	exit.run.io.data_offset = (uint64_t)((uint8_t *)&exit.command - (uint8_t *)&exit.run);
	exit.command = VMQ_BOOT_COMMAND(slot, VMQ_BOOT_DETACH);
	cr_assert_eq(vmq_kvm_exit(peer, &exit.run), 1);
}

static uint64_t channels(void)
{
	struct vmq_vmm_stats stats = { .size = sizeof(stats) };

	cr_assert_eq(vmq_vmm_stats(vmq_kvm_vm(peer), &stats), 0);
	return stats.peers;
}

static void cycle(void)
{
	struct vmq_kvm *kvm[VMS];
	char name[] = "changes-a";

	for (unsigned i = 0; i < VMS; i++) {
		name[8] = (char)('a' + i);
		kvm[i] = add(&changes[i], name);
	}
	/* Channels, and with them ioeventfds and doorbells, came, too. */
	cr_assert_eq(channels(), VMS);
	for (uint32_t i = 0; i < VMS; i++) {
		cr_assert_eq(vmq_kvm_remove(kvm[i]), 0);
		peer_detaches(i);
	}
	cr_assert_eq(channels(), 0);
}

static void start(void)
{
	struct vmq_vmm_options o = { .size = sizeof(o), .flags = VMQ_VMM_CLOSED };

	cr_assert_eq(vmq_vmm_create(&o, &vmm), 0);
	cr_assert_eq(vmq_vmm_allow(vmm, "stays", "*"), 0);
	cr_assert_eq(machine_open(&stays, PROBE, 0), 0);
	for (unsigned i = 0; i < VMS; i++)
		cr_assert_eq(machine_open(&changes[i], PROBE, 0), 0);
	peer = add(&stays, "stays");
}

static int set_slot(const struct machine *m, uint64_t address, void *memory, uint64_t size)
{
	struct kvm_userspace_memory_region r = { .slot = vms_config("").memory_slot,
		.guest_phys_addr = address, .memory_size = size, .userspace_addr = (uintptr_t)memory };

	return ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &r);
}

/* The VM's slot, registers and interrupt are free for other uses. */
static void all_is_free(const struct machine *m)
{
	struct kvm_ioeventfd e = { .addr = VMS_PORT, .len = 4, .flags = KVM_IOEVENTFD_FLAG_PIO };
	struct kvm_irqfd irq = { .gsi = vms_config("").gsi };

	cr_assert_eq(set_slot(m, MACHINE_WINDOW * 2ull, m->memory, VMQ_PAGE_SIZE), 0);
	cr_assert_eq(set_slot(m, 0, NULL, 0), 0);
	e.fd = eventfd(0, EFD_CLOEXEC);
	irq.fd = (uint32_t)e.fd;
	cr_assert_eq(ioctl(m->vm, KVM_IOEVENTFD, &e), 0);
	cr_assert_eq(ioctl(m->vm, KVM_IRQFD, &irq), 0);
	irq.flags = KVM_IRQFD_FLAG_DEASSIGN;
	cr_assert_eq(ioctl(m->vm, KVM_IRQFD, &irq), 0);
	e.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	cr_assert_eq(ioctl(m->vm, KVM_IOEVENTFD, &e), 0);
	close(e.fd);
}

Test(kvm_leaks, ten_thousand_queues)
{
	struct held was;

	start();
	for (int i = 0; i < WARM; i += VMS)
		cycle();
	was = held();
	for (int i = 0; i < CYCLES; i += VMS)
		cycle();
	nothing_more_than(was);
	cr_assert_eq(vmq_kvm_remove(peer), 0);
	vmq_vmm_destroy(vmm);
	all_is_free(&stays);
	machine_close(&stays);
	for (unsigned i = 0; i < VMS; i++) {
		all_is_free(&changes[i]);
		machine_close(&changes[i]);
	}
}

/* ---- whole machines, with guests that run ------------------------------------------------------------ */

static void machines(int n)
{
	struct vms_guest *a, *b;

	for (int i = 0; i < n; i++) {
		vms_start();
		a = vms_boot("a");
		b = vms_boot("b");
		vms_connected(a, "b");
		vms_connected(b, "a");
		vms_chat(a, b, 1);
		vms_stop();
	}
}

Test(kvm_leaks, hundreds_of_machines)
{
	struct held was;

	machines(10);
	was = held();
	machines(MACHINES);
	nothing_more_than(was);
}
