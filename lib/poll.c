/* SPDX-License-Identifier: BSD-2-Clause */
/* poll.c - to wait for many endpoints, for events, and with other people's loops. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cpu.h"
#include "internal.h"

#define CONTENDED_NS 1000000ull

static uint32_t ready(struct vmq_pollfd *fd)
{
	struct vmq *q = fd->q;
	struct vmq_event event;
	uint32_t is = 0;

	if (!vmq__live(q))
		return VMQ_POLL_ERR;
	vmq__rx_lock(q);
	if (vmq__rx_ready(q))
		is |= fd->events & VMQ_POLL_IN;
	vmq__rx_unlock(q);
	if (fd->events & VMQ_POLL_OUT && vmq__tx_ready(q))
		is |= VMQ_POLL_OUT;
	if (fd->events & VMQ_POLL_EVENT && vmq__event_take(q, &event, false))
		is |= VMQ_POLL_EVENT;
	return is;
}

static int look(struct vmq_pollfd *fds, unsigned n)
{
	int count = 0;

	for (unsigned i = 0; i < n; i++) {
		fds[i].revents = ready(&fds[i]);
		count += fds[i].revents != 0;
	}
	return count;
}

static void news(struct vmq_pollfd *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (vmq__live(fds[i].q))
			vmq__news(fds[i].q);
}

/* ---- one round of sleep ------------------------------------------------------ */

struct round {
	struct pollfd p[VMQ_POLL_LIMIT * VMQ_FDS];
	uint64_t ticket[VMQ_POLL_LIMIT][2];
	bool leads[VMQ_POLL_LIMIT][2];
};

static void tickets(struct round *r, const struct vmq_pollfd *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned d = 0; d < 2; d++)
			r->ticket[i][d] = vmq__sleep_ticket(&fds[i].q->sleep[d]);
}

/* Nobody has drained a doorbell, for all, since the tickets were taken? */
static bool unheard(const struct round *r, const struct vmq_pollfd *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned d = 0; d < 2; d++)
			if (r->leads[i][d] && vmq__sleep_ticket(&fds[i].q->sleep[d]) != r->ticket[i][d])
				return false;
	return true;
}

/* Arm an endpoint's lanes. False: there is something to do. */
static bool arm(struct vmq_pollfd *fd)
{
	bool clear;

	vmq__rx_lock(fd->q);
	clear = vmq__rx_arm(fd->q) || !(fd->events & VMQ_POLL_IN);
	vmq__rx_exit(fd->q);
	fd->q->rx.sleepers++;
	vmq__rx_unlock(fd->q);
	if (fd->events & VMQ_POLL_OUT)
		clear &= vmq__tx_arm(fd->q);
	return clear;
}

static void wake(struct vmq_pollfd *fd)
{
	vmq__rx_lock(fd->q);
	fd->q->rx.sleepers--;
	vmq__rx_back(fd->q);
	vmq__rx_unlock(fd->q);
	if (fd->events & VMQ_POLL_OUT)
		vmq__tx_wake(fd->q);
}

/* Drowsy: look on for longer than a store can stay unseen. */
static int look_drowsy(struct vmq_pollfd *fds, unsigned n)
{
	uint64_t until = vmq__now(fds[0].q) + (fds[0].q->env ? 0 : VMQ__DROWSY_NS);
	int count;

	for (unsigned i = 0; i < n; i++) {
		vmq__rx_lock(fds[i].q);
		vmq__rx_drowse(fds[i].q);
		vmq__rx_unlock(fds[i].q);
	}
	do {
		count = look(fds, n);
	} while (!count && vmq__now(fds[0].q) < until);
	for (unsigned i = 0; count && i < n; i++) {
		vmq__rx_lock(fds[i].q);
		vmq__rx_back(fds[i].q);
		vmq__rx_unlock(fds[i].q);
	}
	return count;
}

/* Become the one who drains each doorbell; where another thread is, look at it
 * again soon. */
static uint64_t lead(struct round *r, struct vmq_pollfd *fds, unsigned n, uint64_t until)
{
	uint64_t soon = vmq__now(fds[0].q) + CONTENDED_NS;
	int at[VMQ_FDS];

	for (unsigned i = 0; i < n; i++) {
		fds[i].q->ops->fds(fds[i].q->state, at);
		for (unsigned d = 0; d < VMQ_FDS; d++)
			r->p[i * VMQ_FDS + d] = (struct pollfd){ .fd = at[d], .events = POLLIN };
		for (unsigned d = 0; d < 2; d++) {
			bool wanted = d == VMQ_FD_DATA || fds[i].events & VMQ_POLL_OUT;

			r->leads[i][d] = wanted && vmq__sleep_lead(&fds[i].q->sleep[d]);
			if (!r->leads[i][d])
				r->p[i * VMQ_FDS + d].fd = -1;
			if (wanted && !r->leads[i][d] && soon < until)
				until = soon;
		}
	}
	return until;
}

static void leave(struct round *r, struct vmq_pollfd *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		for (unsigned d = 0; d < 2; d++) {
			bool rang = false;

			if (!r->leads[i][d])
				continue;
			if (r->p[i * VMQ_FDS + d].revents || fds[i].q->env)
				rang = fds[i].q->ops->drain(fds[i].q->state, 1u << d);
			vmq__sleep_leave(&fds[i].q->sleep[d], rang);
		}
	}
}

static void sleep_all(struct vmq_pollfd *fds, unsigned n, uint64_t deadline)
{
	const struct vmq_env *env = fds[0].q->env;
	struct round r;
	uint64_t until = deadline;
	bool clear = true;

	tickets(&r, fds, n);
	for (unsigned i = 0; i < n; i++) {
		until = vmq__sleep_limit(fds[i].q, until);
		clear &= arm(&fds[i]);
	}
	until = lead(&r, fds, n, until);
	clear &= unheard(&r, fds, n);
	if (clear && env)
		env->wait(env->ctx, n == 1 ? fds[0].q : NULL, until);
	else if (clear)
		vmq__ppoll(fds[0].q, r.p, n * VMQ_FDS, until);
	leave(&r, fds, n);
	for (unsigned i = 0; i < n; i++)
		wake(&fds[i]);
	news(fds, n);
}

static int poll_wait(struct vmq_pollfd *fds, unsigned n, int64_t timeout_ns)
{
	const struct vmq *first = fds[0].q;
	uint64_t now = vmq__now(first), deadline, spun;
	int count;

	deadline = timeout_ns < 0 ? UINT64_MAX : now + (uint64_t)timeout_ns;
	do {
		spun = now + first->spin_ns;
		do {
			vmq__relax();
			count = look(fds, n);
		} while (!count && vmq__now(first) < spun);
		if (!count)
			count = look_drowsy(fds, n);
		if (count)
			return count;
		sleep_all(fds, n, deadline);
		count = look(fds, n);
		now = vmq__now(first);
	} while (!count && now < deadline);
	return count ? count : VMQ_ETIMEDOUT;
}

int vmq_poll(struct vmq_pollfd *fds, unsigned n, int64_t timeout_ns)
{
	int count;

	if (!fds || !n || n > VMQ_POLL_LIMIT)
		return VMQ_EINVAL;
	for (unsigned i = 0; i < n; i++)
		if (fds[i].events & ~(VMQ_POLL_IN | VMQ_POLL_OUT | VMQ_POLL_EVENT))
			return VMQ_EINVAL;
	count = look(fds, n);
	if (count)
		return count;
	if (timeout_ns != VMQ_NOWAIT)
		return poll_wait(fds, n, timeout_ns);
	for (unsigned i = 0; i < n; i++) {
		vmq__rx_lock(fds[i].q);
		vmq__idle(fds[i].q, &fds[i].q->rx.idle);
		vmq__rx_unlock(fds[i].q);
	}
	count = look(fds, n);
	return count ? count : VMQ_EAGAIN;
}

int vmq_event(struct vmq *q, struct vmq_event *event, int64_t timeout_ns)
{
	struct vmq_pollfd fd = { q, VMQ_POLL_EVENT, 0 };
	uint64_t deadline;
	int rc = 0;

	if (!vmq__live(q))
		return VMQ_EBADF;
	if (!event || !vmq__sized_out(event, sizeof(*event)))
		return VMQ_EINVAL;
	memset(event->name, 0, sizeof(event->name));
	event->type = event->peer = 0;
	event->reason = 0;
	deadline = vmq__deadline(q, timeout_ns);
	vmq__news(q);
	vmq__rx_lock(q);
	vmq__rx_ready(q); /* a peer's LEAVE waits for its last message */
	vmq__rx_unlock(q);
	while (!vmq__event_take(q, event, true)) {
		if (timeout_ns == VMQ_NOWAIT || vmq__now(q) >= deadline)
			return vmq__timeout(timeout_ns);
		rc = poll_wait(&fd, 1, timeout_ns < 0 ? timeout_ns : vmq__left(q, deadline));
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int watch(int epfd, int fd)
{
	struct epoll_event e = { .events = EPOLLIN };

	return fd < 0 ? 0 : epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e);
}

/* Without a VMM that drains by timer, lazy messages need a timer of our own. */
static int watch_timer(struct vmq *q, int epfd)
{
	struct itimerspec every;

	if (q->ops->caps(q->state) & VMQ_CAP_TICK)
		return 0;
	every.it_interval.tv_sec = (time_t)(q->lazy_ns / 1000000000u);
	every.it_interval.tv_nsec = (long)(q->lazy_ns % 1000000000u);
	every.it_value = every.it_interval;
	q->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (q->timerfd < 0)
		return -1;
	timerfd_settime(q->timerfd, 0, &every, NULL);
	return watch(epfd, q->timerfd);
}

static int fd_make(struct vmq *q)
{
	int fds[VMQ_FDS], epfd = epoll_create1(EPOLL_CLOEXEC), bad = 0;

	if (epfd < 0)
		return vmq__errno(errno);
	q->ops->fds(q->state, fds);
	for (unsigned d = 0; d < VMQ_FDS; d++)
		bad |= watch(epfd, fds[d]);
	bad |= watch_timer(q, epfd);
	if (bad) {
		bad = vmq__errno(errno);
		close(epfd);
		if (q->timerfd >= 0)
			close(q->timerfd);
		q->timerfd = -1;
		return bad;
	}
	/* Release, both: pairs with the acquires in idle.c. The receiver may be another thread. */
	atomic_store_explicit(&q->epfd, epfd, memory_order_release);
	q->ops->kick(q->state, NULL, VMQ_KICK_DATA, false); /* the first look is due */
	atomic_store_explicit(&q->rx.armed, true, memory_order_release);
	return epfd;
}

int vmq_fd(struct vmq *q)
{
	int fd;

	if (!vmq__live(q))
		return VMQ_EBADF;
	if (q->env)
		return VMQ_ENOTSUP;
	pthread_mutex_lock(&q->lock);
	fd = q->epfd >= 0 ? q->epfd : fd_make(q);
	pthread_mutex_unlock(&q->lock);
	return fd;
}
