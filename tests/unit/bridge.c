/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge.c - VMs of two VMMs: they meet, may talk or not, are rung, leave, come back. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge_three.h"

TestSuite(bridge, .init = three_start, .fini = three_stop);

Test(bridge, open_arguments)
{
	char why[100] = "";
	struct vmq_bridge_options o = { .size = sizeof(o), .errmsg = why, .errlen = sizeof(why) };
	struct vmq_bridge *none = NULL;
	struct vmq_vmm *vmm;
	char path[300];

	cr_expect_eq(vmq_bridge_open(NULL, &o, &none), VMQ_EBADF);
	cr_expect_eq(vmq_bridge_open(x.vmm, NULL, &none), VMQ_EINVAL);
	cr_expect_eq(vmq_bridge_open(x.vmm, &o, NULL), VMQ_EINVAL);
	cr_expect_eq(vmq_bridge_open(x.vmm, &o, &none), VMQ_EBUSY);
	cr_assert_eq(vmq_vmm_create(NULL, &vmm), 0);
	o.path = x.path;
	cr_expect_eq(vmq_bridge_open(vmm, &o, &none), VMQ_EEXIST);
	cr_expect_not_null(strstr(why, x.path));
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = 0;
	o.path = path;
	cr_expect_eq(vmq_bridge_open(vmm, &o, &none), VMQ_EINVAL);
	o.path = "/nowhere/at/all";
	cr_expect_eq(vmq_bridge_open(vmm, &o, &none), VMQ_ESYS);
	o.size = 4;
	cr_expect_eq(vmq_bridge_open(vmm, &o, &none), VMQ_EINVAL);
	vmq_vmm_destroy(vmm);
	cr_expect_eq(vmq_bridge_connect(NULL, x.path), VMQ_EBADF);
	cr_expect_eq(vmq_bridge_connect(x.bridge, NULL), VMQ_EINVAL);
	cr_expect_eq(vmq_bridge_connect(x.bridge, path), VMQ_EINVAL);
	cr_expect_eq(vmq_bridge_run(NULL, 0), VMQ_EBADF);
	cr_expect_eq(vmq_bridge_fd(NULL), VMQ_EBADF);
	cr_expect_eq(vmq_bridge_close(NULL), VMQ_EBADF);
	vmq_bridge_stop(NULL);
}

Test(bridge, socket_and_loop)
{
	struct stat st;

	cr_assert_eq(stat(x.path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600u);
	cr_expect_eq(vmq_bridge_run(x.bridge, VMQ_NOWAIT), VMQ_EAGAIN);
	cr_expect_eq(vmq_bridge_run(x.bridge, VMQ_MS(1)), VMQ_ETIMEDOUT);
	vmq_bridge_stop(x.bridge);
	cr_expect_eq(vmq_bridge_run(x.bridge, VMQ_FOREVER), 0);
	cr_expect_eq(vmq_vmm_destroy(x.vmm), VMQ_EBUSY, "the bridge goes first");
	host_close(&x);
	cr_expect_eq(stat(x.path, &st), -1);
	host_open(&x, "x", 1, 0);
}

Test(bridge, each_pair_across_has_a_channel)
{
	struct fake_link *l;

	all_there();
	cr_expect_eq(a.links, 2u);
	cr_expect_eq(b.links, 2u);
	cr_expect_eq(c.links, 2u);
	cr_expect(fake_connect(&a, &b));
	cr_expect(fake_connect(&b, &c));
	cr_expect(fake_connect(&c, &a));
	cr_expect_eq(vmq_vmm_id(a.vm), 1u);
	cr_expect_eq(vmq_vmm_id(b.vm), 100u);
	l = fake_to(&a, "b");
	cr_expect_eq(l->info.peer, 100u);
	cr_expect_eq(l->chan.peer.id, 100u);
	cr_expect_str_eq(l->chan.peer.name, "b");
	cr_expect_neq(l->info.side, fake_to(&b, "a")->info.side);
	cr_expect_eq(l->info.epoch, fake_to(&b, "a")->info.epoch);
	cr_expect_eq(peers_of(&a), 2u);
	cr_expect_eq(peers_of(&b), 2u);
	cr_expect_eq(vmq_vmm_lookup(a.vm, "b"), 0);
	cr_expect_eq(vmq_vmm_lookup(b.vm, "c"), 0);
	cr_expect_eq(a.leaves + b.leaves + c.leaves, 0u);
}

/* Added when the VMMs are connected, to the one that called and to the one called. */
Test(bridge, later_additions)
{
	call(&y, &x);
	vm_add(&y, &b);
	vm_add(&x, &a);
	settle();
	vm_add(&y, &c);
	settle();
	cr_expect(fake_connect(&a, &b));
	cr_expect(fake_connect(&a, &c));
	cr_expect(fake_connect(&b, &c));
}

Test(bridge, messages_and_kicks)
{
	struct fake_link *to, *at;
	struct vmq_record rec;

	all_there();
	cr_assert(fake_connect(&a, &b));
	to = fake_to(&a, "b");
	at = fake_to(&b, "a");
	cr_assert_not(vmq_rx_arm(&at->chan.rx) & VMQ_RX_DATA);
	vm_rung(&b, VMQ_KICK_DATA);
	vm_rung(&b, VMQ_KICK_SPACE);
	cr_assert_eq(vmq_tx_put(&to->chan.tx, VMQ_KIND_MSG, "across", 6), 0);
	cr_expect_eq(vmq_vmm_exit(a.vm, VMQ_EXIT_TIMER), 1);
	cr_expect_eq(vm_rung(&b, VMQ_KICK_DATA), 1u, "a natural exit drains over the bridge");
	cr_expect_eq(vmq_vmm_doorbell(a.vm, 100, VMQ_KICK_SPACE), 1);
	cr_expect_eq(vm_rung(&b, VMQ_KICK_SPACE), 1u);
	vm_rung(&b, VMQ_KICK_DATA); /* which was due still */
	cr_expect_eq(vmq_vmm_bypass(to->info.link, VMQ_KICK_DATA), 0);
	cr_expect_eq(vm_rung(&b, VMQ_KICK_DATA), 1u);
	cr_assert_eq(vmq_rx_peek(&at->chan.rx, &rec), 1);
	cr_expect_arr_eq(rec.data, "across", 6);
	cr_expect_geq(to->info.doorbell[0], 0);
	cr_expect_eq(b.kicks, 0u, "no packet was needed for any of it");
}

/* ---- policy ------------------------------------------------------------------------- */

/* Refused by one VMM, whichever: no channel, and nobody hears of one. */
static void refused_by(struct host *h)
{
	cr_assert_eq(vmq_vmm_refuse(h->vmm, "a", "b"), 0);
	all_there();
	cr_expect_null(fake_to(&a, "b"));
	cr_expect_null(fake_to(&b, "a"));
	cr_expect_eq(a.leaves + b.leaves, 0u);
	cr_expect(fake_connect(&b, &c));
	cr_expect_eq(vmq_vmm_lookup(h == &x ? a.vm : b.vm, h == &x ? "b" : "a"), VMQ_EACCES);
	cr_assert_eq(vmq_vmm_allow(h->vmm, "a", "b"), 0);
	settle();
	cr_expect(fake_connect(&a, &b));
	cr_assert_eq(vmq_vmm_refuse(h->vmm, "*", "b"), 0);
	settle();
	cr_expect_null(fake_to(&a, "b"));
	cr_expect_null(fake_to(&b, "c"));
	cr_expect_eq(b.leaves, 2u);
	cr_expect_eq(a.leaves, 1u);
	for (unsigned i = 0; i < FAKE_LINKS; i++) {
		cr_expect(!b.link[i].info.link || b.link[i].left == VMQ_EACCES);
		cr_expect(!b.link[i].info.link || vmq_chan_peer_gone(&b.link[i].chan));
	}
	cr_assert_eq(vmq_vmm_allow(h->vmm, "*", "*"), 0);
	settle();
	cr_expect(fake_connect(&a, &b));
	cr_expect(fake_connect(&c, &b));
}

Test(bridge, refused_by_who_was_called)
{
	refused_by(&x);
}

Test(bridge, refused_by_who_calls)
{
	refused_by(&y);
}

Test(bridge, a_vm_that_cannot_have_the_channel)
{
	a.refuse = VMQ_ENOMEM;
	all_there();
	cr_expect_null(fake_to(&b, "a"));
	cr_expect_eq(b.links, 2u, "b's VMM offered it");
	cr_expect_eq(b.leaves, 1u);
	cr_expect(fake_connect(&b, &c));
	b.refuse = VMQ_ENOMEM;
	a.refuse = 0;
	vmq_vmm_allow(x.vmm, "a", "b");
	settle();
	cr_expect_eq(a.links, 1u, "only c");
	cr_expect_eq(a.leaves, 0u);
}

Test(bridge, without_doorbells_alone)
{
	struct fake bare;

	fake_init(&bare, "bare", FAKE_WINDOW, 4);
	vm_add(&x, &a);
	vm_add(&x, &bare);
	vm_add(&y, &b);
	call(&y, &x);
	cr_expect_not_null(fake_to(&b, "a"));
	cr_expect_null(fake_to(&b, "bare"));
	cr_expect_not_null(fake_to(&bare, "a"));
	cr_expect_null(fake_to(&bare, "b"));
	vmq_vmm_remove(bare.vm);
	fake_free(&bare);
}

/* ---- ends ----------------------------------------------------------------------------- */

static void ends_with(int (*end)(struct vmq_vm *vm), struct fake *who, struct fake *other)
{
	struct fake_link *l;
	struct vmq_record rec;

	cr_assert(fake_connect(who, other));
	l = fake_to(other, who->config.name);
	vmq_tx_put(&fake_to(who, other->config.name)->chan.tx, VMQ_KIND_MSG, "last", 4);
	cr_assert_eq(end(who->vm), 0);
	cr_expect(vmq_chan_peer_gone(&l->chan), "seen in the region at once");
	settle();
	cr_expect_eq(l->left, VMQ_EGONE);
	cr_expect_eq(vmq_vmm_lookup(other->vm, who->config.name), VMQ_EAGAIN);
	cr_assert_eq(vmq_rx_peek(&l->chan.rx, &rec), 1);
	cr_expect_arr_eq(rec.data, "last", 4, "what it had sent is still there");
	cr_expect_eq(vmq_vmm_detach(l->info.link), 0);
	cr_expect_eq(((uint8_t *)l->info.region)[0], 0);
	fake_forget(l);
}

Test(bridge, removal)
{
	all_there();
	ends_with(vmq_vmm_remove, &a, &b);
	cr_expect_eq(b.kicks, 1u, "whose peer left is kicked");
	ends_with(vmq_vmm_remove, &b, &c);
	cr_expect_eq(peers_of(&c), 0u);
}

Test(bridge, halt)
{
	all_there();
	ends_with(vmq_vmm_halt, &b, &a);
	cr_expect_eq(peers_of(&b), 0u);
	cr_expect_eq(vmq_vmm_allow(y.vmm, "*", "*"), 0);
	settle();
	cr_expect_eq(peers_of(&b), 0u, "it stays dead");
	cr_expect_eq(vmq_vmm_remove(b.vm), 0);
}

Test(bridge, detach)
{
	struct fake_link *l;

	all_there();
	l = fake_to(&a, "b");
	cr_assert_eq(vmq_vmm_detach(l->info.link), 0);
	settle();
	cr_expect_eq(b.leaves, 1u);
	cr_expect_eq(a.leaves, 0u);
	cr_expect_eq(peers_of(&a), 1u);
	cr_expect_eq(peers_of(&b), 1u);
}

Test(bridge, same_name_same_id_new_epoch)
{
	uint32_t epoch = 0;

	all_there();
	for (int i = 0; i < 3; i++) {
		struct fake_link *l = fake_to(&a, "b");

		cr_assert_not_null(l);
		cr_expect_neq(l->info.epoch, epoch);
		cr_expect_eq(l->info.peer, 100u);
		epoch = l->info.epoch;
		vmq_vmm_remove(b.vm);
		fake_forget_all(&b);
		vm_add(&y, &b); /* before the other VMM has heard of the end */
		settle();
		cr_expect_eq(l->left, VMQ_EGONE);
		vmq_vmm_detach(l->info.link);
		fake_forget(l);
		cr_expect_eq(vmq_vmm_id(b.vm), 100u);
		cr_expect(fake_connect(&a, &b));
	}
}

Test(bridge, a_vm_moves_to_the_other_vmm)
{
	all_there();
	vmq_vmm_remove(c.vm);
	fake_forget_all(&c);
	settle();
	vm_add(&y, &c);
	settle();
	cr_expect_eq(vmq_vmm_id(c.vm), 101u);
	cr_expect(fake_connect(&a, &c));
	vmq_vmm_remove(c.vm);
	fake_forget_all(&c);
	settle();
	vm_add(&x, &c);
	settle();
	cr_expect_lt(vmq_vmm_id(c.vm), 100u, "an id of its own range");
	cr_expect(fake_connect(&b, &c));
}
