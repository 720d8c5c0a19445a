/* SPDX-License-Identifier: BSD-2-Clause */
/* stress.c - what the stress programs share. */
#include <stdio.h>
#include <string.h>

#include "stress.h"

#define HEAD 8u

void stress_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

struct vmq *stress_vm(const char *name, const char *settings, uint32_t flags)
{
	struct vmq_options o = { .size = sizeof(o), .flags = flags };
	struct vmq *q = NULL;
	char uri[300];

	snprintf(uri, sizeof(uri), "sim:stress?name=%s&%s", name, settings);
	CHECK(vmq_open(uri, &o, &q) == 0);
	return q;
}

uint32_t stress_meet(struct vmq *q, const char *name)
{
	uint32_t id = 0;

	CHECK(vmq_peer(q, name, PATIENCE, &id) == 0);
	return id;
}

void stress_start(pthread_t *thread, void *(*body)(void *), void *arg)
{
	CHECK(pthread_create(thread, NULL, body, arg) == 0);
}

void stress_join(pthread_t *threads, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static uint32_t length_of(uint32_t n)
{
	if (n % 101 == 100)
		return STRESS_MAX - n % 1000;
	return HEAD + n * 37 % (n % 10 ? 100 : 700);
}

uint32_t stress_make(uint8_t *buf, uint32_t stream, uint32_t n)
{
	uint32_t len = length_of(n);

	memcpy(buf, &stream, 4);
	memcpy(buf + 4, &n, 4);
	memset(buf + HEAD, (int)(stream * 17 + n), len - HEAD);
	return len;
}

uint32_t stress_check(const uint8_t *buf, int64_t len, uint32_t *stream)
{
	uint32_t n;

	CHECK(len >= (int64_t)HEAD);
	memcpy(stream, buf, 4);
	memcpy(&n, buf + 4, 4);
	CHECK(len == (int64_t)length_of(n));
	for (int64_t i = HEAD; i < len; i++)
		CHECK(buf[i] == (uint8_t)(*stream * 17 + n));
	return n;
}
