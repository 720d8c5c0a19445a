/* SPDX-License-Identifier: BSD-2-Clause */
/* sys.c - how the doctor touches the machine: files, and programs that must end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"

/* ---- files ------------------------------------------------------------------------- */

static void rooted(const struct doctor *d, char path[DOCTOR_PATH], const char *format, va_list args)
{
	size_t n = (size_t)snprintf(path, DOCTOR_PATH, "%s", d->root);

	if (n < DOCTOR_PATH)
		vsnprintf(path + n, DOCTOR_PATH - n, format, args);
}

void doctor_path(const struct doctor *d, char path[DOCTOR_PATH], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	rooted(d, path, format, args);
	va_end(args);
}

bool doctor_there(const struct doctor *d, const char *format, ...)
{
	char path[DOCTOR_PATH];
	va_list args;

	va_start(args, format);
	rooted(d, path, format, args);
	va_end(args);
	return !access(path, F_OK);
}

size_t doctor_read(const struct doctor *d, char *text, size_t len, const char *format, ...)
{
	char path[DOCTOR_PATH];
	size_t have = 0;
	ssize_t n = 1;
	va_list args;
	int fd;

	va_start(args, format);
	rooted(d, path, format, args);
	va_end(args);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	while (fd >= 0 && have < len - 1 && n > 0) {
		n = read(fd, text + have, len - 1 - have);
		have += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	if (have && text[have - 1] == '\n')
		have--;
	text[have] = 0;
	return have;
}

int doctor_write(const struct doctor *d, const char *path, const char *text)
{
	char full[DOCTOR_PATH], line[80];
	int fd, n = snprintf(line, sizeof(line), "%s\n", text), e = 0;

	doctor_path(d, full, "%s", path);
	fd = open(full, O_WRONLY | O_CLOEXEC | O_TRUNC);
	if (fd < 0)
		return errno;
	if (write(fd, line, (size_t)n) != n)
		e = errno ? errno : EIO;
	close(fd);
	return e;
}

/* ---- programs ---------------------------------------------------------------------- */

bool doctor_which(const struct doctor *d, const char *program, char path[DOCTOR_PATH])
{
	for (const char *s = d->path; s && *s; s += *s == ':') {
		size_t n = strcspn(s, ":");

		if (n && (size_t)snprintf(path, DOCTOR_PATH, "%.*s/%s", (int)n, s, program) < DOCTOR_PATH &&
		    !access(path, X_OK))
			return true;
		s += n;
	}
	return false;
}

uint64_t doctor_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* In the child. A group of its own: what it starts is killed with it. */
static _Noreturn void become(const char *program, char *const argv[], int out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setpgid(0, 0);
	if (null >= 0 && dup2(null, 0) >= 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0)
		execv(program, argv);
	_exit(127);
}

/* Until the end of what it says, or the deadline. False: it says more than that. */
static bool collect(int fd, uint64_t deadline, char *text, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char spill[4096];
	size_t have = 0;
	ssize_t n = 1;

	while (n > 0) {
		uint64_t now = doctor_now_ms();

		if (now >= deadline || poll(&p, 1, (int)(deadline - now)) <= 0)
			break;
		n = have < len - 1 ? read(fd, text + have, len - 1 - have) : read(fd, spill, sizeof(spill));
		if (n > 0 && have < len - 1)
			have += (size_t)n;
	}
	if (have && text[have - 1] == '\n')
		have--;
	text[have] = 0;
	return n <= 0;
}

/* It has closed its output; it may still not end. */
static bool ended(pid_t pid, uint64_t deadline, int *status)
{
	const struct timespec nap = { .tv_nsec = 2000000 };
	pid_t got;

	while ((got = waitpid(pid, status, WNOHANG)) == 0 && doctor_now_ms() < deadline)
		nanosleep(&nap, NULL);
	return got == pid;
}

int doctor_run(const char *program, char *const argv[], int timeout_ms, char *text, size_t len)
{
	uint64_t deadline = doctor_now_ms() + (uint64_t)timeout_ms;
	int fds[2], status = 0;
	bool in_time;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid)
		become(program, argv, fds[1]);
	close(fds[1]);
	in_time = pid > 0 && collect(fds[0], deadline, text, len) && ended(pid, deadline, &status);
	close(fds[0]);
	if (pid > 0 && !in_time) {
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	return in_time && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
