/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "anew.h"
#include "fabric.h"

struct fabric fabric;
struct fake fakes[FAKES];

void fabric_make(uint64_t size, uint32_t slots)
{
	const struct vmq__dir_plan plan = { slots, BEAT_MS, DEAD_MS };
	int fd;

	scratch_make(fabric.dir, sizeof(fabric.dir));
	snprintf(fabric.path, sizeof(fabric.path), "%s/region", fabric.dir);
	fd = open(fabric.path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, (off_t)size), 0);
	fabric.map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(fabric.map, MAP_FAILED);
	close(fd);
	fabric.size = size;
	cr_assert_eq(vmq__dir_write(fabric.map, size, &plan), 0);
	cr_assert_eq(vmq__dir_read(fabric.map, size, &fabric.d), 0);
}

void fabric_end(void)
{
	munmap(fabric.map, fabric.size);
	scratch_remove(fabric.dir);
}

void fabric_uri(const char *name, const char *settings, char uri[FABRIC_URI])
{
	snprintf(uri, FABRIC_URI, "ivshmem:file=%s?name=%s%s%s", fabric.path, name, settings ? "&" : "",
		settings ? settings : "");
}

int fabric_open(const char *name, const char *settings, struct vmq **q)
{
	char uri[FABRIC_URI];

	fabric_uri(name, settings, uri);
	return vmq_open(uri, NULL, q);
}

struct vmq *fabric_vm(const char *name, const char *settings)
{
	struct vmq *q = NULL;

	cr_assert_eq(fabric_open(name, settings, &q), 0, "%s", name);
	return q;
}

/* ---- processes --------------------------------------------------------------------------- */

/* The word: its address. */
static void be_echo(int ready, char *const word[ANEW_WORDS])
{
	struct vmq_msg msg;
	struct vmq *q;
	char buf[64];
	int64_t n;

	if (vmq_open(word[0], NULL, &q) || write(ready, "", 1) != 1)
		_exit(1);
	do {
		n = vmq_recv(q, buf, sizeof(buf), &msg, PATIENCE);
		if (n >= 0)
			vmq_send(q, msg.peer, buf, (size_t)n, 0, PATIENCE);
	} while ((n != 3 || memcmp(buf, "end", 3)) && n != VMQ_ETIMEDOUT && n != VMQ_ECONN);
	_exit(vmq_close(q) ? 1 : 0);
}

pid_t fabric_echo(const char *name, const char *settings)
{
	char uri[FABRIC_URI], c;
	int ready[2];
	pid_t pid;

	cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
	fabric_uri(name, settings, uri);
	pid = ANEW(be_echo, ready[1], uri);
	cr_assert_geq(pid, 0);
	close(ready[1]);
	cr_assert_eq(read(ready[0], &c, 1), 1, "%s does not start", name);
	close(ready[0]);
	return pid;
}

void fabric_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- fakes ------------------------------------------------------------------------------- */

struct vmq_ivshmem_cell *cell(uint32_t writer, uint32_t peer)
{
	return vmq__dir_cell(&fabric.d, writer, peer);
}

struct vmq_ivshmem_slot *slot(uint32_t index)
{
	return vmq__dir_slot(&fabric.d, index);
}

static void beat(struct fake *f)
{
	vmq__store(&slot(f->slot)->heartbeat, word(&slot(f->slot)->heartbeat) + 1);
}

void fake_again(struct fake *f)
{
	f->claim = vmq__dir_claim(&fabric.d, f->slot, word(&slot(f->slot)->claim));
	cr_assert_neq(f->claim, 0u);
	for (uint32_t p = 0; p < fabric.d.slots; p++)
		memset(cell(f->slot, p), 0, sizeof(struct vmq_ivshmem_cell));
	f->beats = true;
	beat(f);
	vmq__dir_enter(&fabric.d, f->slot, f->claim, &f->who);
}

struct fake *fake_enter(uint32_t index, const char *name)
{
	struct fake *f = fakes;

	while (f->claim)
		f++;
	f->slot = index;
	f->who = (struct vmq__dir_who){ .doorbell = VMQ_IVSHMEM_NOBODY, .lane_size = 4096, .pool_pages = 1 };
	strcpy(f->who.name, name);
	fake_again(f);
	return f;
}

void fake_leave(struct fake *f)
{
	vmq__dir_leave(&fabric.d, f->slot, f->claim);
	f->beats = false;
}

void turn(struct vmq *a, struct vmq *b)
{
	struct vmq_msg msg;
	uint32_t id;
	char c;

	for (unsigned i = 0; i < FAKES; i++)
		if (fakes[i].beats)
			beat(&fakes[i]);
	/* Each call that finds nothing looks for news. */
	for (int side = 0; side < 2; side++) {
		struct vmq *q = side ? b : a;

		if (q && vmq_peer(q, "nobody", VMQ_MS(1), &id) == VMQ_ETIMEDOUT)
			vmq_recv(q, &c, sizeof(c), &msg, VMQ_NOWAIT);
	}
}

void turns(struct vmq *a, struct vmq *b)
{
	uint64_t until = now_ns() + VMQ_MS(3 * DEAD_MS);

	while (now_ns() < until)
		turn(a, b);
}

/* ---- what endpoints say ---------------------------------------------------------------------- */

struct vmq_event wait_event(struct vmq *q, uint32_t type)
{
	struct vmq_event e = { .size = sizeof(e) };
	struct vmq_msg msg;
	int rc = VMQ_EAGAIN;
	char buf[64];

	/* The end of a peer is an event when what it sent was received. */
	for (uint64_t until = now_ns() + PATIENCE; rc && now_ns() < until;) {
		vmq_recv(q, buf, sizeof(buf), &msg, VMQ_NOWAIT);
		rc = vmq_event(q, &e, VMQ_MS(5));
	}
	cr_assert_eq(rc, 0, "no event %u", type);
	cr_assert_eq(e.type, type, "event %u instead of %u", e.type, type);
	return e;
}

void talk(struct vmq *q, uint32_t peer)
{
	struct vmq_msg msg;
	char buf[16];

	cr_assert_eq(vmq_send(q, peer, "hello", 5, 0, PATIENCE), 0);
	cr_assert_eq(vmq_recv(q, buf, sizeof(buf), &msg, PATIENCE), 5);
	cr_assert_eq(msg.peer, peer);
	cr_assert_eq(memcmp(buf, "hello", 5), 0);
}
