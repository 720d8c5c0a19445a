/* SPDX-License-Identifier: BSD-2-Clause */
/* lock.c - a name is one process's, as long as it lives. */
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>
#include <string.h>
#include <unistd.h>

#include <vmq/vmq.h>

#include "lab.h"
#include "support.h"

Test(xen_lock, one_has_it)
{
	int fds = count_fds(), fd, other;

	cr_assert_not(vmq__xen_locked(fabric(), 1, "a"));
	fd = vmq__xen_lock(fabric(), 1, "a");
	cr_assert_geq(fd, 0);
	cr_assert(vmq__xen_locked(fabric(), 1, "a"));
	cr_assert_eq(vmq__xen_lock(fabric(), 1, "a"), VMQ_EEXIST);
	/* Another name, domain, fabric. */
	other = vmq__xen_lock(fabric(), 1, "aa");
	cr_assert_geq(other, 0);
	close(other);
	cr_assert_not(vmq__xen_locked(fabric(), 2, "a"));
	cr_assert_not(vmq__xen_locked("lock", 1, "a"));
	close(fd);
	cr_assert_not(vmq__xen_locked(fabric(), 1, "a"));
	cr_assert_eq(count_fds(), fds);
}

Test(xen_lock, names_of_any_length)
{
	char longest[VMQ_NAME_MAX + 1], almost[VMQ_NAME_MAX + 1];
	int fd;

	memset(longest, 'x', VMQ_NAME_MAX);
	longest[VMQ_NAME_MAX] = 0;
	memcpy(almost, longest, sizeof(almost));
	almost[VMQ_NAME_MAX - 1] = 'y';
	fd = vmq__xen_lock(longest, 32751, longest);
	cr_assert_geq(fd, 0);
	cr_assert(vmq__xen_locked(longest, 32751, longest));
	cr_assert_not(vmq__xen_locked(longest, 32751, almost));
	close(fd);
}

/* The kernel lets go of it, and not before. */
Test(xen_lock, ends_with_the_process)
{
	const char *of = fabric();
	int pipes[2], status;
	pid_t pid;
	char c;

	cr_assert_eq(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		child_prepare(pipes[1]);
		vmq__xen_lock(of, 1, "a");
		if (write(pipes[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(pipes[1]);
	cr_assert_eq(read(pipes[0], &c, 1), 1);
	cr_assert(vmq__xen_locked(of, 1, "a"));
	cr_assert_eq(vmq__xen_lock(of, 1, "a"), VMQ_EEXIST);
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_not(vmq__xen_locked(of, 1, "a"));
	close(pipes[0]);
}
