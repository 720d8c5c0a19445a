/* SPDX-License-Identifier: BSD-2-Clause */
/* threads_poll.c - between the look of vmq_poll() and its sleep another thread hears the
 * doorbell, for both of them. The exits of the VM are slow, and an env of our own is asked to
 * wait for each: that is the moment, and no second thread is needed. */
#include <criterion/criterion.h>

#include "support.h"

static struct {
	uint64_t now;
	struct vmq *a, *b;
	uint32_t to_a;
	bool due;     /* the next slow exit is the one */
	bool other;   /* it is the other thread that waits */
	bool missed;  /* vmq_poll() sleeps though the doorbell rang */
} w;

static uint64_t env_now(void *ctx)
{
	(void)ctx;
	return w.now++;
}

/* A message comes, and a thread that waits for a peer drains the doorbell. */
static void meanwhile(void)
{
	uint32_t id;

	w.other = true;
	cr_assert_eq(vmq_send(w.b, w.to_a, "x", 1, VMQ_SEND_AUTO, VMQ_NOWAIT), 0);
	cr_assert_eq(vmq_peer(w.a, "c", VMQ_US(1), &id), VMQ_ETIMEDOUT);
	w.other = false;
}

static void env_wait(void *ctx, struct vmq *q, uint64_t deadline)
{
	(void)ctx;
	if (!q && w.due) {
		w.due = false;
		meanwhile();
	} else if (q == w.a && !w.other && !w.due) {
		w.missed = true;
	}
	w.now = deadline == UINT64_MAX ? w.now + 1000 : deadline;
}

static void env_wake(void *ctx, struct vmq *q)
{
	(void)ctx;
	(void)q;
}

static uint64_t env_random(void *ctx)
{
	(void)ctx;
	return 1;
}

static const struct vmq_env env = { .size = sizeof(env), .now = env_now, .wait = env_wait,
	.wake = env_wake, .random = env_random };

static struct vmq *vm(const char *name, const char *topology)
{
	struct vmq_options o = { .size = sizeof(o), .name = name, .topology = topology, .env = &env };
	struct vmq *q = NULL;

	cr_assert_eq(vmq_open("sim:threads-poll", &o, &q), 0);
	return q;
}

Test(threads_poll, hears_what_another_thread_heard)
{
	char dir[64], path[128];
	struct vmq_pollfd fd;
	uint32_t to_b;

	scratch_make(dir, sizeof(dir));
	scratch_file(dir, "t.json", "{\"vms\": [{\"name\": \"a\", \"faults\": {\"slow_us\": 1}}, "
		"{\"name\": \"b\"}, {\"name\": \"c\"}]}", path, sizeof(path));
	w.a = vm("a", path);
	w.b = vm("b", path);
	to_b = both_meet(w.a, "b", w.b, "a");
	cr_assert_eq(vmq_peer(w.b, "a", VMQ_NOWAIT, &w.to_a), 0);
	cr_assert_neq(to_b, w.to_a);
	fd = (struct vmq_pollfd){ w.a, VMQ_POLL_IN, 0 };
	w.missed = false;
	w.due = true;
	cr_assert_eq(vmq_poll(&fd, 1, VMQ_MS(100)), 1);
	cr_expect_not(w.due, "the moment came");
	cr_expect_not(w.missed);
	vmq_close(w.a);
	vmq_close(w.b);
	scratch_remove(dir);
}
