/* SPDX-License-Identifier: BSD-2-Clause */
/* member.c - one program for dom0 and for domUs. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <vmq/xen.h>

#include "member.h"

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void say(const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	printf("%llu %s\n", (unsigned long long)now_ms(), line);
	fflush(stdout);
}

int member_open(const char *address, struct vmq **q)
{
	char why[200] = "";
	struct vmq_options o = { .size = sizeof(o), .errmsg = why, .errlen = sizeof(why) };
	int rc;

	if (!strncmp(address, "xen:", 4))
		o.transport = &vmq_transport_xen;
	rc = vmq_open(address, &o, q);
	if (rc)
		say("%s: %s: %s", address, vmq_errname(rc), why);
	return rc;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "talk") && argc == 3)
		return talk(argv[2]);
	if (!strcmp(what, "commit") && argc > 4)
		return commit(argv[2], argv[3], argv + 4);
	if (!strcmp(what, "collect") && argc == 5)
		return collect(argv[2], argv[3], argv[4]);
	if (!strcmp(what, "cycles") && argc == 4)
		return cycles(argv[2], argv[3]);
	if (!strcmp(what, "echo") && argc == 3)
		return echo(argv[2]);
	if (!strcmp(what, "grants") && argc == 2)
		return grants();
	if (!strcmp(what, "hostile") && argc == 5)
		return hostile(argv[2], argv[3], argv[4]);
	fprintf(stderr, "usage: %s talk|commit|collect|cycles|echo|grants|hostile ...\n", argv[0]);
	return 2;
}
