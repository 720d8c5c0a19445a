/* SPDX-License-Identifier: BSD-2-Clause */
/* top.c - `vmq top`: what goes on, again and again. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "misuse.h"
#include "top.h"

#define DELAY_MIN VMQ_MS(100)
#define DELAY_MAX VMQ_MS(3600000)
#define COUNT_MAX 1000000000u

struct top {
	struct watch_source src;
	struct watch_snapshot before, now;
	struct top_rates rates;
	const char *what;
	int64_t delay;
	uint64_t count, shown;
	bool batch, looked;
	int signals;
	bool keys;
	int failed; /* errno of output that could not be written */
};

static int usage(void)
{
	printf(
		"usage: vmq top [-d SECONDS] [-n COUNT] [-b] WHAT\n\n"
		"Shows VMs and channels at work. WHAT is a hub's socket (sim:unix=PATH, or PATH), or a\n"
		"file that holds a channel's region or a whole ivshmem region. Only looks: nobody waits\n"
		"for it. Key q ends it.\n\n"
		"  -d, --delay SECONDS  between two looks (1)\n"
		"  -n, --count COUNT    end after so many\n"
		"  -b, --batch          a block of lines each time, as without a terminal\n"
		"  -h, --help\n");
	return TOOL_OK;
}

/* ---- look and show ------------------------------------------------------------------- */

static int look(struct top *t)
{
	int rc;

	watch_free(&t->before);
	t->before = t->now;
	rc = watch_look(&t->src, &t->now);
	if (rc)
		return rc;
	top_sort(&t->now);
	top_rate_free(&t->rates);
	rc = top_rate(t->looked ? &t->before : NULL, &t->now, &t->rates);
	t->looked = true;
	return rc ? watch_why(&t->src, rc, "%s", vmq_strerror(rc)) : 0;
}

/* A line takes as many columns as there are, so that another program reads whole names. */
static void draw(struct top *t)
{
	struct top_view v = { .to = stdout, .path = t->what, .width = tool_columns(stdout),
		.screen = !t->batch, .colour = !t->batch && tool_colour(stdout) };

	if (t->batch) {
		v.width = v.width < 120 ? 120 : v.width;
	} else {
		term_size(&v.width, &v.height);
		v.height -= v.height > 1;
		fputs("\033[H", stdout);
	}
	top_show(&v, &t->now, &t->rates);
	fputs(t->batch ? "\n" : "\033[J", stdout);
	if (fflush(stdout))
		t->failed = errno;
}

/* ---- wait ------------------------------------------------------------------------------- */

static bool quit_key(struct top *t, const struct pollfd *p)
{
	char key;
	ssize_t n;

	if (!p->revents)
		return false;
	n = read(STDIN_FILENO, &key, 1);
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		t->keys = false;
	return n == 1 && (key == 'q' || key == 'Q');
}

static void signalled(struct top *t)
{
	unsigned char number;

	while (read(t->signals, &number, 1) == 1)
		term_obey(number);
	draw(t);
}

/* False: it is to end. */
static bool wait(struct top *t, uint64_t deadline)
{
	while (tool_left(deadline, t->delay)) {
		struct pollfd p[] = { { .fd = t->keys ? STDIN_FILENO : -1, .events = POLLIN },
			{ .fd = t->signals, .events = POLLIN } };

		if (tool_poll(p, 2, deadline) < 0 || quit_key(t, &p[0]))
			return false;
		if (p[1].revents)
			signalled(t);
	}
	return !tool_stopped();
}

static int run(struct top *t)
{
	uint64_t next = tool_now();
	int rc = 0;

	do {
		rc = look(t);
		if (rc)
			break;
		/* Without a screen, each block has rates. */
		if (!t->batch || t->rates.known) {
			draw(t);
			t->shown++;
		}
		if (t->failed || (t->count && t->shown >= t->count))
			break;
		next += (uint64_t)t->delay;
		next = next < t->now.at ? t->now.at : next;
	} while (wait(t, next));
	return tool_stopped() ? 0 : rc;
}

static int top(struct top *t)
{
	int rc = watch_open(&t->src, t->what);

	t->signals = -1;
	t->batch |= !isatty(STDOUT_FILENO) || !getenv("TERM") || !strcmp(getenv("TERM"), "dumb");
	tool_signals();
	if (!rc && !t->batch) {
		t->signals = term_signals();
		t->keys = isatty(STDIN_FILENO);
		term_enter();
	}
	if (!rc)
		rc = run(t);
	term_leave();
	if (rc)
		rc = tool_fail(tool_code(rc), "%s", t->src.why);
	if (t->failed) {
		errno = t->failed;
		rc = tool_output_failed(NULL);
	}
	watch_free(&t->before);
	watch_free(&t->now);
	top_rate_free(&t->rates);
	watch_close(&t->src);
	return tool_end(rc);
}

/* ---- the command line ---------------------------------------------------------------------- */

static bool take(struct top *t, int c)
{
	if (c == 'b') {
		t->batch = true;
		return true;
	}
	if (c == 'n')
		return tool_number("--count", optarg, 1, COUNT_MAX, &t->count);
	if (!tool_seconds("--delay", optarg, &t->delay))
		return false;
	if (t->delay >= DELAY_MIN && t->delay <= DELAY_MAX)
		return true;
	tool_say("--delay takes 0.1 to 3600 seconds");
	return false;
}

int tool_top(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "delay", required_argument, NULL, 'd' }, { "count", required_argument, NULL, 'n' },
		{ "batch", no_argument, NULL, 'b' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	struct top t = { .delay = VMQ_MS(1000) };
	int c;

	while ((c = getopt_long(argc, argv, "d:n:bh", longs, NULL)) >= 0) {
		if (c == 'h')
			return usage();
		if (c == '?')
			return misuse_option(tool_name, argv);
		if (!take(&t, c))
			return TOOL_USAGE;
	}
	if (optind != argc - 1)
		return misuse(tool_name, "what to look at? Give one hub's socket or region's file");
	t.what = argv[optind];
	return top(&t);
}
