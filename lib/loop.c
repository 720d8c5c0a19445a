/* SPDX-License-Identifier: BSD-2-Clause */
/* loop.c - what loops over epoll share. */
#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "loop.h"

int vmq__loop_watch(int epfd, int fd, void *what)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = what };

	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e) ? vmq__errno(errno) : 0;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t vmq__loop_deadline(int64_t timeout_ns)
{
	return timeout_ns < 0 ? UINT64_MAX : now_ms() + (uint64_t)timeout_ns / 1000000;
}

int vmq__loop_left(uint64_t deadline)
{
	uint64_t now = now_ms();

	if (deadline <= now)
		return 0;
	return deadline - now > 60000 ? 60000 : (int)(deadline - now);
}

void vmq__loop_ring(int fd)
{
	uint64_t one = 1;
	int e = errno;

	if (write(fd, &one, sizeof(one)) < 0)
		errno = e; /* full: it has long been rung */
	errno = e;
}

void vmq__loop_close(int fd)
{
	if (fd >= 0)
		close(fd);
}
