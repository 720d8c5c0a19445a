/* SPDX-License-Identifier: BSD-2-Clause */
/* rung.c - endpoints at a server: interrupts that come, that are lost, that end. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmq/ivshmem.h>

#include "../server/server.h"
#include "anew.h"
#include "support.h"

static struct server server;
static char region[128];

static bool serve(void)
{
	return SERVER(&server, "--file", region, "--size", "4M", server.path);
}

static void make(void)
{
	server_init(&server);
	snprintf(region, sizeof(region), "%s/region", server.dir);
	cr_assert(serve());
}

static void unmake(void)
{
	server_end(&server);
}

TestSuite(ivshmem_rung, .init = make, .fini = unmake);

#define URI 256

static void uri_of(const char *kind, const char *name, char uri[URI])
{
	snprintf(uri, URI, "ivshmem:%s=%s?name=%s&lazy_us=60000000", kind,
		strcmp(kind, "file") ? server.path : region, name);
}

static struct vmq *vm(const char *kind, const char *name)
{
	struct vmq *q = NULL;
	char uri[URI];

	uri_of(kind, name, uri);
	cr_assert_eq(vmq_open(uri, NULL, &q), 0);
	return q;
}

/* The word: its address. */
static void be_echo(int fd, char *const word[ANEW_WORDS])
{
	struct vmq_msg msg;
	struct vmq *q;
	char buf[16];
	int64_t n;

	(void)fd;
	if (vmq_open(word[0], NULL, &q))
		_exit(2);
	while ((n = vmq_recv(q, buf, sizeof(buf), &msg, PATIENCE)) >= 0)
		if (vmq_send(q, msg.peer, buf, (size_t)n, 0, PATIENCE))
			break;
	_exit(vmq_close(q) || n != VMQ_EGONE ? 1 : 0);
}

/* A peer in another process that answers everything. */
static pid_t echo(const char *kind, const char *name)
{
	char uri[URI];
	pid_t pid;

	uri_of(kind, name, uri);
	pid = ANEW(be_echo, -1, uri);
	cr_assert_geq(pid, 0);
	return pid;
}

static uint32_t meet(struct vmq *q, const char *name)
{
	uint32_t id = 0;

	cr_assert_eq(vmq_peer(q, name, PATIENCE, &id), 0);
	return id;
}

static void talk(struct vmq *q, uint32_t peer)
{
	char buf[8];

	cr_assert_eq(vmq_send(q, peer, "hello", 5, 0, PATIENCE), 0);
	cr_assert_eq(vmq_recv(q, buf, sizeof(buf), NULL, PATIENCE), 5);
}

static void ended(pid_t pid)
{
	int status = 1;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
}

static struct vmq_event next_event(struct vmq *q, uint32_t type)
{
	struct vmq_event e = { .size = sizeof(e) };

	cr_assert_eq(vmq_event(q, &e, PATIENCE), 0);
	cr_assert_eq(e.type, type, "event %u instead of %u", e.type, type);
	return e;
}

/* Each sleep here is longer than the test's patience: only a wake-up ends it. One of the
 * two has doorbells, the other can neither ring nor be rung. */
static void mixed(const char *mine, const char *its)
{
	struct vmq *a = vm(mine, "a");
	pid_t pid = echo(its, "b");
	uint32_t b = meet(a, "b");

	for (int i = 0; i < 10; i++)
		talk(a, b);
	vmq_close(a);
	ended(pid);
}

Test(ivshmem_rung, a_peer_that_cannot_ring_is_heard)
{
	mixed("unix", "file");
}

Test(ivshmem_rung, a_peer_that_cannot_be_rung_hears)
{
	mixed("file", "unix");
}

Test(ivshmem_rung, caps_are_the_devices)
{
	struct vmq *a = vm("unix", "a"), *b = vm("file", "b");

	cr_expect_eq(vmq_caps(a), VMQ_CAP_PAGES | VMQ_CAP_WAKE);
	cr_expect_eq(vmq_caps(b), VMQ_CAP_PAGES);
	vmq_close(a);
	vmq_close(b);
}

/* The server says that a process has gone, before its heartbeat could. */
Test(ivshmem_rung, a_killed_peer_is_gone_at_once)
{
	struct vmq *a;
	uint32_t b;
	pid_t pid;

	server_stop(&server, SIGTERM);
	cr_assert(SERVER(&server, "--dead-ms", "60000", server.path));
	a = vm("unix", "a");
	pid = echo("unix", "b");
	b = meet(a, "b");
	talk(a, b);
	next_event(a, VMQ_EVENT_JOIN);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cr_expect_eq(vmq_recv(a, NULL, 0, NULL, PATIENCE), VMQ_EGONE);
	cr_expect_eq(next_event(a, VMQ_EVENT_LEAVE).peer, b);
	vmq_close(a);
}

/* What rings the first slot. */
static uint32_t doorbell(void)
{
	struct vmq_ivshmem_slot slot;
	int fd = open(region, O_RDONLY | O_CLOEXEC);

	cr_assert_eq(pread(fd, &slot, sizeof(slot), VMQ_IVSHMEM_HEADER), (ssize_t)sizeof(slot));
	close(fd);
	return slot.doorbell;
}

/* Channels go on without a server; with the next one, doorbells have other numbers. */
Test(ivshmem_rung, a_server_that_comes_back)
{
	struct vmq *a = vm("unix", "a");
	pid_t pid = echo("unix", "b"), later;
	uint32_t b = meet(a, "b"), before;

	next_event(a, VMQ_EVENT_JOIN);
	talk(a, b);
	before = doorbell();
	server_kill(&server);
	next_event(a, VMQ_EVENT_LOST);
	for (int i = 0; i < 3; i++)
		talk(a, b);
	cr_assert(serve());
	next_event(a, VMQ_EVENT_BACK);
	cr_expect_neq(doorbell(), before);
	for (int i = 0; i < 3; i++)
		talk(a, b);
	later = echo("unix", "c");
	talk(a, meet(a, "c"));
	next_event(a, VMQ_EVENT_JOIN);
	talk(a, b);
	vmq_close(a);
	ended(pid);
	ended(later);
}

/* A server with another region is another fabric. */
Test(ivshmem_rung, a_server_with_another_region_is_the_end)
{
	struct vmq *a = vm("unix", "a");
	pid_t pid = echo("unix", "b");
	uint32_t b = meet(a, "b");
	int status = 0;

	next_event(a, VMQ_EVENT_JOIN);
	talk(a, b);
	server_kill(&server);
	next_event(a, VMQ_EVENT_LOST);
	cr_assert(SERVER(&server, "--size", "8M", server.path));
	while (vmq_recv(a, NULL, 0, NULL, PATIENCE) != VMQ_ECONN)
		;
	next_event(a, VMQ_EVENT_LEAVE);
	next_event(a, VMQ_EVENT_DOWN);
	vmq_close(a);
	waitpid(pid, &status, 0);
	/* A new one comes in. */
	a = vm("unix", "a");
	vmq_close(a);
}
