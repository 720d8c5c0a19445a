/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exec.c - run a program in another domain, over libxenvchan: what tests in dom0 use to
 * reach domUs, so that libvmq is not tested with itself.
 *
 *	xen-exec DOMAIN COMMAND [ARG...]  in dom0: run it there, with this program's input and
 *	                                  outputs, and exit as it does. 125: the domain cannot
 *	                                  be reached or has gone, 128+N: signal N
 *	xen-exec --agent                  in a domU: runs what comes
 *
 * A call waits for the domain's agent to start. The program has one socket for input and
 * output; it is killed with all its group when the call ends before it does.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "line.h"

#define AGENT_SECONDS 90
#define GONE 125

/* ---- domains ------------------------------------------------------------------------- */

static char *read_node(struct xs_handle *xs, const char *dir, const char *entry, const char *node)
{
	char path[300];
	unsigned len;

	snprintf(path, sizeof(path), "%s/%s/%s", dir, entry, node);
	return xs_read(xs, XBT_NULL, path, &len);
}

/* By its name or number; -1: there is none. */
static int find_domain(struct xs_handle *xs, const char *name)
{
	unsigned n = 0;
	char **ids = xs_directory(xs, XBT_NULL, "/local/domain", &n);
	int found = -1;

	for (unsigned i = 0; ids && i < n; i++) {
		char *its = read_node(xs, "/local/domain", ids[i], "name");

		if (!strcmp(ids[i], name) || (its && !strcmp(its, name)))
			found = atoi(ids[i]);
		free(its);
	}
	free(ids);
	return found;
}

/* ---- a call ---------------------------------------------------------------------------- */

struct call {
	struct line line;
	struct xs_handle *xs;
	int domain;
	const char *name;
	char path[100], job[100];
	time_t from;
	bool started, input_ended;
};

static int complain(const struct call *c, const char *what)
{
	fprintf(stderr, "xen-exec: %s: %s\n", c->name, what);
	return GONE;
}

static bool send_command(struct call *c, char **words)
{
	uint8_t text[LINE_MAX_DATA];
	size_t used = 0;

	for (; *words; words++) {
		size_t len = strlen(*words) + 1;

		if (used + len > sizeof(text))
			return false;
		memcpy(text + used, *words, len);
		used += len;
	}
	return line_send(&c->line, LINE_COMMAND, text, used);
}

static bool place(struct call *c, char **words)
{
	snprintf(c->path, sizeof(c->path), "/local/domain/0/data/vmq-lab/%d/%d", c->domain, getpid());
	snprintf(c->job, sizeof(c->job), "/local/domain/%d/data/vmq-lab/%d", c->domain, getpid());
	c->line.v = libxenvchan_server_init(NULL, c->domain, c->path, LINE_RING, LINE_RING);
	return c->line.v && send_command(c, words) &&
		xs_write(c->xs, XBT_NULL, c->job, c->path, (unsigned)strlen(c->path));
}

static void input(struct call *c)
{
	uint8_t buf[LINE_MAX_DATA];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	c->input_ended = n <= 0;
	line_send(&c->line, n > 0 ? LINE_IN : LINE_IN_END, buf, n > 0 ? (size_t)n : 0);
}

static bool output(int fd, const struct line_frame *f)
{
	for (size_t at = 0; at < f->len;) {
		ssize_t n = write(fd, f->data + at, f->len - at);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* Not negative: how to exit. */
static int take_frames(struct call *c)
{
	const struct line_frame *f = &c->line.frame;
	/* Asked before: what it sent before it went is still to be received. */
	bool gone = line_ended(&c->line) || !xs_is_domain_introduced(c->xs, (unsigned)c->domain);

	while (line_receive(&c->line)) {
		c->started = true;
		if (f->kind == LINE_EXIT)
			return f->data[0];
		if (!output(f->kind == LINE_ERR ? STDERR_FILENO : STDOUT_FILENO, f))
			return complain(c, "nobody takes its output");
	}
	if (gone)
		return complain(c, "has gone");
	if (!c->started && time(NULL) - c->from > AGENT_SECONDS)
		return complain(c, "does not answer");
	return -1;
}

static int attend(struct call *c)
{
	int code;

	while ((code = take_frames(c)) < 0) {
		bool reads = c->started && !c->input_ended && line_has_room(&c->line);
		struct pollfd fds[] = {
			{ .fd = libxenvchan_fd_for_select(c->line.v), .events = POLLIN },
			{ .fd = reads ? STDIN_FILENO : -1, .events = POLLIN },
		};

		if (poll(fds, 2, 1000) <= 0)
			continue;
		line_polled(&c->line, &fds[0]);
		if (fds[1].revents)
			input(c);
	}
	return code;
}

static int call(const char *name, char **words)
{
	struct call c = { .xs = xs_open(0), .name = name, .from = time(NULL) };
	int code;

	c.domain = c.xs ? find_domain(c.xs, name) : -1;
	if (c.domain < 0)
		return complain(&c, "there is no such domain");
	code = place(&c, words) ? attend(&c) : complain(&c, "cannot be asked");
	xs_rm(c.xs, XBT_NULL, c.job);
	xs_rm(c.xs, XBT_NULL, c.path);
	if (c.line.v)
		libxenvchan_close(c.line.v);
	return code;
}

int main(int argc, char *argv[])
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && !strcmp(argv[1], "--agent"))
		return agent();
	if (argc > 2)
		return call(argv[1], argv + 2);
	fprintf(stderr, "usage: xen-exec DOMAIN COMMAND [ARG...]\n       xen-exec --agent\n");
	return 2;
}
