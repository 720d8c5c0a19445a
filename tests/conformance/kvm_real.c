/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm_real.c - what the fabrics with real guests share: they need /dev/kvm. */
#include <criterion/hooks.h>
#include <stdio.h>
#include <stdlib.h>

#include "kvm_real.h"

#define SKIPPED 77

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
	char why[160];

	(void)tests;
	if (remote_possible(why, sizeof(why)))
		return;
	printf("skipped: %s\n", why);
	exit(SKIPPED);
}

void kvm_real_stop(void)
{
	remote_end();
	kvm_vmm_stop();
}
