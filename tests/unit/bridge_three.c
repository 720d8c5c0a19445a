/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge_three.c - two VMMs and three VMs, to be bridged. */
#include <criterion/criterion.h>

#include "bridge_three.h"

struct host x, y;
struct fake a, b, c;

void three_start(void)
{
	hosts_start();
	host_open(&x, "x", 1, 0);
	host_open(&y, "y", 100, 0);
	vm_init(&a, "a");
	vm_init(&b, "b");
	vm_init(&c, "c");
}

void three_stop(void)
{
	hosts_stop();
	vm_free(&a);
	vm_free(&b);
	vm_free(&c);
}

uint64_t peers_of(struct fake *f)
{
	struct vmq_vmm_stats s = { .size = sizeof(s) };

	cr_assert_eq(vmq_vmm_stats(f->vm, &s), 0);
	return s.peers;
}

void all_there(void)
{
	vm_add(&x, &a);
	vm_add(&y, &b);
	vm_add(&x, &c);
	call(&y, &x);
}
