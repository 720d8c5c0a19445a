/* SPDX-License-Identifier: BSD-2-Clause */
/* clients.c - clients that do not behave, and many of them. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "raw.h"
#include "server.h"
#include "support.h"

static struct server s;

static void start(void)
{
	server_init(&s);
}

static void stop(void)
{
	server_end(&s);
}

TestSuite(clients, .init = start, .fini = stop, .timeout = 200);

static bool fds_become(int n)
{
	uint64_t until = now_ns() + PATIENCE;

	while (server_fds(&s) != n)
		if (!patient(until))
			return false;
	return true;
}

/* One more client comes and goes; `a` hears of both. True: it hears that `other` is gone. */
static bool come_and_go(struct raw *a, int64_t other)
{
	bool other_left = false;
	struct raw b;
	int64_t id;

	cr_assert(raw_join(&b, s.path, 3));
	raw_leave(&b);
	for (bool left = false; !left;) {
		int64_t value;
		int fd;

		cr_assert_eq(raw_recv(a->sock, &value, &fd, PATIENCE_MS), 1, "the reader is kept waiting");
		id = fd < 0 ? value : -1;
		if (fd >= 0)
			close(fd);
		left = id == b.id;
		other_left |= id == other;
	}
	return other_left;
}

Test(clients, one_that_never_reads_is_dropped)
{
	int deaf, rounds = 0;
	struct raw a;

	cr_assert(SERVER(&s, "--max-clients", "4", s.path));
	deaf = raw_socket(s.path);
	cr_assert(deaf >= 0);
	cr_assert(raw_join(&a, s.path, 3), "id 0 is the other's");
	while (!come_and_go(&a, 0))
		cr_assert(++rounds < 2000, "it is never dropped");
	cr_expect(rounds > 50, "not at once: after %d", rounds);
	cr_expect(server_says(&s, "drop: client 0: ", 1));
	cr_expect(server_says(&s, "reads too slowly", 1));
	cr_expect(raw_cut_off(deaf));
	come_and_go(&a, -2);
}

/* The order of what a slow reader gets is the same as everybody's. */
Test(clients, one_that_reads_late_gets_it_all)
{
	int64_t value, last = -1;
	int late, fd, leaves = 0, base;
	struct raw a;

	cr_assert(SERVER(&s, "--max-clients", "3", s.path));
	base = server_fds(&s);
	late = raw_socket(s.path);
	cr_assert(raw_join(&a, s.path, 3));
	for (int i = 0; i < 150; i++)
		cr_assert_not(come_and_go(&a, 0), "after %d", i);
	while (leaves < 150) {
		cr_assert_eq(raw_recv(late, &value, &fd, PATIENCE_MS), 1);
		if (fd >= 0) {
			close(fd);
			last = value > 1 ? value : last;
		} else if (value > 1) {
			cr_assert_eq(value, last, "joined before it left");
			cr_assert_eq(value, leaves++ + 2);
		}
	}
	cr_expect(fds_become(base + 8), "it keeps nothing of those who left");
}

Test(clients, one_that_sends_is_dropped)
{
	struct raw a, b;

	cr_assert(SERVER(&s, s.path));
	cr_assert(raw_join(&a, s.path, 3));
	cr_assert(raw_join(&b, s.path, 3));
	cr_assert_eq(raw_joined(&a, 3), b.id);
	cr_assert_eq(send(b.sock, "x", 1, MSG_NOSIGNAL), 1);
	cr_expect(raw_cut_off(b.sock));
	cr_expect_eq(raw_left(&a), b.id);
	cr_expect(server_says(&s, "drop: client 1: ", 1));
	cr_expect(server_says(&s, "it sent something", 1));
}

/* Descriptors that it sends do not stay with the server. */
Test(clients, sent_descriptors_are_not_kept)
{
	int base, sock;

	cr_assert(SERVER(&s, s.path));
	base = server_fds(&s);
	for (int i = 0; i < 20; i++) {
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
		struct iovec iov = { (char[]){ 'x' }, 1 };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			.msg_controllen = sizeof(control) };
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(2 * sizeof(int));
		memcpy(CMSG_DATA(c), (int[]){ 0, 1 }, 2 * sizeof(int));
		sock = raw_socket(s.path);
		cr_assert_eq(sendmsg(sock, &m, MSG_NOSIGNAL), 1);
		cr_assert(raw_cut_off(sock));
		close(sock);
	}
	cr_expect(server_says(&s, "it sent something", 20));
	cr_expect(fds_become(base), "%d and not %d", server_fds(&s), base);
}

Test(clients, no_more_than_its_places)
{
	struct raw a, b, c;
	int sock;

	cr_assert(SERVER(&s, "--max-clients", "2", s.path));
	cr_assert(raw_join(&a, s.path, 3));
	cr_assert(raw_join(&b, s.path, 3));
	cr_assert_eq(raw_joined(&a, 3), b.id);
	sock = raw_socket(s.path);
	cr_expect(raw_cut_off(sock));
	cr_expect(server_says(&s, "refuse: process ", 1));
	cr_expect(server_says(&s, "all places are taken", 1));
	raw_leave(&b);
	cr_assert_eq(raw_left(&a), b.id, "and nothing was said of the one that was refused");
	cr_expect(raw_join(&c, s.path, 3));
}

Test(clients, thousands_leave_nothing_behind)
{
	struct raw a;
	int base;

	cr_assert(SERVER(&s, "--quiet", s.path));
	base = server_fds(&s);
	for (int i = 0; i < 1500; i++) {
		cr_assert(raw_join(&a, s.path, 3));
		raw_leave(&a);
	}
	for (int i = 0; i < 1500; i++) {
		int sock = raw_socket(s.path);

		cr_assert(sock >= 0);
		if (i % 3 == 0)
			send(sock, "x", 1, MSG_NOSIGNAL);
		close(sock);
	}
	cr_expect(fds_become(base), "%d and not %d", server_fds(&s), base);
}

static rlim_t fds_limit;

static void few_descriptors(void)
{
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ fds_limit, fds_limit });
}

/* With too few descriptors some wait, and it neither spins nor ends. Three clients of
 * four descriptors each fit, and then `spare`. */
static void without_descriptors(unsigned spare, const char *says)
{
	uint64_t until = now_ns() + PATIENCE;
	int socks[20], served = 0;
	struct raw a;

	cr_assert(SERVER(&s, s.path));
	fds_limit = (rlim_t)server_fds(&s) + 12 + spare;
	server_stop(&s, SIGTERM);
	cr_assert(server_start(&s, (const char *[]){ s.path, NULL }, few_descriptors));
	cr_expect(server_says(&s, "descriptors, but the limit is ", 1));
	for (int i = 0; i < 20; i++) {
		socks[i] = raw_socket(s.path);
		cr_assert(socks[i] >= 0);
	}
	cr_expect(server_says(&s, says, 2));
	for (int i = 0; i < 20; i++) {
		int64_t value;
		int fd;

		served += raw_recv(socks[i], &value, &fd, 0) == 1;
		close(socks[i]);
	}
	cr_expect_eq(served, 3);
	/* Once it has seen to all of them it serves again. */
	while (!raw_join(&a, s.path, 3)) {
		cr_assert(patient(until));
		close(a.sock);
	}
}

Test(clients, without_descriptors_for_a_doorbell)
{
	without_descriptors(1, "refuse: process ");
}

Test(clients, without_a_descriptor_to_accept_with)
{
	const char *at, *line = "nobody is let in for a second";
	unsigned n = 0;

	without_descriptors(0, line);
	for (at = server_text(&s); (at = strstr(at, line)); at++)
		n++;
	cr_expect(n < 50, "%u times", n);
}

/* ---- descriptors under way -------------------------------------------------------------- */

/* The system counts what a real user has sent and nobody has received yet, but for those who
 * may have any number of it: be none of them, and where that may be chosen, a user of whom
 * nobody else sends anything meanwhile. */
static void nobody_in_particular(void)
{
	fds_limit = 200;
	few_descriptors();
	if (!geteuid() && setresuid((uid_t)(20000 + getpid() % 40000), 0, 0))
		fprintf(stderr, "what others send counts, too\n");
	if (!geteuid() && (prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE) || prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN)))
		_exit(9);
}

/* With too many of them under way it waits, and goes on once they are received. */
Test(clients, many_descriptors_under_way)
{
	int64_t value;
	int socks[2], fd;

	cr_assert(server_start(&s, (const char *[]){ "--vectors", "64", s.path, NULL },
		nobody_in_particular));
	for (int i = 0; i < 2; i++)
		socks[i] = raw_socket(s.path);
	cr_assert(server_says(&s, "join: client 1", 1));
	for (int n = 0; n < 3 + 64 + 64; n++) {
		cr_assert_eq(raw_recv(socks[1], &value, &fd, PATIENCE_MS), 1, "message %d: %s", n, server_text(&s));
		cr_assert_eq(fd >= 0, n >= 2);
		cr_assert(n < 3 || value == (n >= 3 + 64));
		close(fd);
	}
	cr_expect_null(strstr(server_text(&s), "drop"));
}
