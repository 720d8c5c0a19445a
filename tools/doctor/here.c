/* SPDX-License-Identifier: BSD-2-Clause */
/* here.c - the transports that need a kernel, and no device: sim, kvm. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "doctor.h"

/* ---- sim ------------------------------------------------------------------------------ */

/* Takes the descriptor that the kernel gave, and says so if there is none. */
static bool given(struct doctor *d, int fd, const char *what)
{
	if (fd >= 0)
		close(fd);
	else
		doctor_say(d, DOCTOR_FAIL, "the kernel gives no %s: %s", what, strerror(errno));
	return fd >= 0;
}

static void sim_memory(struct doctor *d)
{
	struct rlimit limit;
	char text[32];

	doctor_read(d, text, sizeof(text), "/proc/sys/vm/overcommit_memory");
	if (!strcmp(text, "2")) {
		doctor_say(d, DOCTOR_WARN, "vm.overcommit_memory is 2: endpoints that are threads reserve 64 "
			"GiB of addresses each, which fails; processes (sim:unix=PATH) are not concerned");
		doctor_command(d, "sysctl vm.overcommit_memory=0");
	}
	if (!getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY) {
		doctor_say(d, DOCTOR_WARN, "addresses are limited (RLIMIT_AS): endpoints that are threads "
			"reserve 64 GiB each");
		doctor_command(d, "ulimit -v unlimited");
	}
}

void doctor_sim(struct doctor *d)
{
	bool all;

	doctor_begin(d, "sim");
	all = given(d, memfd_create("vmq-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd");
	all &= given(d, eventfd(0, EFD_CLOEXEC), "eventfd");
	all &= given(d, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd");
	all &= given(d, socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "UNIX socket (SOCK_SEQPACKET)");
	if (all)
		doctor_say(d, DOCTOR_OK, "memory that can be sealed, eventfds, timers, sockets");
	sim_memory(d);
	doctor_end(d);
}

/* ---- kvm ------------------------------------------------------------------------------- */

#ifdef TOOL_KVM
#include <linux/kvm.h>

static const struct {
	int number;
	const char *name;
} needed[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM" },
	{ KVM_CAP_SYNC_MMU, "KVM_CAP_SYNC_MMU" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },
};

static void kvm_missing(struct doctor *d)
{
	char cpu[8192];

	doctor_read(d, cpu, sizeof(cpu), "/proc/cpuinfo");
	if (strstr(cpu, " vmx")) {
		doctor_say(d, DOCTOR_FAIL, "no /dev/kvm: its module is not loaded");
		doctor_command(d, "modprobe kvm_intel");
	} else if (strstr(cpu, " svm")) {
		doctor_say(d, DOCTOR_FAIL, "no /dev/kvm: its module is not loaded");
		doctor_command(d, "modprobe kvm_amd");
	} else {
		doctor_say(d, DOCTOR_FAIL, "no /dev/kvm, and the processor shows neither vmx nor svm: switch "
			"virtualisation on in the firmware, or nesting in the machine that this one is a "
			"guest of");
	}
}

static void kvm_closed(struct doctor *d, int e)
{
	doctor_say(d, DOCTOR_FAIL, "/dev/kvm cannot be opened: %s", strerror(e));
	if (e == EACCES || e == EPERM)
		doctor_command(d, "sudo usermod -aG kvm $USER    # then log in again");
}

static void kvm_capabilities(struct doctor *d, int fd)
{
	char missing[256] = "";

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		size_t n = strlen(missing);

		if (ioctl(fd, KVM_CHECK_EXTENSION, needed[i].number) <= 0)
			snprintf(missing + n, sizeof(missing) - n, " %s", needed[i].name);
	}
	if (*missing)
		doctor_say(d, DOCTOR_FAIL, "this KVM lacks%s", missing);
	else
		doctor_say(d, DOCTOR_OK, "/dev/kvm opens, API 12, irqfd, ioeventfd, interrupt controller, "
			"read-only memory");
}

static void kvm_nested(struct doctor *d)
{
	char cpu[8192];

	doctor_read(d, cpu, sizeof(cpu), "/proc/cpuinfo");
#ifdef __x86_64__
	if (!strstr(cpu, " vmx") && !strstr(cpu, " svm"))
		doctor_say(d, DOCTOR_NOTE, "the processor shows neither vmx nor svm: this KVM is nested "
			"without help from the hardware, and guests are slow");
#endif
}

static void kvm_look(struct doctor *d)
{
	char path[DOCTOR_PATH];
	int fd, version;

	if (!doctor_there(d, "/dev/kvm")) {
		kvm_missing(d);
		return;
	}
	doctor_path(d, path, "/dev/kvm");
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		kvm_closed(d, errno);
		return;
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		doctor_say(d, DOCTOR_FAIL, "/dev/kvm is no KVM with API %d", KVM_API_VERSION);
	} else {
		kvm_capabilities(d, fd);
		kvm_nested(d);
	}
	close(fd);
}
#else
static void kvm_look(struct doctor *d)
{
	doctor_say(d, DOCTOR_FAIL, "this build of libvmq has no kvm transport");
}
#endif

void doctor_kvm(struct doctor *d)
{
	doctor_begin(d, "kvm");
	kvm_look(d);
	doctor_end(d);
}
