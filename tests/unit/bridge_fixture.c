/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge_fixture.c - VMMs of one process, each with a bridge, run in turns. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bridge_fixture.h"

#define HOSTS 4u

char dir[64];
static struct host *hosts[HOSTS];

void hosts_start(void)
{
	scratch_make(dir, sizeof(dir));
	memset(hosts, 0, sizeof(hosts));
}

void hosts_stop(void)
{
	for (unsigned i = 0; i < HOSTS; i++)
		if (hosts[i])
			host_close(hosts[i]);
	scratch_remove(dir);
}

static void on_log(void *ctx, const char *line)
{
	struct host *h = ctx;

	h->lines++;
	snprintf(h->line, sizeof(h->line), "%s", line);
}

void host_open(struct host *h, const char *name, uint32_t first_id, uint32_t flags)
{
	struct vmq_vmm_options o = { .size = sizeof(o), .flags = flags, .first_id = first_id };
	struct vmq_bridge_options b = { .size = sizeof(b), .path = h->path, .retry_ms = 1, .log = on_log,
		.ctx = h };
	unsigned i = 0;

	*h = (struct host){ 0 };
	snprintf(h->path, sizeof(h->path), "%s/%s", dir, name);
	cr_assert_eq(vmq_vmm_create(&o, &h->vmm), 0);
	cr_assert_eq(vmq_bridge_open(h->vmm, &b, &h->bridge), 0);
	while (hosts[i])
		i++;
	hosts[i] = h;
}

void host_close(struct host *h)
{
	for (unsigned i = 0; i < HOSTS; i++)
		if (hosts[i] == h)
			hosts[i] = NULL;
	cr_assert_eq(vmq_bridge_close(h->bridge), 0);
	cr_assert_eq(vmq_vmm_destroy(h->vmm), 0);
}

/* Is there anything to do, now or within ms? */
static bool work(int ms)
{
	struct pollfd p[HOSTS];
	nfds_t n = 0;

	for (unsigned i = 0; i < HOSTS; i++)
		if (hosts[i])
			p[n++] = (struct pollfd){ .fd = vmq_bridge_fd(hosts[i]->bridge), .events = POLLIN };
	return poll(p, n, ms) > 0;
}

static void turn(void)
{
	for (unsigned i = 0; i < HOSTS; i++)
		if (hosts[i])
			cr_assert_eq(vmq_bridge_run(hosts[i]->bridge, VMQ_NOWAIT), VMQ_EAGAIN);
}

void settle(void)
{
	while (work(0))
		turn();
}

bool until(bool (*so)(void *arg), void *arg)
{
	uint64_t end = now_ns() + (uint64_t)PATIENCE;

	while (!so(arg)) {
		if (now_ns() > end)
			return false;
		work(10);
		turn();
	}
	settle();
	return true;
}

static bool has_heard(void *arg)
{
	return ((struct host *)arg)->lines > 0;
}

void call(struct host *b, struct host *a)
{
	a->lines = 0;
	cr_assert_eq(vmq_bridge_connect(b->bridge, a->path), 0);
	cr_assert(until(has_heard, a));
}

void vm_init(struct fake *f, const char *name)
{
	fake_init(f, name, FAKE_WINDOW, 4);
	for (unsigned i = 0; i < 2; i++)
		f->config.doorbell[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void vm_add(struct host *h, struct fake *f)
{
	cr_assert_eq(fake_add(h->vmm, f), 0);
}

void vm_free(struct fake *f)
{
	for (unsigned i = 0; i < 2; i++)
		close(f->config.doorbell[i]);
	fake_free(f);
}

uint64_t vm_rung(struct fake *f, unsigned what)
{
	uint64_t count = 0;

	return read(f->config.doorbell[what == VMQ_KICK_SPACE], &count, sizeof(count)) < 0 ? 0 : count;
}
