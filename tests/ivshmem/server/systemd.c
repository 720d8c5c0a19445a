/* SPDX-License-Identifier: BSD-2-Clause */
/* systemd.c - what systemd does for the server, done by this test. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "raw.h"
#include "server.h"
#include "support.h"

static struct server s;
static int notify, listener, region;
static char notify_path[96];

static int bound(int type, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	cr_assert_eq(bind(sock, (void *)&a, sizeof(a)), 0);
	return sock;
}

static void start(void)
{
	server_init(&s);
	snprintf(notify_path, sizeof(notify_path), "%s/notify", s.dir);
	notify = bound(SOCK_DGRAM, notify_path);
	listener = region = -1;
}

static void stop(void)
{
	server_end(&s);
}

TestSuite(systemd, .init = start, .fini = stop, .timeout = 100);

/* In the server's process, before it runs. */
static void as_systemd(void)
{
	int high[2] = { -1, -1 }, n = 0;
	char text[20];

	if (listener >= 0)
		high[n++] = fcntl(listener, F_DUPFD, 20);
	if (region >= 0)
		high[n++] = fcntl(region, F_DUPFD, 20);
	for (int i = 0; i < n; i++) {
		dup2(high[i], 3 + i);
		close(high[i]);
	}
	snprintf(text, sizeof(text), "%d", n);
	setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDNAMES", listener < 0 ? "region" : region < 0 ? "vmq.socket" : "vmq.socket:region", 1);
	setenv("NOTIFY_SOCKET", notify_path, 1);
}

static bool activated(const char *const *options)
{
	return server_start(&s, options, as_systemd);
}
#define ACTIVATED(...) activated((const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL })

/* What the server notifies of next; *fd: what it gave away, or -1. */
static const char *notified(int *fd)
{
	static char text[300];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(256)];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control) };
	struct pollfd p = { .fd = notify, .events = POLLIN };
	ssize_t n;

	*fd = -1;
	cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1);
	n = recvmsg(notify, &m, MSG_CMSG_CLOEXEC);
	cr_assert(n > 0);
	text[n] = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(fd, CMSG_DATA(c), sizeof(int));
	return text;
}

static void notifies(const char *what)
{
	int fd;
	const char *text = notified(&fd);

	cr_expect_str_eq(text, what);
	cr_expect_eq(fd, -1);
}

Test(systemd, socket_of_a_unit)
{
	struct raw a;

	listener = bound(SOCK_STREAM, s.path);
	cr_assert_eq(listen(listener, 5), 0);
	cr_assert(ACTIVATED("--file", "/dev/shm/vmq-test-none/", "-q") == false);
	cr_assert_eq(server_code(&s), 1);
	notifies("STOPPING=1");
	cr_assert(ACTIVATED(NULL));
	cr_assert(raw_join(&a, s.path, 3));
	cr_assert_eq(server_stop(&s, SIGTERM), 0);
	cr_expect_eq(access(s.path, F_OK), 0, "it is systemd's");
	/* The path may be said, but it must be this one. */
	cr_assert(ACTIVATED(s.path));
	cr_assert_eq(server_stop(&s, SIGTERM), 0);
	cr_expect_not(ACTIVATED("/other"));
	cr_expect_eq(server_code(&s), 1);
	cr_expect(server_says(&s, "systemd brought the socket ", 1));
}

/* The memory lives on in the store, and with it the directory and the next id. */
Test(systemd, memory_survives)
{
	struct stat mine, theirs;
	struct raw a, b;

	listener = bound(SOCK_STREAM, s.path);
	cr_assert_eq(listen(listener, 5), 0);
	cr_assert(ACTIVATED("--size", "1M", "--slots", "3"));
	cr_expect_str_eq(notified(&region), "FDSTORE=1\nFDNAME=region");
	cr_assert(region >= 0);
	notifies("READY=1");
	cr_assert(raw_join(&a, s.path, 3));
	cr_assert(!fstat(a.region, &mine) && !fstat(region, &theirs));
	cr_expect_eq(mine.st_ino, theirs.st_ino);
	a.map[a.size - 1] = 99;
	server_kill(&s);
	cr_assert(ACTIVATED("--size", "1M", "--slots", "3"));
	notifies("READY=1");
	cr_assert(raw_join(&b, s.path, 3));
	cr_expect_eq(b.id, 1);
	cr_expect_eq(b.map[b.size - 1], 99);
	a.map[a.size - 1] = 98;
	cr_expect_eq(b.map[b.size - 1], 98, "whoever had it has the same");
	cr_assert_eq(server_stop(&s, SIGTERM), 0);
	notifies("STOPPING=1");
}

/* Other options since: refused, or made anew with --format. */
Test(systemd, memory_of_another_size)
{
	struct raw a;

	listener = bound(SOCK_STREAM, s.path);
	cr_assert_eq(listen(listener, 5), 0);
	cr_assert(ACTIVATED("--size", "1M"));
	notified(&region);
	notifies("READY=1");
	server_kill(&s);
	cr_expect_not(ACTIVATED("--size", "2M"));
	cr_expect_eq(server_code(&s), 1);
	cr_expect(server_says(&s, "the region that systemd keeps has 1048576 bytes, not 2097152", 1));
	notifies("STOPPING=1");
	cr_assert(ACTIVATED("--size", "2M", "--format"));
	notifies("FDSTOREREMOVE=1\nFDNAME=region");
	close(region);
	cr_expect_str_eq(notified(&region), "FDSTORE=1\nFDNAME=region");
	cr_assert(raw_join(&a, s.path, 3));
	cr_expect_eq(a.size, 2u << 20);
}

/* Its memory is stored; files are there without that. */
Test(systemd, files_are_not_stored)
{
	char file[96];

	snprintf(file, sizeof(file), "%s/region", s.dir);
	region = memfd_create("x", MFD_CLOEXEC);
	cr_assert(ACTIVATED("--file", file, "-s", "1M", s.path));
	notifies("FDSTOREREMOVE=1\nFDNAME=region");
	notifies("READY=1");
}

Test(systemd, foreign_memory_is_refused)
{
	region = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	cr_assert_eq(ftruncate(region, 1 << 20), 0);
	cr_expect_not(ACTIVATED(s.path));
	cr_expect_eq(server_code(&s), 1);
	cr_expect(server_says(&s, "was not made by this server", 1));
}

Test(systemd, what_is_no_stream_socket_is_refused)
{
	listener = bound(SOCK_DGRAM, s.path);
	cr_expect_not(ACTIVATED(NULL));
	cr_expect_eq(server_code(&s), 1);
	cr_expect(server_says(&s, "systemd brought 'vmq.socket', which is neither", 1));
}

/* Descriptors for another process are none. */
static void for_another(void)
{
	as_systemd();
	setenv("LISTEN_PID", "1", 1);
}

Test(systemd, not_for_this_process)
{
	listener = bound(SOCK_DGRAM, s.path);
	unlink(s.path);
	cr_assert(server_start(&s, (const char *[]){ s.path, NULL }, for_another));
}
