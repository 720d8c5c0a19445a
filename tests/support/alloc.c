/* SPDX-License-Identifier: BSD-2-Clause */
/* alloc.c - count allocations, or let one fail. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include "alloc.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
FILE *__real_fopen(const char *path, const char *mode);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
FILE *__wrap_fopen(const char *path, const char *mode);

static atomic_ulong calls;
static atomic_long left = -1;
static atomic_bool failed;

unsigned long alloc_calls(void)
{
	return atomic_load(&calls);
}

void alloc_reset(void)
{
	atomic_store(&calls, 0);
}

void alloc_fail_at(long n)
{
	if (n >= 0)
		atomic_store(&failed, false);
	atomic_store(&left, n < 0 ? -1 : n + 1);
}

bool alloc_failed(void)
{
	return atomic_load(&failed);
}

static bool fails(void)
{
	atomic_fetch_add(&calls, 1);
	if (atomic_load(&left) <= 0 || atomic_fetch_sub(&left, 1) != 1)
		return false;
	atomic_store(&failed, true);
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(align, size);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
	return fails() ? NULL : __real_fopen(path, mode);
}
