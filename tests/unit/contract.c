/* SPDX-License-Identifier: BSD-2-Clause */
/* contract.c - codes that the comments of vmq.h name: each call gives them just then. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <vmq/vmq.h>

#include "support.h"

#define SHORT VMQ_MS(20)
#define INLINE 900u /* within a quarter of a lane of 4,096 bytes */

static struct vmq *a, *b, *c;
static uint32_t to_b, to_c;
static char bytes[8192];

static struct vmq *open_at(const char *name, uint32_t max_msg)
{
	struct vmq_options o = { .size = sizeof(o), .name = name, .lane_size = 4096, .pool_pages = 2,
		.max_msg = max_msg, .spin_us = VMQ_SPIN_NONE };
	struct vmq *q = NULL;

	cr_assert_eq(vmq_open("sim:contract", &o, &q), 0);
	return q;
}

static void start(void)
{
	a = open_at("a", 0);
	b = open_at("b", 0);
	to_b = both_meet(a, "b", b, "a");
}

static void stop(void)
{
	vmq_close(a);
	vmq_close(b);
	vmq_close(c);
}

TestSuite(contract, .init = start, .fini = stop);

static void third(uint32_t max_msg)
{
	c = open_at("c", max_msg);
	to_c = both_meet(a, "c", c, "a");
}

/* Not even a byte finds room any more. */
static void fill_up(uint32_t to)
{
	static const size_t len[] = { INLINE, 100, 1 };
	int rc = 0;

	for (unsigned i = 0; i < 3; i++)
		do {
			rc = vmq_send(a, to, bytes, len[i], VMQ_SEND_LAZY, VMQ_NOWAIT);
		} while (!rc);
	cr_assert_eq(rc, VMQ_EAGAIN);
}

/* b is gone, and a knows. */
static void lose(void)
{
	struct vmq_msg msg;

	vmq_close(b);
	b = NULL;
	cr_assert_eq(vmq_recv(a, bytes, sizeof(bytes), &msg, PATIENCE), VMQ_EGONE);
	cr_assert_eq(msg.peer, to_b);
}

/* ---- broadcast ------------------------------------------------------------------------- */

static int broadcast(size_t len, int64_t timeout_ns)
{
	return vmq_broadcast(a, bytes, len, VMQ_SEND_AUTO, timeout_ns);
}

Test(contract, broadcast_to_whoever_has_room)
{
	third(100);
	cr_expect_eq(broadcast(10, VMQ_NOWAIT), 2);
	cr_expect_eq(broadcast(200, VMQ_NOWAIT), 1, "c takes none so large");
	fill_up(to_b);
	cr_expect_eq(broadcast(10, VMQ_NOWAIT), 1);
	cr_expect_eq(broadcast(200, VMQ_NOWAIT), VMQ_EAGAIN, "b may have room later");
	cr_expect_eq(broadcast(200, SHORT), VMQ_ETIMEDOUT);
}

Test(contract, broadcast_to_nobody)
{
	third(100);
	cr_expect_eq(broadcast(2u << 20, VMQ_NOWAIT), VMQ_EMSGSIZE);
	fill_up(to_b);
	fill_up(to_c);
	cr_expect_eq(broadcast(10, VMQ_NOWAIT), VMQ_EAGAIN);
	/* The first of the two takes up all of the time. */
	cr_expect_eq(broadcast(10, SHORT), VMQ_ETIMEDOUT);
	vmq_close(b);
	vmq_close(c);
	b = c = NULL;
	while (vmq_recv(a, bytes, sizeof(bytes), NULL, SHORT) == VMQ_EGONE)
		;
	cr_expect_eq(broadcast(10, VMQ_NOWAIT), 0, "nobody is there");
}

/* ---- full, and gone ---------------------------------------------------------------------- */

Test(contract, full)
{
	struct vmq_iovec iov = { bytes, INLINE };
	struct vmq_page page;
	void *at;

	fill_up(to_b);
	cr_expect_eq(vmq_send(a, to_b, bytes, INLINE, 0, SHORT), VMQ_ETIMEDOUT);
	cr_expect_eq(vmq_sendv(a, to_b, &iov, 1, 0, VMQ_NOWAIT), VMQ_EAGAIN);
	cr_expect_eq(vmq_sendv(a, to_b, &iov, 1, 0, SHORT), VMQ_ETIMEDOUT);
	cr_expect_eq(vmq_send_batch(a, to_b, &iov, 1, 0, VMQ_NOWAIT), VMQ_EAGAIN);
	cr_expect_eq(vmq_send_batch(a, to_b, &iov, 1, 0, SHORT), VMQ_ETIMEDOUT);
	cr_expect_eq(vmq_reserve(a, to_b, INLINE, &at, VMQ_NOWAIT), VMQ_EAGAIN);
	cr_expect_eq(vmq_reserve(a, to_b, INLINE, &at, SHORT), VMQ_ETIMEDOUT);
	cr_assert_eq(vmq_page_alloc(a, to_b, 1, &page, VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_page_send(a, &page, VMQ_PAGE_MOVE, bytes, 900, 0, VMQ_NOWAIT), VMQ_EAGAIN);
	cr_expect_eq(vmq_page_send(a, &page, VMQ_PAGE_MOVE, bytes, 900, 0, SHORT), VMQ_ETIMEDOUT);
	cr_expect_eq(vmq_page_free(a, &page), 0, "it did not change hands");
	cr_expect_eq(vmq_page_free(a, &page), VMQ_ESTALE);
}

Test(contract, pages_that_do_not_fit)
{
	struct vmq_page page, more;

	cr_assert_eq(vmq_page_alloc(a, to_b, 2 * VMQ_PAGE_SIZE, &page, VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_page_alloc(a, to_b, 1, &more, VMQ_NOWAIT), VMQ_ENOMEM);
	cr_expect_eq(vmq_page_alloc(a, to_b, 1, &more, SHORT), VMQ_ETIMEDOUT);
	page.len = 2 * VMQ_PAGE_SIZE + 1;
	cr_expect_eq(vmq_page_send(a, &page, VMQ_PAGE_LEND, NULL, 0, 0, VMQ_NOWAIT), VMQ_EMSGSIZE);
	page.len = 1;
	cr_expect_eq(vmq_page_send(a, &page, VMQ_PAGE_LEND, bytes, 1024, 0, VMQ_NOWAIT), VMQ_EMSGSIZE);
	cr_expect_eq(vmq_page_send(a, &page, (enum vmq_page_mode)9, NULL, 0, 0, VMQ_NOWAIT), VMQ_EINVAL);
	cr_expect_eq(vmq_page_free(a, &page), 0);
}

static void all_say(uint32_t to, int code)
{
	struct vmq_iovec iov = { bytes, 1 };
	struct vmq_page page;
	void *at;

	cr_expect_eq(vmq_send(a, to, bytes, 1, 0, PATIENCE), code);
	cr_expect_eq(vmq_sendv(a, to, &iov, 1, 0, PATIENCE), code);
	cr_expect_eq(vmq_send_batch(a, to, &iov, 1, 0, PATIENCE), code);
	cr_expect_eq(vmq_reserve(a, to, 1, &at, PATIENCE), code);
	cr_expect_eq(vmq_page_alloc(a, to, 1, &page, PATIENCE), code);
	page = (struct vmq_page){ .peer = to, .count = 1 };
	cr_expect_eq(vmq_page_send(a, &page, VMQ_PAGE_MOVE, NULL, 0, 0, PATIENCE), code);
}

Test(contract, nobody_of_that_id)
{
	struct vmq_peer_info info = { .size = sizeof(info) };

	all_say(777, VMQ_ENOENT);
	all_say(UINT32_MAX, VMQ_ENOENT);
	cr_expect_eq(vmq_peer_info(a, 777, &info), VMQ_ENOENT);
}

Test(contract, gone)
{
	struct vmq_page page;
	void *at;

	cr_assert_eq(vmq_page_alloc(a, to_b, 1, &page, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_reserve(a, to_b, 1, &at, VMQ_NOWAIT), 0);
	lose();
	cr_expect_eq(vmq_commit(a, 1, VMQ_SEND_AUTO), VMQ_EGONE);
	cr_expect_eq(vmq_commit(a, 1, VMQ_SEND_AUTO), VMQ_EINVAL, "that was the end of it");
	cr_expect_eq(vmq_page_send(a, &page, VMQ_PAGE_MOVE, NULL, 0, 0, PATIENCE), VMQ_EGONE);
	cr_expect_eq(vmq_page_free(a, &page), 0);
	all_say(to_b, VMQ_EGONE);
}

Test(contract, a_commit_that_fails_leaves_the_reservation)
{
	void *at;

	cr_assert_eq(vmq_reserve(a, to_b, 4, &at, VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_commit(a, 4, 1u << 9), VMQ_EINVAL);
	cr_expect_eq(vmq_commit(a, 5, VMQ_SEND_AUTO), VMQ_EINVAL);
	memcpy(at, "four", 4);
	cr_expect_eq(vmq_commit(a, 4, VMQ_SEND_AUTO), 0);
	cr_expect_eq(vmq_recv(b, bytes, sizeof(bytes), NULL, PATIENCE), 4);
}

Test(contract, a_reservation_that_is_cancelled_is_not_sent)
{
	void *at;

	cr_expect_eq(vmq_cancel(NULL), VMQ_EBADF);
	cr_expect_eq(vmq_cancel(a), VMQ_EINVAL, "nothing is reserved");
	cr_assert_eq(vmq_reserve(a, to_b, 4, &at, VMQ_NOWAIT), 0);
	memcpy(at, "four", 4);
	cr_expect_eq(vmq_cancel(a), 0);
	cr_expect_eq(vmq_cancel(a), VMQ_EINVAL);
	cr_expect_eq(vmq_commit(a, 4, VMQ_SEND_AUTO), VMQ_EINVAL);
	cr_expect_eq(vmq_recv(b, bytes, sizeof(bytes), NULL, VMQ_NOWAIT), VMQ_EAGAIN);
	cr_expect_eq(vmq_send(a, to_b, "fives", 5, VMQ_SEND_AUTO, VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_recv(b, bytes, sizeof(bytes), NULL, PATIENCE), 5);
}

/* ---- receive ------------------------------------------------------------------------------ */

Test(contract, receivers_hear_of_an_end_once)
{
	struct vmq_msg msg = { .data = bytes, .cap = 2 };

	cr_expect_eq(vmq_recv_batch(a, &msg, 1, VMQ_NOWAIT), VMQ_EAGAIN);
	cr_expect_eq(vmq_recv_batch(a, &msg, 1, SHORT), VMQ_ETIMEDOUT);
	cr_expect_eq(vmq_peek(a, &msg, SHORT), VMQ_ETIMEDOUT);
	vmq_close(b);
	b = NULL;
	msg = (struct vmq_msg){ .data = bytes, .cap = 2 };
	cr_expect_eq(vmq_recv_batch(a, &msg, 1, PATIENCE), VMQ_EGONE);
	cr_expect_eq(msg.peer, to_b, "whose it was");
	cr_expect_eq(vmq_peek(a, &msg, VMQ_NOWAIT), VMQ_EAGAIN);
	b = open_at("b", 0);
	both_meet(a, "b", b, "a");
	vmq_close(b);
	b = NULL;
	cr_expect_eq(vmq_peek(a, &msg, PATIENCE), VMQ_EGONE);
	cr_expect_eq(msg.peer, to_b);
}

static void nothing_to_do(int sig)
{
	(void)sig;
}

/* A signal neither ends a wait, nor is it told as anything. */
Test(contract, signals, .timeout = 60)
{
	const struct itimerval often = { { 0, 2000 }, { 0, 2000 } };
	struct sigaction action = { .sa_handler = nothing_to_do };
	struct vmq_pollfd fd = { a, VMQ_POLL_IN, 0 };
	struct vmq_event event = { .size = sizeof(event) };
	uint64_t began;
	uint32_t id;

	cr_assert_eq(vmq_event(a, &event, PATIENCE), 0); /* the JOIN */
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	began = now_ns();
	cr_expect_eq(vmq_recv(a, bytes, sizeof(bytes), NULL, SHORT), VMQ_ETIMEDOUT);
	cr_expect_geq(now_ns() - began, (uint64_t)SHORT, "all of the time has passed");
	cr_expect_eq(vmq_poll(&fd, 1, SHORT), VMQ_ETIMEDOUT);
	cr_expect_eq(vmq_event(a, &event, SHORT), VMQ_ETIMEDOUT);
	cr_expect_eq(vmq_peer(a, "nobody", SHORT, &id), VMQ_ETIMEDOUT);
	fill_up(to_b);
	cr_expect_eq(vmq_send(a, to_b, bytes, INLINE, 0, SHORT), VMQ_ETIMEDOUT);
}

/* ---- the system's limits --------------------------------------------------------------------- */

static int next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	close(fd);
	return fd;
}

/* No descriptor of that number and above. */
static void limit(int fd)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = (rlim_t)fd;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
}

/* It needs two: the set, and a timer for lazy messages where no VMM has one. Without the
 * timer it would do nearly always. */
Test(contract, no_descriptors_for_a_loop)
{
	int fds = count_fds(), next = next_fd();

	for (int more = 0; more < 2; more++) {
		limit(next + more);
		cr_expect_eq(vmq_fd(a), VMQ_EMFILE, "with %d", more);
	}
	limit(next + 64);
	cr_expect_eq(count_fds(), fds, "nothing is left of the attempts");
	cr_expect_geq(vmq_fd(a), 0);
	cr_expect_eq(count_fds(), fds + 2);
}

Test(contract, no_descriptors_for_an_endpoint)
{
	struct vmq *q = (void *)&q;
	char why[100] = "";
	struct vmq_options o = { .size = sizeof(o), .name = "d", .errmsg = why, .errlen = sizeof(why) };
	int next = next_fd();

	for (int more = 0; more < 2; more++) {
		limit(next + more);
		cr_expect_eq(vmq_open("sim:contract", &o, &q), VMQ_EMFILE, "with %d", more);
		cr_expect_null(q);
		cr_expect_neq(why[0], 0);
	}
}

Test(contract, errno_says_why)
{
	struct vmq *q = NULL;

	errno = 0;
	cr_expect_eq(vmq_open("sim:unix=/dev/null/hub?name=a", NULL, &q), VMQ_ESYS);
	cr_expect_eq(errno, ENOTDIR);
}
