/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.c - a PC for bare-metal guests, by the ioctls of linux/kvm.h.
 *
 * The vCPU starts in long mode: tables as in the AMD64 Architecture Programmer's
 * Manual, volume 2, 5.3 (pages of 2 MiB, the first 4 GiB mapped one to one) and 4.8
 * (segment descriptors).
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"

#define GDT 0x1000u
#define PML4 0x2000u
#define PDPT 0x3000u
#define DIRECTORY 0x4000u /* four pages */
#define KERNEL_SPACE 0xfffbc000u /* three pages that some CPUs' KVM wants as its TSS */

#define PRESENT_WRITABLE 0x3u
#define PAGE_2M 0x80u

/* ---- the VM ---------------------------------------------------------------------------- */

static int memory_open(struct machine *m)
{
	struct kvm_userspace_memory_region r = { .memory_size = MACHINE_MEMORY };
	void *at = mmap(NULL, MACHINE_MEMORY, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return -1;
	m->memory = at;
	r.userspace_addr = (uintptr_t)at;
	return ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static int vm_open(struct machine *m)
{
	m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (m->kvm < 0)
		return -1;
	m->vm = ioctl(m->kvm, KVM_CREATE_VM, 0);
	if (m->vm < 0 || ioctl(m->vm, KVM_SET_TSS_ADDR, KERNEL_SPACE) ||
			ioctl(m->vm, KVM_CREATE_IRQCHIP, 0))
		return -1;
	return memory_open(m);
}

/* ---- the vCPU ---------------------------------------------------------------------------- */

static void put(struct machine *m, uint64_t address, uint64_t value)
{
	memcpy(m->memory + address, &value, sizeof(value));
}

static void tables(struct machine *m)
{
	put(m, GDT + 0x08, 0x00209b0000000000ull); /* code: long mode, ring 0 */
	put(m, GDT + 0x10, 0x0000930000000000ull); /* data */
	put(m, PML4, PDPT | PRESENT_WRITABLE);
	for (uint64_t gib = 0; gib < 4; gib++)
		put(m, PDPT + gib * 8, (DIRECTORY + gib * 0x1000) | PRESENT_WRITABLE);
	for (uint64_t n = 0; n < 4 * 512; n++)
		put(m, DIRECTORY + n * 8, n << 21 | PAGE_2M | PRESENT_WRITABLE);
}

static int set_segments(struct machine *m)
{
	struct kvm_segment code = { .limit = 0xffffffff, .selector = 0x08, .type = 11, .present = 1,
		.s = 1, .l = 1, .g = 1 };
	struct kvm_segment data = { .limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1,
		.s = 1, .db = 1, .g = 1 };
	struct kvm_sregs s;

	if (ioctl(m->vcpu, KVM_GET_SREGS, &s))
		return -1;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.tr = (struct kvm_segment){ .limit = 0x67, .type = 11, .present = 1 };
	s.gdt.base = GDT;
	s.gdt.limit = 3 * 8 - 1;
	s.idt.limit = 0; /* the guest's own business */
	s.cr0 = 0x80050033;
	s.cr3 = PML4;
	s.cr4 = 0x620;
	s.efer = 0x500;
	return ioctl(m->vcpu, KVM_SET_SREGS, &s);
}

static int set_cpuid(struct machine *m)
{
	union {
		struct kvm_cpuid2 head;
		uint8_t bytes[sizeof(struct kvm_cpuid2) + 256 * sizeof(struct kvm_cpuid_entry2)];
	} c = { .head.nent = 256 };

	if (ioctl(m->kvm, KVM_GET_SUPPORTED_CPUID, &c))
		return -1;
	return ioctl(m->vcpu, KVM_SET_CPUID2, &c);
}

static int vcpu_open(struct machine *m, uint64_t argument)
{
	struct kvm_regs r = { .rip = MACHINE_IMAGE, .rsp = MACHINE_STACK - 8, .rflags = 2,
		.rdi = argument };
	int size = ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *at;

	m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
	if (m->vcpu < 0 || size <= 0)
		return -1;
	at = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	if (at == MAP_FAILED)
		return -1;
	m->run = at;
	m->run_size = (size_t)size;
	tables(m);
	return set_cpuid(m) || set_segments(m) || ioctl(m->vcpu, KVM_SET_REGS, &r) ? -1 : 0;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int load(struct machine *m, const char *image)
{
	size_t room = MACHINE_MEMORY - MACHINE_IMAGE, have = 0;
	int fd = open(image, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	while (have < room && (n = read(fd, m->memory + MACHINE_IMAGE + have, room - have)) > 0)
		have += (size_t)n;
	close(fd);
	if (n > 0)
		errno = EFBIG;
	return n ? -1 : 0;
}

int machine_open(struct machine *m, const char *image, uint64_t argument)
{
	int e;

	*m = (struct machine){ .kvm = -1, .vm = -1, .vcpu = -1 };
	if (!vm_open(m) && !vcpu_open(m, argument) && !load(m, image))
		return 0;
	e = errno;
	machine_close(m);
	errno = e;
	return -1;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void machine_close(struct machine *m)
{
	if (m->run)
		munmap(m->run, m->run_size);
	close_fd(m->vcpu);
	close_fd(m->vm);
	close_fd(m->kvm);
	if (m->memory)
		munmap(m->memory, MACHINE_MEMORY);
	*m = (struct machine){ .kvm = -1, .vm = -1, .vcpu = -1 };
}

int machine_run(struct machine *m)
{
	int rc = ioctl(m->vcpu, KVM_RUN, 0);

	if (rc < 0 && (errno == EINTR || errno == EAGAIN)) {
		m->run->exit_reason = KVM_EXIT_INTR;
		rc = 0;
	}
	return rc;
}

void machine_kick(struct machine *m)
{
	m->run->immediate_exit = 1;
}
