/* SPDX-License-Identifier: BSD-2-Clause */
/* eventfds.c - servers whose eventfds are none, or would block; and no room for them. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"

#define FULL (UINT64_MAX - 1) /* as much as an eventfd holds */

static int special; /* what the server gives out */

static void say_special_own(struct fake *f, struct fake_peer *p)
{
	fake_say_hello(f, p);
	fake_say(p->sock, p->id, p->ev[0]);
	fake_say(p->sock, p->id, special);
	fake_say(p->sock, p->id, p->ev[2]);
}

static void say_special_peer(struct fake *f, struct fake_peer *p)
{
	fake_say_hello(f, p);
	fake_say_peer(p, 50, 3, special);
	fake_say_own(f, p);
}

static void join_special(struct fake *f, struct side *a, int fd, bool own)
{
	fake_start(f);
	special = fd;
	f->say = own ? say_special_own : say_special_peer;
	cr_assert_eq(side_join(a, f), 0);
}

static void end_special(struct fake *f, struct side *a)
{
	side_close(a);
	fake_end(f);
	close(special);
}

Test(eventfds, own_eventfds_that_block)
{
	struct fake f;
	struct side a;

	join_special(&f, &a, eventfd(0, EFD_CLOEXEC), true);
	cr_assert_eq(a.d->vectors, 3);
	for (unsigned k = 0; k < VMQ_FDS; k++)
		cr_assert(!a.d->ops->drain(a.d, k));
	cr_assert_eq(write(special, &(uint64_t){ FULL }, 8), 8);
	assert_rung(&a, 1);
	end_special(&f, &a);
}

Test(eventfds, peers_eventfds_that_are_full_and_block)
{
	struct fake f;
	struct side a;

	join_special(&f, &a, eventfd(0, EFD_CLOEXEC), false);
	a.d->ops->ring(a.d, 50, 0);
	cr_assert(readable(special));
	cr_assert_eq(read(special, &(uint64_t){ 0 }, 8), 8);
	cr_assert_eq(write(special, &(uint64_t){ FULL }, 8), 8);
	a.d->ops->ring(a.d, 50, 0);
	a.d->ops->ring(a.d, 50, 2);
	end_special(&f, &a);
}

Test(eventfds, peers_eventfds_that_are_full_pipes)
{
	struct fake f;
	struct side a;
	int fds[2];

	cr_assert(!pipe2(fds, O_CLOEXEC));
	join_special(&f, &a, fds[1], false);
	a.d->ops->ring(a.d, 50, 0);
	cr_assert(!readable(fds[0]), "it wrote to what is no eventfd");
	end_special(&f, &a);
	close(fds[0]);
}

Test(eventfds, an_own_eventfd_that_is_a_file)
{
	struct fake f;
	struct side a;

	join_special(&f, &a, memfd_create("lie", MFD_CLOEXEC), true);
	cr_assert_eq(a.d->vectors, 2);
	end_special(&f, &a);
}

Test(eventfds, an_own_eventfd_that_cannot_be_silenced)
{
	struct itimerspec soon = { .it_value.tv_nsec = 1 };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int set = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = { .events = EPOLLIN };
	struct fake f;
	struct side a;

	cr_assert(!timerfd_settime(timer, 0, &soon, NULL));
	cr_assert(!epoll_ctl(set, EPOLL_CTL_ADD, timer, &e));
	join_special(&f, &a, set, true);
	cr_assert(readable_soon(a.d->fd[1]));
	a.d->ops->drain(a.d, 1);
	cr_assert(!readable(a.d->fd[1]), "it would wake for ever");
	cr_assert_eq(write(a.bell[1], &(uint64_t){ 1 }, 8), 8);
	assert_rung(&a, 1);
	end_special(&f, &a);
	close(timer);
}

/* ---- without descriptors --------------------------------------------------------------- */

static void limit_fds(struct rlimit *old, rlim_t most)
{
	struct rlimit l;

	cr_assert(!getrlimit(RLIMIT_NOFILE, old));
	l = *old;
	l.rlim_cur = most;
	cr_assert(!setrlimit(RLIMIT_NOFILE, &l));
}

Test(eventfds, no_descriptor_is_free_for_a_peer)
{
	struct rlimit old;
	struct fake f;
	struct side a;
	int ev;

	fake_start(&f);
	ev = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cr_assert_eq(side_join(&a, &f), 0);
	fake_say_peer(&f.peer[0], 5, 1, ev);
	side_settle(&a);
	limit_fds(&old, 3);
	/* A message whose descriptor was lost does not say that the peer has gone. */
	fake_say_peer(&f.peer[0], 5, 1, ev);
	fake_say_peer(&f.peer[0], f.peer[0].id, 1, ev);
	cr_assert_eq(a.d->ops->service(a.d), 0);
	setrlimit(RLIMIT_NOFILE, &old);
	a.d->ops->ring(a.d, 5, 0);
	cr_assert(readable(ev));
	side_close(&a);
	close(ev);
	fake_end(&f);
}

/* Open with ever more room, until it works: whatever is missing, all is given back. The
 * server has to be another process, which has room enough. */
static int open_with_room(rlim_t room)
{
	char address[128];
	struct rlimit old;
	struct fake f;
	struct side a;
	pid_t pid;
	int rc;

	fake_start(&f);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fake_accept(&f);
		pause();
	}
	side_bells(&a);
	snprintf(address, sizeof(address), "unix=%s", f.path);
	limit_fds(&old, (rlim_t)count_fds() + room);
	rc = side_try(&a, address);
	setrlimit(RLIMIT_NOFILE, &old);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (!rc)
		side_close(&a);
	fake_end(&f);
	return rc;
}

Test(eventfds, no_descriptor_is_free_to_open)
{
	int rc = VMQ_EMFILE;
	rlim_t room = 0;

	for (; rc && room < 32; room++) {
		rc = open_with_room(room);
		cr_assert(!rc || rc == VMQ_EMFILE, "%s", vmq_strerror(rc));
	}
	cr_assert(!rc && room > 6);
}
