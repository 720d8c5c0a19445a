/* SPDX-License-Identifier: BSD-2-Clause */
/* stock.c - host programs at a server that knows QEMU's protocol and nothing of libvmq. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "anew.h"
#include "dir.h"
#include "support.h"

#define SIZE (1u << 20)

static char dir[64], region[96], path[96];
static pid_t server;

/* A directory in which nobody is dead by his heartbeat for longer than a test waits. */
static void lay_out(void)
{
	const struct vmq__dir_plan plan = { .dead_ms = 2 * PATIENCE_MS };
	int fd = open(region, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *map;

	cr_assert_eq(ftruncate(fd, SIZE), 0);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(map, MAP_FAILED);
	cr_assert_eq(vmq__dir_write(map, SIZE, &plan), 0);
	munmap(map, SIZE);
	close(fd);
}

static void make(void)
{
	scratch_make(dir, sizeof(dir));
	snprintf(region, sizeof(region), "%s/region", dir);
	snprintf(path, sizeof(path), "%s/sock", dir);
	lay_out();
	server = fork();
	cr_assert_geq(server, 0);
	if (server)
		return;
	child_prepare(0);
	execl(STOCK_SERVER, STOCK_SERVER, path, region, "1048576", "3", (char *)NULL);
	_exit(127);
}

static void unmake(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	scratch_remove(dir);
}

TestSuite(ivshmem_stock, .init = make, .fini = unmake);

#define URI 256

static void uri_of(const char *name, char uri[URI])
{
	snprintf(uri, URI, "ivshmem:unix=%s?name=%s&lazy_us=60000000", path, name);
}

/* The server may just be starting. */
static struct vmq *vm_at(const char *uri)
{
	uint64_t until = now_ns() + PATIENCE;
	struct vmq *q = NULL;

	while (vmq_open(uri, NULL, &q) == VMQ_ECONN && now_ns() < until)
		usleep(1000);
	return q;
}

static struct vmq *vm(const char *name)
{
	char uri[URI];

	uri_of(name, uri);
	return vm_at(uri);
}

/* The word: its address. */
static void be_echo(int fd, char *const word[ANEW_WORDS])
{
	struct vmq *q = vm_at(word[0]);
	struct vmq_msg msg;
	char buf[16];
	int64_t n;

	(void)fd;
	while ((n = vmq_recv(q, buf, sizeof(buf), &msg, PATIENCE)) >= 0 || n == VMQ_EGONE)
		if (n >= 0 && vmq_send(q, msg.peer, buf, (size_t)n, 0, PATIENCE))
			break;
	_exit(1);
}

static pid_t echo(const char *name)
{
	char uri[URI];
	pid_t pid;

	uri_of(name, uri);
	pid = ANEW(be_echo, -1, uri);
	cr_assert_geq(pid, 0);
	return pid;
}

static void talk(struct vmq *q, uint32_t peer)
{
	char buf[8];
	int64_t n;

	cr_assert_eq(vmq_send(q, peer, "hello", 5, 0, PATIENCE), 0);
	do {
		n = vmq_recv(q, buf, sizeof(buf), NULL, PATIENCE);
	} while (n == VMQ_EGONE); /* of whom else */
	cr_assert_eq(n, 5);
}

/* The server's word is enough, also if it marks nothing; and it is said of nobody else. */
Test(ivshmem_stock, a_killed_peer_is_gone_before_its_heartbeat_says_so)
{
	struct vmq_event e = { .size = sizeof(e) };
	struct vmq *a = vm("a");
	pid_t b = echo("b"), c = echo("c");
	uint32_t to_b = 0, to_c = 0;

	cr_assert_eq(vmq_peer(a, "b", PATIENCE, &to_b), 0);
	cr_assert_eq(vmq_peer(a, "c", PATIENCE, &to_c), 0);
	talk(a, to_b);
	kill(b, SIGKILL);
	waitpid(b, NULL, 0);
	do {
		cr_assert_eq(vmq_event(a, &e, PATIENCE), 0, "its death was not heard of");
	} while (e.type == VMQ_EVENT_JOIN);
	cr_expect_eq(e.type, VMQ_EVENT_LEAVE);
	cr_expect_eq(e.peer, to_b);
	talk(a, to_c);
	kill(c, SIGKILL);
	waitpid(c, NULL, 0);
	vmq_close(a);
}
