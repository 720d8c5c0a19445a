/* SPDX-License-Identifier: BSD-2-Clause */
/* common.c - what the sub-commands share: what is wrong, and numbers on the command line. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "shown.h"

#define SECONDS_MAX 1000000000ull

const char *tool_name = "vmq";

static void line(const char *format, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	shown(text);
	tool_progress_pause();
	fprintf(stderr, "%s: %s\n", tool_name, text);
	tool_progress_resume();
}

void tool_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(format, args);
	va_end(args);
}

int tool_fail(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(format, args);
	va_end(args);
	return code;
}

int tool_code(int64_t rc)
{
	switch (rc) {
	case VMQ_ETIMEDOUT:
		return TOOL_TIMEOUT;
	case VMQ_EGONE:
	case VMQ_ECONN:
		return TOOL_GONE;
	default:
		return rc < 0 ? TOOL_FAILED : TOOL_OK;
	}
}

void tool_std_fds(void)
{
	/* To be written to where one reads, and the other way round. */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			_exit(TOOL_FAILED);
}

/* ---- options --------------------------------------------------------------------- */

static bool digits(const char *text, uint64_t *n, char **end)
{
	unsigned long long v;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoull(text, end, 10);
	*n = v;
	return !errno;
}

bool tool_number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *n)
{
	char *end;

	if (digits(text, n, &end) && !*end && *n >= min && *n <= max)
		return true;
	tool_say("%s takes a number from %" PRIu64 " to %" PRIu64 ", and not '%.60s'", option, min, max,
		text);
	return false;
}

/* What stands behind the point, as nanoseconds; false if it is no digits. */
static bool decimals(const char *text, uint64_t *ns)
{
	uint64_t weight = 100000000;

	for (*ns = 0; *text; text++, weight /= 10) {
		if (*text < '0' || *text > '9')
			return false;
		*ns += (uint64_t)(*text - '0') * weight;
	}
	return true;
}

bool tool_seconds(const char *option, const char *text, int64_t *ns)
{
	uint64_t whole, part = 0;
	char *end;

	if (digits(text, &whole, &end) && whole <= SECONDS_MAX &&
			(!*end || (*end == '.' && end[1] && decimals(end + 1, &part)))) {
		*ns = (int64_t)(whole * 1000000000 + part);
		return true;
	}
	tool_say("%s takes seconds, 0 to %llu, as 10 or 0.5, and not '%.60s'", option, SECONDS_MAX, text);
	return false;
}
