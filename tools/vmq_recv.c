/* SPDX-License-Identifier: BSD-2-Clause */
/* vmq_recv.c - `vmq recv`: prints the messages that come. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "misuse.h"

#define FIRST_CAP 65536u

struct recv {
	struct vmq *q;
	const char *address, *from, *path;
	FILE *out;
	uint64_t count; /* 0: without end */
	int64_t timeout;
	bool json, raw, until_gone, verbose;
	char after;     /* what is printed behind a message */
	uint8_t *buf;
	size_t cap;
	uint64_t deadline, got, bytes;
};

static int usage(void)
{
	printf(
		"usage: vmq recv [OPTION]... ADDRESS\n\n"
		"Prints each message that other VMs send to this one, and a newline behind it, until it is ended.\n"
		"VMs may come, leave and come back meanwhile.\n\n"
		"  -n, --count N      end after N messages\n"
		"      --from PEER    only those of the VM PEER; what others send is thrown away\n"
		"  -t, --timeout S    end with code 3 when no message has come for S seconds\n"
		"  -g, --until-gone   end with code 4 when PEER, or without --from any VM, has left\n"
		"  -0, --null         a NUL behind each message, and no newline\n"
		"  -r, --raw          nothing behind it\n"
		"  -j, --json         each message as an object on a line: peer, id, len, and text, or base64 if it\n"
		"                     is no UTF-8; page: what came with it as pages\n"
		"  -o, --output FILE  print into FILE; - is standard output\n"
		"  -v, --verbose      say on standard error who leaves\n"
		"  -h, --help\n\n"
		"ADDRESS is one of sim:unix=PATH, kvm:unix=PATH, ivshmem:unix=PATH, ivshmem:file=PATH, ivshmem:,\n"
		"ivshmem:BDF, xen:FABRIC, with ?name=NAME behind it. &max=BYTES sets the largest message (1 MiB).\n\n"
		"Exit codes: 0 all N came, 1 failed, 2 called wrongly, 3 the time was up, 4 PEER or the fabric\n"
		"has gone.\n");
	return TOOL_OK;
}

/* ---- one message --------------------------------------------------------------------- */

/* The bytes of pages are copied first: their sender may still write to them. */
static bool page_json(json_t *object, const struct vmq_page *page)
{
	json_t *part = json_pack("{s:I}", "len", (json_int_t)page->len);
	uint8_t *copy = malloc(page->len + 1);
	bool good = part && copy;

	if (good) {
		memcpy(copy, page->addr, page->len);
		good = tool_json_bytes(part, copy, page->len);
	}
	free(copy);
	return !json_object_set_new(object, "page", part) && good;
}

static int print_json(struct recv *r, const struct vmq_msg *msg, const char *name)
{
	json_t *o = json_pack("{s:I,s:I}", "id", (json_int_t)msg->peer, "len", (json_int_t)msg->len);

	if (!o || !tool_json_name(o, "peer", name) || !tool_json_bytes(o, r->buf, msg->len) ||
			(msg->flags & VMQ_MSG_PAGE && !page_json(o, &msg->page))) {
		json_decref(o);
		return tool_fail(TOOL_FAILED, "%s", vmq_strerror(VMQ_ENOMEM));
	}
	return tool_json_line(o, r->out) ? tool_output_failed(r->path) : TOOL_OK;
}

static int print(struct recv *r, const struct vmq_msg *msg, const char *name)
{
	if (r->json)
		return print_json(r, msg, name);
	fwrite(r->buf, 1, msg->len, r->out);
	if (msg->flags & VMQ_MSG_PAGE)
		fwrite(msg->page.addr, 1, msg->page.len, r->out);
	if (!r->raw)
		putc(r->after, r->out);
	return ferror(r->out) ? tool_output_failed(r->path) : TOOL_OK;
}

/* 0, or the exit code. */
static int message(struct recv *r, struct vmq_msg *msg)
{
	struct tool_name name = tool_name_of(r->q, msg->peer);
	int rc = TOOL_OK;

	if (!r->from || !strcmp(r->from, name.text)) {
		rc = print(r, msg, name.text);
		r->got++;
		r->bytes += msg->len;
		r->deadline = tool_deadline(r->timeout);
		tool_progress_bytes(r->bytes, 0);
	}
	if (msg->flags & VMQ_MSG_PAGE)
		vmq_page_free(r->q, &msg->page);
	return rc;
}

/* ---- all of them ----------------------------------------------------------------------- */

/* A peer has left, was refused, or was poisoned. -1: go on. */
static int end_of(struct recv *r, uint32_t peer, int why)
{
	struct tool_name name = tool_name_of(r->q, peer);
	bool ends = r->until_gone && (!r->from || !strcmp(r->from, name.text));

	if (why == VMQ_EPEER)
		tool_say_poison(r->q, peer);
	else if (ends || r->verbose)
		tool_say(why == VMQ_EACCES ? "'%s' was cut off by the topology" : "'%s' has left", name.text);
	if (!ends)
		return -1;
	return why == VMQ_EPEER ? TOOL_FAILED : TOOL_GONE;
}

/* Nothing is there: show what there was, and sleep. -1: go on. */
static int sleep_on(struct recv *r, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fflush(r->out))
		return tool_output_failed(r->path);
	if (tool_poll(&p, 1, r->deadline) < 0)
		return TOOL_FAILED;
	if (tool_now() < r->deadline || p.revents)
		return -1;
	return tool_fail(TOOL_TIMEOUT, "no message%s%s%s came in time", r->from ? " of '" : "",
		r->from ? r->from : "", r->from ? "'" : "");
}

static int larger(struct recv *r, size_t len)
{
	uint8_t *buf = realloc(r->buf, len);

	if (!buf)
		return tool_fail(TOOL_FAILED, "%s", vmq_strerror(VMQ_ENOMEM));
	r->buf = buf;
	r->cap = len;
	return -1;
}

/* Take what is there, or wait for it. -1: go on. */
static int step(struct recv *r, int fd)
{
	struct vmq_msg msg;
	int64_t n = vmq_recv(r->q, r->buf, r->cap, &msg, VMQ_NOWAIT);
	int rc;

	switch (n) {
	case VMQ_EAGAIN:
		return sleep_on(r, fd);
	case VMQ_EMSGSIZE:
		return larger(r, msg.len);
	case VMQ_EGONE:
	case VMQ_EACCES:
	case VMQ_EPEER:
		return end_of(r, msg.peer, (int)n);
	case VMQ_ECONN:
		return tool_fail(TOOL_GONE, "the fabric has gone");
	}
	if (n < 0)
		return tool_fail(TOOL_FAILED, "%s", vmq_strerror((int)n));
	rc = message(r, &msg);
	if (rc || tool_stopped())
		return TOOL_FAILED;
	return r->count && r->got == r->count ? TOOL_OK : -1;
}

static int loop(struct recv *r)
{
	int fd = vmq_fd(r->q), code = -1;

	if (fd < 0)
		return tool_fail(TOOL_FAILED, "%s", vmq_strerror(fd));
	/* On a terminal, the messages are to be seen, and nothing between them. */
	if (!isatty(fileno(r->out)))
		tool_progress("receiving");
	r->deadline = tool_deadline(r->timeout);
	while (code < 0)
		code = step(r, fd);
	tool_progress_end();
	return code;
}

/* ---- the command ------------------------------------------------------------------------ */

static int run(struct recv *r)
{
	int rc;

	r->out = r->path ? fopen(r->path, "we") : stdout;
	if (!r->out)
		return tool_fail(TOOL_FAILED, "cannot write to %s: %s", r->path, strerror(errno));
	r->buf = malloc(r->cap);
	if (!r->buf)
		return tool_fail(TOOL_FAILED, "%s", vmq_strerror(VMQ_ENOMEM));
	tool_signals();
	rc = tool_open(r->address, NULL, NULL, &r->q);
	if (!rc) {
		rc = loop(r);
		vmq_close(r->q);
	}
	free(r->buf);
	if ((r->path ? fclose(r->out) : fflush(r->out)) && !rc)
		rc = tool_output_failed(r->path);
	return tool_end(rc);
}

static int check(const struct recv *r, bool null)
{
	if (r->json + r->raw + null > 1)
		return misuse(tool_name, "it is one of --json, --raw and --null");
	return r->from && !tool_peer_name(r->from) ? TOOL_USAGE : TOOL_OK;
}

static bool option(struct recv *r, int c)
{
	if (c == 'n')
		return tool_number("--count", optarg, 1, UINT64_MAX, &r->count);
	if (c == 't')
		return tool_seconds("--timeout", optarg, &r->timeout);
	if (c == 'f')
		r->from = optarg;
	if (c == 'o')
		r->path = strcmp(optarg, "-") ? optarg : NULL;
	if (c == '0')
		r->after = 0;
	r->json |= c == 'j';
	r->raw |= c == 'r';
	r->until_gone |= c == 'g';
	r->verbose |= c == 'v';
	return true;
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct recv *r)
{
	static const struct option longs[] = {
		{ "count", required_argument, NULL, 'n' }, { "from", required_argument, NULL, 'f' },
		{ "timeout", required_argument, NULL, 't' }, { "until-gone", no_argument, NULL, 'g' },
		{ "null", no_argument, NULL, '0' }, { "raw", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' }, { "output", required_argument, NULL, 'o' },
		{ "verbose", no_argument, NULL, 'v' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "n:t:g0rjo:vh", longs, NULL)) >= 0) {
		if (c == 'h')
			return usage();
		if (c == '?')
			return misuse_option(tool_name, argv);
		if (!option(r, c))
			return TOOL_USAGE;
	}
	if (argc - optind != 1)
		return misuse(tool_name, "one ADDRESS is needed");
	r->address = argv[optind];
	return check(r, !r->after) ? TOOL_USAGE : -1;
}

int tool_recv(int argc, char **argv)
{
	struct recv r = { .timeout = VMQ_FOREVER, .after = '\n', .cap = FIRST_CAP };
	int code = parse(argc, argv, &r);

	return code < 0 ? run(&r) : code;
}
