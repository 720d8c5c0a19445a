/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm_embed.c - a hypervisor of one's own gives its VMs queues.
 *
 * A VM is a window of memory and an interrupt line here; what runs in it is in
 * vmm_guest.c.
 */
#define _DEFAULT_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <vmq/vmm.h>

#include "vmm_guest.h"

#define WINDOW (8u << 20)

struct machine {
	struct vmq_vm *vm;
	struct vmq_vmm_channel channel; /* to the other VM */
	bool interrupt;                 /* is pending */
	struct guest guest;
};

static void must(int rc, const char *what)
{
	if (rc < 0) {
		fprintf(stderr, "vmm_embed: %s: %s\n", what, vmq_strerror(rc));
		exit(1);
	}
}

/* The three things that libvmq asks of a hypervisor. */
static void inject(void *ctx, unsigned what)
{
	((struct machine *)ctx)->interrupt |= what != 0;
}

/* "A device was plugged in": the channel is in the VM's window already. */
static int plug(void *ctx, const struct vmq_vmm_channel *channel)
{
	((struct machine *)ctx)->channel = *channel;
	return 0;
}

static void unplug(void *ctx, struct vmq_vmm_link *link, int reason)
{
	(void)link; /* vmq_vmm_detach() it once the guest let go, not inside of this call */
	printf("%s: its peer left: %s\n", ((struct machine *)ctx)->guest.name, vmq_strerror(reason));
}

/* The guest executed its doorbell instruction: an immediate exit. */
static void doorbell_exit(void *ctx)
{
	must(vmq_vmm_doorbell(((struct machine *)ctx)->vm, ((struct machine *)ctx)->channel.peer, VMQ_KICK_DATA), "kick");
}

/* Enter the VM as long as an interrupt is pending. */
static bool machine_run(struct machine *m)
{
	if (!m->interrupt)
		return false;
	m->interrupt = false;
	guest_interrupt(&m->guest);
	return true;
}

static void machine_boot(struct vmq_vmm *vmm, struct machine *m, const char *name)
{
	struct vmq_vm_config c = { .size = sizeof(c), .name = name, .window_size = WINDOW, .ctx = m,
		.kick = inject, .attach = plug, .leave = unplug };

	c.window = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(c.window == MAP_FAILED ? VMQ_ENOMEM : 0, "memory for a VM");
	m->guest = (struct guest){ .name = name, .doorbell = doorbell_exit, .machine = m };
	must(vmq_vmm_add(vmm, &c, &m->vm), "add a VM");
}

static void machine_attach(struct machine *m)
{
	const struct vmq_vmm_channel *ch = &m->channel;

	must(guest_attach(&m->guest, ch->region, ch->region_size, ch->side, ch->epoch, ch->id), "attach");
	m->interrupt = true; /* a channel always starts with a kick */
}

int main(void)
{
	static struct machine a, b;
	struct vmq_vmm_stats s = { .size = sizeof(s) };
	struct vmq_vmm *vmm;
	const char *page;
	bool said;

	must(vmq_vmm_create(NULL, &vmm), "create");
	machine_boot(vmm, &a, "a");
	machine_boot(vmm, &b, "b");
	machine_attach(&a);
	machine_attach(&b);
	do /* the two guests say HELLO to each other */
		said = machine_run(&a);
	while (machine_run(&b) || said);
	must(guest_say(&a.guest, "no hurry", VMQ_WHEN_LAZY), "say");
	printf("a said something lazily; b %s\n", machine_run(&b) ? "runs" : "sleeps on");
	must(vmq_vmm_exit(a.vm, VMQ_EXIT_TIMER), "exit"); /* a's time slice ends */
	printf("a left for the hypervisor; b %s\n", machine_run(&b) ? "ran" : "sleeps on");
	must(guest_say(&a.guest, "look at once", VMQ_WHEN_NOW), "say");
	machine_run(&b);
	page = guest_give_page(&a.guest, "this page was in a's memory");
	machine_run(&b);
	printf("a finds \"%s\" where its page was\n", page ? page : "nothing was sent");
	printf("%-4s %10s %8s %6s %12s\n", "VM", "immediate", "natural", "kicks", "pages moved");
	for (struct machine *m = &a; m; m = m == &a ? &b : NULL) {
		must(vmq_vmm_stats(m->vm, &s), "stats");
		printf("%-4s %10d %8d %6d %12d\n", m->guest.name, (int)s.exits_immediate,
			(int)s.exits_natural[VMQ_EXIT_TIMER], (int)s.kicks, (int)s.pages_moved);
	}
	return -vmq_vmm_destroy(vmm);
}
