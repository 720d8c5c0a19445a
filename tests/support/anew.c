/* SPDX-License-Identifier: BSD-2-Clause */
/* anew.c - start the program again, for one of its functions. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <criterion/options.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "anew.h"
#include "support.h"

#define MARK "--anew"

enum { MARKED = 1, BODY, FD, WORD, ARGS = WORD + ANEW_WORDS };

extern const char __executable_start[];

/* Nothing but system calls until there is another program. */
static _Noreturn void start(int fd, char *const argv[])
{
	child_prepare(fd);
	if (fd >= 0)
		fcntl(fd, F_SETFD, 0);
	execv("/proc/self/exe", argv);
	_exit(127);
}

pid_t anew(anew_body *body, int fd, const char *const word[], int words)
{
	char mark[] = MARK, name[] = "anew", none[] = "", offset[24], number[12];
	char *argv[ARGS + 1] = { name, mark, offset, number };
	pid_t pid;

	snprintf(offset, sizeof(offset), "%zu", (size_t)((uintptr_t)body - (uintptr_t)__executable_start));
	snprintf(number, sizeof(number), "%d", fd);
	for (int i = 0; i < ANEW_WORDS; i++)
		argv[WORD + i] = i < words && word[i] ? (char *)(uintptr_t)word[i] : none;
	/* By this Criterion knows a process that it has started for a test. */
	unsetenv("BXFI_MAP");
	fflush(NULL);
	pid = fork();
	if (!pid)
		start(fd, argv);
	return pid;
}

static int begin(char *const argv[])
{
	uintptr_t at = (uintptr_t)__executable_start + (uintptr_t)strtoull(argv[BODY], NULL, 10);
	anew_body *body;

	memcpy(&body, &at, sizeof(body));
	body(atoi(argv[FD]), argv + WORD);
	_exit(0);
}

/* Criterion looks for it by its name, when it starts the program for a test. */
__attribute__((weak, visibility("default"))) int main(int argc, char *argv[])
{
	struct criterion_test_set *tests;
	bool good = true;

	if (argc == ARGS && !strcmp(argv[MARKED], MARK))
		return begin(argv);
	tests = criterion_initialize();
	if (criterion_handle_args(argc, argv, true))
		good = criterion_run_all_tests(tests);
	criterion_finalize(tests);
	return !good;
}
