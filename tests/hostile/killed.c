/* SPDX-License-Identifier: BSD-2-Clause */
/* killed.c - peers that are killed at any point, and peers that scribble over all
 * that they can write. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

static struct hub_proc hub;
static struct vmq *a, *good;
static uint32_t to_good, to_a;

static struct vmq *vm(const char *name)
{
	char uri[200];
	struct vmq *q = NULL;
	int rc;

	snprintf(uri, sizeof(uri), "sim:unix=%s?name=%s&lane=8192&pages=8&max=60000", hub.path, name);
	do {
		rc = vmq_open(uri, NULL, &q);
	} while (rc == VMQ_EEXIST); /* its last life is not yet buried */
	if (rc)
		abort();
	return q;
}

static void start(void)
{
	int rc;

	cr_assert(hub_start(&hub, NULL, 0));
	a = vm("a");
	good = vm("good");
	do {
		vmq_peer(good, "a", VMQ_NOWAIT, &to_a);
		rc = vmq_peer(a, "good", VMQ_NOWAIT, &to_good);
	} while (rc == VMQ_EAGAIN);
	cr_assert_eq(rc, 0);
	cr_assert_eq(vmq_peer(good, "a", PATIENCE, &to_a), 0);
}

static void stop(void)
{
	vmq_close(a);
	vmq_close(good);
	cr_expect(hub_stop(&hub), "the hub came to harm");
}

TestSuite(killed, .init = start, .fini = stop, .timeout = 200);

static uint8_t buf[60000];

static void good_channel_is_well(void)
{
	struct vmq_msg msg;
	int64_t n;

	cr_assert_eq(vmq_send(a, to_good, "ping", 4, 0, PATIENCE), 0);
	do {
		/* Before it there may be what the others did to this one. */
		n = vmq_recv(good, buf, sizeof(buf), &msg, PATIENCE);
		cr_assert_neq(n, VMQ_ETIMEDOUT);
	} while (n < 0 || msg.peer != to_a);
	cr_assert_eq(n, 4);
	cr_assert_arr_eq(buf, "ping", 4);
}

/* ---- killed ------------------------------------------------------------------------- */

/* Messages of all kinds without end, each with its number. */
static void child_sends(void)
{
	struct vmq *q = vm("b");
	struct vmq_page page;
	uint32_t to, n;

	if (vmq_peer(q, "a", PATIENCE, &to))
		_exit(1);
	for (n = 0;; n++) {
		size_t len = n % 10 == 9 ? 20000 : 4 + n * 37 % 1500;

		memcpy(buf, &n, sizeof(n));
		if (n % 7 != 3 && vmq_send(q, to, buf, len, n % 3, PATIENCE))
			_exit(2);
		if (n % 7 != 3)
			continue;
		if (vmq_page_alloc(q, to, 5000, &page, PATIENCE))
			_exit(3);
		pattern(page.addr, 5000, n);
		if (vmq_page_send(q, &page, n % 2 ? VMQ_PAGE_MOVE : VMQ_PAGE_LEND, &n, sizeof(n), 0, PATIENCE))
			_exit(4);
		if (n % 2 == 0)
			vmq_page_free(q, &page);
	}
}

/* What was inherited is not this process's to write. */
static void forget_regions(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	char line[300];

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "memfd:vmq-region") && sscanf(line, "%lx-%lx", &from, &to) == 2)
			munmap((void *)from, to - from);
	if (f)
		fclose(f);
}

static pid_t spawn(void (*body)(void))
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		child_prepare(3);
		forget_regions();
		body();
		_exit(0);
	}
	return pid;
}

/* One message: its number is the next, its page is whole. */
static void check_message(int64_t len, const struct vmq_msg *msg, uint32_t want)
{
	struct vmq_page page = msg->page;
	uint32_t n;

	cr_assert_geq(len, (int64_t)sizeof(n), "message %u: %s", want, vmq_errname((int)len));
	memcpy(&n, buf, sizeof(n));
	cr_assert_eq(n, want);
	if (!(msg->flags & VMQ_MSG_PAGE))
		return;
	cr_assert(matches(page.addr, 5000, n));
	cr_assert_eq(vmq_page_free(a, &page), 0);
}

static void kill_after(uint32_t messages)
{
	pid_t pid = spawn(child_sends);
	struct vmq_msg msg;
	uint32_t got = 0;
	int64_t n;

	for (; got < messages; got++) {
		n = vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE);
		check_message(n, &msg, got);
	}
	kill(pid, SIGKILL);
	while ((n = vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE)) != VMQ_EGONE)
		check_message(n, &msg, got++);
	waitpid(pid, NULL, 0);
	good_channel_is_well();
}

Test(killed, at_many_points)
{
	for (uint32_t n = 1; n < 60; n++)
		kill_after(n < 30 ? n : n * n / 10);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), NULL, VMQ_NOWAIT), VMQ_EAGAIN);
}

/* Killed while it joins. */
Test(killed, in_its_first_steps)
{
	struct vmq_stats s = { .size = sizeof(s) };

	for (int i = 0; i < 40; i++) {
		pid_t pid = spawn(child_sends);

		for (int k = 0; k < i * 200; k++)
			vmq_recv(a, NULL, 0, NULL, VMQ_NOWAIT);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		/* Not one of its messages was taken; empty them out now. */
		for (int64_t n = 0; n >= 0;)
			n = vmq_recv(a, buf, sizeof(buf), NULL, VMQ_NOWAIT);
	}
	good_channel_is_well();
	cr_assert_eq(vmq_stats(a, &s), 0);
	cr_expect_eq(s.poisons, 0u, "who is killed has broken no rule");
}

/* ---- scribbling ----------------------------------------------------------------------- */

static unsigned long seed;

static uint64_t noise(void)
{
	static uint64_t x;

	if (!x)
		x = 88172645463325252ull + seed * 2654435761u;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* All of it, or some words of it. */
static void scribble(uint8_t *from, const uint8_t *to)
{
	unsigned every = seed % 3 == 0 ? 1 : seed % 3 == 1 ? 8 : 200;

	for (; from < to; from += 8) {
		uint64_t x = noise();

		if (x % every == 0)
			memcpy(from, &x, sizeof(x));
	}
}

static void scribble_all(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	char line[300], mode[8];

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "memfd:vmq-region") && sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 &&
				mode[1] == 'w')
			scribble((uint8_t *)from, (uint8_t *)to);
}

/* Once it is known to be there, or, at every tenth, in the middle of the handshake. */
static void child_scribbles(void)
{
	struct vmq *q = vm("b");
	uint32_t to;

	if (vmq_peer(q, "a", seed % 10 ? PATIENCE : VMQ_MS(1), &to) && seed % 10)
		_exit(1);
	for (uint32_t n = 0; n < 3 && seed % 10; n++)
		if (vmq_send(q, to, &n, sizeof(n), VMQ_SEND_NOW, PATIENCE))
			_exit(2);
	if (seed % 10 && vmq_recv(q, NULL, 0, NULL, PATIENCE) != 0)
		_exit(3);
	for (int i = 0; i < 50; i++)
		scribble_all();
	_exit(0);
}

/* Whatever it sends, until it is poisoned or gone; which of these, and who it was. */
static int64_t listen_to_the_end(uint32_t *who)
{
	uint64_t until = now_ns() + PATIENCE;
	struct vmq_msg msg;
	int64_t n;

	do {
		n = vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE);
		if (n >= 0 && msg.flags & VMQ_MSG_PAGE)
			vmq_page_free(a, &msg.page);
	} while (n >= 0 && now_ns() < until);
	cr_assert(n == VMQ_EPEER || n == VMQ_EGONE, "%s", vmq_errname((int)n));
	*who = msg.peer;
	return n;
}

/* In the middle of a handshake it is nobody yet, and may go unheard. */
static void survive_early(void)
{
	pid_t pid = spawn(child_scribbles);
	uint32_t b;
	int64_t n;

	vmq_peer(a, "b", VMQ_MS(2), &b);
	waitpid(pid, NULL, 0);
	good_channel_is_well();
	do {
		n = vmq_recv(a, buf, sizeof(buf), NULL, VMQ_NOWAIT);
	} while (n != VMQ_EAGAIN);
}

/* True: it was poisoned, with a reason; false: it had died before that showed. */
static bool survive(void)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	pid_t pid = spawn(child_scribbles);
	uint32_t b;
	int64_t n;

	/* A life that was poisoned is not waited for: until the next one is there. */
	while (vmq_peer(a, "b", VMQ_MS(1), &b))
		;
	cr_assert_eq(vmq_send(a, b, NULL, 0, 0, PATIENCE), 0);
	n = listen_to_the_end(&b);
	waitpid(pid, NULL, 0);
	cr_assert_eq(vmq_peer_info(a, b, &info), 0);
	cr_expect_eq(info.state, (int32_t)n);
	cr_expect_lt(vmq_send(a, b, "x", 1, 0, PATIENCE), 0);
	if (n == VMQ_EPEER) {
		cr_expect_neq(info.poison, (int32_t)VMQ_POISON_NONE);
		cr_expect_neq(vmq_poison_text(info.poison)[0], 0);
	}
	good_channel_is_well();
	return n == VMQ_EPEER;
}

Test(killed, scribbler)
{
	struct vmq_stats s = { .size = sizeof(s) };
	unsigned poisoned = 0;

	for (seed = 0; seed < 60; seed++) {
		if (seed % 10)
			poisoned += survive();
		else
			survive_early();
	}
	cr_assert_eq(vmq_stats(a, &s), 0);
	cr_expect_geq(s.poisons, poisoned);
	cr_expect_gt(poisoned, 15u, "%u of 60", poisoned);
}
