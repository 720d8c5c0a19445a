/* SPDX-License-Identifier: BSD-2-Clause */
/* fake.c - domains, processes, counters and faults of the made-up Xen. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake.h"

#define PARTS 4
#define GRANT_LIMIT 1024u

static struct {
	bool there[FAKE_DOMAINS];
	int count[FAKE_COUNTS][FAKE_DOMAINS];
	unsigned skip[FAKE_FAULTS], times[FAKE_FAULTS];
	unsigned grants;
	const struct fake_part *part[PARTS];
} xen = { .there = { true }, .grants = GRANT_LIMIT };

static _Thread_local uint32_t domain, process;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock;

static void make_lock(void)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&lock, &a);
	pthread_mutexattr_destroy(&a);
}

void fake_xen_lock(void)
{
	pthread_once(&once, make_lock);
	pthread_mutex_lock(&lock);
}

void fake_xen_free(void)
{
	pthread_mutex_unlock(&lock);
}

void fake_xen_part(const struct fake_part *part)
{
	unsigned i = 0;

	fake_xen_lock();
	while (i < PARTS && xen.part[i] && xen.part[i] != part)
		i++;
	if (i == PARTS)
		abort();
	xen.part[i] = part;
	fake_xen_free();
}

/* ---- where a thread is -------------------------------------------------------------------- */

void fake_xen_domain(uint32_t domid)
{
	domain = domid;
}

uint32_t fake_xen_current(void)
{
	return domain;
}

void fake_xen_process(uint32_t token)
{
	process = token;
}

uint32_t fake_xen_current_process(void)
{
	return process;
}

/* ---- domains and processes ------------------------------------------------------------------ */

void fake_xen_reset(void)
{
	fake_xen_lock();
	for (unsigned i = 0; i < PARTS; i++)
		if (xen.part[i] && xen.part[i]->reset)
			xen.part[i]->reset();
	memset(xen.there, 0, sizeof(xen.there));
	memset(xen.count, 0, sizeof(xen.count));
	memset(xen.times, 0, sizeof(xen.times));
	xen.there[0] = true;
	xen.grants = GRANT_LIMIT;
	domain = process = 0;
	fake_store_create(0, "Domain-0");
	fake_xen_free();
}

void fake_xen_create(uint32_t domid, const char *name)
{
	fake_xen_lock();
	xen.there[domid] = true;
	fake_store_create(domid, name);
	fake_xen_free();
}

void fake_xen_destroy(uint32_t domid)
{
	fake_xen_lock();
	xen.there[domid] = false;
	for (unsigned i = 0; i < PARTS; i++)
		if (xen.part[i] && xen.part[i]->destroy)
			xen.part[i]->destroy(domid);
	fake_xen_free();
}

bool fake_xen_exists(uint32_t domid)
{
	bool there;

	fake_xen_lock();
	there = domid < FAKE_DOMAINS && xen.there[domid];
	fake_xen_free();
	return there;
}

void fake_xen_crash(uint32_t token)
{
	fake_xen_lock();
	for (unsigned i = 0; i < PARTS; i++)
		if (xen.part[i] && xen.part[i]->crash)
			xen.part[i]->crash(token);
	fake_xen_free();
}

/* The lock is a socket in no file system, and the process that has it is this one: what
 * the kernel would do, a descriptor of nothing in its place does. */
void fake_xen_unlock(const char *fabric, uint32_t domid, const char *name)
{
	char want[128];
	int n = snprintf(want, sizeof(want), "vmq-xen/%s/%u/%s", fabric, domid, name);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 1024; fd++) {
		struct sockaddr_un at = { 0 };
		socklen_t len = sizeof(at);

		if (getsockname(fd, (struct sockaddr *)&at, &len) || at.sun_family != AF_UNIX)
			continue;
		if (len == offsetof(struct sockaddr_un, sun_path) + 1 + (socklen_t)n &&
		    !memcmp(at.sun_path + 1, want, (size_t)n))
			dup3(null, fd, O_CLOEXEC);
	}
	close(null);
}

/* ---- counters and faults ---------------------------------------------------------------------- */

unsigned fake_xen_count(enum fake_count what, uint32_t domid)
{
	int n;

	fake_xen_lock();
	n = domid < FAKE_DOMAINS ? xen.count[what][domid] : 0;
	fake_xen_free();
	return (unsigned)n;
}

void fake_xen_add(enum fake_count what, uint32_t domid, int more)
{
	fake_xen_lock();
	if (domid < FAKE_DOMAINS)
		xen.count[what][domid] += more;
	fake_xen_free();
}

void fake_xen_fault(enum fake_fault fault, unsigned skip, unsigned times)
{
	fake_xen_lock();
	xen.skip[fault] = skip;
	xen.times[fault] = times;
	fake_xen_free();
}

bool fake_xen_faulty(enum fake_fault fault)
{
	bool now = false;

	fake_xen_lock();
	if (xen.times[fault]) {
		now = !xen.skip[fault];
		if (now)
			xen.times[fault]--;
		else
			xen.skip[fault]--;
	}
	fake_xen_free();
	return now;
}

void fake_xen_grant_limit(unsigned pages)
{
	fake_xen_lock();
	xen.grants = pages ? pages : GRANT_LIMIT;
	fake_xen_free();
}

unsigned fake_xen_grant_limit_now(void)
{
	unsigned pages;

	fake_xen_lock();
	pages = xen.grants;
	fake_xen_free();
	return pages;
}
