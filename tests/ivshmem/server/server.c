/* SPDX-License-Identifier: BSD-2-Clause */
/* server.c - `vmq ivshmem-server` in a process of its own. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server.h"
#include "support.h"

#define ARGS 32

bool patient(unsigned long long until)
{
	const struct timespec pause = { 0, 2000000 };

	nanosleep(&pause, NULL);
	return now_ns() < until;
}

void server_init(struct server *s)
{
	memset(s, 0, sizeof(*s));
	s->out = -1;
	scratch_make(s->dir, sizeof(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/sock", s->dir);
	snprintf(s->log, sizeof(s->log), "%s/log", s->dir);
}

void server_end(struct server *s)
{
	server_kill(s);
	scratch_remove(s->dir);
}

static void child(const struct server *s, const char *const *options, void (*prepare)(void), int out)
{
	const char *args[ARGS] = { "vmq", "ivshmem-server" };
	int n = 2, log = open(s->log, O_WRONLY | O_CREAT | O_APPEND, 0666);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	close(log);
	while (*options && n < ARGS - 2)
		args[n++] = *options++;
	args[n] = NULL;
	if (prepare)
		prepare();
	execv(VMQ_TOOL, (char **)(uintptr_t)args);
	_exit(126);
}

/* Its line, or nothing when it ends without one. */
static bool ready(int out)
{
	uint64_t until = now_ns() + PATIENCE;
	char line[200] = "";
	size_t n = 0;

	while (now_ns() < until && n < sizeof(line) - 1) {
		struct pollfd p = { .fd = out, .events = POLLIN };

		if (poll(&p, 1, 100) <= 0)
			continue;
		if (read(out, line + n, 1) != 1)
			return false;
		if (line[n++] == '\n')
			return !strncmp(line, "ready ", 6);
	}
	return false;
}

bool server_start(struct server *s, const char *const *options, void (*prepare)(void))
{
	int out[2];

	server_kill(s);
	s->starts++;
	if (pipe2(out, O_CLOEXEC))
		abort();
	s->pid = fork();
	if (!s->pid)
		child(s, options, prepare, out[1]);
	close(out[1]);
	s->out = out[0];
	return ready(s->out);
}

int server_code(struct server *s)
{
	uint64_t until = now_ns() + PATIENCE;
	int status = 0;

	while (s->pid > 0 && waitpid(s->pid, &status, WNOHANG) != s->pid)
		if (!patient(until))
			return -1;
	s->pid = 0;
	if (s->out >= 0)
		close(s->out);
	s->out = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int server_stop(struct server *s, int signal)
{
	if (s->pid > 0)
		kill(s->pid, signal);
	return server_code(s);
}

void server_kill(struct server *s)
{
	if (s->pid > 0)
		server_stop(s, SIGKILL);
}

const char *server_text(const struct server *s)
{
	static char text[1 << 20];
	FILE *f = fopen(s->log, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = 0;
	if (f)
		fclose(f);
	return text;
}

bool server_says(const struct server *s, const char *text, unsigned times)
{
	uint64_t until = now_ns() + PATIENCE;

	do {
		const char *at = server_text(s);
		unsigned n = 0;

		while ((at = strstr(at, text))) {
			at++;
			n++;
		}
		if (n >= times)
			return true;
	} while (patient(until));
	return false;
}

int server_fds(const struct server *s)
{
	char path[40];
	DIR *d;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)s->pid);
	d = opendir(path);
	if (!d)
		return -1;
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}
