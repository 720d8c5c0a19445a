/* SPDX-License-Identifier: BSD-2-Clause */
/* protocol.c - what the server says to its clients, message by message. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
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

TestSuite(protocol, .init = start, .fini = stop, .timeout = 100);

Test(protocol, order_for_one_two_and_three)
{
	struct raw a, b, c;

	cr_assert(SERVER(&s, s.path));
	cr_assert(raw_join(&a, s.path, 3));
	cr_expect_eq(a.id, 0);
	cr_expect_eq(a.size, 64u << 20);
	cr_assert(raw_join(&b, s.path, 3));
	cr_expect_eq(b.id, 1);
	cr_assert_eq(raw_joined(&a, 3), 1);
	cr_assert(raw_join(&c, s.path, 3));
	cr_expect_eq(c.peers[0].id, 0);
	cr_expect_eq(c.peers[1].id, 1);
	cr_expect_eq(c.peers[2].vectors, 0u);
	cr_assert_eq(raw_joined(&a, 3), 2);
	cr_assert_eq(raw_joined(&b, 3), 2);
	cr_expect(raw_quiet(a.sock) && raw_quiet(b.sock) && raw_quiet(c.sock));
	raw_leave(&b);
	cr_expect_eq(raw_left(&a), 1);
	cr_expect_eq(raw_left(&c), 1);
	/* Its number is not given out again. */
	cr_assert(raw_join(&b, s.path, 3));
	cr_expect_eq(b.id, 3);
}

/* Each vector is one eventfd, the same for all who ring it and for who is rung. */
Test(protocol, doorbells_ring_their_owner)
{
	const uint64_t one = 1;
	struct raw a, b;

	cr_assert(SERVER(&s, "--vectors", "5", s.path));
	cr_assert(raw_join(&a, s.path, 5));
	cr_assert(raw_join(&b, s.path, 5));
	cr_assert_eq(raw_joined(&a, 5), b.id);
	for (unsigned v = 0; v < 5; v++) {
		cr_assert_eq(write(a.peers[0].fd[v], &one, sizeof(one)), (ssize_t)sizeof(one));
		for (unsigned w = 0; w < 5; w++)
			cr_expect_eq(rung(b.own.fd[w], 0), v == w, "%u rings %u", v, w);
		cr_assert_eq(write(b.peers[0].fd[v], &one, sizeof(one)), (ssize_t)sizeof(one));
		cr_expect(rung(a.own.fd[v], 0));
	}
}

Test(protocol, one_region_for_all)
{
	struct raw a, b;

	cr_assert(SERVER(&s, "--size", "256K", s.path));
	cr_assert(raw_join(&a, s.path, 3));
	cr_assert(raw_join(&b, s.path, 3));
	cr_expect_eq(a.size, 256u << 10);
	a.map[a.size - 1] = 77;
	cr_expect_eq(b.map[b.size - 1], 77);
}

Test(protocol, fewest_and_most_vectors)
{
	struct raw a, b;

	cr_assert(SERVER(&s, "--vectors", "1", s.path));
	cr_assert(raw_join(&a, s.path, 1));
	cr_assert(raw_join(&b, s.path, 1));
	raw_leave(&a);
	raw_leave(&b);
	cr_assert_eq(server_stop(&s, SIGTERM), 0);
	cr_assert(SERVER(&s, "--vectors", "64", s.path));
	cr_assert(raw_join(&a, s.path, 64));
	cr_assert(raw_join(&b, s.path, 64));
	cr_assert_eq(raw_joined(&a, 64), b.id);
	raw_leave(&b);
	cr_assert_eq(raw_left(&a), b.id);
}

/* A reader that takes one byte at a time gets the same. */
Test(protocol, read_in_pieces)
{
	static const int64_t said[] = { 0, 1, -1, 0, 0, 0, 1, 1, 1 };
	struct raw a;
	int sock, fds = 0;

	cr_assert(SERVER(&s, s.path));
	cr_assert(raw_join(&a, s.path, 3));
	sock = raw_socket(s.path);
	for (unsigned i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		int64_t value = 0;

		for (unsigned at = 0; at < sizeof(value); at++) {
			_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
			struct iovec iov = { (char *)&value + at, 1 };
			struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				.msg_controllen = sizeof(control) };

			cr_assert_eq(recvmsg(sock, &m, 0), 1);
			fds += m.msg_controllen > 0;
			cr_assert(!m.msg_controllen || !at, "it comes with the first byte");
		}
		cr_expect_eq(value, said[i], "message %u: %lld", i, (long long)value);
	}
	cr_expect_eq(fds, 7);
}

/* Nobody can take the memory away from the others. */
Test(protocol, region_is_sealed)
{
	struct raw a;

	cr_assert(SERVER(&s, s.path));
	cr_assert(raw_join(&a, s.path, 3));
	cr_expect_neq(ftruncate(a.region, 4096), 0);
	cr_expect_neq(ftruncate(a.region, 128 << 20), 0);
	cr_expect_eq(fcntl(a.region, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

/* The end of the server is the end of the connection, and not of the memory. */
Test(protocol, server_goes)
{
	struct raw a;

	cr_assert(SERVER(&s, s.path));
	cr_assert(raw_join(&a, s.path, 3));
	server_kill(&s);
	cr_expect(raw_cut_off(a.sock));
	a.map[a.size / 2] = 1;
	cr_expect_eq(a.map[a.size / 2], 1);
}
