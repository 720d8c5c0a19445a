/* SPDX-License-Identifier: BSD-2-Clause */
/* wait.c - time and sleep. */
#define _GNU_SOURCE
#include <errno.h>
#include <time.h>

#include "internal.h"

#define HEAL_NS 1000000000ull /* a lost kick costs this much at the most */
#define LOOK_NS 10000000ull   /* how often a busy thread looks for news */
#define LOOK_CALLS 64         /* ... and how often it looks at the clock */

uint64_t vmq__now(const struct vmq *q)
{
	struct timespec t;

	if (q->env)
		return q->env->now(q->env->ctx);
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t vmq__deadline(const struct vmq *q, int64_t timeout_ns)
{
	return timeout_ns < 0 ? UINT64_MAX : vmq__now(q) + (uint64_t)timeout_ns;
}

/* Nanoseconds until a deadline, and whether it has come. Where there is none the clock is
 * not asked: without a vDSO that knows it, as in many Xen domains, that is a system call. */
uint64_t vmq__until(const struct vmq *q, uint64_t deadline)
{
	uint64_t now;

	if (deadline == UINT64_MAX)
		return UINT64_MAX;
	now = vmq__now(q);
	return now < deadline ? deadline - now : 0;
}

bool vmq__late(const struct vmq *q, uint64_t deadline)
{
	return !vmq__until(q, deadline);
}

/* What is left until a deadline, as a timeout. */
int64_t vmq__left(const struct vmq *q, uint64_t deadline)
{
	uint64_t now = vmq__now(q);

	return now < deadline ? (int64_t)(deadline - now) : VMQ_NOWAIT;
}

int vmq__timeout(int64_t timeout_ns)
{
	return timeout_ns == VMQ_NOWAIT ? VMQ_EAGAIN : VMQ_ETIMEDOUT;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
}

int vmq__ppoll(struct vmq *q, struct pollfd *p, unsigned n, uint64_t until)
{
	struct timespec left = to_timespec(vmq__until(q, until));

	return ppoll(p, n, &left, NULL);
}

/* No sleep is longer than a lost kick or a lazy message may stay unseen. */
static uint64_t longest(const struct vmq *q)
{
	return q->ops->caps(q->state) & VMQ_CAP_TICK ? HEAL_NS : q->lazy_ns;
}

uint64_t vmq__sleep_limit(const struct vmq *q, uint64_t deadline)
{
	uint64_t until = vmq__now(q) + longest(q);

	return deadline < until ? deadline : until;
}

/* Taken before the lanes are armed and looked at: who wakes others after that, and
 * has drained the doorbell for all, is not missed. */
uint64_t vmq__sleep_ticket(struct vmq__sleeper *s)
{
	uint64_t wakes;

	pthread_mutex_lock(&s->lock);
	wakes = s->wakes;
	pthread_mutex_unlock(&s->lock);
	return wakes;
}

bool vmq__sleep_lead(struct vmq__sleeper *s)
{
	bool lead;

	pthread_mutex_lock(&s->lock);
	lead = !s->polling;
	s->polling = true;
	pthread_mutex_unlock(&s->lock);
	return lead;
}

void vmq__sleep_leave(struct vmq__sleeper *s, bool kicked)
{
	pthread_mutex_lock(&s->lock);
	s->polling = false;
	s->kicked += kicked;
	s->wakes++;
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

static void follow(struct vmq__sleeper *s, uint64_t until, uint64_t wakes)
{
	struct timespec abs = to_timespec(until);

	pthread_mutex_lock(&s->lock);
	while (s->polling && s->wakes == wakes)
		if (pthread_cond_timedwait(&s->cond, &s->lock, &abs) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&s->lock);
}

/* Sleep on one doorbell and the control side. Sets *news. True if it rang. */
static bool sleep_poll(struct vmq *q, enum vmq_fd doorbell, uint64_t left, bool *news)
{
	struct timespec t = to_timespec(left);
	struct pollfd p[2];
	int fds[VMQ_FDS];

	q->ops->fds(q->state, fds);
	p[0] = (struct pollfd){ .fd = fds[doorbell], .events = POLLIN };
	p[1] = (struct pollfd){ .fd = fds[VMQ_FD_CONTROL], .events = POLLIN };
	if (ppoll(p, 2, &t, NULL) <= 0)
		return false;
	/* Without a control descriptor, the doorbell stands for it too. */
	*news = p[1].revents || p[1].fd < 0;
	return p[0].revents && q->ops->drain(q->state, 1u << doorbell);
}

static bool sleep_env(struct vmq *q, enum vmq_fd doorbell, uint64_t until, bool *news)
{
	q->env->wait(q->env->ctx, q, until);
	*news = true;
	return q->ops->drain(q->state, 1u << doorbell);
}

/* Sleep until the doorbell rings, the fabric changes or the deadline comes; not at
 * all if somebody woke the others since the ticket was taken. */
void vmq__sleep(struct vmq *q, enum vmq_fd doorbell, uint64_t ticket, uint64_t deadline)
{
	struct vmq__sleeper *s = &q->sleep[doorbell];
	uint64_t left = vmq__until(q, deadline), most = longest(q);
	bool news = false, kicked;

	if (left > most)
		left = most;
	if (!vmq__sleep_lead(s)) {
		follow(s, vmq__now(q) + left, ticket);
		return;
	}
	if (vmq__sleep_ticket(s) != ticket) {
		vmq__sleep_leave(s, false);
		return;
	}
	kicked = q->env ? sleep_env(q, doorbell, vmq__now(q) + left, &news) :
		sleep_poll(q, doorbell, left, &news);
	if (news || atomic_load_explicit(&q->pending, memory_order_relaxed))
		vmq__news(q);
	vmq__sleep_leave(s, kicked);
}

/* Look at the fabric, unless that was done just now. */
void vmq__look(struct vmq *q)
{
	uint64_t now = vmq__now(q), last = atomic_load_explicit(&q->last_look, memory_order_relaxed);

	if (now - last < LOOK_NS)
		return;
	atomic_store_explicit(&q->last_look, now, memory_order_relaxed);
	vmq__news(q);
}

/* A call that was not to wait found nothing to do: look at the fabric now and
 * then, so that a thread that only polls hears of it. */
void vmq__idle(struct vmq *q, uint32_t *calls)
{
	if (++*calls % LOOK_CALLS && !atomic_load_explicit(&q->pending, memory_order_relaxed))
		return;
	vmq__look(q);
}
