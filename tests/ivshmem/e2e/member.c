/* SPDX-License-Identifier: BSD-2-Clause */
/* member.c - the program in the guests, and those of the host that may die. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "member.h"
#include "ring.h"

/* As whoever starts services does: when it was killed, it is started again, after so many
 * seconds. */
static int ring_again(const char *address, const char *seconds)
{
	int status = 0;

	do {
		sleep(status ? (unsigned)atoi(seconds) : 0);
		fflush(stdout);
		if (!fork())
			_exit(ring_run(address));
		while (wait(&status) < 0 || WIFSTOPPED(status))
			;
	} while (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "ring") && argc == 3)
		return ring_run(argv[2]);
	if (!strcmp(what, "again") && argc == 4)
		return ring_again(argv[2], argv[3]);
	if (!strcmp(what, "give") && argc == 4)
		return file_give(argv[2], argv[3]);
	if (!strcmp(what, "take") && argc == 3)
		return file_take(argv[2]);
	if (!strcmp(what, "noise") && argc == 3)
		return noise(argv[2]);
	if (!strcmp(what, "endure") && argc == 5)
		return endure(argv[2], argv[3], argv[4]);
	fprintf(stderr, "usage: %s ring|again|give|take|noise|endure ...\n", argv[0]);
	return 2;
}
