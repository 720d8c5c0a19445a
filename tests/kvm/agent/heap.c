/* SPDX-License-Identifier: BSD-2-Clause */
/* heap.c - malloc() for a guest whose instructions may be slow: memory is zero when it
 * is fresh, and nobody clears it again before it was used. */
#include <stdlib.h>
#include <string.h>

#include "rt.h"

#define HEAD 128u /* keeps what is behind it on a cache line's boundary */
#define CLASSES 32
#define PAGE 4096u

/* Before each piece. Pieces are powers of two; a free one is in its class's list. */
struct piece {
	unsigned class;
	struct piece *next;
};

static uintptr_t fresh, end;
static struct piece *unused[CLASSES];

void heap_init(uintptr_t from, uintptr_t to)
{
	fresh = from;
	end = to;
}

static void *take(size_t size)
{
	void *p = (void *)fresh;

	if (size > end - fresh)
		return NULL;
	fresh += size;
	return p;
}

void *heap_pages(size_t n)
{
	fresh = (fresh + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	return take(n * PAGE);
}

static unsigned class_of(size_t size)
{
	return size <= HEAD ? 7 : 64 - (unsigned)__builtin_clzll(size - 1);
}

/* *used: its bytes may be anything. */
static void *allocate(size_t size, bool *used)
{
	unsigned class = class_of(size);
	struct piece *p;

	if (class >= CLASSES)
		return NULL;
	p = unused[class];
	*used = p != NULL;
	if (p)
		unused[class] = p->next;
	else
		p = take(HEAD + ((size_t)1 << class));
	if (!p)
		return NULL;
	p->class = class;
	return (uint8_t *)p + HEAD;
}

void *malloc(size_t size)
{
	bool used;

	return allocate(size, &used);
}

void *aligned_alloc(size_t align, size_t size)
{
	return align <= HEAD ? malloc(size) : NULL;
}

void *calloc(size_t n, size_t size)
{
	bool used = false;
	void *p = size && n > SIZE_MAX / 2 / size ? NULL : allocate(n * size, &used);

	return p && used ? memset(p, 0, n * size) : p;
}

void free(void *at)
{
	struct piece *p = (void *)((uint8_t *)at - HEAD);

	if (!at)
		return;
	p->next = unused[p->class];
	unused[p->class] = p;
}
