/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_bells.c - doorbells that are eventfds, ranges of ids, and who listens still. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "support.h"
#include "vmm_fake.h"

static struct vmq_vmm *vmm;
static struct fake a, b;
static int bell[2];

static void start(void)
{
	cr_assert_eq(vmq_vmm_create(NULL, &vmm), 0);
	fake_init(&a, "a", FAKE_WINDOW, 4);
	fake_init(&b, "b", FAKE_WINDOW, 4);
	for (unsigned i = 0; i < 2; i++)
		b.config.doorbell[i] = bell[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void stop(void)
{
	vmq_vmm_destroy(vmm);
	fake_free(&a);
	fake_free(&b);
	close(bell[0]);
	close(bell[1]);
}

TestSuite(vmm_bells, .init = start, .fini = stop);

static void add_both(void)
{
	cr_assert_eq(fake_add(vmm, &a), 0);
	cr_assert_eq(fake_add(vmm, &b), 0);
}

static uint64_t rung(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof(count)) < 0 ? 0 : count;
}

static int ring_b(unsigned what)
{
	return vmq_vmm_doorbell(a.vm, vmq_vmm_id(b.vm), what);
}

Test(vmm_bells, first_id)
{
	struct vmq_vmm_options o = { .size = sizeof(o), .first_id = 4095 };

	vmq_vmm_destroy(vmm);
	cr_assert_eq(vmq_vmm_create(&o, &vmm), 0);
	cr_assert_eq(fake_add(vmm, &a), 0);
	cr_expect_eq(vmq_vmm_id(a.vm), 4095u);
	cr_expect_eq(fake_add(vmm, &b), VMQ_ENOMEM, "that was the last");
	vmq_vmm_remove(a.vm);
	cr_expect_eq(fake_add(vmm, &b), 0, "who is gone gives it up");
	cr_expect_eq(vmq_vmm_id(b.vm), 4095u);
	cr_expect_eq(vmq_vmm_lookup(b.vm, "a"), VMQ_EAGAIN);
}

Test(vmm_bells, eventfds_instead_of_a_callback)
{
	b.config.kick = NULL;
	add_both();
	cr_expect_eq(ring_b(VMQ_KICK_DATA), 1);
	cr_expect_eq(rung(bell[0]), 1u);
	cr_expect_eq(rung(bell[1]), 0u);
	cr_expect_eq(ring_b(VMQ_KICK_SPACE), 1);
	cr_expect_eq(rung(bell[0]), 0u);
	cr_expect_eq(rung(bell[1]), 1u);
	cr_expect_eq(ring_b(VMQ_KICK_DATA | VMQ_KICK_SPACE), 1);
	cr_expect_eq(rung(bell[0]) + rung(bell[1]), 2u);
	cr_expect_eq(b.kicks, 0u);
}

Test(vmm_bells, one_eventfd_for_both)
{
	b.config.kick = NULL;
	b.config.doorbell[1] = bell[0];
	add_both();
	cr_expect_eq(ring_b(VMQ_KICK_DATA | VMQ_KICK_SPACE), 1);
	cr_expect_eq(rung(bell[0]), 1u, "once");
	cr_expect_eq(ring_b(VMQ_KICK_SPACE), 1);
	cr_expect_eq(rung(bell[0]), 1u);
}

Test(vmm_bells, callback_beside_eventfds)
{
	add_both();
	cr_expect_eq(ring_b(VMQ_KICK_SPACE), 1);
	cr_expect_eq(b.kicks, 1u);
	cr_expect_eq(b.kicked_for, VMQ_KICK_SPACE);
	cr_expect_eq(rung(bell[0]) + rung(bell[1]), 0u);
}

Test(vmm_bells, peers_get_the_eventfds)
{
	add_both();
	cr_expect_eq(a.link[0].info.doorbell[0], bell[0]);
	cr_expect_eq(a.link[0].info.doorbell[1], bell[1]);
	cr_expect_eq(b.link[0].info.doorbell[0], -1);
	cr_expect_eq(b.link[0].info.doorbell[1], -1);
}

/* A peer with the eventfd fills it, and makes writes to it wait. */
Test(vmm_bells, a_full_eventfd_is_not_waited_for)
{
	uint64_t full = UINT64_MAX - 1;

	b.config.kick = NULL;
	add_both();
	cr_assert_eq(write(bell[0], &full, sizeof(full)), 8);
	cr_assert_eq(fcntl(bell[0], F_SETFL, 0), 0);
	cr_expect_eq(ring_b(VMQ_KICK_DATA), 1);
	cr_expect_eq(rung(bell[0]), full);
}

/* ---- watch --------------------------------------------------------------------------- */

#define LONG VMQ_MS(3600 * 1000)

static void beat(struct fake_link *l)
{
	struct vmq_layout_ctl *ctl = (void *)((uint8_t *)l->info.region + l->geo.ctl_off[l->info.side]);

	ctl->heartbeat--; /* up or down: it moved */
}

Test(vmm_bells, watch_arguments)
{
	cr_assert_eq(fake_add(vmm, &b), 0);
	cr_expect_eq(vmq_vmm_watch(b.vm, 0), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_watch(b.vm, VMQ_FOREVER), VMQ_EINVAL);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(vmq_vmm_watch(b.vm, 1), 0, "nobody has a channel with it");
	cr_expect_eq(b.kicks, 0u);
}

Test(vmm_bells, watch_who_beats)
{
	add_both();
	b.kicks = 0;
	for (int i = 0; i < 10; i++) {
		beat(fake_to(&b, "a"));
		cr_expect_eq(vmq_vmm_watch(b.vm, 1), 0);
	}
	cr_expect_eq(b.kicks, 0u);
	/* The other VM's beats are not its own. */
	beat(fake_to(&a, "b"));
	cr_expect_eq(vmq_vmm_watch(b.vm, LONG), 0);
	cr_expect_eq(b.kicks, 1u, "it is asked");
	cr_expect_eq(vmq_vmm_watch(b.vm, LONG), 0);
	cr_expect_eq(b.kicks, 2u);
	beat(fake_to(&b, "a"));
	cr_expect_eq(vmq_vmm_watch(b.vm, 1), 0, "it answered");
	cr_expect_eq(a.leaves, 0u);
}

static int until_gone(void)
{
	uint64_t end = now_ns() + (uint64_t)PATIENCE;
	int rc = 0;

	while (!rc && now_ns() < end)
		rc = vmq_vmm_watch(b.vm, 1000);
	return rc;
}

Test(vmm_bells, watch_who_does_not)
{
	add_both();
	vmq_vmm_watch(b.vm, 1000);
	cr_expect_eq(until_gone(), VMQ_EGONE);
	cr_expect_eq(a.leaves, 1u);
	cr_expect_eq(fake_to(&a, "b"), NULL);
	beat(&b.link[0]);
	cr_expect_eq(vmq_vmm_watch(b.vm, LONG), VMQ_EGONE, "from then on");
	cr_expect_eq(vmq_vmm_remove(b.vm), 0);
}

Test(vmm_bells, watch_ends_with_the_last_peer)
{
	add_both();
	vmq_vmm_watch(b.vm, LONG);
	vmq_vmm_watch(b.vm, LONG);
	vmq_vmm_remove(a.vm);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(vmq_vmm_watch(b.vm, 1), 0);
}
