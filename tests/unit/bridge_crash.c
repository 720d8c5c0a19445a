/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge_crash.c - the other VMM is a process, and is killed. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bridge_fixture.h"

static struct host x;
static struct fake a;
static pid_t child;

static void start(void)
{
	hosts_start();
	host_open(&x, "x", 1, 0);
	vm_init(&a, "a");
	vm_add(&x, &a);
}

static void stop(void)
{
	hosts_stop();
	vm_free(&a);
}

TestSuite(bridge_crash, .init = start, .fini = stop);

/* The child's VM gives its first page, lazily, once it is connected. */
static bool gives(struct fake *b)
{
	struct fake_link *l = fake_to(b, "a");
	struct vmq_pages run;

	if (!l)
		return false;
	if (l->chan.state != VMQ_STATE_ESTABLISHED && vmq_chan_progress(&l->chan) < 0)
		_exit(2);
	if (l->chan.state != VMQ_STATE_ESTABLISHED)
		return false;
	if (vmq_pages_alloc(&l->chan.pages, 1, &run))
		return true;
	pattern(fake_page(l, run.first), VMQ_PAGE_SIZE, 3);
	if (vmq_pages_give(&l->chan.pages, &run, VMQ_PAGE_MOVE))
		_exit(2);
	return vmq_tx_put(&l->chan.tx, VMQ_KIND_MSG, &run, sizeof(run)) == 0;
}

/* b on a VMM of its own; it goes on until it is killed. */
static void child_main(void)
{
	struct vmq_vmm_options o = { .size = sizeof(o), .first_id = 100 };
	struct vmq_bridge_options bo = { .size = sizeof(bo), .retry_ms = 1 };
	struct vmq_bridge *bridge;
	struct vmq_vmm *vmm;
	struct fake b;
	bool given = false;

	child_prepare(2);
	vm_init(&b, "b");
	if (vmq_vmm_create(&o, &vmm) || fake_add(vmm, &b) || vmq_bridge_open(vmm, &bo, &bridge) ||
			vmq_bridge_connect(bridge, x.path))
		_exit(1);
	for (;;) {
		vmq_bridge_run(bridge, VMQ_MS(1));
		given = given || gives(&b);
	}
}

static void child_start(void)
{
	fflush(NULL);
	child = fork();
	if (!child)
		child_main();
}

static void child_kill(void)
{
	int status;

	kill(child, SIGKILL);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status), "it ended before: %d", status);
}

static struct fake_link *l;

/* The child's message is there: it has given a page. */
static bool has_given(void *arg)
{
	struct vmq_record rec;

	l = fake_to(&a, "b");
	if (!l)
		return false;
	vmq_chan_progress(&l->chan);
	if (l->chan.state != VMQ_STATE_ESTABLISHED || vmq_rx_peek(&l->chan.rx, &rec) != 1)
		return false;
	memcpy(arg, rec.data, sizeof(struct vmq_pages));
	return true;
}

static bool has_left(void *arg)
{
	(void)arg;
	return l->left != 0;
}

Test(bridge_crash, killed_and_back)
{
	uint32_t epoch = 0;

	for (int i = 0; i < 5; i++) {
		struct vmq_pages run = { 0 };

		child_start();
		cr_assert(until(has_given, &run));
		cr_expect_eq(l->info.peer, 100u);
		cr_expect_neq(l->info.epoch, epoch);
		epoch = l->info.epoch;
		child_kill();
		cr_assert(until(has_left, NULL));
		cr_expect_eq(l->left, VMQ_EGONE);
		cr_expect(vmq_chan_peer_gone(&l->chan));
		cr_expect_neq(vmq_layout_gone(l->info.region, !l->info.side), 0u);
		cr_expect_eq(vmq_vmm_lookup(a.vm, "b"), VMQ_EAGAIN);
		/* What it gave can be had: who saw it too has died. */
		cr_expect_eq(vmq_vmm_pages(l->info.link, run.first, 1), 1);
		cr_expect(matches(fake_page(l, run.first), VMQ_PAGE_SIZE, 3));
		cr_expect_eq(vmq_vmm_detach(l->info.link), 0);
		fake_forget(l);
	}
}
