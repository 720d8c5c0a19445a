/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm.c - what an exit costs: a doorbell that stays in the kernel, one that leaves
 * KVM_RUN, a natural exit; and what the VMM adds to a natural exit.
 *
 * The guest's loop is measured with nothing in it too, and taken off: where KVM emulates
 * each instruction, that is most of it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmq/kvm.h>

#include "kvm_order.h"
#include "machine.h"
#include "pair.h"

#define COUNT 2000u
#define ROUNDS 7u

struct vm {
	struct vmq_vmm *vmm;
	struct vmq *q;
	struct machine machine;
	struct vmq_kvm *kvm;
	uint32_t peer;
};

static void check(const char *what, int64_t rc)
{
	if (rc < 0)
		bench_fail(what, rc);
}

static void *run(void *arg)
{
	struct vm *v = arg;

	while (machine_run(&v->machine) == 0)
		if (!vmq_kvm_exit(v->kvm, v->machine.run) && v->machine.run->exit_reason != KVM_EXIT_INTR)
			break;
	return NULL;
}

static void start(struct vm *v, uint32_t flags)
{
	struct vmq_options o = { .size = sizeof(o), .name = "host" };
	struct vmq_kvm_config c = { .size = sizeof(c), .name = "guest", .memory_slot = 1,
		.window = MACHINE_WINDOW, .window_size = MACHINE_WINDOW_SIZE, .bus = VMQ_BOOT_PORT,
		.doorbell = 0x510, .gsi = 5, .vector = 0x40, .flags = VMQ_KVM_ROUTE | flags };
	pthread_t thread;

	check("VMM", vmq_vmm_create(NULL, &v->vmm));
	check("host's queue", vmq_vmm_open(v->vmm, &o, &v->q));
	if (machine_open(&v->machine, GUEST, MACHINE_WINDOW)) {
		printf("no guest here: %s\n", strerror(errno));
		exit(0);
	}
	c.vm_fd = v->machine.vm;
	check("guest's queue", vmq_kvm_add(v->vmm, &c, &v->kvm));
	pthread_create(&thread, NULL, run, v);
	pthread_detach(thread); /* it ends with the process */
	check("the guest", vmq_peer(v->q, "guest", VMQ_MS(10000), &v->peer));
}

/* Seconds for each of COUNT times. */
static double order(struct vm *v, uint32_t what)
{
	struct bench_kvm_order o = { what, COUNT };
	double begin = bench_now();

	check("order", vmq_send(v->q, v->peer, &o, sizeof(o), VMQ_SEND_NOW, VMQ_NOWAIT));
	check("answer", vmq_recv(v->q, &o, sizeof(o), NULL, VMQ_MS(60000)));
	return (bench_now() - begin) / COUNT;
}

static double median_of(struct vm *v, uint32_t what)
{
	double seconds[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++)
		seconds[i] = order(v, what);
	return bench_median(seconds, ROUNDS);
}

static double hook(struct vm *v)
{
	double begin = bench_now();

	for (unsigned i = 0; i < 1000 * COUNT; i++)
		vmq_vmm_exit(vmq_kvm_vm(v->kvm), VMQ_EXIT_TIMER);
	return (bench_now() - begin) / (1000 * COUNT);
}

int main(void)
{
	static struct vm kernel, user;
	double empty, stays, leaves, natural;

	start(&kernel, 0);
	start(&user, VMQ_KVM_EXITS);
	empty = median_of(&kernel, BENCH_KVM_NOTHING);
	stays = median_of(&kernel, BENCH_KVM_RING) - empty;
	leaves = median_of(&user, BENCH_KVM_RING) - empty;
	natural = median_of(&kernel, BENCH_KVM_EXIT) - empty;
	printf("guest's loop, empty              %7.2f us\n", empty * 1e6);
	printf("doorbell that stays in the kernel %6.2f us\n", stays * 1e6);
	printf("doorbell that leaves KVM_RUN      %6.2f us (%.1f times that)\n", leaves * 1e6, leaves / stays);
	printf("natural exit, asked for           %6.2f us (%.1f)\n", natural * 1e6, natural / stays);
	printf("vmq_vmm_exit(), one quiet channel %6.3f us\n", hook(&kernel) * 1e6);
	fflush(stdout);
	_Exit(0); /* the vCPUs are still in their guests */
}
