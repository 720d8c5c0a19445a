/* SPDX-License-Identifier: BSD-2-Clause */
/* qemu.c - the server and stock QEMU, without a guest. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"
#include "server.h"
#include "support.h"

static struct server s;
static pid_t wrapper;  /* timeout, which passes SIGTERM on */
static char qemu_log[96];

static void start(void)
{
	server_init(&s);
	snprintf(qemu_log, sizeof(qemu_log), "%s/qemu", s.dir);
	wrapper = 0;
}

static void stop(void)
{
	if (wrapper > 0) {
		kill(wrapper, SIGTERM);
		waitpid(wrapper, NULL, 0);
	}
	server_end(&s);
}

TestSuite(qemu, .init = start, .fini = stop, .timeout = 200);

/* One with a device of so many vectors; its CPU never runs. */
static void qemu(const char *vectors)
{
	char chardev[160], device[80];

	snprintf(chardev, sizeof(chardev), "socket,id=iv,path=%s", s.path);
	snprintf(device, sizeof(device), "ivshmem-doorbell,chardev=iv,vectors=%s", vectors);
	wrapper = fork();
	if (!wrapper) {
		int log = open(qemu_log, O_WRONLY | O_CREAT | O_APPEND, 0666);

		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
		execlp("timeout", "timeout", "-s", "KILL", "100", VMQ_QEMU, "-accel", "tcg", "-M", "pc",
			"-m", "32", "-S", "-nodefaults", "-display", "none", "-chardev", chardev,
			"-device", device, NULL);
		_exit(126);
	}
}

/* The process behind a client, in the server's words. */
static pid_t process_of(int64_t id)
{
	char text[40];
	const char *at;

	snprintf(text, sizeof(text), "join: client %lld: process ", (long long)id);
	cr_assert(server_says(&s, text, 1), "%s", server_text(&s));
	at = strstr(server_text(&s), text);
	return atoi(at + strlen(text));
}

static void qemu_ends(void)
{
	waitpid(wrapper, NULL, 0);
	wrapper = 0;
}

static void joins_and_dies(const char *ours, unsigned vectors, const char *devices)
{
	struct raw a;
	int64_t id;

	cr_assert(SERVER(&s, "-n", ours, "-s", "1M", s.path));
	cr_assert(raw_join(&a, s.path, vectors));
	qemu(devices);
	id = raw_joined(&a, vectors);
	cr_assert(id == a.id + 1, "%lld", (long long)id);
	cr_assert(kill(process_of(id), 0) == 0);
	kill(process_of(id), SIGKILL);
	cr_expect_eq(raw_left(&a), id);
	qemu_ends();
}

Test(qemu, joins_and_dies)
{
	joins_and_dies("3", 3, "3");
}

Test(qemu, has_fewer_vectors_than_the_server)
{
	joins_and_dies("8", 8, "2");
}

Test(qemu, has_more_vectors_than_the_server)
{
	joins_and_dies("2", 2, "8");
}

/* QEMU first: the order of joins does not matter. */
Test(qemu, is_there_before)
{
	struct raw a;

	cr_assert(SERVER(&s, "-s", "1M", s.path));
	qemu("3");
	process_of(0);
	cr_assert(raw_join(&a, s.path, 3));
	cr_expect_eq(a.peers[0].id, 0);
	cr_expect_eq(a.peers[0].vectors, 3u);
	kill(wrapper, SIGTERM);
	cr_expect_eq(raw_left(&a), 0);
	qemu_ends();
}

/* A QEMU that stands still reads nothing: in the end it is dropped, and nobody waits. */
Test(qemu, stands_still)
{
	struct raw a, b;
	int64_t id, value;
	int fd, rounds;
	pid_t pid;
	bool dropped = false;

	cr_assert(SERVER(&s, "-c", "4", "-s", "1M", s.path));
	cr_assert(raw_join(&a, s.path, 3));
	qemu("3");
	id = raw_joined(&a, 3);
	pid = process_of(id);
	kill(pid, SIGSTOP);
	for (rounds = 0; rounds < 2000 && !dropped; rounds++) {
		bool left = false;

		cr_assert(raw_join(&b, s.path, 3));
		raw_leave(&b);
		while (!left) {
			cr_assert_eq(raw_recv(a.sock, &value, &fd, PATIENCE_MS), 1, "round %d", rounds);
			if (fd >= 0)
				close(fd);
			left = fd < 0 && value == b.id;
			dropped |= fd < 0 && value == id;
		}
	}
	cr_expect(dropped && rounds > 50, "after %d", rounds);
	cr_expect(server_says(&s, "reads too slowly", 1));
	kill(pid, SIGCONT);
	kill(pid, SIGKILL);
	qemu_ends();
}

/* It survives its server, and a new server serves a new one. */
Test(qemu, outlives_its_server)
{
	struct raw a;
	pid_t pid;

	cr_assert(SERVER(&s, "-s", "1M", s.path));
	qemu("3");
	pid = process_of(0);
	server_kill(&s);
	cr_assert(SERVER(&s, "-s", "1M", s.path));
	cr_assert(raw_join(&a, s.path, 3));
	cr_expect_eq(kill(pid, 0), 0);
	kill(pid, SIGKILL);
	qemu_ends();
}
