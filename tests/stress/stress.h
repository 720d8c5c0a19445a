/* SPDX-License-Identifier: BSD-2-Clause */
/* stress.h - what the stress programs share. */
#ifndef TESTS_STRESS_H
#define TESTS_STRESS_H

#include <pthread.h>
#include <stdlib.h>

#include "support.h"

/* In any thread: the program ends here if it does not hold. */
#define CHECK(cond) \
	do { \
		if (!(cond)) \
			stress_fail(__FILE__, __LINE__, #cond); \
	} while (0)
_Noreturn void stress_fail(const char *file, int line, const char *what);

/* A VM of the fabric of this program. */
struct vmq *stress_vm(const char *name, const char *settings, uint32_t flags);
uint32_t stress_meet(struct vmq *q, const char *name);

void stress_start(pthread_t *thread, void *(*body)(void *), void *arg);
void stress_join(pthread_t *threads, unsigned n);

/* Message n of a stream: its number, its length, then bytes that depend on both.
 * Lengths differ, and some messages go in fragments of a small lane. */
#define STRESS_MAX 9000u
uint32_t stress_make(uint8_t *buf, uint32_t stream, uint32_t n);
/* The number of a received message of that stream, after a check of all of it. */
uint32_t stress_check(const uint8_t *buf, int64_t len, uint32_t *stream);

#endif
