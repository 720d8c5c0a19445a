/* SPDX-License-Identifier: BSD-2-Clause */
/* vmq_send.c - `vmq send`: messages from the command line, a file or standard input. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common.h"
#include "misuse.h"

#define ONE_RECORD 1024 /* a message of this size is whole in any lane, or not there at all */
#define CHUNK 65536u
#define WAIT_S 10

struct send {
	struct vmq *q;
	const char *address, *name, *file;
	char **messages;
	int count;
	bool lines, now, lazy;
	int64_t timeout;
	uint32_t peer, max; /* max: the largest message that it takes */
	uint64_t sent;      /* bytes */
};

/* A message that waits for room. */
struct large {
	const struct send *s;
	const void *data;
	size_t len;
	uint32_t flags;
	int done, rc; /* done: readable when rc holds */
};

/* Where messages are read from: what was read of it, and how much of that was used. */
struct input {
	int fd;
	uint8_t *data;
	size_t at, len, cap;
	bool end;
};

static int usage(void)
{
	printf(
		"usage: vmq send [OPTION]... ADDRESS PEER [MESSAGE]...\n\n"
		"Sends each MESSAGE to the VM that is called PEER. Without one, standard input is the message.\n\n"
		"  -l, --lines        each line of the input is a message, without its newline\n"
		"  -f, --file FILE    read FILE, and not standard input\n"
		"      --now          an immediate exit for each message: the VMM sees to it now\n"
		"      --lazy         no exit: PEER sees it when it looks, or the VMM at a natural exit\n"
		"  -t, --timeout S    wait so many seconds for PEER to be there, and for room (%d)\n"
		"  -h, --help\n\n"
		"ADDRESS is one of sim:unix=PATH, kvm:unix=PATH, ivshmem:unix=PATH, ivshmem:file=PATH, ivshmem:,\n"
		"ivshmem:BDF, xen:FABRIC, with settings behind it: ?name=NAME. Without a name it is vmq-send-PID.\n\n"
		"Exit codes: 0 all were sent, 1 failed, 2 called wrongly, 3 the time was up, 4 PEER or the fabric\n"
		"has gone.\n", WAIT_S);
	return TOOL_OK;
}

/* ---- one message --------------------------------------------------------------------- */

static int why_not(const struct send *s, size_t len, int rc)
{
	if (tool_stopped())
		return TOOL_FAILED;
	if (rc == VMQ_EMSGSIZE)
		return tool_fail(TOOL_FAILED, "the message has %zu bytes, and '%s' takes at most %" PRIu32
			" (max= in its address)", len, s->name, s->max);
	if (rc == VMQ_ETIMEDOUT)
		tool_say("'%s' has no room: it receives nothing, or not fast enough", s->name);
	else if (rc == VMQ_EGONE)
		tool_say("'%s' has gone", s->name);
	else if (rc == VMQ_EPEER)
		tool_say_poison(s->q, s->peer);
	else
		tool_say("cannot send to '%s': %s", s->name, vmq_strerror(rc));
	return tool_code(rc);
}

static void *place_large(void *arg)
{
	struct large *l = arg;

	l->rc = vmq_send(l->s->q, l->s->peer, l->data, l->len, l->flags, l->s->timeout);
	eventfd_write(l->done, 1);
	return NULL;
}

/* It enters the queue in parts, in a call that does not end before the message is there or the
 * time is up: another thread makes it. A signal ends the process around that one; the peer then
 * never sees any of the message. */
static int wait_large(struct large *l)
{
	struct pollfd p = { .fd = l->done, .events = POLLIN };
	pthread_t thread;
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, NULL, place_large, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return VMQ_ENOMEM;
	while (tool_poll(&p, 1, UINT64_MAX) <= 0)
		if (tool_stopped())
			exit(tool_end(TOOL_FAILED));
	pthread_join(thread, NULL);
	return l->rc;
}

/* Without a thread, if there is room at once. */
static int place_parts(struct send *s, const void *data, size_t len, uint32_t flags)
{
	struct large l = { .s = s, .data = data, .len = len, .flags = flags };
	int rc = vmq_send(s->q, s->peer, data, len, flags, VMQ_NOWAIT);

	if ((rc != VMQ_EAGAIN && rc != VMQ_EMSGSIZE) || !s->timeout)
		return rc;
	l.done = eventfd(0, EFD_CLOEXEC);
	if (l.done < 0)
		return VMQ_EMFILE;
	rc = wait_large(&l);
	close(l.done);
	return rc;
}

/* A small one is tried again and again, so that a signal is noticed. */
static int place(struct send *s, const void *data, size_t len)
{
	uint32_t flags = s->now ? VMQ_SEND_NOW : s->lazy ? VMQ_SEND_LAZY : VMQ_SEND_AUTO;
	uint64_t deadline = tool_deadline(s->timeout);
	int64_t left;
	int rc;

	if (len > ONE_RECORD) {
		rc = place_parts(s, data, len, flags);
		return rc == VMQ_EAGAIN ? VMQ_ETIMEDOUT : rc;
	}
	do {
		left = tool_left(deadline, TOOL_SLICE);
		rc = vmq_send(s->q, s->peer, data, len, flags, left);
	} while ((rc == VMQ_EAGAIN || rc == VMQ_ETIMEDOUT) && left && !tool_stopped());
	return rc == VMQ_EAGAIN ? VMQ_ETIMEDOUT : rc;
}

static int say(struct send *s, const void *data, size_t len)
{
	int rc = len > s->max ? VMQ_EMSGSIZE : place(s, data, len);

	if (rc)
		return why_not(s, len, rc);
	s->sent += len;
	tool_progress_bytes(s->sent, 0);
	return TOOL_OK;
}

/* ---- input --------------------------------------------------------------------------- */

static bool grow(struct input *in)
{
	size_t cap = in->cap ? in->cap * 2 : 2 * CHUNK;
	uint8_t *data = realloc(in->data, cap);

	if (!data)
		return false;
	in->data = data;
	in->cap = cap;
	return true;
}

/* Read on. 0, or the exit code. */
static int fill(const struct send *s, struct input *in)
{
	struct pollfd p = { .fd = in->fd, .events = POLLIN };
	ssize_t n = -1;

	if (in->at) {
		memmove(in->data, in->data + in->at, in->len - in->at);
		in->len -= in->at;
		in->at = 0;
	}
	if (in->cap - in->len < CHUNK && !grow(in))
		return tool_fail(TOOL_FAILED, "%s", vmq_strerror(VMQ_ENOMEM));
	do {
		if (tool_poll(&p, 1, UINT64_MAX) < 0)
			return TOOL_FAILED;
		if (p.revents)
			n = read(in->fd, in->data + in->len, CHUNK);
	} while (n < 0 && (!p.revents || errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return tool_fail(TOOL_FAILED, "cannot read %s: %s", s->file ? s->file : "standard input",
			strerror(errno));
	in->end = !n;
	in->len += (size_t)n;
	return TOOL_OK;
}

/* All of it is one message. */
static int whole(struct send *s, struct input *in)
{
	int rc = TOOL_OK;

	while (!rc && !in->end && in->len <= s->max)
		rc = fill(s, in);
	if (!rc && in->len > s->max)
		return tool_fail(TOOL_FAILED, "the input has more bytes than '%s' takes in one message, %" PRIu32
			" (max= in its address)", s->name, s->max);
	return rc ? rc : say(s, in->data, in->len);
}

/* The next line's length, with its newline; 0: there is none, or *rc is why. */
static size_t line(const struct send *s, struct input *in, int *rc)
{
	size_t seen = 0;

	for (;;) {
		const uint8_t *from = in->data + in->at;
		const uint8_t *end = in->len > in->at + seen ?
			memchr(from + seen, '\n', in->len - in->at - seen) : NULL;

		if (end)
			return (size_t)(end - from) + 1;
		seen = in->len - in->at;
		if (in->end || seen > s->max)
			return seen;
		*rc = fill(s, in);
		if (*rc)
			return 0;
	}
}

static int lines(struct send *s, struct input *in)
{
	int rc = fill(s, in);
	size_t n;

	while (!rc && (n = line(s, in, &rc))) {
		const uint8_t *at = in->data + in->at;

		rc = say(s, at, at[n - 1] == '\n' ? n - 1 : n);
		in->at += n;
	}
	return rc;
}

static int from_input(struct send *s)
{
	struct input in = { .fd = STDIN_FILENO };
	int rc;

	if (s->file)
		in.fd = open(s->file, O_RDONLY | O_CLOEXEC);
	if (in.fd < 0)
		return tool_fail(TOOL_FAILED, "cannot open %s: %s", s->file, strerror(errno));
	/* Whoever types sees that. */
	if (isatty(in.fd))
		tool_progress_end();
	rc = s->lines ? lines(s, &in) : whole(s, &in);
	if (s->file)
		close(in.fd);
	free(in.data);
	return rc;
}

/* ---- the command ----------------------------------------------------------------------- */

static int all(struct send *s)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	int rc = tool_peer(s->q, s->address, s->name, s->timeout, NULL, &s->peer);

	if (rc)
		return rc;
	rc = vmq_peer_info(s->q, s->peer, &info);
	if (rc)
		return why_not(s, 0, rc);
	s->max = info.max_msg;
	tool_progress("sending to '%s'", s->name);
	if (!s->count)
		return from_input(s);
	for (int i = 0; i < s->count && !rc; i++)
		rc = say(s, s->messages[i], strlen(s->messages[i]));
	return rc;
}

static int run(struct send *s)
{
	char name[32];
	int rc;

	tool_signals();
	snprintf(name, sizeof(name), "vmq-send-%ld", (long)getpid());
	rc = tool_open(s->address, name, NULL, &s->q);
	if (rc)
		return rc;
	rc = all(s);
	tool_progress_end();
	vmq_close(s->q);
	return tool_end(rc);
}

/* What was said on the command line does not go together. */
static int check(const struct send *s)
{
	if (s->now && s->lazy)
		return misuse(tool_name, "it is either --now or --lazy");
	if (s->count && (s->file || s->lines))
		return misuse(tool_name, "it is either MESSAGEs, or --file and --lines");
	return tool_peer_name(s->name) ? TOOL_OK : TOOL_USAGE;
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct send *s)
{
	static const struct option longs[] = {
		{ "lines", no_argument, NULL, 'l' }, { "file", required_argument, NULL, 'f' },
		{ "now", no_argument, NULL, 'n' }, { "lazy", no_argument, NULL, 'z' },
		{ "timeout", required_argument, NULL, 't' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "lf:t:h", longs, NULL)) >= 0) {
		if (c == 'h')
			return usage();
		if (c == 't' && !tool_seconds("--timeout", optarg, &s->timeout))
			return TOOL_USAGE;
		if (c == '?')
			return misuse_option(tool_name, argv);
		s->lines |= c == 'l';
		s->now |= c == 'n';
		s->lazy |= c == 'z';
		if (c == 'f')
			s->file = optarg;
	}
	if (argc - optind < 2)
		return misuse(tool_name, "ADDRESS and PEER are needed");
	s->address = argv[optind];
	s->name = argv[optind + 1];
	s->messages = argv + optind + 2;
	s->count = argc - optind - 2;
	return check(s) ? TOOL_USAGE : -1;
}

int tool_send(int argc, char **argv)
{
	struct send s = { .timeout = VMQ_MS(WAIT_S * 1000) };
	int code = parse(argc, argv, &s);

	return code < 0 ? run(&s) : code;
}
