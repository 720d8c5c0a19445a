/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * minivmm.c - a VMM for KVM that gives its two guests, and itself, message queues.
 *
 * What libvmq needs of a VMM is in three places: guest_boot(), guest_loop() and
 * listen(). The rest is a small PC (machine.c) and a table of what happened.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmq/kvm.h>

#include "machine.h"

#define GUESTS 2
#define DOORBELL 0x510 /* an I/O port that this PC has no device at */
#define SECONDS 20     /* more than it takes, where KVM emulates each instruction */

struct guest {
	const char *name;
	struct machine machine;
	struct vmq_kvm *kvm;
	pthread_t thread;
	atomic_bool stop;
	uint32_t id;
	unsigned messages, doorbells, interrupts, halts; /* as it says itself */
	bool done;
};

static void must(int rc, const char *what)
{
	if (rc < 0) {
		fprintf(stderr, "minivmm: %s: %s\n", what, vmq_strerror(rc));
		exit(1);
	}
}

/* ---- a guest and its queue --------------------------------------------------------------- */

static void guest_boot(struct guest *g, struct vmq_vmm *vmm, const char *image, uint32_t flags)
{
	struct vmq_kvm_config c = { .size = sizeof(c), .name = g->name, .memory_slot = 1,
		.window = MACHINE_WINDOW, .window_size = MACHINE_WINDOW_SIZE, .pool_pages = 16,
		.bus = VMQ_BOOT_PORT, .doorbell = DOORBELL, .gsi = 5, .vector = 0x40,
		.flags = VMQ_KVM_ROUTE | flags };

	/* The guest is told where its window is, and finds the rest there. */
	if (machine_open(&g->machine, image, MACHINE_WINDOW)) {
		fprintf(stderr, "minivmm: a guest from %s: %s\n", image, strerror(errno));
		exit(errno == ENOENT || errno == EACCES ? 77 : 1);
	}
	c.vm_fd = g->machine.vm;
	must(vmq_kvm_add(vmm, &c, &g->kvm), "give a guest its queue");
	g->id = vmq_vmm_id(vmq_kvm_vm(g->kvm));
}

/* A vCPU's thread. This PC has no devices: every exit is the queue's, or the end. */
static void *guest_loop(void *arg)
{
	struct guest *g = arg;

	while (!g->stop && machine_run(&g->machine) == 0) {
		if (vmq_kvm_exit(g->kvm, g->machine.run) || g->machine.run->exit_reason == KVM_EXIT_INTR)
			continue;
		printf("%s: unexpected exit %u\n", g->name, g->machine.run->exit_reason);
		break;
	}
	return NULL;
}

static void guest_stop(struct guest *g)
{
	g->stop = true;
	machine_kick(&g->machine);
	pthread_kill(g->thread, SIGUSR1); /* it may be asleep in the kernel */
	pthread_join(g->thread, NULL);
}

/* ---- the host's own queue ------------------------------------------------------------------ */

/* One line of a guest's. */
static void heard(struct vmq *q, struct guest guests[GUESTS], uint32_t from, const char *line)
{
	struct guest *g = guests[0].id == from ? &guests[0] : &guests[1];

	if (sscanf(line, "done messages=%u doorbells=%u interrupts=%u halts=%u", &g->messages,
			&g->doorbells, &g->interrupts, &g->halts) == 4)
		g->done = true;
	if (g->done)
		return;
	printf("  %s: %s\n", g->name, line);
	/* The last thing that happens: how much was it all? */
	for (int i = 0; i < GUESTS && !strncmp(line, "a page became mine", 18); i++)
		must(vmq_send(q, guests[i].id, "report", 6, VMQ_SEND_AUTO, VMQ_NOWAIT), "ask a guest");
}

static void listen(struct vmq *q, struct guest guests[GUESTS])
{
	struct vmq_msg msg;
	char line[256];

	while (!guests[0].done || !guests[1].done) {
		int64_t n = vmq_recv(q, line, sizeof(line) - 1, &msg, VMQ_MS(1000 * SECONDS));

		must((int)n, "hear from the guests");
		line[n] = 0;
		heard(q, guests, msg.peer, line);
	}
}

/* ---- what happened -------------------------------------------------------------------------- */

static void row(const struct guest *g, bool ioeventfds)
{
	struct vmq_vmm_stats v = { .size = sizeof(v) };
	struct vmq_kvm_stats k = { .size = sizeof(k) };
	unsigned in_kernel = ioeventfds ? g->doorbells : 0, exits;

	must(vmq_vmm_stats(vmq_kvm_vm(g->kvm), &v), "count");
	must(vmq_kvm_stats(g->kvm, &k), "count");
	exits = (unsigned)k.returns + in_kernel;
	printf("%-6s %9u %8u %9u %10u %6u %6u %8u %13.1f\n", g->name, (unsigned)v.exits_immediate,
		(unsigned)(k.returns - v.exits_immediate), in_kernel, g->interrupts, g->halts,
		(unsigned)v.pages_moved, g->messages, exits ? (double)g->messages / exits : 0.0);
}

static void table(const struct guest guests[GUESTS], bool ioeventfds)
{
	printf("\n%-6s %9s %8s %9s %10s %6s %6s %8s %13s\n", "guest", "immediate", "natural",
		"in kernel", "interrupts", "halts", "pages", "messages", "messages/exit");
	for (int i = 0; i < GUESTS; i++)
		row(&guests[i], ioeventfds);
	puts("immediate: doorbells that left KVM_RUN. natural: it left for something else.\n"
		"in kernel: doorbells that the kernel carried from guest to guest.\n"
		"interrupts: injected, and handled. pages: moved to another guest.");
}

static void ignore(int number)
{
	(void)number;
}

int main(int argc, char **argv)
{
	static struct guest guests[GUESTS] = { { .name = "a" }, { .name = "b" } };
	bool exits = argc > 1 && !strcmp(argv[1], "--exits");
	struct vmq_options o = { .size = sizeof(o), .name = "host", .pool_pages = 16 };
	struct vmq_vmm *vmm;
	struct vmq *q;

	if (argc > 2 || (argc > 1 && !exits)) {
		fputs("usage: minivmm [--exits]   with --exits, doorbells leave KVM_RUN\n", stderr);
		return 2;
	}
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = ignore }, NULL);
	must(vmq_vmm_create(NULL, &vmm), "create");
	must(vmq_vmm_open(vmm, &o, &q), "open the host's queue");
	for (int i = 0; i < GUESTS; i++)
		guest_boot(&guests[i], vmm, GUEST, exits ? VMQ_KVM_EXITS : 0);
	for (int i = 0; i < GUESTS; i++)
		pthread_create(&guests[i].thread, NULL, guest_loop, &guests[i]);
	listen(q, guests);
	for (int i = 0; i < GUESTS; i++)
		guest_stop(&guests[i]);
	table(guests, !exits);
	for (int i = 0; i < GUESTS; i++) {
		vmq_kvm_remove(guests[i].kvm);
		machine_close(&guests[i].machine);
	}
	vmq_close(q);
	return -vmq_vmm_destroy(vmm);
}
