/* SPDX-License-Identifier: BSD-2-Clause */
/* host_kvm.c - kvm:unix=PATH: host programs that come to a VMM over a bridge. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host_vmm.h"
#include "vmm_fake.h"

#ifdef __SANITIZE_ADDRESS__
#define GROWTH 1000 /* it keeps what was freed */
#else
#define GROWTH 10   /* mappings of ten rounds: fewer than one each */
#endif

TestSuite(host_kvm, .init = vmm_prepare, .fini = vmm_stop);

Test(host_kvm, talks)
{
	struct vmq *a, *h;
	struct vmq_msg msg;
	uint32_t to;
	char buf[8];

	vmm_listen(0);
	serve_start();
	h = on_vmm("host");
	a = program("a");
	cr_expect_eq(vmq_caps(a), VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_UNMAP | VMQ_CAP_READONLY |
		VMQ_CAP_ISOLATED | VMQ_CAP_VOUCHED | VMQ_CAP_WAKE);
	to = both_meet(a, "host", h, "a");
	cr_expect_eq(to, vmq_id(h));
	cr_expect_eq(vmq_send(a, to, "ping", 4, VMQ_SEND_AUTO, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_recv(h, buf, sizeof(buf), &msg, PATIENCE), 4);
	cr_expect_eq(msg.peer, vmq_id(a));
	cr_expect_eq(vmq_send(h, msg.peer, "pong", 4, VMQ_SEND_NOW, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), 4);
	cr_expect_eq(vmq_send(a, to, "bye", 3, VMQ_SEND_LAZY, VMQ_NOWAIT), 0);
	vmq_close(a);
	cr_expect_eq(vmq_recv(h, buf, sizeof(buf), &msg, PATIENCE), 3, "sent before it left");
	cr_expect_eq(vmq_recv(h, buf, sizeof(buf), &msg, PATIENCE), VMQ_EGONE);
	vmq_close(h);
}

/* Each life of a name has the same id, which is not that of a VM of the VMM's. */
Test(host_kvm, ids)
{
	struct vmq *a, *b;
	int64_t id;

	vmm_listen(0);
	serve_start();
	a = program("a");
	b = program("b");
	id = vmq_id(a);
	cr_expect_geq(id, 2048);
	cr_expect_leq(id, 4095);
	cr_expect_neq(id, vmq_id(b));
	vmq_close(a);
	while (try_open("a", &a) == VMQ_EEXIST)
		; /* the VMM may hear of the end a little later */
	cr_expect_eq(vmq_id(a), id);
	vmq_close(a);
	vmq_close(b);
}

Test(host_kvm, leaves_nothing_behind)
{
	int fds = 0, maps = 0;
	struct vmq *a;

	vmm_listen(0);
	serve_start();
	/* Once before, for what the library keeps. The heap may grow, but not each time. */
	for (int i = 0; i < 11; i++) {
		char name[] = "a";

		name[0] = (char)('a' + i);
		a = program(name);
		cr_assert_geq(vmq_fd(a), 0);
		vmq_close(a);
		serve_stop();
		while (vmq_bridge_run(bridge, VMQ_NOWAIT) != VMQ_EAGAIN)
			;
		if (!i) {
			fds = count_fds();
			maps = count_maps();
		}
		serve_start();
	}
	serve_stop();
	cr_expect_eq(count_fds(), fds);
	cr_expect_lt(count_maps(), maps + GROWTH);
}

/* ---- pages that are under way -------------------------------------------------------------- */

/* A VM whose VMM is served by the test, step by step. */
static struct fake_link *guest(struct fake *f, const char *name, struct vmq *a, uint32_t *id)
{
	uint64_t until = now_ns() + PATIENCE;
	struct fake_link *l = NULL;

	fake_init(f, name, FAKE_WINDOW, 4);
	/* Who cannot be rung past its VMM has no peers elsewhere. */
	f->config.doorbell[0] = f->config.doorbell[1] = eventfd(0, EFD_CLOEXEC);
	cr_assert_gt(f->config.doorbell[0], 0);
	cr_assert_eq(fake_add(vmm, f), 0);
	*id = 0;
	while ((!l || !*id || l->chan.state != VMQ_STATE_ESTABLISHED) && now_ns() < until) {
		vmq_bridge_run(bridge, VMQ_NOWAIT);
		l = fake_to(f, "a");
		if (l)
			vmq_chan_progress(&l->chan);
		vmq_peer(a, name, VMQ_US(100), id);
	}
	cr_assert(l && *id, "no channel with %s", name);
	return l;
}

static void guest_end(struct fake *f)
{
	vmq_vmm_remove(f->vm);
	close(f->config.doorbell[0]);
	fake_free(f);
}

/* Give a page and send its descriptor, as a guest does that tells its VMM nothing. */
static void give(struct fake_link *l, uint32_t n)
{
	struct vmq_layout_page d = { 0 };
	struct vmq_pages run;

	cr_assert_eq(vmq_pages_alloc(&l->chan.pages, 1, &run), 0);
	pattern(fake_page(l, run.first), VMQ_PAGE_SIZE, n);
	cr_assert_eq(vmq_pages_give(&l->chan.pages, &run, VMQ_PAGE_MOVE), 0);
	d.first = run.first;
	d.count = run.count;
	d.gen = run.gen;
	d.mode = VMQ_PAGE_MOVE;
	d.len = VMQ_PAGE_SIZE;
	cr_assert_eq(vmq_tx_put(&l->chan.tx, VMQ_KIND_PAGE, &d, sizeof(d)), 0);
}

/* The VMM serves in another thread until the test is through. */
static struct vmq *program_of_unserved(void)
{
	struct vmq *a;

	vmm_listen(0);
	serve_start();
	a = program("a");
	serve_stop();
	return a;
}

Test(host_kvm, pages_under_way_hold_up_nobody_else)
{
	struct vmq_stats before = { .size = sizeof(before) }, after = before;
	struct vmq *a = program_of_unserved();
	struct fake_link *lf, *lg;
	struct vmq_msg msg;
	uint32_t idf, idg;
	struct fake f, g;
	char buf[8];

	lf = guest(&f, "f", a, &idf);
	lg = guest(&g, "g", a, &idg);
	give(lf, 5);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), &msg, VMQ_NOWAIT), VMQ_EAGAIN);
	cr_assert_eq(vmq_stats(a, &before), 0);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), &msg, VMQ_MS(20)), VMQ_ETIMEDOUT);
	cr_assert_eq(vmq_stats(a, &after), 0);
	cr_expect_gt(after.exits_natural, before.exits_natural, "it did not sleep");
	cr_assert_eq(vmq_tx_put(&lg->chan.tx, VMQ_KIND_MSG, "other", 5), 0);
	cr_assert_eq(vmq_tx_put(&lf->chan.tx, VMQ_KIND_MSG, "after", 5), 0);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), 5);
	cr_expect_eq(msg.peer, idg);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), &msg, VMQ_NOWAIT), VMQ_EAGAIN);
	serve_start();
	cr_assert_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), 0, "the VMM has let go of it");
	cr_expect_eq(msg.flags, VMQ_MSG_PAGE);
	cr_expect_eq(msg.peer, idf);
	cr_expect(matches(msg.page.addr, VMQ_PAGE_SIZE, 5));
	cr_expect_neq(*(uint8_t *)fake_page(lf, msg.page.first), *(uint8_t *)msg.page.addr);
	cr_expect_eq(vmq_page_free(a, &msg.page), 0);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), 5, "in order");
	cr_expect_eq(msg.peer, idf);
	vmq_close(a);
	serve_stop();
	guest_end(&f);
	guest_end(&g);
}

/* Take what was moved, and return it, as a guest does that tells its VMM nothing. */
static void take_and_return(struct fake_link *l)
{
	struct vmq_layout_page d;
	enum vmq_page_mode mode;
	struct vmq_record rec;
	struct vmq_pages run;
	bool returned;

	cr_assert_eq(vmq_rx_peek(&l->chan.rx, &rec), 1);
	cr_assert_eq(rec.kind, VMQ_KIND_PAGE);
	memcpy(&d, rec.data, sizeof(d));
	vmq_rx_next(&l->chan.rx);
	cr_assert_eq(vmq_pages_take(&l->chan.pages, &d, &run, &mode), 0u);
	cr_assert_eq(vmq_pages_free(&l->chan.pages, &run, &returned), 0);
}

Test(host_kvm, pages_on_their_way_back_are_not_free_yet)
{
	struct vmq *a = program_of_unserved();
	struct fake_link *l;
	struct vmq_page page;
	struct fake f;
	uint32_t id;

	l = guest(&f, "f", a, &id);
	cr_assert_eq(vmq_page_alloc(a, id, 4 * VMQ_PAGE_SIZE, &page, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_page_send(a, &page, VMQ_PAGE_MOVE, NULL, 0, 0, VMQ_NOWAIT), 0);
	take_and_return(l);
	cr_expect_eq(vmq_page_alloc(a, id, 1, &page, VMQ_NOWAIT), VMQ_ENOMEM);
	cr_expect_eq(vmq_page_alloc(a, id, 1, &page, VMQ_MS(20)), VMQ_ETIMEDOUT);
	serve_start();
	cr_expect_eq(vmq_page_alloc(a, id, 4 * VMQ_PAGE_SIZE, &page, PATIENCE), 0);
	vmq_close(a);
	serve_stop();
	guest_end(&f);
}

Test(host_kvm, pages_of_a_vmm_that_ends_arrive)
{
	struct vmq *a = program_of_unserved();
	struct fake_link *l;
	struct vmq_msg msg;
	struct fake f;
	uint32_t id;

	l = guest(&f, "f", a, &id);
	give(l, 6);
	cr_expect_eq(vmq_recv(a, NULL, 0, &msg, VMQ_NOWAIT), VMQ_EAGAIN);
	vmq_bridge_close(bridge);
	bridge = NULL;
	cr_assert_eq(vmq_recv(a, NULL, 0, &msg, PATIENCE), 0);
	cr_expect(matches(msg.page.addr, VMQ_PAGE_SIZE, 6));
	cr_expect_eq(vmq_recv(a, NULL, 0, &msg, PATIENCE), VMQ_EGONE);
	vmq_page_free(a, &msg.page);
	vmq_close(a);
	guest_end(&f);
}

/* ---- a VMM in a process of its own ------------------------------------------------------------ */

static pid_t vmm_process(void)
{
	int ready[2];
	pid_t pid;
	char c;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ready), 0);
	pid = fork();
	if (!pid) {
		struct vmq_msg msg;
		struct vmq *q;
		int64_t n;

		child_prepare(ready[1]);
		vmm_listen(0);
		serve_start();
		q = on_vmm("host");
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;) {
			n = vmq_recv(q, &c, 1, &msg, PATIENCE);
			if (n == 1)
				vmq_send(q, msg.peer, &c, 1, 0, PATIENCE);
		}
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void crash(pid_t pid)
{
	cr_assert_eq(kill(pid, SIGKILL), 0);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

static void echoed(struct vmq *a, uint32_t to)
{
	struct vmq_msg msg;
	char c = 0;

	cr_assert_eq(vmq_send(a, to, "x", 1, 0, PATIENCE), 0);
	cr_assert_eq(vmq_recv(a, &c, 1, &msg, PATIENCE), 1);
	cr_expect_eq(c, 'x');
	cr_expect_eq(msg.peer, to);
}

Test(host_kvm, vmm_dies_and_comes_back)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	struct vmq_event e = { .size = sizeof(e) };
	uint32_t id, again, epoch;
	pid_t pid = vmm_process();
	struct vmq *a = program("a");
	char c;

	cr_assert_eq(vmq_peer(a, "host", PATIENCE, &id), 0);
	cr_assert_eq(vmq_event(a, &e, PATIENCE), 0);
	cr_expect_eq(e.type, (uint32_t)VMQ_EVENT_JOIN);
	cr_assert_eq(vmq_peer_info(a, id, &info), 0);
	epoch = info.epoch;
	echoed(a, id);
	crash(pid);
	cr_expect_eq(vmq_recv(a, &c, 1, NULL, PATIENCE), VMQ_EGONE);
	cr_assert_eq(vmq_event(a, &e, PATIENCE), 0);
	cr_expect_eq(e.type, (uint32_t)VMQ_EVENT_LEAVE);
	cr_expect_eq(vmq_event(a, &e, VMQ_MS(10)), VMQ_ETIMEDOUT, "the fabric is not lost");
	cr_expect_eq(vmq_recv(a, &c, 1, NULL, VMQ_NOWAIT), VMQ_EAGAIN);
	pid = vmm_process();
	cr_assert_eq(vmq_peer(a, "host", PATIENCE, &again), 0);
	cr_expect_eq(again, id);
	cr_assert_eq(vmq_peer_info(a, again, &info), 0);
	cr_expect_neq(info.epoch, epoch);
	echoed(a, again);
	crash(pid);
	vmq_close(a);
}
