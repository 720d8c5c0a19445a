/* SPDX-License-Identifier: BSD-2-Clause */
/* pthread.c - the locks that libvmq takes, over tasks that change only where they
 * sleep; and system calls that an endpoint with an env of its own never makes. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "rt.h"

static uint32_t *lock_of(pthread_mutex_t *m)
{
	return (uint32_t *)&m->__data.__lock;
}

int pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attributes)
{
	(void)attributes;
	*lock_of(m) = 0;
	return 0;
}

int pthread_mutex_lock(pthread_mutex_t *m)
{
	while (*lock_of(m))
		task_sleep(lock_of(m), 1, FOREVER);
	*lock_of(m) = 1;
	return 0;
}

int pthread_mutex_trylock(pthread_mutex_t *m)
{
	if (*lock_of(m))
		return EBUSY;
	*lock_of(m) = 1;
	return 0;
}

/* membarrier(): tasks need no fence. */
long syscall(long number, ...)
{
	(void)number;
	return 0;
}

int pthread_mutex_unlock(pthread_mutex_t *m)
{
	*lock_of(m) = 0;
	return 0;
}

int pthread_mutex_destroy(pthread_mutex_t *m)
{
	return *lock_of(m) ? EBUSY : 0;
}

/* A condition is a number that goes up. */
static uint32_t *number_of(pthread_cond_t *c)
{
	return &c->__data.__g_size[0];
}

int pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *attributes)
{
	(void)attributes;
	*number_of(c) = 0;
	return 0;
}

int pthread_cond_destroy(pthread_cond_t *c)
{
	(void)c;
	return 0;
}

int pthread_cond_broadcast(pthread_cond_t *c)
{
	++*number_of(c);
	return 0;
}

int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
	uint32_t was = *number_of(c);

	pthread_mutex_unlock(m);
	task_sleep(number_of(c), was, (uint64_t)until->tv_sec * 1000000000u + (uint64_t)until->tv_nsec);
	pthread_mutex_lock(m);
	return *number_of(c) == was ? ETIMEDOUT : 0;
}

int pthread_condattr_init(pthread_condattr_t *attributes)
{
	(void)attributes;
	return 0;
}

int pthread_condattr_setclock(pthread_condattr_t *attributes, clockid_t clock)
{
	(void)attributes;
	return clock == CLOCK_MONOTONIC ? 0 : EINVAL;
}

int pthread_condattr_destroy(pthread_condattr_t *attributes)
{
	(void)attributes;
	return 0;
}

pthread_t pthread_self(void)
{
	return task_number() + 1;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	uint64_t now = cpu_now();

	(void)clock;
	t->tv_sec = (time_t)(now / 1000000000u);
	t->tv_nsec = (long)(now % 1000000000u);
	return 0;
}

/* ---- descriptors: there are none -------------------------------------------------- */

static int none(void)
{
	errno = ENOSYS;
	return -1;
}

int close(int fd)
{
	(void)fd;
	return 0; /* of the region of the channel to oneself: see window.c */
}

ssize_t read(int fd, void *to, size_t n)
{
	(void)fd;
	(void)to;
	(void)n;
	return none();
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	(void)fds;
	(void)n;
	(void)timeout;
	(void)mask;
	return none();
}

int epoll_create1(int flags)
{
	(void)flags;
	return none();
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	(void)epfd;
	(void)op;
	(void)fd;
	(void)event;
	return none();
}

int timerfd_create(clockid_t clock, int flags)
{
	(void)clock;
	(void)flags;
	return none();
}

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
	(void)fd;
	(void)flags;
	(void)value;
	(void)old;
	return none();
}
