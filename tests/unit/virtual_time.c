/* SPDX-License-Identifier: BSD-2-Clause */
/* virtual_time.c - a whole fabric in one thread: the clock stands still but for
 * those who wait, and the same seed gives the same run. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

#define ROUNDS 400u

/* The world: its time, its chance, and who runs while somebody waits. */
struct world {
	uint64_t now, seed, trace;
	struct vmq *a, *b;
	uint32_t to_a, got, lost;
	bool woken, inside;
	uint64_t waits;
};

static void note(struct world *w, uint64_t what)
{
	w->trace = (w->trace ^ what) * 1099511628211ull;
}

static uint64_t env_now(void *ctx)
{
	return ((struct world *)ctx)->now;
}

static uint64_t env_random(void *ctx)
{
	struct world *w = ctx;

	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return w->seed;
}

static void env_wake(void *ctx, struct vmq *q)
{
	struct world *w = ctx;

	if (q == w->a)
		w->woken = true;
}

/* The other VM: it echoes what there is. */
static void step_b(struct world *w)
{
	struct vmq_msg msg;
	uint32_t n;

	if (!w->to_a && vmq_peer(w->b, "a", VMQ_NOWAIT, &w->to_a))
		return;
	while (vmq_recv(w->b, &n, sizeof(n), &msg, VMQ_NOWAIT) == sizeof(n)) {
		uint32_t flags = env_random(w) % 3;

		note(w, n << 2 | flags);
		note(w, w->now);
		cr_assert_eq(n, w->got++);
		cr_assert_eq(vmq_send(w->b, w->to_a, &n, sizeof(n), flags, VMQ_NOWAIT), 0);
	}
}

static void env_wait(void *ctx, struct vmq *q, uint64_t deadline)
{
	struct world *w = ctx;

	w->waits++;
	cr_assert(deadline != UINT64_MAX, "nobody would ever wake");
	/* Only a's sleep lets b run; that which a kick takes does not. */
	if (q == w->a && !w->inside) {
		w->inside = true;
		step_b(w);
		w->inside = false;
	}
	if (q != w->a || !w->woken)
		w->now = deadline > w->now ? deadline : w->now + 1;
	w->woken = false;
	note(w, w->now);
}

static uint64_t run(uint64_t seed, const char *topology)
{
	struct world w = { .now = 1000, .seed = seed, .trace = 14695981039346656037ull };
	struct vmq_env env = { sizeof(env), &w, env_now, env_wait, env_wake, env_random };
	struct vmq_options o = { .size = sizeof(o), .env = &env, .topology = topology };
	struct vmq_msg msg;
	uint32_t to_b, n;

	cr_assert_eq(vmq_open("sim:virtual?name=a", &o, &w.a), 0);
	cr_assert_eq(vmq_open("sim:virtual?name=b", &o, &w.b), 0);
	cr_assert_eq(vmq_fd(w.a), VMQ_ENOTSUP);
	cr_assert_eq(vmq_peer(w.a, "b", VMQ_MS(10000), &to_b), 0);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		cr_assert_eq(vmq_send(w.a, to_b, &i, sizeof(i), env_random(&w) % 3, VMQ_NOWAIT), 0);
		cr_assert_eq(vmq_recv(w.a, &n, sizeof(n), &msg, VMQ_MS(60000)), (int64_t)sizeof(n));
		cr_assert_eq(n, i);
		note(&w, w.now);
	}
	cr_expect_eq(w.got, ROUNDS);
	cr_expect_gt(w.waits, ROUNDS / 4);
	/* A deadline comes by the world's clock, exactly. */
	n = (uint32_t)w.now;
	cr_expect_eq(vmq_recv(w.a, &n, sizeof(n), &msg, VMQ_MS(3600000)), VMQ_ETIMEDOUT);
	cr_expect_geq(w.now, 3600000ull * 1000000);
	note(&w, w.now);
	vmq_close(w.a);
	vmq_close(w.b);
	return w.trace;
}

Test(virtual_time, same_seed_same_run)
{
	uint64_t first = run(42, NULL);

	cr_expect_eq(run(42, NULL), first);
	cr_expect_neq(run(43, NULL), first);
}

static void with_faults(const char *faults)
{
	char dir[64], path[128], json[300];
	uint64_t first;

	scratch_make(dir, sizeof(dir));
	snprintf(json, sizeof(json), "{\"vms\": [{\"name\": \"a\", \"faults\": {%s}},"
		"{\"name\": \"b\", \"faults\": {%s}}]}", faults, faults);
	scratch_file(dir, "t.json", json, path, sizeof(path));
	first = run(7, path);
	cr_expect_eq(run(7, path), first);
	cr_expect_neq(run(8, path), first);
	scratch_remove(dir);
}

/* Lost kicks heal by the receiver's own timer; late and double ones do no harm. */
Test(virtual_time, drop) { with_faults("\"drop_kick\": 0.5"); }
Test(virtual_time, drop_all) { with_faults("\"drop_kick\": 1"); }
Test(virtual_time, delay) { with_faults("\"delay_kick_us\": 700"); }
Test(virtual_time, dup) { with_faults("\"dup_kick\": 0.7"); }
Test(virtual_time, slow) { with_faults("\"slow_us\": 300, \"drop_kick\": 0.1"); }

/* The power of a VM is cut at its n-th exit. */
Test(virtual_time, kill)
{
	struct world w = { .now = 1, .seed = 3 };
	struct vmq_env env = { sizeof(env), &w, env_now, env_wait, env_wake, env_random };
	struct vmq_options o = { .size = sizeof(o), .env = &env };
	char dir[64], path[128];
	struct vmq_msg msg;
	uint32_t to_b, n = 0;
	int rc = 0;

	scratch_make(dir, sizeof(dir));
	scratch_file(dir, "t.json", "{\"vms\": [{\"name\": \"a\"}, {\"name\": \"b\","
		"\"faults\": {\"kill_after_exits\": 5}}]}", path, sizeof(path));
	o.topology = path;
	cr_assert_eq(vmq_open("sim:virtual?name=a", &o, &w.a), 0);
	cr_assert_eq(vmq_open("sim:virtual?name=b", &o, &w.b), 0);
	cr_assert_eq(vmq_peer(w.a, "b", VMQ_MS(10000), &to_b), 0);
	for (int i = 0; i < 5; i++) {
		w.inside = true; /* b does nothing but exit */
		vmq_yield(w.b);
		w.inside = false;
		rc = vmq_send(w.a, to_b, &n, sizeof(n), 0, VMQ_NOWAIT);
		cr_expect_eq(rc, i < 4 ? 0 : VMQ_EGONE, "exit %d: %s", i, vmq_errname(rc));
	}
	cr_expect_eq(vmq_recv(w.a, &n, sizeof(n), &msg, VMQ_MS(1000)), VMQ_EGONE);
	vmq_close(w.a);
	vmq_close(w.b);
	scratch_remove(dir);
}

/* ---- a batch that is larger than the lane ------------------------------------------------ */

#define BATCH 64u

struct flow {
	uint64_t now;
	struct vmq *a, *b;
	unsigned waits, got;
	uint64_t sent, rings;
	bool unheard; /* a slept, and b had not been told of what was new */
};

static uint64_t flow_now(void *ctx)
{
	return ((struct flow *)ctx)->now;
}

/* While a waits for room, b takes what there is. */
static void flow_wait(void *ctx, struct vmq *q, uint64_t deadline)
{
	struct vmq_stats s = { .size = sizeof(s) };
	struct flow *f = ctx;
	char text[256];

	f->now = deadline;
	if (q != f->a || !f->b)
		return;
	cr_assert_eq(vmq_stats(f->a, &s), 0);
	f->unheard |= s.sent > f->sent && s.exits_immediate == f->rings;
	f->sent = s.sent;
	f->rings = s.exits_immediate;
	f->waits++;
	while (vmq_recv(f->b, text, sizeof(text), NULL, VMQ_NOWAIT) == (int64_t)sizeof(text))
		f->got++;
}

static void flow_wake(void *ctx, struct vmq *q)
{
	(void)ctx;
	(void)q;
}

Test(virtual_time, a_batch_rings_before_it_waits)
{
	struct flow f = { .now = 1000 };
	struct vmq_env env = { sizeof(env), &f, flow_now, flow_wait, flow_wake, flow_now };
	struct vmq_options o = { .size = sizeof(o), .env = &env, .lane_size = VMQ_LANE_MIN };
	static const char text[256];
	struct vmq_iovec msg[BATCH];
	uint32_t to_b;

	cr_assert_eq(vmq_open("sim:flow?name=a", &o, &f.a), 0);
	cr_assert_eq(vmq_open("sim:flow?name=b", &o, &f.b), 0);
	cr_assert_eq(vmq_peer(f.b, "a", VMQ_NOWAIT, &to_b), VMQ_EAGAIN);
	cr_assert_eq(vmq_peer(f.a, "b", VMQ_MS(10000), &to_b), 0);
	f.waits = 0;
	for (unsigned i = 0; i < BATCH; i++)
		msg[i] = (struct vmq_iovec){ text, sizeof(text) };
	cr_expect_eq(vmq_send_batch(f.a, to_b, msg, BATCH, VMQ_SEND_NOW, VMQ_MS(10000)), (int)BATCH);
	cr_expect_gt(f.waits, 1u);
	cr_expect_not(f.unheard);
	while (vmq_recv(f.b, (char[256]){ 0 }, 256, NULL, VMQ_NOWAIT) == 256)
		f.got++;
	cr_expect_eq(f.got, BATCH);
	vmq_close(f.a);
	vmq_close(f.b);
}
