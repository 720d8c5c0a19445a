/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_three.c - a VMM and three fakes. */
#include <criterion/criterion.h>

#include "vmm_three.h"

struct vmq_vmm *vmm;
struct fake a, b, c;

void fakes_start(void)
{
	cr_assert_eq(vmq_vmm_create(NULL, &vmm), 0);
	fake_init(&a, "a", FAKE_WINDOW, 4);
	fake_init(&b, "b", FAKE_WINDOW, 4);
	fake_init(&c, "c", FAKE_WINDOW, 4);
}

void fakes_stop(void)
{
	if (vmm)
		vmq_vmm_destroy(vmm);
	fake_free(&a);
	fake_free(&b);
	fake_free(&c);
}
