/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_lives.c - thousands of VMs come and go, and nothing is left of them. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "vmm_three.h"

TestSuite(vmm_lives, .init = fakes_start, .fini = fakes_stop);

static void come_and_go(unsigned round)
{
	struct fake *f = round % 2 ? &a : &c;

	f->links = 0;
	fake_forget_all(f);
	cr_assert_eq(fake_add(vmm, f), 0);
	cr_assert_eq(f->links, 1u);
	if (round % 3 == 0) {
		vmq_vmm_refuse(vmm, "b", f->config.name);
		vmq_vmm_allow(vmm, "b", f->config.name);
	}
	cr_assert_eq(vmq_vmm_remove(f->vm), 0);
	for (unsigned i = 0; i < FAKE_LINKS; i++)
		if (b.link[i].left) {
			cr_assert_eq(vmq_vmm_detach(b.link[i].info.link), 0);
			fake_forget(&b.link[i]);
		}
}

Test(vmm_lives, ten_thousand_lives_leak_nothing)
{
	int fds, maps;

	a.bare = b.bare = c.bare = true;
	cr_assert_eq(fake_add(vmm, &b), 0);
	for (unsigned i = 0; i < 20; i++)
		come_and_go(i);
	fds = count_fds();
	maps = count_maps();
	for (unsigned i = 0; i < 10000; i++)
		come_and_go(i % 100 ? i : 1);
	cr_expect_eq(count_fds(), fds);
	cr_expect_leq(count_maps(), maps + 4); /* the heap may grow */
}

Test(vmm_lives, more_names_than_ids)
{
	char name[16];

	cr_assert_eq(fake_add(vmm, &b), 0);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "vm%u", i);
		a.config.name = name;
		a.bare = b.bare = true;
		fake_forget_all(&a);
		cr_assert_eq(fake_add(vmm, &a), 0, "%u", i);
		cr_assert_neq(vmq_vmm_id(a.vm), vmq_vmm_id(b.vm));
		cr_assert_eq(vmq_vmm_remove(a.vm), 0);
		cr_assert_eq(vmq_vmm_detach(b.link[0].info.link), 0);
		fake_forget_all(&b);
	}
}
