/* SPDX-License-Identifier: BSD-2-Clause */
/* misuse.c - what is wrong with a command line. */
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "misuse.h"
#include "shown.h"

#define WRONGLY 2

int misuse(const char *program, const char *format, ...)
{
	char text[900];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	shown(text);
	fprintf(stderr, "%s: %s; see %s --help\n", program, text, program);
	return WRONGLY;
}

/* Is what getopt_long() refused the letter optopt of an argument like -abc? */
static bool letter(const char *before, const char *at)
{
	if (optopt <= ' ' || optopt >= 127)
		return false;
	return strncmp(before, "--", 2) != 0 ||
		(at && at[0] == '-' && at[1] != '-' && strchr(at, optopt));
}

int misuse_option(const char *program, char **argv)
{
	if (letter(argv[optind - 1], argv[optind]))
		return misuse(program, "option -%c is not known, or its value is missing", optopt);
	return misuse(program, "option '%.60s' is not known, or its value is missing", argv[optind - 1]);
}
