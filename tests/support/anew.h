/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * anew.h - processes that start as the program does, and not as a copy of the test's.
 *
 * A test's process has threads: Criterion's, and one for each endpoint over ivshmem. What
 * locks they hold when it forks nobody gives back in the copy. That is no matter for who
 * makes a system call or two; but under the address sanitizer, whose allocator a thread
 * uses even to come into being, a copy may wait for ever as soon as it does more.
 *
 * anew.c has the program's main(), unless the program has one itself.
 */
#ifndef TESTS_ANEW_H
#define TESTS_ANEW_H

#include <sys/types.h>

#define ANEW_WORDS 4

typedef void anew_body(int fd, char *const word[ANEW_WORDS]);

/* Run a function of this program in a new process, which keeps fd (-1: none) and dies with
 * the calling thread; when it returns, the process ends well. At most ANEW_WORDS words, a
 * NULL among them being "", and those that are not given too. Its id, or -1. */
pid_t anew(anew_body *body, int fd, const char *const word[], int words);
#define ANEW(body, fd, ...) \
	anew(body, fd, (const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

#endif
