/* SPDX-License-Identifier: BSD-2-Clause */
/* support.c - what tests of several tiers need. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint8_t byte_at(size_t i, uint32_t n)
{
	uint32_t x = (uint32_t)i * 2654435761u + n * 40503u;

	return (uint8_t)(x >> 24 ^ x);
}

void pattern(void *to, size_t len, uint32_t n)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = byte_at(i, n);
}

bool matches(const void *from, size_t len, uint32_t n)
{
	for (size_t i = 0; i < len; i++)
		if (((const uint8_t *)from)[i] != byte_at(i, n))
			return false;
	return true;
}

void fill(void *to, uint8_t byte, size_t len)
{
	memset(to, byte, len);
}

bool zeros(const void *from, size_t len)
{
	const uint8_t *b = from;

	while (len && !*b) {
		b++;
		len--;
	}
	return !len;
}

/* The kernel writes for this process: a child would not have what is not handed on to
 * children (MADV_DONTFORK, and what Xen's drivers map). */
bool write_faults(void *at)
{
	int ends[2];
	bool refused;

	if (pipe2(ends, O_CLOEXEC) || write(ends[1], "\1", 1) != 1)
		abort();
	refused = syscall(SYS_read, ends[0], at, (size_t)1) < 0 && errno == EFAULT;
	close(ends[0]);
	close(ends[1]);
	return refused;
}

uint32_t both_meet(struct vmq *q, const char *name, struct vmq *other, const char *own)
{
	uint64_t until = now_ns() + PATIENCE;
	uint32_t id = 0, back = 0;

	while ((!id || !back) && now_ns() < until) {
		vmq_peer(q, name, VMQ_US(100), &id);
		vmq_peer(other, own, VMQ_US(100), &back);
	}
	if (!id || !back) {
		fprintf(stderr, "%s and %s do not meet\n", own, name);
		abort();
	}
	return id;
}

/* ---- files ------------------------------------------------------------------- */

void scratch_make(char *dir, size_t len)
{
	snprintf(dir, len, "/tmp/vmq-test-XXXXXX");
	if (!mkdtemp(dir))
		abort();
}

void scratch_remove(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(dir);
}

void scratch_file(const char *dir, const char *name, const char *text, char *path, size_t len)
{
	FILE *f;

	snprintf(path, len, "%s/%s", dir, name);
	f = fopen(path, "we");
	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

/* ---- counts -------------------------------------------------------------------- */

int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = -1; /* the folder's own */

	if (!d)
		abort();
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

int count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	int n = 0, c;

	if (!f)
		abort();
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

/* ---- threads and processes ------------------------------------------------------- */

int thread_id(void)
{
	return (int)syscall(SYS_gettid);
}

static char thread_state(int tid)
{
	char path[40], line[256], *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	f = fopen(path, "re");
	if (!f)
		return 'X';
	end = fgets(line, sizeof(line), f);
	fclose(f);
	end = end ? strrchr(line, ')') : NULL;
	return end && end[1] ? end[2] : 'X';
}

bool thread_sleeps(int tid)
{
	uint64_t until = now_ns() + PATIENCE;
	int seen = 0;

	/* Several looks in a row: a lock that is taken for a moment is no sleep. */
	while (seen < 20 && now_ns() < until) {
		char state = thread_state(tid);

		if (state == 'X')
			return false;
		seen = state == 'S' ? seen + 1 : 0;
		sched_yield();
	}
	return seen >= 20;
}

void child_prepare(int keep)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	if (keep > 3)
		syscall(SYS_close_range, 3, keep - 1, 0);
	syscall(SYS_close_range, keep < 3 ? 3 : keep + 1, ~0u, 0);
}

/* ---- hubs ---------------------------------------------------------------------------- */

static struct vmq_hub *served;

static void on_term(int sig)
{
	(void)sig;
	vmq_hub_stop(served);
}

static void hub_child(const struct hub_proc *h, const char *topology, uint32_t tick_us, int ready)
{
	char why[200] = "";
	struct vmq_hub_options o = { .size = sizeof(o), .path = h->path, .topology = topology,
		.tick_us = tick_us, .errmsg = why, .errlen = sizeof(why) };
	int rc;

	child_prepare(ready);
	rc = vmq_hub_open(&o, &served);
	if (rc)
		fprintf(stderr, "hub: %s\n", why);
	else
		signal(SIGTERM, on_term);
	if (rc || write(ready, "", 1) != 1)
		_exit(1);
	close(ready);
	rc = vmq_hub_run(served, VMQ_FOREVER);
	_exit(rc || vmq_hub_close(served) ? 1 : 0);
}

static bool hub_fork(struct hub_proc *h, const char *topology, uint32_t tick_us)
{
	int ready[2];
	char c;

	if (pipe2(ready, O_CLOEXEC))
		return false;
	h->pid = fork();
	if (!h->pid)
		hub_child(h, topology, tick_us, ready[1]);
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		h->pid = -1;
	close(ready[0]);
	return h->pid > 0;
}

bool hub_start(struct hub_proc *h, const char *topology, uint32_t tick_us)
{
	scratch_make(h->dir, sizeof(h->dir));
	snprintf(h->path, sizeof(h->path), "%s/hub", h->dir);
	return hub_fork(h, topology, tick_us);
}

bool hub_restart(struct hub_proc *h)
{
	return hub_fork(h, NULL, 0);
}

void hub_crash(struct hub_proc *h)
{
	kill(h->pid, SIGKILL);
	waitpid(h->pid, NULL, 0);
	h->pid = -1;
}

bool hub_stop(struct hub_proc *h)
{
	int status = 0;

	if (h->pid > 0) {
		kill(h->pid, SIGTERM);
		waitpid(h->pid, &status, 0);
	}
	scratch_remove(h->dir);
	return !status;
}
