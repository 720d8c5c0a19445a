/* SPDX-License-Identifier: BSD-2-Clause */
/* bad_watcher.c - what those who watch a hub cannot do to it. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watcher.h"

#define WATCHERS 100

TestSuite(bad_watcher, .init = watched_start, .fini = watched_stop, .timeout = 120);

/* The hub hangs up. */
static void cut_off(int s)
{
	struct pollfd p = { .fd = s, .events = POLLRDHUP };

	cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1);
	close(s);
}

/* The others go on, and a newcomer gets in. */
static void hub_is_well(void)
{
	vmq_close(vm("newcomer"));
}

/* A child of another user, which stands before the socket already: on the way there may be
 * folders that are closed to it. */
static int as_nobody(void)
{
	struct sockaddr_un sun;
	struct sim_wire m;
	int fds[SIM_WIRE_FDS], s;
	struct pollfd p;
	unsigned len;

	if (chdir(hub.dir) || setgid(65534) || setuid(65534))
		return 3;
	s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	vmq__sim_wire_address(strrchr(hub.path, '/') + 1, &sun, &len);
	if (connect(s, (struct sockaddr *)&sun, len))
		return 4;
	say(s, SIM_WATCH);
	p = (struct pollfd){ .fd = s, .events = POLLIN };
	if (poll(&p, 1, PATIENCE_MS) != 1)
		return 5;
	return vmq__sim_wire_recv(s, &m, fds) == VMQ_ECONN ? 0 : 6;
}

Test(bad_watcher, another_user_is_refused)
{
	int status = 0;
	pid_t pid;

	if (geteuid())
		cr_skip_test("only root can become another user");
	vms[0] = vm("a");
	/* Somebody opened the door too wide: the hub looks who it is. */
	cr_assert_eq(chmod(hub.dir, 0777), 0);
	cr_assert_eq(chmod(hub.path, 0777), 0);
	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(as_nobody());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && !WEXITSTATUS(status), "status 0x%x", status);
	hub_is_well();
}

static int hub_fds(void)
{
	char path[40];
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)hub.pid);
	dir = opendir(path);
	cr_assert_not_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* All at once, each at its own pace: everybody sees all. */
Test(bad_watcher, a_hundred_watchers)
{
	static struct seen seen[WATCHERS];
	int sock[WATCHERS], fds[SIM_WIRE_FDS], before;
	struct sim_wire m;
	unsigned left = WATCHERS;
	uint64_t until;

	join_all();
	before = hub_fds();
	for (unsigned i = 0; i < WATCHERS; i++) {
		seen[i].fd = -1;
		sock[i] = attach();
		cr_assert_eq(say(sock[i], SIM_WATCH), 0);
	}
	while (left)
		for (unsigned i = 0; i < WATCHERS; i++) {
			if (sock[i] < 0)
				continue;
			cr_assert_eq(hear(sock[i], &m, fds), 0);
			if (!note(&seen[i], sock[i], &m, fds)) {
				cr_expect_eq(seen[i].channels, VMS * (VMS - 1u) / 2);
				close(sock[i]);
				sock[i] = -1;
				left--;
			}
			vmq__sim_wire_close(fds);
		}
	until = now_ns() + PATIENCE;
	while (hub_fds() > before && now_ns() < until)
		hub_is_well();
	cr_expect_leq(hub_fds(), before, "descriptors stay open");
	for (unsigned i = 0; i < WATCHERS; i++)
		close(seen[i].fd);
}

/* It asks and asks and never reads: it is cut off. */
Test(bad_watcher, one_that_does_not_read)
{
	uint64_t until = now_ns() + PATIENCE;
	int s, rc = 0;

	join_all();
	s = attach();
	while (rc != VMQ_ECONN && now_ns() < until)
		rc = say(s, SIM_WATCH);
	cr_expect_eq(rc, VMQ_ECONN, "it may go on for ever");
	close(s);
	hub_is_well();
}

/* It asks once and then does nothing: after a while it is cut off, too. */
Test(bad_watcher, one_that_does_not_ask_on)
{
	int s;

	join_all();
	s = attach();
	cr_assert_eq(say(s, SIM_WATCH), 0);
	cut_off(s);
	hub_is_well();
}

/* Once it watches, it is no VM any more, and a VM cannot watch. */
Test(bad_watcher, one_that_says_something_else)
{
	static const uint32_t others[] = { SIM_EXIT, SIM_LOOKUP, SIM_DETACH, SIM_END, SIM_VM, 99 };
	struct sim_wire m = { .version = SIM_WIRE_VERSION, .type = SIM_HELLO, .name = "spy" };
	int s;

	join_all();
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		s = attach();
		cr_assert_eq(say(s, SIM_WATCH), 0);
		cr_assert_eq(say(s, others[i]), 0);
		cut_off(s);
	}
	s = attach();
	cr_assert_eq(say(s, SIM_WATCH), 0);
	cr_assert_eq(vmq__sim_wire_send(s, &m, NULL, 0), 0);
	cut_off(s);
	s = attach();
	cr_assert_eq(vmq__sim_wire_send(s, &m, NULL, 0), 0);
	cr_assert_eq(say(s, SIM_WATCH), 0);
	cut_off(s);
	hub_is_well();
}

/* From wherever it says it is, it gets an answer and nothing else happens. */
Test(bad_watcher, from_anywhere)
{
	static const uint32_t odd[] = { 0, 1, 2, 7, VMS, VMS + 1, 4095, 1u << 31, UINT32_MAX };
	const unsigned n = sizeof(odd) / sizeof(odd[0]);
	struct sim_wire m;
	int fds[SIM_WIRE_FDS];

	join_all();
	for (unsigned i = 0; i < n * n * n; i++) {
		int s = attach();

		m = (struct sim_wire){ .version = SIM_WIRE_VERSION, .type = SIM_WATCH, .side = odd[i % n],
			.id = odd[i / n % n], .epoch = odd[i / n / n] };
		memset(m.name, 0xff, i % 2 ? sizeof(m.name) : 0);
		cr_assert_eq(vmq__sim_wire_send(s, &m, NULL, 0), 0);
		do {
			cr_assert_eq(hear(s, &m, fds), 0);
			vmq__sim_wire_close(fds);
		} while (m.type == SIM_VM || m.type == SIM_CHANNEL);
		cr_expect(m.type == SIM_MORE || m.type == SIM_END);
		close(s);
	}
	hub_is_well();
}
