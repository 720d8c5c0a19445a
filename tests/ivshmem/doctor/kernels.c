/* SPDX-License-Identifier: BSD-2-Clause */
/* kernels.c - `vmq doctor` on what needs a kernel and no device: sim, kvm. */
#include <criterion/criterion.h>

#include "machine.h"

static struct machine m;

static void setup(void)
{
	machine_make(&m);
}

static void teardown(void)
{
	machine_remove(&m);
}

TestSuite(doctor_kernels, .init = setup, .fini = teardown);

Test(doctor_kernels, sim)
{
	doctor_sim(&m.d);
	cr_assert(found(&m, "ok", "memory that can be sealed, eventfds, timers, sockets"));
	machine_text(&m, "/proc/sys/vm/overcommit_memory", "2\n");
	doctor_sim(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(commands_are(&m, "vm.overcommit_memory is 2", "sysctl vm.overcommit_memory=0", NULL));
}

#ifdef TOOL_KVM
Test(doctor_kernels, no_kvm)
{
	doctor_kvm(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(commands_are(&m, "no /dev/kvm, and the processor shows neither vmx nor svm", NULL));
	machine_text(&m, "/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vmx sse2\n");
	doctor_kvm(&m.d);
	cr_assert(commands_are(&m, "no /dev/kvm: its module is not loaded", "modprobe kvm_intel", NULL));
	machine_text(&m, "/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu svm sse2\n");
	doctor_kvm(&m.d);
	cr_assert(commands_are(&m, "no /dev/kvm: its module is not loaded", "modprobe kvm_amd", NULL));
}

static bool closed(void)
{
	doctor_kvm(&m.d);
	return verdict_is(&m, "cannot") && commands_are(&m, "/dev/kvm cannot be opened: Permission denied",
		"sudo usermod -aG kvm $USER    # then log in again", NULL);
}

Test(doctor_kernels, kvm_that_is_none)
{
	machine_text(&m, "/dev/kvm", "");
	doctor_kvm(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(found(&m, "fail", "/dev/kvm is no KVM with API 12"));
	machine_mode(&m, "/dev/kvm", 0);
	cr_assert(machine_as_nobody(closed));
}
#endif
