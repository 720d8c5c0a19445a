/* SPDX-License-Identifier: BSD-2-Clause */
/* pair.h - two endpoints at a file, and the test's own mapping of it, to lie in. */
#ifndef TESTS_IVSHMEM_PAIR_H
#define TESTS_IVSHMEM_PAIR_H

#include <stdatomic.h>

#include "dir.h"
#include "support.h"

#define PAIR_SIZE (1u << 20)
#define PAIR_SLOTS 4u
#define PAIR_BEAT_MS 20u
#define PAIR_DEAD_MS 400u

struct pair {
	char dir[64], file[96];
	uint8_t *map;
	struct vmq__dir d;
	struct vmq *a, *b;         /* in slots 0 and 1 */
	uint32_t to_b, to_a;       /* 0: not known yet */
	uint32_t n;
};

/* What an endpoint has told, and whether it goes on. */
struct heard {
	unsigned joins, leaves, poisons, downs;
	bool over;
};

/* A region, formatted, with nobody in it. */
void pair_init(struct pair *p);
void pair_end(struct pair *p);
/* Format it and open both, as if nothing had been; or close them. */
void pair_open(struct pair *p);
void pair_close(struct pair *p);

/* vmq_open() at its file; the calls of the library here end the test if they hang, or give
 * a code that no attack may cause. */
int pair_vm(const struct pair *p, const char *name, struct vmq **q);
/* A look at everything: events, messages, a call that waits for a moment. */
void pair_look(struct vmq *q, struct heard *h);
/* A message each way within some time. */
bool pair_talks(struct pair *p, unsigned ms);
/* Two endpoints with these names find each other and talk. */
bool pair_meet(struct pair *p, struct vmq *q, const char *name, struct vmq *other, const char *own);

#endif
