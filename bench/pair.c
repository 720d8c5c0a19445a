/* SPDX-License-Identifier: BSD-2-Clause */
/* pair.c - see pair.h. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pair.h"

double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void bench_fail(const char *what, int64_t code)
{
	fprintf(stderr, "bench: %s: %s\n", what, vmq_strerror((int)code));
	exit(1);
}

static void pin(unsigned core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fprintf(stderr, "bench: core %u can't be pinned\n", core);
}

static int hub_start(const char *path, int ready)
{
	struct vmq_hub_options o = { .size = sizeof(o), .path = path };
	struct vmq_hub *hub;
	int pid = fork(), rc;

	if (pid)
		return pid;
	rc = vmq_hub_open(&o, &hub);
	if (rc || write(ready, "r", 1) != 1)
		bench_fail("hub", rc);
	vmq_hub_run(hub, VMQ_FOREVER);
	_exit(0);
}

static void endpoint(struct bench_pair *b, const char *path, const char *settings, uint32_t flags)
{
	struct vmq_options o = { .size = sizeof(o), .flags = flags };
	static const char *const names[] = { "a", "b" };
	char uri[256];
	int rc;

	snprintf(uri, sizeof(uri), "sim:unix=%s?name=%s%s", path, names[b->me], settings);
	rc = vmq_open(uri, &o, &b->q);
	if (rc)
		bench_fail(uri, rc);
	rc = vmq_peer(b->q, names[!b->me], VMQ_MS(10000), &b->peer);
	if (rc)
		bench_fail("peer", rc);
}

void bench_start(struct bench_pair *b, const char *settings, uint32_t flags)
{
	char path[64], c;
	int ready[2];

	memset(b, 0, sizeof(*b));
	b->shared = mmap(NULL, sizeof(*b->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	b->efd[0] = eventfd(0, 0);
	b->efd[1] = eventfd(0, 0);
	snprintf(path, sizeof(path), "/tmp/vmq-bench-%d", (int)getpid());
	if (b->shared == MAP_FAILED || pipe(ready))
		bench_fail("start", VMQ_ESYS);
	b->hub = hub_start(path, ready[1]);
	if (read(ready[0], &c, 1) != 1)
		bench_fail("hub", VMQ_ECONN);
	b->child = fork();
	b->me = !b->child;
	pin(b->me);
	endpoint(b, path, settings, flags);
	bench_meet(b);
	if (!b->me)
		unlink(path);
}

void bench_meet(struct bench_pair *b)
{
	unsigned turn = ++b->round;

	atomic_store(&b->shared->barrier[b->me], turn);
	while (atomic_load(&b->shared->barrier[!b->me]) < turn)
		;
}

void bench_stop(struct bench_pair *b)
{
	vmq_close(b->q);
	if (b->me)
		_exit(0);
	waitpid(b->child, NULL, 0);
	kill(b->hub, SIGTERM);
	waitpid(b->hub, NULL, 0);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), by_value);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double once(struct bench_pair *b, bench_fn fn, unsigned count)
{
	double seconds;

	bench_meet(b);
	seconds = fn(b, count);
	bench_meet(b);
	return seconds / count;
}

struct bench_ratio bench_compare(struct bench_pair *b, bench_fn limit, bench_fn subject,
	unsigned count, unsigned rounds)
{
	double l[BENCH_ROUNDS_MAX], s[BENCH_ROUNDS_MAX], r[BENCH_ROUNDS_MAX];

	for (unsigned i = 0; i < rounds; i++) {
		l[i] = once(b, limit, count);
		s[i] = once(b, subject, count);
		r[i] = s[i] / l[i];
	}
	return (struct bench_ratio){ bench_median(l, rounds), bench_median(s, rounds), bench_median(r, rounds) };
}
