/* SPDX-License-Identifier: BSD-2-Clause */
/* agent.c - runs programs in a domU for calls of dom0: a process for each. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "line.h"

#define JOBS "data/vmq-lab"
#define MAX_WORDS 64

struct job {
	struct line line;
	char *word[MAX_WORDS + 1];
	char text[LINE_MAX_DATA + 1];
	pid_t pid;
	int ended;      /* readable when the program has ended */
	int io, errors; /* its input and output; its other output */
	size_t used;    /* of the last frame for its input */
	bool pending;   /* which is not all written */
};

/* ---- the program -------------------------------------------------------------------- */

static void await_frame(struct job *j)
{
	struct pollfd p = { .fd = libxenvchan_fd_for_select(j->line.v), .events = POLLIN };

	while (!line_receive(&j->line)) {
		if (line_ended(&j->line))
			_exit(1);
		if (poll(&p, 1, 1000) > 0)
			line_polled(&j->line, &p);
	}
}

static void read_words(struct job *j)
{
	unsigned n = 0;
	size_t len;

	await_frame(j);
	len = j->line.frame.len;
	memcpy(j->text, j->line.frame.data, len);
	for (char *at = j->text; at < j->text + len && n < MAX_WORDS; at += strlen(at) + 1)
		j->word[n++] = at;
	if (!n)
		_exit(1);
}

static _Noreturn void become(const struct job *j, int io, int errors)
{
	setsid();
	signal(SIGPIPE, SIG_DFL);
	dup2(io, STDIN_FILENO);
	dup2(io, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	syscall(SYS_close_range, 3, ~0u, 0);
	execvp(j->word[0], j->word);
	fprintf(stderr, "%s: %s\n", j->word[0], strerror(errno));
	_exit(127);
}

static void start(struct job *j)
{
	int io[2], errors[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, io) || pipe(errors))
		_exit(1);
	j->pid = fork();
	if (!j->pid)
		become(j, io[1], errors[1]);
	close(io[1]);
	close(errors[1]);
	j->io = io[0];
	j->errors = errors[0];
	fcntl(j->io, F_SETFL, O_NONBLOCK);
	fcntl(j->errors, F_SETFL, O_NONBLOCK);
	j->ended = (int)syscall(SYS_pidfd_open, j->pid, 0);
}

/* ---- what it says and hears ------------------------------------------------------------ */

/* Send what it has written: all that is there, as far as there is room. True: all. */
static bool carry(struct job *j, int *fd, enum line_kind kind)
{
	uint8_t buf[LINE_MAX_DATA];

	while (*fd >= 0) {
		ssize_t n;

		if (!line_has_room(&j->line))
			return false;
		n = read(*fd, buf, sizeof(buf));
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0) {
			close(*fd);
			*fd = -1;
			return true;
		}
		line_send(&j->line, kind, buf, (size_t)n);
	}
	return true;
}

/* As much as it takes now. */
static void write_pending(struct job *j)
{
	const struct line_frame *f = &j->line.frame;
	ssize_t n;

	while (j->pending && j->used < f->len) {
		n = j->io >= 0 ? send(j->io, f->data + j->used, f->len - j->used, MSG_NOSIGNAL) : -1;
		if (n < 0 && errno == EAGAIN && j->io >= 0)
			return;
		j->used = n < 0 ? f->len : j->used + (size_t)n;
	}
	j->pending = false;
}

static void take_input(struct job *j)
{
	write_pending(j);
	while (!j->pending && line_receive(&j->line)) {
		j->pending = j->line.frame.kind == LINE_IN;
		j->used = 0;
		if (j->line.frame.kind == LINE_IN_END)
			shutdown(j->io, SHUT_WR);
		write_pending(j);
	}
}

/* What it wrote as errors before its output goes out before that. */
static bool serve(struct job *j)
{
	bool all, room = line_has_room(&j->line);
	struct pollfd fds[] = {
		{ .fd = libxenvchan_fd_for_select(j->line.v), .events = POLLIN },
		{ .fd = j->ended, .events = POLLIN },
		{ .fd = room ? j->errors : -1, .events = POLLIN },
		{ .fd = j->io, .events = (short)((room ? POLLIN : 0) | (j->pending ? POLLOUT : 0)) },
	};

	/* A socket whose other end is closed says so even to who asks for nothing. */
	if (!room && !j->pending)
		fds[3].fd = -1;
	if (poll(fds, 4, 1000) > 0)
		line_polled(&j->line, &fds[0]);
	all = carry(j, &j->errors, LINE_ERR);
	all &= carry(j, &j->io, LINE_OUT);
	take_input(j);
	if (line_ended(&j->line)) {
		kill(-j->pid, SIGKILL);
		return false;
	}
	return !(all && fds[1].revents);
}

static _Noreturn void run(const char *path)
{
	static struct job j;
	uint8_t code;
	int status;

	signal(SIGCHLD, SIG_DFL);
	j.line.v = libxenvchan_client_init(NULL, 0, path);
	if (!j.line.v)
		_exit(1);
	read_words(&j);
	start(&j);
	line_send(&j.line, LINE_STARTED, NULL, 0);
	while (serve(&j))
		;
	waitpid(j.pid, &status, 0);
	code = (uint8_t)(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	while (!line_ended(&j.line) && !line_send(&j.line, LINE_EXIT, &code, 1))
		usleep(10000);
	libxenvchan_close(j.line.v);
	_exit(0);
}

/* ---- jobs --------------------------------------------------------------------------------- */

static void begin(struct xs_handle *xs, const char *name)
{
	char node[80], *path;
	unsigned len;

	snprintf(node, sizeof(node), JOBS "/%.40s", name);
	path = xs_read(xs, XBT_NULL, node, &len);
	if (path && xs_rm(xs, XBT_NULL, node) && !fork())
		run(path);
	free(path);
}

int agent(void)
{
	struct xs_handle *xs = xs_open(0);
	unsigned n;

	signal(SIGCHLD, SIG_IGN);
	if (!xs || !xs_watch(xs, JOBS, "jobs")) {
		perror("xen-exec: XenStore");
		return 1;
	}
	for (;;) {
		char **event = xs_read_watch(xs, &n), **names = xs_directory(xs, XBT_NULL, JOBS, &n);

		for (unsigned i = 0; names && i < n; i++)
			begin(xs, names[i]);
		free(names);
		free(event);
	}
}
