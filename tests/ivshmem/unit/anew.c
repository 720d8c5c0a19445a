/* SPDX-License-Identifier: BSD-2-Clause */
/* anew.c - a peer's process does not come with locks that a thread of the test's held. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "anew.h"
#include "support.h"

static sem_t held, enough;

static int hold(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	(void)arg;
	sem_post(&held);
	sem_wait(&enough);
	return 1;
}

/* A lock of the C library's that a fork does not free, of those that threads hold when they
 * come into being: the one that the test can take. */
static void *hold_lock(void *arg)
{
	dl_iterate_phdr(hold, NULL);
	return arg;
}

static int pass(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	*(int *)arg += 1;
	return 0;
}

/* The words: "x", none, "y z". */
static void take_lock(int fd, char *const word[ANEW_WORDS])
{
	int seen = 0;

	if (strcmp(word[0], "x") || *word[1] || strcmp(word[2], "y z") || *word[ANEW_WORDS - 1])
		_exit(3);
	dl_iterate_phdr(pass, &seen);
	if (!seen || write(fd, "", 1) != 1)
		_exit(4);
}

Test(ivshmem_anew, a_lock_of_the_test_is_not_the_peers)
{
	struct pollfd p = { .events = POLLIN };
	int ends[2], status = -1;
	pthread_t thread;
	pid_t pid;

	sem_init(&held, 0, 0);
	sem_init(&enough, 0, 0);
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	cr_assert_eq(pthread_create(&thread, NULL, hold_lock, NULL), 0);
	sem_wait(&held);
	pid = ANEW(take_lock, ends[1], "x", NULL, "y z");
	cr_expect_geq(pid, 0);
	close(ends[1]);
	p.fd = ends[0];
	cr_expect_eq(poll(&p, 1, PATIENCE_MS), 1, "it waits for a lock that nobody has");
	/* If it does, for ever. */
	if (!p.revents)
		kill(pid, SIGKILL);
	sem_post(&enough);
	pthread_join(thread, NULL);
	cr_expect_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0, "0x%x", (unsigned)status);
	close(ends[0]);
}
