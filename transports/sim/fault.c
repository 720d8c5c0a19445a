/* SPDX-License-Identifier: BSD-2-Clause */
/* fault.c - doorbells that get lost, come late or twice; VMs that are slow. */
#include <time.h>

#include "sim.h"

void vmq__sim_fault_init(struct sim_fault *f, const struct sim_faults *set, const struct vmq_env *env)
{
	f->env = env;
	atomic_init(&f->seed, 0x9e3779b97f4a7c15ull);
	if (set)
		f->set = *set;
}

/* A number from 0 to 1: the env's, or splitmix64, the same in every run. */
static double chance(struct sim_fault *f)
{
	uint64_t z;

	if (f->env) {
		z = f->env->random(f->env->ctx);
	} else {
		z = atomic_fetch_add(&f->seed, 0x9e3779b97f4a7c15ull);
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ z >> 27) * 0x94d049bb133111ebull;
		z ^= z >> 31;
	}
	return (double)(z >> 11) / 9007199254740992.0;
}

static void pass(struct sim_fault *f, uint32_t us)
{
	struct timespec t = { us / 1000000, (long)(us % 1000000) * 1000 };
	uint64_t until;

	if (!us)
		return;
	if (!f->env) {
		nanosleep(&t, NULL);
		return;
	}
	until = f->env->now(f->env->ctx) + (uint64_t)us * 1000;
	while (f->env->now(f->env->ctx) < until)
		f->env->wait(f->env->ctx, NULL, until);
}

void vmq__sim_fault_ring(struct sim_fault *f, struct vmq__bell *bell, unsigned what)
{
	if (f->set.drop_kick > 0 && chance(f) < f->set.drop_kick)
		return;
	pass(f, f->set.delay_kick_us);
	vmq__bell_ring(bell, what);
	if (f->set.dup_kick > 0 && chance(f) < f->set.dup_kick)
		vmq__bell_ring(bell, what);
}

void vmq__sim_fault_slow(struct sim_fault *f)
{
	pass(f, f->set.slow_us);
}
