/* SPDX-License-Identifier: BSD-2-Clause */
/* loop.h - what loops over epoll share: things to watch, a deadline, a way to stop. */
#ifndef VMQ_LOOP_H
#define VMQ_LOOP_H

#include <stdint.h>

struct epoll_event;

/* Watch fd for reading; `what` comes back in the event. 0 or as vmq__errno(). */
int vmq__loop_watch(int epfd, int fd, void *what);

/* The millisecond at which a timeout ends, and how many are left, at most 60,000. */
uint64_t vmq__loop_deadline(int64_t timeout_ns);
int vmq__loop_left(uint64_t deadline);

/* Ring an eventfd; errno is kept. Waits only for one that others made wait. */
void vmq__loop_ring(int fd);

void vmq__loop_close(int fd);

#endif
