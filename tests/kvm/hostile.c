/* SPDX-License-Identifier: BSD-2-Clause */
/* hostile.c - guest "x" does what it can to harm the others: they go on, and it is put
 * out with a reason. */
#include <criterion/criterion.h>
#include <string.h>

#include "vms.h"

#define JUNK 0xdeadbeefdeadbeefull
#define COMMAND 4u /* the second register */

static struct vms_guest *a, *b, *x;

static void connect_all(void)
{
	vms_connected(a, "x");
	vms_connected(b, "x");
	vms_connected(x, "a");
	vms_connected(x, "b");
}

static void start(void)
{
	vms_start();
	a = vms_boot("a");
	b = vms_boot("b");
	x = vms_boot("x");
	connect_all();
	vms_connected(a, "b");
	vms_connected(b, "a");
}

TestSuite(kvm_hostile, .init = start, .fini = vms_stop, .timeout = 120);

/* Messages between the others, and with the host: all of them, in order. */
static void others_go_on(void)
{
	vms_chat(a, b, 5);
	vms_chat_host(a, 5);
	vms_chat_host(b, 5);
}

/* The host and the others have been told that it has gone. */
static void is_gone(void)
{
	struct vmq_peer_info info = { .size = sizeof(info) };

	VMS_WHILE(!x->lost);
	cr_assert_eq(x->lost, VMQ_EGONE, "%s", vmq_errname(x->lost));
	cr_assert_eq(vmq_peer_info(host, x->id, &info), 0);
	cr_assert_eq(info.state, VMQ_EGONE);
	VMS_WHILE(vms_slot(a, "x") || vms_slot(b, "x"));
	others_go_on();
}

/* And can come back. */
static void comes_back(void)
{
	vms_kill(x);
	x = vms_boot("x");
	connect_all();
	vms_chat(a, x, 3);
	vms_chat_host(x, 3);
	others_go_on();
}

/* ---- it writes where it should not ------------------------------------------------------------ */

static uint64_t at(const struct vms_guest *g, uint64_t in_window)
{
	return *(volatile uint64_t *)((uint8_t *)vmq_kvm_window(g->kvm, NULL) + in_window);
}

static int poison_at(struct vms_guest *g)
{
	struct probe_reply r = vms_ask(g, DO(STATE, .peer = "x"));

	return r.rc == VMQ_STATE_POISONED ? (int)r.value : 0;
}

Test(kvm_hostile, scribbles_over_its_whole_window)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	struct vmq_event event = { .size = sizeof(event) };
	struct vmq_boot boot;

	memcpy(&boot, vmq_kvm_window(x->kvm, NULL), sizeof(boot));
	vms_tell(x, DO(SCRIBBLE, .n = VMS_WINDOW_SIZE, .len = 64, .value = JUNK));
	while (at(x, VMS_WINDOW_SIZE - 64) != JUNK)
		others_go_on();
	/* What is not its own to write has been refused, and it goes on. */
	cr_assert_gt(vms_kvm_stats(x).faults, 100);
	cr_assert_eq(x->faults, vms_kvm_stats(x).faults);
	cr_assert_eq(memcmp(&boot, vmq_kvm_window(x->kvm, NULL), offsetof(struct vmq_boot, seq)), 0);
	cr_assert_eq(x->ended, 0);
	/* Each end says why it talks to it no more. */
	VMS_WHILE(!x->lost);
	cr_assert_eq(x->lost, VMQ_EPEER, "%s", vmq_errname(x->lost));
	cr_assert_eq(vmq_peer_info(host, x->id, &info), 0);
	cr_assert_eq(info.state, VMQ_EPEER);
	cr_assert_neq(info.poison, VMQ_POISON_NONE);
	VMS_WHILE(!poison_at(a) || !poison_at(b));
	do
		cr_assert_eq(vmq_event(host, &event, PATIENCE), 0);
	while (event.type != VMQ_EVENT_POISON);
	cr_assert_eq(event.peer, x->id);
	cr_assert_eq(event.reason, info.poison);
	comes_back();
}

/* Each value in each field that it may write of its channel with a, which listens. */
Test(kvm_hostile, scribbles_over_its_control_area)
{
	static const uint64_t values[] = { 0, 1, ~0ull, 0x8000000080000000ull, 0x0000004000000040ull };
	uint64_t offset = (uint64_t)((const uint8_t *)vms_ctl(x, "a") -
		(const uint8_t *)vmq_kvm_window(x->kvm, NULL));

	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		vms_ask(x, DO(SCRIBBLE, .offset = offset, .n = VMQ_PAGE_SIZE, .len = 8, .value = values[i]));
		vms_ask(x, DO(EXIT));
		vms_ask(x, DO(SEND, .peer = "a", .n = 3, .len = 64, .when = VMQ_SEND_NOW));
		others_go_on();
		vms_chat_host(x, 3);
		vms_chat(b, x, 3);
	}
}

/* ---- it rings and rings -------------------------------------------------------------------------- */

static void rings_for_ever(const struct probe_command *c, uint32_t flags)
{
	struct vmq_kvm_config config = vms_config("x");
	struct probe_reply r;
	uint64_t returns;

	vms_kill(x);
	config.flags |= flags;
	x = vms_boot_as(config);
	vms_connected(x, "host");
	connect_all();
	vms_tell(x, c);
	/* a is rung all the time: by nobody else while it only sends. */
	if (!c->reg[0]) {
		do
			r = vms_ask(a, DO(SEND, .peer = "b", .n = 0));
		while (!r.interrupts);
	}
	returns = vms_kvm_stats(x).returns;
	for (int i = 0; i < 3; i++)
		others_go_on();
	if (flags & VMQ_KVM_EXITS || c->reg[0])
		cr_assert_gt(vms_kvm_stats(x).returns, returns);
	cr_assert_eq(x->ended, 0);
	vms_kill(x);
	others_go_on();
}

static struct probe_command rings_a(void)
{
	uint32_t slot = vms_slot_number(x, "a");

	return *DO(WRITE, .n = PROBE_FOREVER, .batch = 2,
		.word = { VMQ_BOOT_RING(slot, 0), VMQ_BOOT_RING(slot, 1) });
}

Test(kvm_hostile, rings_a_for_ever)
{
	struct probe_command c = rings_a();

	rings_for_ever(&c, 0);
}

Test(kvm_hostile, rings_a_for_ever_through_the_vmm)
{
	struct probe_command c = rings_a();

	rings_for_ever(&c, VMQ_KVM_EXITS);
}

static const struct probe_command nobody = { .magic = PROBE_MAGIC, .op = PROBE_WRITE,
	.n = PROBE_FOREVER, .batch = 4, .reg = { COMMAND, 0, COMMAND, 0 },
	.word = { VMQ_BOOT_COMMAND(77, VMQ_BOOT_PAGES), ~0u, ~0u, VMQ_BOOT_RING(29, 1) } };

Test(kvm_hostile, rings_nobody_for_ever)
{
	rings_for_ever(&nobody, 0);
}

Test(kvm_hostile, rings_nobody_for_ever_through_the_vmm)
{
	rings_for_ever(&nobody, VMQ_KVM_EXITS);
}

/* ---- it says what makes no sense ------------------------------------------------------------------ */

static void says(uint32_t reg, uint32_t word)
{
	vms_ask(x, DO(WRITE, .n = 1, .batch = 1, .reg = { reg }, .word = { word }));
}

Test(kvm_hostile, commands_that_there_are_not)
{
	static const uint32_t words[] = {
		0, ~0u, VMQ_BOOT_COMMAND(200, VMQ_BOOT_EXIT), VMQ_BOOT_COMMAND(4, VMQ_BOOT_EXIT),
		VMQ_BOOT_COMMAND(29, VMQ_BOOT_DETACH), VMQ_BOOT_COMMAND(30, VMQ_BOOT_DETACH),
		VMQ_BOOT_COMMAND(0xffffff, VMQ_BOOT_DETACH), VMQ_BOOT_COMMAND(29, VMQ_BOOT_PAGES),
		VMQ_BOOT_COMMAND(0xffffff, VMQ_BOOT_PAGES), VMQ_BOOT_COMMAND(0, 4),
	};
	const uint64_t n = sizeof(words) / sizeof(words[0]), was = vms_kvm_stats(x).refused;

	for (uint64_t i = 0; i < n; i++)
		says(COMMAND, words[i]);
	cr_assert_eq(vms_kvm_stats(x).refused, was + n);
	cr_assert_eq(vms_kvm_stats(x).commands, n);
	vms_chat_host(x, 3);
	vms_chat(x, a, 3);
	others_go_on();
}

Test(kvm_hostile, detaches_twice)
{
	uint32_t slot = vms_slot_number(x, "a");
	uint64_t was = vms_kvm_stats(x).refused;

	says(COMMAND, VMQ_BOOT_COMMAND(slot, VMQ_BOOT_DETACH));
	cr_assert_eq(vms_kvm_stats(x).refused, was);
	says(COMMAND, VMQ_BOOT_COMMAND(slot, VMQ_BOOT_DETACH));
	says(0, VMQ_BOOT_RING(slot, 0));
	says(COMMAND, VMQ_BOOT_COMMAND(slot, VMQ_BOOT_PAGES));
	cr_assert_eq(vms_kvm_stats(x).refused, was + 3);
	VMS_WHILE(vms_slot(a, "x"));
	vms_chat(x, b, 3);
	vms_chat_host(x, 3);
	others_go_on();
	comes_back();
}

/* The same epoch once more: a either talks to it still, or says why not. */
Test(kvm_hostile, attaches_twice)
{
	struct probe_reply r;

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(vms_ask(x, DO(ATTACH, .peer = "a")).rc, 0);
		vms_ask(x, DO(SEND, .peer = "a", .n = 3, .len = 64, .when = VMQ_SEND_NOW));
		others_go_on();
	}
	r = vms_ask(a, DO(STATE, .peer = "x"));
	cr_assert(r.rc == VMQ_STATE_ESTABLISHED || r.value != VMQ_POISON_NONE, "state %d", r.rc);
	vms_chat(x, b, 3);
	vms_chat_host(x, 3);
}

/* ---- it does not answer ------------------------------------------------------------------------- */

static void is_cut_off(int64_t limit)
{
	struct vmq_vm *vm = vmq_kvm_vm(x->kvm);

	VMS_WHILE(vmq_vmm_watch(vm, limit) == 0);
	cr_assert_eq(vmq_vmm_watch(vm, limit), VMQ_EGONE);
}

Test(kvm_hostile, halts_for_ever)
{
	vms_tell(x, DO(HANG));
	others_go_on();
	is_cut_off(VMQ_MS(300));
	is_gone();
	cr_assert_eq(vmq_vmm_watch(vmq_kvm_vm(a->kvm), PATIENCE), 0);
	comes_back();
}

Test(kvm_hostile, spins_for_ever)
{
	vms_tell(x, DO(SPIN));
	others_go_on();
	is_cut_off(VMQ_MS(300));
	is_gone();
	comes_back();
}

Test(kvm_hostile, never_looks_for_its_queue)
{
	uint32_t id;

	vms_kill(x);
	VMS_WHILE(vms_slot(a, "x") || vms_slot(b, "x"));
	x = vms_boot_silent("x");
	others_go_on();
	cr_assert_eq(vmq_peer(host, "x", VMQ_MS(20), &id), VMQ_ETIMEDOUT);
	cr_assert_neq(vms_ask(a, DO(STATE, .peer = "x")).rc, VMQ_STATE_ESTABLISHED);
	is_cut_off(VMQ_MS(300));
	VMS_WHILE(vms_slot(a, "x") || vms_slot(b, "x"));
	others_go_on();
	comes_back();
}

Test(kvm_hostile, shuts_down_by_a_triple_fault)
{
	vms_tell(x, DO(TRIPLE));
	VMS_WHILE(!x->ended);
	cr_assert_eq(x->ended, KVM_EXIT_SHUTDOWN);
	is_gone();
	comes_back();
}

/* ---- exits that this machine's KVM does not make ------------------------------------------------ */

static union {
	struct kvm_run run;
	uint8_t bytes[sizeof(struct kvm_run) + 8];
} fake;

static int fake_port(uint16_t port, unsigned direction, uint8_t size)
{
	fake.run.exit_reason = KVM_EXIT_IO;
	fake.run.io.direction = (uint8_t)direction;
	fake.run.io.size = size;
	fake.run.io.port = port;
	fake.run.io.count = 1;
	fake.run.io.data_offset = sizeof(struct kvm_run);
	memset(fake.bytes + sizeof(struct kvm_run), 0xee, 8);
	return vmq_kvm_exit(x->kvm, &fake.run);
}

Test(kvm_hostile, registers_are_of_32_bits_and_read_as_nothing)
{
	uint64_t was = vms_kvm_stats(x).refused;

	cr_assert_eq(fake_port(VMS_PORT, KVM_EXIT_IO_OUT, 2), 1);
	cr_assert_eq(fake_port(VMS_PORT + 2, KVM_EXIT_IO_OUT, 4), 1);
	cr_assert_eq(vms_kvm_stats(x).refused, was + 2);
	cr_assert_eq(fake_port(VMS_PORT, KVM_EXIT_IO_IN, 4), 1);
	cr_assert_eq(fake.bytes[sizeof(struct kvm_run)], 0);
	cr_assert_eq(fake.bytes[sizeof(struct kvm_run) + 4], 0xee, "more than was asked for");
	cr_assert_eq(fake_port(VMS_PORT + 8, KVM_EXIT_IO_OUT, 4), 0, "not the queue's");
	others_go_on();
}

/* KVM_RUN failed with EFAULT: the guest would write there for ever. */
Test(kvm_hostile, a_write_that_kvm_gives_up_on_halts_the_guest)
{
	const uint64_t elsewhere[3] = { 0, 0x1000, 8 }, here[3] = { 0, MACHINE_WINDOW + 64, 8 };

	fake.run.exit_reason = 39; /* KVM_EXIT_MEMORY_FAULT, of Linux 6.8 */
	memcpy(fake.run.padding, elsewhere, sizeof(elsewhere));
	cr_assert_eq(vmq_kvm_exit(x->kvm, &fake.run), 0);
	cr_assert_eq(x->faults, 0);
	vms_chat(x, b, 3);
	memcpy(fake.run.padding, here, sizeof(here));
	cr_assert_eq(vmq_kvm_exit(x->kvm, &fake.run), 0);
	cr_assert_eq(x->faults, 1);
	cr_assert_eq(x->fault_address, here[1]);
	is_gone();
	comes_back();
}
