/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm.c - the VMM side on its own: VMs come, go, may talk or not, exit and are
 * kicked. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "vmm_three.h"

TestSuite(vmm, .init = fakes_start, .fini = fakes_stop);

static void add_all(void)
{
	cr_assert_eq(fake_add(vmm, &a), 0);
	cr_assert_eq(fake_add(vmm, &b), 0);
	cr_assert_eq(fake_add(vmm, &c), 0);
}

static struct vmq_vmm_stats stats_of(struct fake *f)
{
	struct vmq_vmm_stats s = { .size = sizeof(s) };

	cr_assert_eq(vmq_vmm_stats(f->vm, &s), 0);
	return s;
}

Test(vmm, bad_arguments)
{
	struct vmq_vm_config good = a.config;
	struct vmq_vmm_options o = { .size = sizeof(o), .flags = 2 };
	struct vmq_vmm *none = NULL;

	cr_expect_eq(vmq_vmm_create(&o, &none), VMQ_EINVAL);
	o = (struct vmq_vmm_options){ .size = 4 };
	cr_expect_eq(vmq_vmm_create(&o, &none), VMQ_EINVAL);
	o = (struct vmq_vmm_options){ .size = sizeof(o), .first_id = 4096 };
	cr_expect_eq(vmq_vmm_create(&o, &none), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_create(NULL, NULL), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_add(NULL, &good, &a.vm), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_add(vmm, NULL, &a.vm), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_add(vmm, &good, NULL), VMQ_EINVAL);
#define REFUSED(field, value) \
	do { \
		a.config.field = value; \
		cr_expect_eq(fake_add(vmm, &a), VMQ_EINVAL, #field); \
		a.config = good; \
	} while (0)
	REFUSED(size, 8);
	REFUSED(name, NULL);
	REFUSED(name, "");
	REFUSED(name, "*");
	REFUSED(lane_size, 5000);
	REFUSED(lane_size, 2048);
	REFUSED(pool_pages, VMQ_POOL_MAX);
	REFUSED(window, a.window + 1);
	REFUSED(kick, NULL);
	REFUSED(doorbell[0], 5);
	REFUSED(doorbell[1], 5);
	REFUSED(doorbell[0], -1);
	REFUSED(attach, NULL);
	REFUSED(leave, NULL);
}

Test(vmm, null_handles)
{
	struct vmq_vmm_stats s = { .size = sizeof(s) };

	cr_expect_eq(vmq_vmm_remove(NULL), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_halt(NULL), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_detach(NULL), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_destroy(NULL), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_exit(NULL, VMQ_EXIT_TIMER), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_doorbell(NULL, 1, VMQ_KICK_DATA), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_bypass(NULL, VMQ_KICK_DATA), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_pages(NULL, 0, 0), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_stats(NULL, &s), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_lookup(NULL, "a"), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_watch(NULL, 1), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_allow(NULL, "a", "b"), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_allow(vmm, "a", NULL), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_refuse(vmm, "a/b", "b"), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_id(NULL), 0u);
	vmq_vmm_count_bypass(NULL, 1);
}

Test(vmm, each_pair_has_a_channel)
{
	struct fake_link *l;

	add_all();
	cr_expect_eq(a.links, 2u);
	cr_expect_eq(b.links, 2u);
	cr_expect_eq(c.links, 2u);
	cr_expect(fake_connect(&a, &b));
	cr_expect(fake_connect(&b, &c));
	cr_expect(fake_connect(&c, &a));
	l = fake_to(&a, "c");
	cr_expect_eq(l->info.id, vmq_vmm_id(a.vm));
	cr_expect_eq(l->info.peer, vmq_vmm_id(c.vm));
	cr_expect_eq(l->chan.peer.id, vmq_vmm_id(c.vm));
	cr_expect_neq(l->info.side, fake_to(&c, "a")->info.side);
	cr_expect((uint8_t *)l->info.region >= a.window &&
		(uint8_t *)l->info.region + l->info.region_size <= a.window + FAKE_WINDOW);
	/* Channels of one window do not overlap. */
	cr_expect_geq(labs((uint8_t *)l->info.region - (uint8_t *)fake_to(&a, "b")->info.region),
		(long)l->info.region_size);
	cr_expect_eq(stats_of(&a).peers, 2u);
	cr_expect_eq(vmq_vmm_bypass(l->info.link, 0), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_bypass(l->info.link, 4 | VMQ_KICK_DATA), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_lookup(a.vm, "b"), 0);
	cr_expect_eq(vmq_vmm_lookup(a.vm, "z"), VMQ_EAGAIN);
	cr_expect_eq(vmq_vmm_lookup(a.vm, "*"), VMQ_EINVAL);
	b.config.name = "a";
	cr_expect_eq(vmq_vmm_add(vmm, &b.config, &b.vm), VMQ_EEXIST);
}

/* ---- policy ------------------------------------------------------------------------ */

Test(vmm, refuse_and_allow)
{
	cr_assert_eq(vmq_vmm_refuse(vmm, "*", "b"), 0);
	add_all();
	cr_expect_null(fake_to(&a, "b"));
	cr_expect_not_null(fake_to(&a, "c"));
	cr_expect_eq(vmq_vmm_lookup(a.vm, "b"), VMQ_EACCES);
	/* The last word counts, at once. */
	cr_assert_eq(vmq_vmm_allow(vmm, "b", "a"), 0);
	cr_expect(fake_connect(&a, &b));
	cr_expect_null(fake_to(&c, "b"));
	cr_assert_eq(vmq_vmm_refuse(vmm, "a", "b"), 0);
	cr_expect_null(fake_to(&a, "b"));
	cr_expect_eq(a.leaves, 1u);
	cr_expect_eq(b.leaves, 1u);
	cr_expect_eq(a.link[1].left, VMQ_EACCES);
	cr_expect(vmq_chan_peer_gone(&a.link[1].chan));
	cr_expect_eq(vmq_vmm_detach(a.link[1].info.link), 0);
	cr_expect_eq(vmq_layout_gone(b.link[0].info.region, !b.link[0].info.side), (uint32_t)-VMQ_EACCES);
	cr_expect_eq(a.leaves + b.leaves, 2u, "nobody is told twice");
}

Test(vmm, closed)
{
	struct vmq_vmm_options o = { .size = sizeof(o), .flags = VMQ_VMM_CLOSED };

	vmq_vmm_destroy(vmm);
	cr_assert_eq(vmq_vmm_create(&o, &vmm), 0);
	add_all();
	cr_expect_eq(a.links + b.links + c.links, 0u);
	cr_assert_eq(vmq_vmm_allow(vmm, "a", "b"), 0);
	cr_expect_eq(a.links, 1u);
	cr_expect_eq(c.links, 0u);
}

/* ---- exits -------------------------------------------------------------------------- */

/* b sleeps: its end is armed. */
static struct fake_link *armed(struct fake_link **to)
{
	struct fake_link *at;

	cr_assert(fake_connect(&a, &b));
	*to = fake_to(&a, "b");
	at = fake_to(&b, "a");
	cr_assert_not(vmq_rx_arm(&at->chan.rx) & VMQ_RX_DATA);
	a.kicks = b.kicks = b.kicked_for = 0;
	return at;
}

Test(vmm, natural_exits_drain)
{
	struct fake_link *to, *at;
	struct vmq_record rec;

	add_all();
	at = armed(&to);
	cr_expect_eq(vmq_vmm_exit(a.vm, VMQ_EXIT_TIMER), 0, "nothing was sent");
	cr_expect_eq(vmq_tx_put(&to->chan.tx, VMQ_KIND_MSG, "lazy", 4), 0);
	cr_expect_eq(b.kicks, 0u);
	cr_expect_eq(vmq_vmm_exit(a.vm, VMQ_EXIT_WAIT), 1);
	cr_expect_eq(b.kicks, 1u);
	cr_expect_eq(b.kicked_for, VMQ_KICK_DATA);
	cr_expect_eq(c.kicks + a.kicks, a.kicks, "only who has something to do is kicked");
	vmq_rx_wake(&at->chan.rx);
	cr_expect_eq(vmq_vmm_exit(a.vm, VMQ_EXIT_IO), 0, "it is awake");
	cr_assert_eq(vmq_rx_peek(&at->chan.rx, &rec), 1);
	cr_expect_arr_eq(rec.data, "lazy", 4);
	cr_expect_eq(vmq_vmm_exit(a.vm, VMQ_EXIT_REASONS), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_exit(a.vm, (enum vmq_exit_reason)-1), VMQ_EINVAL);
	cr_expect_eq(stats_of(&a).exits_natural[VMQ_EXIT_TIMER], 1u);
	cr_expect_eq(stats_of(&a).exits_natural[VMQ_EXIT_WAIT], 1u);
	cr_expect_eq(stats_of(&a).exits_natural[VMQ_EXIT_YIELD], 0u);
	cr_expect_eq(stats_of(&a).exits_natural[VMQ_EXIT_IO], 1u);
	cr_expect_eq(stats_of(&a).drains, 1u);
	cr_expect_eq(stats_of(&a).kicks, 1u);
}

Test(vmm, doorbells)
{
	struct fake_link *to;

	add_all();
	armed(&to);
	cr_expect_eq(vmq_vmm_doorbell(a.vm, vmq_vmm_id(b.vm), VMQ_KICK_DATA), 1, "asked for, whether due or not");
	cr_expect_eq(b.kicks, 1u);
	cr_expect_eq(b.kicked_for, VMQ_KICK_DATA);
	cr_expect_eq(vmq_vmm_doorbell(a.vm, 999, VMQ_KICK_DATA), VMQ_ENOENT);
	cr_expect_eq(vmq_vmm_doorbell(a.vm, vmq_vmm_id(b.vm), 0), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_doorbell(a.vm, vmq_vmm_id(b.vm), 4), VMQ_EINVAL);
	cr_expect_eq(stats_of(&a).exits_immediate, 2u);
	cr_expect_eq(vmq_vmm_bypass(to->info.link, VMQ_KICK_SPACE), 0);
	cr_expect_eq(b.kicks, 2u);
	cr_expect_eq(b.kicked_for, VMQ_KICK_DATA | VMQ_KICK_SPACE);
	vmq_vmm_count_bypass(a.vm, 5);
	cr_expect_eq(stats_of(&a).bypass, 6u);
	cr_expect_eq(stats_of(&a).exits_immediate, 2u, "that was no exit");
}

Test(vmm, exit_kicks_who_waits_for_room)
{
	struct fake_link *to, *at;
	struct vmq_record rec;
	char bytes[64] = "";

	add_all();
	at = armed(&to);
	while (!vmq_tx_put(&to->chan.tx, VMQ_KIND_MSG, bytes, sizeof(bytes)))
		;
	cr_assert(vmq_tx_space_arm(&to->chan.tx, sizeof(bytes)));
	cr_expect_eq(vmq_vmm_exit(b.vm, VMQ_EXIT_TIMER), 0);
	while (vmq_rx_peek(&at->chan.rx, &rec) == 1)
		vmq_rx_next(&at->chan.rx);
	vmq_rx_release(&at->chan.rx);
	a.kicked_for = 0;
	cr_expect_eq(vmq_vmm_exit(b.vm, VMQ_EXIT_TIMER), 1);
	cr_expect_eq(a.kicked_for, VMQ_KICK_SPACE);
}

/* ---- ends ------------------------------------------------------------------------------ */

Test(vmm, removal)
{
	struct fake_link *at;
	struct vmq_record rec;

	add_all();
	cr_assert(fake_connect(&a, &b));
	at = fake_to(&b, "a");
	vmq_tx_put(&fake_to(&a, "b")->chan.tx, VMQ_KIND_MSG, "last", 4);
	cr_assert_eq(vmq_vmm_remove(a.vm), 0);
	cr_expect_eq(at->left, VMQ_EGONE);
	cr_expect_eq(b.leaves, 1u);
	cr_expect_eq(c.leaves, 1u);
	cr_expect(vmq_chan_peer_gone(&at->chan));
	/* What it had sent is still there, until the other end is done with it. */
	cr_assert_eq(vmq_rx_peek(&at->chan.rx, &rec), 1);
	cr_expect_arr_eq(rec.data, "last", 4);
	cr_expect_eq(a.window[0], 0, "its own window is zeros again");
	cr_expect_eq(vmq_vmm_detach(at->info.link), 0);
	cr_expect_eq(((uint8_t *)at->info.region)[0], 0);
	cr_expect_eq(stats_of(&b).peers, 1u);
}

Test(vmm, same_name_same_id_new_epoch)
{
	uint32_t id, epoch = 0, other;

	add_all();
	id = vmq_vmm_id(a.vm);
	other = vmq_vmm_id(b.vm);
	cr_expect_neq(id, other);
	for (int i = 0; i < 3; i++) {
		struct fake_link *l = fake_to(&b, "a");

		cr_expect_neq(l->info.epoch, epoch);
		epoch = l->info.epoch;
		vmq_vmm_remove(a.vm);
		vmq_vmm_detach(l->info.link);
		fake_forget(l);
		fake_forget_all(&a);
		cr_assert_eq(fake_add(vmm, &a), 0);
		cr_expect_eq(vmq_vmm_id(a.vm), id);
		cr_expect(fake_connect(&a, &b));
	}
}

Test(vmm, halt)
{
	struct vmq_vm *old;

	add_all();
	old = a.vm;
	cr_assert_eq(vmq_vmm_halt(a.vm), 0);
	cr_expect_eq(b.leaves, 1u);
	cr_expect_eq(stats_of(&a).peers, 0u);
	cr_expect_eq(vmq_vmm_exit(a.vm, VMQ_EXIT_TIMER), 0);
	cr_expect_eq(fake_add(vmm, &a), VMQ_EEXIST, "its name is still taken");
	cr_expect_eq(vmq_vmm_allow(vmm, "*", "*"), 0);
	cr_expect_eq(stats_of(&a).peers, 0u, "it stays dead");
	cr_expect_eq(vmq_vmm_halt(a.vm), 0);
	cr_expect_eq(vmq_vmm_remove(old), 0);
	cr_expect_eq(fake_add(vmm, &a), 0);
}

Test(vmm, window_too_small)
{
	struct fake small;

	fake_init(&small, "small", VMQ_PAGE_SIZE * 4, 4);
	cr_assert_eq(fake_add(vmm, &b), 0);
	cr_expect_eq(fake_add(vmm, &small), VMQ_EMSGSIZE);
	cr_expect_null(fake_to(&b, "small"));
	cr_expect_eq(stats_of(&b).peers, 0u);
	fake_free(&small);
}

Test(vmm, who_refuses_a_channel)
{
	/* A new VM that can't have it is not added; its peer hears of its end. */
	cr_assert_eq(fake_add(vmm, &b), 0);
	a.refuse = VMQ_ENOMEM;
	cr_expect_eq(fake_add(vmm, &a), VMQ_ENOMEM);
	cr_expect_eq(b.links, 1u);
	cr_expect_eq(b.leaves, 1u);
	/* An old one that can't does not keep the new one out. */
	a.refuse = 0;
	b.refuse = VMQ_ENOMEM;
	cr_expect_eq(fake_add(vmm, &a), 0);
	cr_expect_eq(a.links, 0u);
	cr_expect_eq(a.leaves, 0u);
	b.refuse = 0;
	cr_expect_eq(fake_add(vmm, &c), 0);
	cr_expect(fake_connect(&c, &a));
}

Test(vmm, no_window)
{
	struct fake bare;

	fake_init(&bare, "bare", 0, 4);
	cr_assert_eq(fake_add(vmm, &b), 0);
	cr_assert_eq(fake_add(vmm, &bare), 0);
	cr_expect_null(bare.link[0].info.region);
	cr_expect_geq(bare.link[0].info.fd, 0);
	cr_expect_eq(vmq_vmm_pages(bare.link[0].info.link, 0, 0), VMQ_ENOTSUP);
	fake_free(&bare);
}
