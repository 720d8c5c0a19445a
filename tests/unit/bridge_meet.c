/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge_meet.c - VMMs that call each other: whose names and ids count, which of two
 * connections stays, and what is left of hundreds of them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "bridge_three.h"

TestSuite(bridge_meet, .init = three_start, .fini = three_stop);

/* ---- whose id, whose name ----------------------------------------------------------- */

Test(bridge_meet, names_that_are_taken)
{
	struct fake twin;

	vm_init(&twin, "a");
	vm_add(&y, &twin);
	all_there();
	cr_expect_null(fake_to(&twin, "c"));
	cr_expect_null(fake_to(&b, "zz"));
	cr_expect_not_null(strstr(y.line, "taken"));
	cr_expect(fake_connect(&twin, &b));
	cr_expect_not_null(fake_to(&b, "c"));
	twin.config.name = "c";
	cr_expect_eq(vmq_vmm_add(y.vmm, &twin.config, &twin.vm), VMQ_EEXIST);
	host_close(&y);
	vm_free(&twin);
	host_open(&y, "y", 100, 0);
}

Test(bridge_meet, ids_that_are_taken)
{
	host_close(&y);
	host_open(&y, "y", 1, 0);
	vm_add(&x, &a);
	vm_add(&y, &b);
	call(&y, &x);
	cr_expect_eq(vmq_vmm_id(a.vm), vmq_vmm_id(b.vm));
	cr_expect_null(fake_to(&a, "b"));
	cr_expect_null(fake_to(&b, "a"));
	cr_expect_not_null(strstr(x.line, "taken"));
	vm_add(&y, &c);
	settle();
	cr_expect_null(fake_to(&a, "c"), "there is no a on y");
	cr_expect_eq(vmq_vmm_lookup(a.vm, "c"), 0);
}

/* ---- connections ------------------------------------------------------------------------- */

static bool are_joined(void *arg)
{
	(void)arg;
	return fake_to(&a, "b") && fake_to(&b, "a");
}

Test(bridge_meet, both_call)
{
	for (int i = 0; i < 20; i++) {
		vm_add(&x, &a);
		vm_add(&y, &b);
		cr_assert_eq(vmq_bridge_connect(x.bridge, y.path), 0);
		cr_assert_eq(vmq_bridge_connect(y.bridge, x.path), 0);
		cr_assert_eq(vmq_bridge_connect(y.bridge, x.path), 0, "twice");
		cr_assert_eq(vmq_bridge_connect(y.bridge, y.path), 0, "oneself");
		cr_assert(until(are_joined, NULL));
		for (int n = 0; n < 20; n++)
			settle();
		cr_expect_eq(a.links, 1u);
		cr_expect_eq(b.links, 1u);
		cr_expect_eq(a.leaves + b.leaves, 0u, "no second connection took over");
		cr_expect_eq(x.lines, 1u);
		cr_expect_eq(y.lines, 1u);
		host_close(&x);
		host_close(&y);
		fake_forget_all(&a);
		fake_forget_all(&b);
		a.links = b.links = a.leaves = b.leaves = 0;
		host_open(&x, "x", 1, 0);
		host_open(&y, "y", 100, 0);
	}
}

Test(bridge_meet, who_comes_back_is_called_again)
{
	struct fake_link *l;

	all_there();
	l = fake_to(&b, "a");
	host_close(&x);
	settle();
	cr_expect_eq(l->left, VMQ_EGONE);
	cr_expect_eq(peers_of(&b), 0u);
	vmq_vmm_detach(l->info.link);
	vmq_vmm_detach(l[1].info.link);
	fake_forget_all(&b);
	fake_forget_all(&a);
	host_open(&x, "x", 1, 0);
	vm_add(&x, &a);
	cr_assert(until(are_joined, NULL));
	cr_expect_eq(vmq_vmm_id(a.vm), 1u);
	cr_expect(fake_connect(&a, &b));
}

/* More packets at once than a socket takes. */
Test(bridge_meet, a_crowd)
{
	enum { CROWD = 300 };
	static struct fake crowd[CROWD];
	static char name[CROWD][8];

	host_close(&x);
	host_open(&x, "x", 1, VMQ_VMM_CLOSED);
	call(&y, &x);
	for (unsigned i = 0; i < CROWD; i++) {
		snprintf(name[i], sizeof(name[i]), "n%u", i);
		fake_init(&crowd[i], name[i], 0, 4);
		crowd[i].bare = true;
		crowd[i].config.doorbell[0] = crowd[i].config.doorbell[1] = a.config.doorbell[0];
		crowd[i].config.pool_pages = VMQ_NO_PAGES;
		vm_add(&x, &crowd[i]);
	}
	for (unsigned i = 0; i < 20; i++)
		for (unsigned n = 0; n < CROWD; n++) {
			vmq_vmm_remove(crowd[n].vm);
			vm_add(&x, &crowd[n]);
		}
	settle();
	vm_add(&y, &b);
	settle();
	vmq_vmm_allow(x.vmm, "b", "n299");
	settle();
	cr_expect_eq(x.lines + y.lines, 2u, "%s / %s", x.line, y.line);
	cr_expect_not_null(fake_to(&b, "n299"));
	cr_expect_eq(b.links, 1u);
	hosts_stop();
	hosts_start();
}

Test(bridge_meet, two_hundred_lives_leak_nothing)
{
	int fds = 0, maps = 0;

	a.bare = b.bare = true;
	vm_add(&x, &a);
	for (unsigned i = 0; i < 220; i++) {
		vm_add(&y, &b);
		call(&y, &x);
		cr_assert(until(are_joined, NULL));
		if (i == 20) {
			fds = count_fds();
			maps = count_maps();
		}
		if (i >= 20) {
			cr_assert_eq(count_fds(), fds, "%u: %d", i, count_fds());
			cr_assert_leq(count_maps(), maps + 4);
		}
		host_close(&y);
		settle();
		vmq_vmm_detach(a.link[0].info.link);
		fake_forget_all(&a);
		fake_forget_all(&b);
		host_open(&y, "y", 100, 0);
	}
}
