/* SPDX-License-Identifier: BSD-2-Clause */
/* common_tty.c - colours, the width of a terminal, and a line that shows that something is
 * going on. A thread draws it, as what is waited for may be a call of the library. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#define FIRST_NS 1000000000ull
#define EVERY_NS 250000000ull
#define LINE 120

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	pthread_t thread;
	bool on, end, drawn;
	char text[LINE];
	uint64_t began;
	_Atomic uint64_t done, total;
} progress = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool tool_colour(FILE *to)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(to)) && (!none || !*none) && (!term || strcmp(term, "dumb") != 0);
}

unsigned tool_columns(FILE *to)
{
	struct winsize size;

	return !ioctl(fileno(to), TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : 80;
}

/* ---- progress ---------------------------------------------------------------------- */

static void amount(char *to, size_t cap)
{
	uint64_t done = progress.done, total = progress.total;

	to[0] = 0;
	if (done && total)
		snprintf(to, cap, " %.1f of %.1f MiB", (double)done / 1048576, (double)total / 1048576);
	else if (done)
		snprintf(to, cap, " %.1f MiB", (double)done / 1048576);
}

static void draw(void)
{
	char text[LINE + 100], much[60];
	unsigned columns = tool_columns(stderr);

	amount(much, sizeof(much));
	snprintf(text, sizeof(text), "%s%s (%" PRIu64 " s)", progress.text, much,
		(tool_now() - progress.began) / 1000000000);
	/* Cut, as a line that wraps cannot be taken back. */
	fprintf(stderr, "\r\033[K%.*s", (int)(columns > 1 ? columns - 1 : 1), text);
	progress.drawn = true;
}

static void *drawer(void *unused)
{
	uint64_t next = progress.began + FIRST_NS;

	pthread_mutex_lock(&progress.lock);
	while (!progress.end) {
		struct timespec until = { (time_t)(next / 1000000000), (long)(next % 1000000000) };

		if (tool_now() < next) {
			pthread_cond_timedwait(&progress.cond, &progress.lock, &until);
			continue;
		}
		draw();
		next += EVERY_NS;
	}
	pthread_mutex_unlock(&progress.lock);
	return unused;
}

static void start(void)
{
	pthread_condattr_t attr;
	sigset_t all, old;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&progress.cond, &attr);
	pthread_condattr_destroy(&attr);
	/* Signals are for the thread that waits. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	progress.on = !pthread_create(&progress.thread, NULL, drawer, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!progress.on)
		pthread_cond_destroy(&progress.cond);
}

void tool_progress(const char *format, ...)
{
	va_list args;

	tool_progress_end();
	if (!isatty(STDERR_FILENO))
		return;
	va_start(args, format);
	vsnprintf(progress.text, sizeof(progress.text), format, args);
	va_end(args);
	progress.end = progress.drawn = false;
	progress.done = progress.total = 0;
	progress.began = tool_now();
	start();
}

void tool_progress_bytes(uint64_t done, uint64_t total)
{
	progress.done = done;
	progress.total = total;
}

void tool_progress_pause(void)
{
	if (!progress.on)
		return;
	pthread_mutex_lock(&progress.lock);
	if (progress.drawn)
		fputs("\r\033[K", stderr);
	progress.drawn = false;
}

void tool_progress_resume(void)
{
	if (progress.on)
		pthread_mutex_unlock(&progress.lock);
}

void tool_progress_end(void)
{
	if (!progress.on)
		return;
	pthread_mutex_lock(&progress.lock);
	progress.end = true;
	pthread_cond_signal(&progress.cond);
	pthread_mutex_unlock(&progress.lock);
	pthread_join(progress.thread, NULL);
	pthread_cond_destroy(&progress.cond);
	progress.on = false;
	if (progress.drawn)
		fputs("\r\033[K", stderr);
}
