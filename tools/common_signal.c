/* SPDX-License-Identifier: BSD-2-Clause */
/* common_signal.c - time, waiting, and the signals that end a command in good order. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#define FDS_MAX 8

static const int ending[] = { SIGINT, SIGTERM, SIGHUP };
#define ENDING (sizeof(ending) / sizeof(ending[0]))

static volatile sig_atomic_t stopped_by; /* the signal, or 0 */
static int wake_fds[2] = { -1, -1 };     /* readable once it has come */
static bool pipe_ignored;                /* SIGPIPE was, by who started the command */

/* ---- time -------------------------------------------------------------------------- */

uint64_t tool_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t tool_deadline(int64_t timeout_ns)
{
	return timeout_ns < 0 ? UINT64_MAX : tool_now() + (uint64_t)timeout_ns;
}

int64_t tool_left(uint64_t deadline, int64_t most)
{
	uint64_t now;

	if (deadline == UINT64_MAX)
		return most;
	now = tool_now();
	if (now >= deadline)
		return VMQ_NOWAIT;
	return most >= 0 && deadline - now > (uint64_t)most ? most : (int64_t)(deadline - now);
}

/* ---- signals ----------------------------------------------------------------------- */

static void on_signal(int number)
{
	int saved = errno;
	ssize_t written;

	stopped_by = number;
	written = write(wake_fds[1], "", 1);
	(void)written;
	errno = saved;
}

/* Those that whoever started the command ignores (nohup) stay ignored. */
static void handle(void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler }, old;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ENDING; i++)
		if (!sigaction(ending[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(ending[i], &action, NULL);
}

void tool_signals(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old = { 0 };

	sigaction(SIGPIPE, &ignore, &old);
	pipe_ignored = old.sa_handler == SIG_IGN;
	if (!pipe2(wake_fds, O_CLOEXEC | O_NONBLOCK))
		handle(on_signal);
}

bool tool_stopped(void)
{
	return stopped_by;
}

int tool_poll(struct pollfd *fds, unsigned n, uint64_t deadline)
{
	struct pollfd all[FDS_MAX + 1];
	struct timespec t;
	int64_t left = tool_left(deadline, VMQ_MS(3600000));
	int rc;

	memcpy(all, fds, n * sizeof(*fds));
	all[n] = (struct pollfd){ .fd = wake_fds[0], .events = POLLIN };
	t.tv_sec = (time_t)(left / 1000000000);
	t.tv_nsec = (long)(left % 1000000000);
	rc = ppoll(all, n + 1, &t, NULL);
	for (unsigned i = 0; i < n; i++)
		fds[i].revents = rc > 0 ? all[i].revents : 0;
	return stopped_by ? -1 : rc < 0 ? 0 : rc;
}

/* ---- the end ----------------------------------------------------------------------- */

int tool_output_failed(const char *path)
{
	if (errno == EPIPE && !pipe_ignored) {
		stopped_by = SIGPIPE;
		return TOOL_FAILED;
	}
	return tool_fail(TOOL_FAILED, "cannot write to %s: %s", path ? path : "standard output",
		strerror(errno));
}

int tool_end(int code)
{
	sigset_t set;

	tool_progress_end();
	if (!stopped_by)
		return code;
	signal(stopped_by, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, stopped_by);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(stopped_by);
	return code;
}
