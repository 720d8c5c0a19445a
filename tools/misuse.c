/* SPDX-License-Identifier: BSD-2-Clause */
/* misuse.c - what is wrong with a command line. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "misuse.h"

#define WRONGLY 2

int misuse(const char *program, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; see %s --help\n", program);
	return WRONGLY;
}

int misuse_option(const char *program, char **argv)
{
	if (optopt > ' ' && optopt < 127)
		return misuse(program, "option -%c is not known, or its value is missing", optopt);
	return misuse(program, "option '%.60s' is not known, or its value is missing", argv[optind - 1]);
}
