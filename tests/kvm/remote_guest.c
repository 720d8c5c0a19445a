/* SPDX-License-Identifier: BSD-2-Clause */
/* remote_guest.c - a guest that is an endpoint: booted, run, ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "remote_guest.h"

#define SLOT_WINDOW 1
#define SLOT_MEMORY 2

static int memory_open(struct guest *g)
{
	struct kvm_userspace_memory_region r = { .slot = SLOT_MEMORY, .guest_phys_addr = g->block,
		.memory_size = AGENT_MEMORY };
	void *at = mmap(NULL, AGENT_MEMORY, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return -1;
	g->memory = at;
	r.userspace_addr = (uintptr_t)at;
	return ioctl(g->machine.vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static int clock_open(struct guest *g)
{
	int khz = ioctl(g->machine.vcpu, KVM_GET_TSC_KHZ, 0);

	if (khz <= 0)
		return -1;
	guest_mail(g)->tsc_scale = (1000000ull << 32) / (unsigned)khz;
	return 0;
}

/* A call that is done does not leave the kernel. */
static int done_open(struct guest *g)
{
	for (unsigned i = 0; i < AGENT_CALLS; i++) {
		struct kvm_ioeventfd e = { .datamatch = i, .addr = AGENT_PORT, .len = 4,
			.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO };

		g->done[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		e.fd = g->done[i];
		if (e.fd < 0 || ioctl(g->machine.vm, KVM_IOEVENTFD, &e))
			return -1;
	}
	return 0;
}

static void on_fault(void *ctx, uint64_t address, uint32_t len)
{
	struct guest *g = ctx;

	(void)address;
	(void)len;
	atomic_fetch_add(&g->faults, 1);
}

static int queue_open(struct guest *g, struct vmq_vmm *vmm, const char *name, uint32_t lane_size,
	uint32_t pool_pages)
{
	struct vmq_kvm_config c = {
		.size = sizeof(c), .name = name, .lane_size = lane_size, .pool_pages = pool_pages,
		.vm_fd = g->machine.vm, .flags = VMQ_KVM_ROUTE, .memory_slot = SLOT_WINDOW,
		.window = g->block + AGENT_WINDOW, .window_size = AGENT_WINDOW_SIZE,
		.doorbell = AGENT_DOORBELL, .bus = VMQ_BOOT_PORT, .gsi = 5,
		.vector = AGENT_VECTOR_DOORBELL, .fault = on_fault, .ctx = g,
	};

	return vmq_kvm_add(vmm, &c, &g->kvm);
}

static void *run(void *arg)
{
	struct guest *g = arg;

	while (!atomic_load(&g->stop)) {
		if (machine_run(&g->machine) == 0 && (vmq_kvm_exit(g->kvm, g->machine.run) ||
				g->machine.run->exit_reason == KVM_EXIT_INTR))
			continue;
		fprintf(stderr, "guest at 0x%x: exit %u, %s\n", g->block, g->machine.run->exit_reason,
			strerror(errno));
		abort();
	}
	return NULL;
}

static void ignore(int number)
{
	(void)number;
}

/* A vCPU's thread takes the signal that stops it, and no other. */
static int thread_open(struct guest *g)
{
	struct sigaction action = { .sa_handler = ignore };
	sigset_t all, before;
	int rc;

	sigaction(SIGUSR1, &action, NULL);
	sigfillset(&all);
	sigdelset(&all, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&g->thread, NULL, run, g);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	g->runs = !rc;
	return rc;
}

int guest_boot(struct guest *g, struct vmq_vmm *vmm, const char *name, uint32_t lane_size,
	uint32_t pool_pages)
{
	int rc;

	if (machine_open(&g->machine, AGENT, g->block)) {
		fprintf(stderr, "a guest from %s: %s\n", AGENT, strerror(errno));
		return VMQ_ESYS;
	}
	if (memory_open(g) || clock_open(g) || done_open(g))
		return VMQ_ESYS;
	rc = queue_open(g, vmm, name, lane_size, pool_pages);
	return rc ? rc : thread_open(g) ? VMQ_ESYS : 0;
}

void guest_end(struct guest *g)
{
	atomic_store(&g->stop, true);
	if (g->runs) {
		machine_kick(&g->machine);
		pthread_kill(g->thread, SIGUSR1); /* it may be asleep in the kernel */
		pthread_join(g->thread, NULL);
	}
	if (g->kvm)
		vmq_kvm_remove(g->kvm);
	for (unsigned i = 0; i < AGENT_CALLS; i++)
		if (g->done[i] > 0)
			close(g->done[i]);
	machine_close(&g->machine);
	if (g->memory)
		munmap(g->memory, AGENT_MEMORY);
	g->memory = NULL;
	g->block = 0;
}
