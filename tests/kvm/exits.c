/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exits.c - what a message costs in VM exits, counted with real guests.
 *
 * An exit is each write of a guest's to one of its two registers, whether it stays in
 * the host's kernel (a doorbell with an ioeventfd) or not. The guest counts what it
 * writes; the VMM side counts what comes out of KVM_RUN.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "vms.h"

#define MESSAGES 256u
#define BATCH 64u
#define LEN 64u

TestSuite(kvm_exits, .init = vms_start, .fini = vms_stop, .timeout = 120);

static struct vms_guest *a, *b;
static bool leave; /* doorbells leave KVM_RUN: VMQ_KVM_EXITS */

static void boot(enum vmq_boot_bus bus, uint32_t flags)
{
	struct vmq_kvm_config c = vms_config("a");

	c.bus = bus;
	c.doorbell = bus == VMQ_BOOT_PORT ? VMS_PORT : VMS_ADDRESS;
	c.flags |= flags;
	leave = flags & VMQ_KVM_EXITS;
	a = vms_boot_as(c);
	c.name = "b";
	b = vms_boot_as(c);
	vms_connected(a, "host");
	vms_connected(b, "host");
	vms_connected(a, "b");
	vms_connected(b, "a");
}

/* What all counters say of the messages that are sent between two calls. */
struct counts {
	struct vmq_kvm_stats a, b;
	struct vmq_vmm_stats vm;
};

static struct counts look(void)
{
	return (struct counts){ vms_kvm_stats(a), vms_kvm_stats(b), vms_stats(a) };
}

/* a sends MESSAGES to b or to the host; the receiver is awake throughout, or sleeps. */
static struct probe_reply send(const char *to, uint32_t when, bool awake)
{
	uint32_t had = a->got;
	struct probe_reply r, got;

	if (!strcmp(to, "b"))
		vms_count(b, "a", MESSAGES, awake);
	if (!strcmp(to, "b") && !awake)
		vms_asleep(b, "a");
	r = vms_ask_of(a, to, DO(SEND, .n = MESSAGES, .len = LEN, .when = when,
		.batch = when == VMQ_SEND_LAZY ? BATCH : 0));
	cr_assert_eq(r.rc, 0);
	if (strcmp(to, "b")) {
		VMS_WHILE(a->got != had + MESSAGES);
		cr_assert_eq(a->bad, 0);
		return r;
	}
	got = vms_answer(b, PROBE_COUNT);
	cr_assert(!got.rc && !got.bad);
	cr_assert_eq(got.kicks, 0, "the receiver rang %u times", got.kicks);
	return r;
}

static void say(const char *to, const char *mode, const struct probe_reply *r)
{
	fprintf(stderr, "kvm-exits: %s -> %-4s %-4s %.4f exits a message\n", "a", to, mode,
		(double)(r->kicks + r->exits) / MESSAGES);
}

/* Lazy messages in batches: the natural exit at the end of each is the only one. */
static void lazy(const char *to)
{
	struct counts was = look(), is;
	struct probe_reply r = send(to, VMQ_SEND_LAZY, false);

	is = look();
	say(to, "LAZY", &r);
	cr_assert_leq((r.kicks + r.exits) * 32, MESSAGES);
	cr_assert_eq(r.kicks, 0);
	cr_assert_eq(r.exits, MESSAGES / BATCH);
	cr_assert_eq(is.a.returns - was.a.returns, MESSAGES / BATCH);
	cr_assert_eq(is.a.commands - was.a.commands, MESSAGES / BATCH);
	cr_assert_eq(is.vm.exits_natural[VMQ_EXIT_YIELD] - was.vm.exits_natural[VMQ_EXIT_YIELD],
		MESSAGES / BATCH);
	cr_assert_eq(is.vm.exits_immediate, was.vm.exits_immediate);
	cr_assert_eq(is.b.returns, was.b.returns);
}

/* To a peer that looks by itself. */
static void automatic(const char *to)
{
	struct counts was = look(), is;
	struct probe_reply r = send(to, VMQ_SEND_AUTO, true);

	is = look();
	say(to, "AUTO", &r);
	cr_assert_leq((r.kicks + r.exits) * 20, MESSAGES, "%u exits", r.kicks + r.exits);
	cr_assert_eq(is.a.returns - was.a.returns, leave ? r.kicks : 0);
	cr_assert_eq(is.b.returns, was.b.returns);
}

/* One for each, neither more nor less; past the VMM where the kernel rings. */
static void now(const char *to)
{
	struct counts was = look(), is;
	struct probe_reply r = send(to, VMQ_SEND_NOW, false);
	uint64_t out = leave ? MESSAGES : 0;

	is = look();
	say(to, "NOW", &r);
	cr_assert_eq(r.kicks + r.exits, MESSAGES, "%u exits", r.kicks + r.exits);
	cr_assert_eq(is.vm.exits_immediate - was.vm.exits_immediate, out);
	cr_assert_eq(is.a.doorbells - was.a.doorbells, out);
	cr_assert_eq(is.a.returns - was.a.returns, out, "%lu returns",
		(unsigned long)(is.a.returns - was.a.returns));
	cr_assert_eq(is.b.returns, was.b.returns);
}

static void all(void)
{
	static const char *const to[] = { "b", "host" };

	for (unsigned i = 0; i < 2; i++) {
		lazy(to[i]);
		automatic(to[i]);
		now(to[i]);
	}
}

Test(kvm_exits, port_ioeventfd)
{
	boot(VMQ_BOOT_PORT, 0);
	all();
}

Test(kvm_exits, memory_ioeventfd)
{
	boot(VMQ_BOOT_MEMORY, 0);
	all();
}

Test(kvm_exits, port_to_the_vmm)
{
	boot(VMQ_BOOT_PORT, VMQ_KVM_EXITS);
	all();
}

Test(kvm_exits, memory_to_the_vmm)
{
	boot(VMQ_BOOT_MEMORY, VMQ_KVM_EXITS);
	all();
}

/* ---- when the receiver hears of it --------------------------------------------------------- */

/* b sleeps, and a has sent it messages lazily: b knows nothing of them. */
static void send_unheard(void)
{
	struct probe_reply r;
	uint32_t before;

	vms_count(b, "a", BATCH, false);
	vms_asleep(b, "a");
	before = vms_ctl(b, "a")->cons;
	r = vms_ask(a, DO(SEND, .peer = "b", .n = BATCH, .len = LEN, .when = VMQ_SEND_LAZY));
	cr_assert_eq(r.kicks + r.exits, 0);
	cr_assert_neq(vms_ctl(a, "b")->prod, before, "nothing was sent");
	cr_assert(vms_armed(b, "a"));
	cr_assert_eq(vms_ctl(b, "a")->cons, before);
	cr_assert_not(b->answered);
}

/* One interrupt, and all was there: so it was not woken before. */
static void woken_once(void)
{
	struct probe_reply r = vms_answer(b, PROBE_COUNT);

	cr_assert_eq(r.bad, 0);
	cr_assert_eq(r.interrupts, 1, "%u interrupts", r.interrupts);
	cr_assert_eq(r.first, BATCH, "woken after %u messages", r.first);
}

Test(kvm_exits, lazy_until_the_sender_yields)
{
	struct vmq_vmm_stats was, is;

	boot(VMQ_BOOT_PORT, 0);
	was = vms_stats(a);
	send_unheard();
	vms_ask(a, DO(EXIT));
	woken_once();
	is = vms_stats(a);
	cr_assert_eq(is.exits_natural[VMQ_EXIT_YIELD] - was.exits_natural[VMQ_EXIT_YIELD], 1);
	cr_assert_eq(is.drains - was.drains, 1);
	cr_assert_eq(is.kicks - was.kicks, 1);
}

/* The sender does nothing any more: its timer does. */
Test(kvm_exits, lazy_until_the_senders_timer)
{
	struct vmq_vmm_stats was, is;

	boot(VMQ_BOOT_PORT, 0);
	was = vms_stats(a);
	send_unheard();
	vms_interrupt(a);
	woken_once();
	is = vms_stats(a);
	cr_assert_eq(is.exits_natural[VMQ_EXIT_TIMER] - was.exits_natural[VMQ_EXIT_TIMER], 1);
	cr_assert_eq(is.drains - was.drains, 1);
}

/* A later message that rings brings the lazy ones along. */
Test(kvm_exits, lazy_until_a_message_that_rings)
{
	struct probe_reply r;

	boot(VMQ_BOOT_PORT, 0);
	send_unheard();
	r = vms_ask(a, DO(SEND, .peer = "b", .n = 1, .len = LEN, .when = VMQ_SEND_AUTO));
	cr_assert_eq(r.kicks, 1);
	r = vms_answer(b, PROBE_COUNT);
	cr_assert_eq(r.interrupts, 1, "%u interrupts", r.interrupts);
	cr_assert_geq(r.first, BATCH);
	cr_assert_eq(r.bad, 0);
}

/* The host's endpoint is rung by a guest's ioeventfd: nobody's KVM_RUN returns. */
Test(kvm_exits, a_sleeping_host_is_woken_by_the_kernel)
{
	uint32_t message[16];
	uint64_t was;
	struct vmq_msg msg;

	boot(VMQ_BOOT_PORT, 0);
	was = vms_kvm_stats(a).returns;
	vms_tell(a, DO(SEND, .peer = "host", .n = 1, .len = LEN, .when = VMQ_SEND_NOW));
	cr_assert_eq(vmq_recv(host, message, sizeof(message), &msg, PATIENCE), LEN);
	cr_assert_eq(msg.peer, a->id);
	cr_assert(probe_matches(message, LEN, 0));
	cr_assert_eq(vms_answer(a, PROBE_SEND).kicks, 1);
	cr_assert_eq(vms_kvm_stats(a).returns, was);
}
