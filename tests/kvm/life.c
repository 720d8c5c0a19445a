/* SPDX-License-Identifier: BSD-2-Clause */
/* life.c - guests join, leave and come back while others run; and what is refused. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vms.h"

TestSuite(kvm_life, .init = vms_start, .fini = vms_stop, .timeout = 120);

/* ---- coming and going -------------------------------------------------------------------------- */

static uint32_t epoch_of(const struct vms_guest *g)
{
	struct vmq_peer_info info = { .size = sizeof(info) };

	cr_assert_eq(vmq_peer_info(host, g->id, &info), 0);
	cr_assert_eq(info.state, 0);
	cr_assert_str_eq(info.name, g->name);
	return info.epoch;
}

Test(kvm_life, joins_and_leaves_while_others_talk)
{
	struct vms_guest *a = vms_boot("a"), *b = vms_boot("b"), *c;

	vms_connected(a, "b");
	vms_connected(b, "a");
	for (int i = 0; i < 5; i++) {
		c = vms_boot("c");
		vms_chat(a, b, 3);
		vms_connected(a, "c");
		vms_connected(c, "a");
		vms_chat(a, c, 3);
		vms_tell(c, DO(SEND, .peer = "b", .n = 100, .len = 64, .when = VMQ_SEND_NOW));
		vms_kill(c); /* in the middle of it */
		vms_chat(a, b, 3);
		VMS_WHILE(vms_slot(a, "c") || vms_slot(b, "c"));
	}
	vms_chat_host(a, 3);
	vms_chat_host(b, 3);
}

Test(kvm_life, comes_back_with_another_epoch)
{
	struct vms_guest *a = vms_boot("a"), *b = vms_boot("b");
	uint32_t id = b->id, epoch = epoch_of(b), seen;
	struct vmq_event event = { .size = sizeof(event) };

	vms_connected(a, "b");
	seen = vms_ask(a, DO(STATE, .peer = "b")).n;
	vms_kill(b);
	VMS_WHILE(vms_slot(a, "b"));
	b = vms_boot("b");
	cr_assert_eq(b->id, id);
	cr_assert_neq(epoch_of(b), epoch);
	vms_connected(a, "b");
	cr_assert_neq(vms_ask(a, DO(STATE, .peer = "b")).n, seen);
	vms_connected(b, "a");
	vms_chat(a, b, 3);
	vms_chat_host(b, 3);
	do
		cr_assert_eq(vmq_event(host, &event, PATIENCE), 0);
	while (event.peer != id || event.type == VMQ_EVENT_JOIN);
	cr_assert_eq(event.type, VMQ_EVENT_LEAVE);
	cr_assert_eq(event.reason, VMQ_EGONE);
}

/* What a guest sent before its end is still received. */
Test(kvm_life, last_words)
{
	struct vms_guest *a = vms_boot("a"), *b = vms_boot("b");

	vms_connected(a, "b");
	vms_connected(b, "a");
	vms_count(a, "b", 20, false);
	cr_assert_eq(vms_ask(b, DO(SEND, .peer = "a", .n = 20, .len = 64, .when = VMQ_SEND_LAZY)).rc, 0);
	vms_kill(b);
	cr_assert_eq(vms_answer(a, PROBE_COUNT).bad, 0);
	cr_assert_eq(a->reply.got, 20);
}

/* ---- refused ------------------------------------------------------------------------------------- */

/* A machine that does not run; nothing of what is refused may stay. */
static struct machine machine;

static int add(struct vmq_kvm_config c, struct vmq_kvm **kvm)
{
	if (!machine.memory)
		cr_assert_eq(machine_open(&machine, PROBE, 0), 0);
	c.vm_fd = machine.vm;
	return vmq_kvm_add(vmm, &c, kvm);
}

/* Others may have heard of it before it failed: they let go of it when they look. The
 * first time, a window of theirs comes to have another mapping, for good. */
static void refused(struct vmq_kvm_config c, int why)
{
	struct vmq_kvm *kvm = NULL;
	int fds, maps = 0;

	if (!machine.memory)
		cr_assert_eq(machine_open(&machine, PROBE, 0), 0);
	fds = count_fds();
	for (int i = 0; i < 3; i++) {
		int rc = add(c, &kvm);

		cr_assert_eq(rc, why, "%s, not %s", vmq_errname(rc), vmq_errname(why));
		cr_assert_null(kvm);
		VMS_WHILE(count_fds() != fds);
		if (i)
			cr_assert_eq(count_maps(), maps, "%d mappings, not %d", count_maps(), maps);
		maps = count_maps();
	}
}

/* After all that it is possible, and works once more after its end. */
static void possible(struct vmq_kvm_config c)
{
	struct vmq_kvm *kvm = NULL;

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(add(c, &kvm), 0);
		cr_assert_eq(vmq_kvm_remove(kvm), 0);
	}
	machine_close(&machine);
}

#define WITH(field, value) \
	do { \
		struct vmq_kvm_config c_ = vms_config("c"); \
		c_.field = value; \
		refused(c_, VMQ_EINVAL); \
	} while (0)

Test(kvm_life, configs_that_make_no_sense)
{
	WITH(size, sizeof(struct vmq_kvm_config) - 1);
	WITH(flags, 1u << 2);
	WITH(name, NULL);
	WITH(name, "");
	WITH(name, "a/b");
	WITH(lane_size, 5000);
	WITH(pool_pages, VMQ_POOL_MAX);
	WITH(peers, 1025);
	WITH(window, 0);
	WITH(window, MACHINE_WINDOW + 1);
	WITH(window, ~0ull - VMQ_PAGE_SIZE + 1);
	WITH(window_size, 0);
	WITH(window_size, VMS_WINDOW_SIZE + 1);
	WITH(doorbell, VMS_PORT + 4);
	WITH(doorbell, 0x10000);
	WITH(bus, 0);
	WITH(bus, 3);
	WITH(vector, 31);
	WITH(vector, 256);
	possible(vms_config("c"));
}

Test(kvm_life, handles_that_are_none)
{
	struct vmq_kvm_config c = vms_config("c");
	struct vmq_kvm_stats stats = { .size = sizeof(stats) };
	struct vmq_kvm *kvm = NULL;

	cr_assert_eq(vmq_kvm_add(NULL, &c, &kvm), VMQ_EBADF);
	cr_assert_eq(vmq_kvm_add(vmm, NULL, &kvm), VMQ_EINVAL);
	c.vm_fd = -1;
	cr_assert_eq(vmq_kvm_add(vmm, &c, &kvm), VMQ_EINVAL);
	c.vm_fd = 2; /* a file, but no VM */
	cr_assert_eq(vmq_kvm_add(vmm, &c, &kvm), VMQ_EINVAL);
	cr_assert_eq(vmq_kvm_remove(NULL), VMQ_EBADF);
	cr_assert_eq(vmq_kvm_exit(NULL, NULL), VMQ_EBADF);
	cr_assert_eq(vmq_kvm_stats(NULL, &stats), VMQ_EBADF);
	cr_assert_null(vmq_kvm_vm(NULL));
	cr_assert_null(vmq_kvm_window(NULL, NULL));
	cr_assert_eq(add(vms_config("c"), &kvm), 0);
	cr_assert_eq(vmq_kvm_exit(kvm, NULL), VMQ_EINVAL);
	stats.size--;
	cr_assert_eq(vmq_kvm_stats(kvm, &stats), VMQ_EINVAL);
	cr_assert_eq(vmq_kvm_stats(kvm, NULL), VMQ_EINVAL);
	cr_assert_eq(vmq_kvm_remove(kvm), 0);
	machine_close(&machine);
}

Test(kvm_life, a_name_that_is_taken)
{
	struct vms_guest *a = vms_boot("a");

	refused(vms_config("a"), VMQ_EEXIST);
	refused(vms_config("host"), VMQ_EEXIST);
	vms_chat_host(a, 3);
	possible(vms_config("c"));
}

Test(kvm_life, a_window_that_is_too_small)
{
	struct vmq_kvm_config c = vms_config("c");

	c.window_size = VMQ_PAGE_SIZE; /* no more than the boot-information area */
	refused(c, VMQ_EMSGSIZE);
	c.window_size = 2 * VMS_LANE; /* not even the lanes */
	refused(c, VMQ_EMSGSIZE);
	possible(vms_config("c"));
}

Test(kvm_life, a_memory_slot_that_is_taken)
{
	struct vmq_kvm_config c = vms_config("c");

	c.memory_slot = 0; /* the machine's memory */
	refused(c, VMQ_ESYS);
	c = vms_config("c");
	c.memory_slot = 0xffff; /* there is none such */
	refused(c, VMQ_ESYS);
	possible(vms_config("c"));
}

Test(kvm_life, an_address_that_is_taken)
{
	struct vmq_kvm_config c = vms_config("c");

	c.window = MACHINE_MEMORY / 2;
	refused(c, VMQ_ESYS);
	possible(vms_config("c"));
}

Test(kvm_life, an_interrupt_that_there_is_not)
{
	struct vmq_kvm_config c = vms_config("c");

	c.gsi = 1u << 20;
	refused(c, VMQ_ESYS);
	possible(vms_config("c"));
}

/* Somebody has an ioeventfd where the doorbell is to be. */
Test(kvm_life, a_doorbell_that_is_taken)
{
	struct vmq_kvm_config c = vms_config("c");
	struct kvm_ioeventfd e = { .addr = VMS_PORT, .len = 4, .flags = KVM_IOEVENTFD_FLAG_PIO };

	cr_assert_eq(machine_open(&machine, PROBE, 0), 0);
	e.fd = vmq_fd(host);
	cr_assert_eq(ioctl(machine.vm, KVM_IOEVENTFD, &e), -1, "that is no eventfd");
	e.fd = eventfd(0, EFD_CLOEXEC);
	cr_assert_eq(ioctl(machine.vm, KVM_IOEVENTFD, &e), 0);
	refused(c, VMQ_ESYS);
	e.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	cr_assert_eq(ioctl(machine.vm, KVM_IOEVENTFD, &e), 0);
	close(e.fd);
	possible(c);
}

/* ---- more peers than there is room for --------------------------------------------------------------- */

Test(kvm_life, more_peers_than_slots)
{
	struct vmq_kvm_config c = vms_config("c");
	struct vms_guest *small, *a;

	c.peers = 1;
	small = vms_boot_as(c); /* the host takes the one slot */
	vms_connected(small, "host");
	a = vms_boot("a");
	cr_assert_null(vms_slot(a, "c"));
	cr_assert_null(vms_slot(small, "a"));
	cr_assert_eq(vms_ask(a, DO(STATE, .peer = "c")).rc, VMQ_ENOENT);
	vms_chat_host(small, 3);
	vms_chat_host(a, 3);
	c.name = "d"; /* and one that comes when there are more than it can have */
	refused(c, VMQ_ENOMEM);
	vms_chat_host(small, 3);
	vms_chat_host(a, 3);
	possible(vms_config("d"));
}

/* When its peer is gone, the slot is there for the next. */
Test(kvm_life, a_slot_is_free_again)
{
	struct vmq_kvm_config c = vms_config("c");
	struct vms_guest *small, *a;

	c.peers = 2;
	small = vms_boot_as(c);
	vms_connected(small, "host");
	for (int i = 0; i < 3; i++) {
		a = vms_boot("a");
		vms_connected(small, "a");
		vms_connected(a, "c");
		vms_chat(small, a, 3);
		vms_kill(a);
		VMS_WHILE(vms_slot(small, "a"));
	}
	vms_chat_host(small, 3);
}
