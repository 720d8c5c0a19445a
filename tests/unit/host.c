/* SPDX-License-Identifier: BSD-2-Clause */
/* host.c - endpoints of the host program on a VMM of its own: vmq_vmm_open(). */
#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "support.h"
#include "vmm_fake.h"

#ifdef __SANITIZE_ADDRESS__
#define GROWTH 1000 /* it keeps what was freed */
#else
#define GROWTH 10   /* mappings of ten rounds: fewer than one each */
#endif

static struct vmq_vmm *vmm;

static void start(void)
{
	cr_assert_eq(vmq_vmm_create(NULL, &vmm), 0);
}

static void stop(void)
{
	cr_expect_eq(vmq_vmm_destroy(vmm), 0);
}

TestSuite(host, .init = start, .fini = stop);

static struct vmq *open_as(const char *name)
{
	struct vmq_options o = { .size = sizeof(o), .name = name, .pool_pages = 4,
		.lazy_max_us = 60000000, .spin_us = VMQ_SPIN_NONE };
	struct vmq *q = NULL;

	cr_assert_eq(vmq_vmm_open(vmm, &o, &q), 0);
	return q;
}

Test(host, endpoints_talk)
{
	struct vmq *a = open_as("a"), *b = open_as("b");
	uint32_t to = both_meet(a, "b", b, "a");
	struct vmq_msg msg;
	char buf[8];

	cr_expect_eq(to, vmq_id(b));
	cr_expect_eq(vmq_send(a, to, "hello", 5, VMQ_SEND_AUTO, VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_recv(b, buf, sizeof(buf), &msg, PATIENCE), 5);
	cr_expect_eq(msg.peer, vmq_id(a));
	cr_expect_eq(vmq_send(b, msg.peer, "you", 3, VMQ_SEND_NOW, VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), 3);
	vmq_close(a);
	cr_expect_eq(vmq_recv(b, buf, sizeof(buf), &msg, PATIENCE), VMQ_EGONE);
	cr_expect_eq(vmq_recv(b, buf, sizeof(buf), &msg, VMQ_NOWAIT), VMQ_EAGAIN, "it is said once");
	vmq_close(b);
}

Test(host, caps)
{
	struct vmq *a = open_as("a");

	cr_expect_eq(vmq_caps(a), VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_UNMAP | VMQ_CAP_READONLY |
		VMQ_CAP_VOUCHED | VMQ_CAP_WAKE | VMQ_CAP_EXIT | VMQ_CAP_ENFORCED);
	vmq_close(a);
}

Test(host, pages)
{
	struct vmq *a = open_as("a"), *b = open_as("b");
	uint32_t to = both_meet(a, "b", b, "a");
	static const uint8_t zeros[VMQ_PAGE_SIZE];
	struct vmq_page page;
	struct vmq_msg msg;
	void *old;

	cr_assert_eq(vmq_page_alloc(a, to, VMQ_PAGE_SIZE, &page, VMQ_NOWAIT), 0);
	old = page.addr;
	pattern(old, VMQ_PAGE_SIZE, 1);
	cr_assert_eq(vmq_page_send(a, &page, VMQ_PAGE_MOVE, NULL, 0, 0, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_recv(b, NULL, 0, &msg, PATIENCE), 0);
	cr_assert_eq(msg.flags, VMQ_MSG_PAGE);
	cr_expect(matches(msg.page.addr, VMQ_PAGE_SIZE, 1));
	cr_expect_arr_eq(old, zeros, VMQ_PAGE_SIZE, "it has left the sender");
	cr_expect_eq(vmq_page_free(b, &msg.page), 0);
	cr_expect_eq(vmq_page_alloc(a, to, 4 * VMQ_PAGE_SIZE, &page, VMQ_NOWAIT), 0, "it is back");
	vmq_close(a);
	vmq_close(b);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void drain(struct vmq *q)
{
	struct vmq_event e = { .size = sizeof(e) };
	char c;

	while (vmq_recv(q, &c, 1, NULL, VMQ_NOWAIT) != VMQ_EAGAIN || readable(vmq_fd(q)))
		while (vmq_event(q, &e, VMQ_NOWAIT) == 0)
			;
}

Test(host, wakes_through_its_descriptor)
{
	struct vmq *a = open_as("a"), *b = open_as("b");
	uint32_t to = both_meet(a, "b", b, "a");
	int fd = vmq_fd(b);
	char c;

	drain(b);
	cr_assert_not(readable(fd));
	cr_expect_eq(vmq_send(a, to, "x", 1, VMQ_SEND_LAZY, VMQ_NOWAIT), 0);
	cr_expect_not(readable(fd), "lazily");
	cr_expect_eq(vmq_yield(a), 0);
	cr_expect(readable(fd), "at the sender's exit");
	cr_expect_eq(vmq_recv(b, &c, 1, NULL, VMQ_NOWAIT), 1);
	drain(b);
	cr_expect_eq(vmq_send(a, to, "x", 1, VMQ_SEND_NOW, VMQ_NOWAIT), 0);
	cr_expect(readable(fd), "at once");
	cr_expect_eq(vmq_recv(b, &c, 1, NULL, VMQ_NOWAIT), 1);
	drain(b);
	vmq_close(a);
	cr_expect(readable(fd), "its end is news");
	vmq_close(b);
}

/* ---- with a VM that is no endpoint ---------------------------------------------------- */

static struct fake_link *meet_fake(struct fake *f, struct vmq *q, const char *own, uint32_t *id)
{
	uint64_t until = now_ns() + PATIENCE;
	struct fake_link *l = fake_to(f, own);

	cr_assert(l);
	*id = 0;
	while ((!*id || l->chan.state != VMQ_STATE_ESTABLISHED) && now_ns() < until) {
		vmq_chan_progress(&l->chan);
		vmq_peer(q, f->config.name, VMQ_US(100), id);
	}
	cr_assert(*id);
	return l;
}

Test(host, talks_with_a_vm)
{
	struct vmq *a = open_as("a");
	struct vmq_record rec;
	struct fake_link *l;
	struct vmq_msg msg;
	struct fake f;
	char buf[8];
	uint32_t id;

	fake_init(&f, "guest", FAKE_WINDOW, 4);
	cr_assert_eq(fake_add(vmm, &f), 0);
	l = meet_fake(&f, a, "a", &id);
	cr_expect_eq(id, vmq_vmm_id(f.vm));
	cr_expect_eq(vmq_tx_put(&l->chan.tx, VMQ_KIND_MSG, "ping", 4), 0);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), 4);
	cr_expect_eq(msg.peer, id);
	f.kicks = 0;
	cr_expect_eq(vmq_send(a, id, "pong", 4, VMQ_SEND_NOW, VMQ_NOWAIT), 0);
	cr_expect_eq(f.kicks, 1u);
	cr_assert_eq(vmq_rx_peek(&l->chan.rx, &rec), 1);
	cr_expect_eq(rec.len, 4u);
	cr_expect_arr_eq(rec.data, "pong", 4);
	cr_expect_eq(vmq_vmm_remove(f.vm), 0);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), VMQ_EGONE);
	vmq_close(a);
	fake_free(&f);
}

Test(host, its_doorbells_are_eventfds)
{
	struct vmq *a = open_as("a");
	const uint64_t one = 1;
	struct fake_link *l;
	struct fake f;
	uint32_t id;

	fake_init(&f, "guest", FAKE_WINDOW, 4);
	cr_assert_eq(fake_add(vmm, &f), 0);
	l = meet_fake(&f, a, "a", &id);
	drain(a);
	cr_assert_not(readable(vmq_fd(a)));
	cr_assert_geq(l->info.doorbell[0], 0);
	cr_expect_neq(l->info.doorbell[0], l->info.doorbell[1]);
	cr_expect_eq(write(l->info.doorbell[0], &one, sizeof(one)), (ssize_t)sizeof(one));
	cr_expect(readable(vmq_fd(a)));
	vmq_close(a);
	cr_expect_eq(f.leaves, 1u);
	vmq_vmm_remove(f.vm);
	fake_free(&f);
}

Test(host, the_vmm_says_who_may_talk)
{
	struct vmq *a = open_as("a"), *b = open_as("b");
	struct vmq_event e = { .size = sizeof(e) };
	uint32_t id;

	both_meet(a, "b", b, "a");
	cr_expect_eq(vmq_event(a, &e, VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_vmm_refuse(vmm, "a", "b"), 0);
	cr_expect_eq(vmq_event(a, &e, PATIENCE), 0);
	cr_expect_eq(e.type, (uint32_t)VMQ_EVENT_LEAVE);
	cr_expect_eq(e.reason, VMQ_EACCES);
	cr_expect_eq(vmq_peer(a, "b", VMQ_NOWAIT, &id), VMQ_EACCES);
	cr_expect_eq(vmq_vmm_allow(vmm, "a", "b"), 0);
	both_meet(a, "b", b, "a");
	vmq_close(a);
	vmq_close(b);
}

/* ---- ends, and errors ------------------------------------------------------------------ */

Test(host, leaves_nothing_behind)
{
	int fds = 0, maps = 0;

	/* Once before, for what the library keeps. The heap may grow, but not each time. */
	for (int i = 0; i < 11; i++) {
		struct vmq *a = open_as("a"), *b = open_as("b");
		uint32_t to = both_meet(a, "b", b, "a");

		cr_assert_geq(vmq_fd(a), 0);
		cr_expect_eq(vmq_send(a, to, "x", 1, 0, VMQ_NOWAIT), 0);
		vmq_close(i % 2 ? a : b);
		vmq_close(i % 2 ? b : a);
		if (!i) {
			fds = count_fds();
			maps = count_maps();
		}
	}
	cr_expect_eq(count_fds(), fds);
	cr_expect_lt(count_maps(), maps + GROWTH);
}

static void refused(const struct vmq_options *o, int code, const char *why)
{
	struct vmq *q = (void *)&q;
	char text[200] = "";
	struct vmq_options copy = *o;

	copy.errmsg = text;
	copy.errlen = sizeof(text);
	cr_expect_eq(vmq_vmm_open(vmm, &copy, &q), code, "%s", why);
	cr_expect_null(q);
	cr_expect(strstr(text, why), "'%s' does not say '%s'", text, why);
}

Test(host, wrong_options)
{
	struct vmq_options o = { .size = sizeof(o), .name = "a" }, bad;
	struct vmq *q;

	cr_expect_eq(vmq_vmm_open(NULL, &o, &q), VMQ_EBADF);
	cr_expect_eq(vmq_vmm_open(vmm, &o, NULL), VMQ_EINVAL);
	cr_expect_eq(vmq_vmm_open(vmm, NULL, &q), VMQ_EINVAL);
	bad = o;
	bad.size--;
	cr_expect_eq(vmq_vmm_open(vmm, &bad, &q), VMQ_EINVAL);
	bad = o;
	bad.name = NULL;
	refused(&bad, VMQ_EINVAL, "no name");
	bad.name = "no/name";
	refused(&bad, VMQ_EINVAL, "no/name");
	bad = o;
	bad.topology = "/tmp/some.json";
	refused(&bad, VMQ_EINVAL, "the VMM's to say");
	bad = o;
	bad.lane_size = 5000;
	refused(&bad, VMQ_EINVAL, "5000");
	bad = o;
	bad.flags = 1u << 30;
	refused(&bad, VMQ_EINVAL, "flags");
}

Test(host, one_name_once)
{
	struct vmq_options o = { .size = sizeof(o), .name = "guest" };
	struct fake f;

	fake_init(&f, "guest", FAKE_WINDOW, 4);
	cr_assert_eq(fake_add(vmm, &f), 0);
	refused(&o, VMQ_EEXIST, "'guest'");
	vmq_vmm_remove(f.vm);
	vmq_close(open_as("guest"));
	fake_free(&f);
}

/* ---- with an env of the application's --------------------------------------------------- */

static unsigned woken;

static uint64_t env_now(void *ctx)
{
	return ++*(uint64_t *)ctx;
}

static void env_wait(void *ctx, struct vmq *q, uint64_t deadline)
{
	(void)q;
	if (deadline != UINT64_MAX)
		*(uint64_t *)ctx = deadline;
}

static void env_wake(void *ctx, struct vmq *q)
{
	(void)ctx;
	(void)q;
	woken++;
}

Test(host, env_is_woken)
{
	uint64_t clock = 1;
	struct vmq_env env = { .size = sizeof(env), .ctx = &clock, .now = env_now, .wait = env_wait,
		.wake = env_wake, .random = env_now };
	struct vmq_options o = { .size = sizeof(o), .name = "a", .env = &env };
	struct fake_link *l;
	struct vmq *a;
	struct fake f;
	uint32_t id;

	cr_assert_eq(vmq_vmm_open(vmm, &o, &a), 0);
	fake_init(&f, "guest", FAKE_WINDOW, 4);
	cr_assert_eq(fake_add(vmm, &f), 0);
	l = meet_fake(&f, a, "a", &id);
	cr_expect_eq(l->info.doorbell[0], -1, "it has no eventfd");
	woken = 0;
	cr_expect_geq(vmq_vmm_doorbell(f.vm, (uint32_t)vmq_id(a), VMQ_KICK_DATA), 1);
	cr_expect_eq(woken, 1u);
	cr_expect_eq(vmq_fd(a), VMQ_ENOTSUP);
	vmq_close(a);
	vmq_vmm_remove(f.vm);
	fake_free(&f);
}
