/* SPDX-License-Identifier: BSD-2-Clause */
/* loop.c - starts, waits for clients, signals and seconds, and stops. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "srv.h"

#define EVENTS 64
#define ACCEPTS 16 /* before those who are there get their turn */
#define RESERVE 64 /* descriptors beside those of clients */

/* ---- start --------------------------------------------------------------------------------- */

static void nothing(int number)
{
	(void)number;
}

/* Signals that end it come in through a descriptor. */
static int catch_signals(struct srv *s)
{
	struct sigaction alarm = { .sa_handler = nothing };
	sigset_t set;

	sigemptyset(&alarm.sa_mask);
	sigaction(SIGALRM, &alarm, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? srv_fail("signalfd: %s", strerror(errno)) : 0;
}

/* Each client takes a socket and its doorbells, and descriptors that are under way to it
 * count as well. */
static void raise_limit(const struct srv *s)
{
	uint64_t need = (uint64_t)s->o->max_clients * (s->o->vectors + 1) + RESERVE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < need)
		srv_log(s, "limit", NULL, "%u clients may need %llu descriptors, but the limit is %llu",
			s->o->max_clients, (unsigned long long)need, (unsigned long long)limit.rlim_max);
}

static int watch(const struct srv *s, const int *fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = (void *)(uintptr_t)fd };

	return epoll_ctl(s->epfd, EPOLL_CTL_ADD, *fd, &e);
}

static int watch_all(struct srv *s)
{
	const struct itimerspec second = { { 1, 0 }, { 1, 0 } };

	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->epfd < 0 || s->timer < 0 || timerfd_settime(s->timer, 0, &second, NULL) ||
			watch(s, &s->timer) || watch(s, &s->signals) || watch(s, &s->listener))
		return srv_fail("epoll: %s", strerror(errno));
	s->listening = true;
	return 0;
}

/* The path is taken before the region is touched, and served after that. */
static int start(struct srv *s)
{
	int listener, region;

	if (srv_systemd_take(&listener, &region) || catch_signals(s))
		return -1;
	raise_limit(s);
	if (srv_socket_open(s, listener) || srv_region_open(s, region) || srv_socket_listen(s) ||
			watch_all(s))
		return -1;
	srv_systemd_keep(&s->region);
	srv_log(s, "ready", NULL, "%s", s->path);
	printf("ready %s\n", s->path);
	fflush(stdout);
	srv_systemd_ready();
	return 0;
}

/* ---- serve ---------------------------------------------------------------------------------- */

static void heal(struct srv *s)
{
	const char *what;

	if (srv_region_heal(&s->region, &what))
		srv_log(s, "heal", NULL, "%s", what);
}

static void come_in(struct srv *s)
{
	struct srv_client c;
	int rc = 0;

	for (int i = 0; i < ACCEPTS && !rc; i++) {
		memset(&c, 0, sizeof(c));
		c.id = -1;
		rc = srv_socket_accept(s, &c);
		if (rc)
			break;
		heal(s);
		srv_client_join(s, &c);
	}
	if (rc != -2)
		return;
	srv_log(s, "refuse", NULL, "no descriptors or memory are left: nobody is let in for a second");
	s->listening = epoll_ctl(s->epfd, EPOLL_CTL_DEL, s->listener, NULL);
}

static void tick(struct srv *s)
{
	uint64_t ticks;

	if (read(s->timer, &ticks, sizeof(ticks)) != sizeof(ticks))
		return;
	heal(s);
	srv_client_tick(s);
	if (!s->listening)
		s->listening = !watch(s, &s->listener);
}

static bool stops(struct srv *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) != sizeof(info))
		return false;
	srv_log(s, "stop", NULL, "%s", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
	return true;
}

static bool serve(struct srv *s, const struct epoll_event *e)
{
	if (e->data.ptr == &s->signals)
		return stops(s);
	if (e->data.ptr == &s->listener)
		come_in(s);
	else if (e->data.ptr == &s->timer)
		tick(s);
	else
		srv_client_event(s, e->data.ptr, e->events);
	return false;
}

static int run(struct srv *s)
{
	struct epoll_event e[EVENTS];
	bool stop = false;

	while (!stop) {
		int n = epoll_wait(s->epfd, e, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			return srv_fail("epoll: %s", strerror(errno));
		for (int i = 0; i < n; i++)
			stop |= serve(s, &e[i]);
		/* Only now: an event further down may have named one that is gone. */
		srv_clients_reap(s);
	}
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

int srv_run(const struct srv_options *o)
{
	struct srv s = { .o = o, .region = { .fd = -1, .lock = -1 }, .epfd = -1, .listener = -1,
		.signals = -1, .timer = -1 };
	int rc;

	setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* a line is written as one */
	rc = start(&s);
	if (!rc)
		rc = run(&s);
	srv_systemd_stopping();
	srv_socket_close(&s);
	srv_clients_free(&s);
	srv_region_close(&s.region);
	close_fd(s.epfd);
	close_fd(s.signals);
	close_fd(s.timer);
	return rc;
}
