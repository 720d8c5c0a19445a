/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric.h - a region in a file, endpoints at it, and fake ones: slots that the test itself
 * fills, beats, and writes nonsense for.
 */
#ifndef TESTS_IVSHMEM_FABRIC_H
#define TESTS_IVSHMEM_FABRIC_H

#include <criterion/criterion.h>

#include "core/atomic.h"
#include "dir.h"
#include "support.h"

#include <vmq/transport.h>

#define BEAT_MS 20u
#define DEAD_MS 600u

/* Plain words: all of them may change under the test's hands. */
struct fabric {
	char dir[64], path[96];
	uint8_t *map;
	uint64_t size;
	struct vmq__dir d;
};

extern struct fabric fabric;

/* A file of that size with a directory of so many slots, and short times. */
void fabric_make(uint64_t size, uint32_t slots);
void fabric_end(void);

#define FABRIC_URI 256
void fabric_uri(const char *name, const char *settings, char uri[FABRIC_URI]);
int fabric_open(const char *name, const char *settings, struct vmq **q);
struct vmq *fabric_vm(const char *name, const char *settings);

/* In a new process: open an endpoint, write a byte to ready, and answer all messages with
 * the same until killed, or until one says "end". */
pid_t fabric_echo(const char *name, const char *settings);
void fabric_kill(pid_t pid);

/* ---- fakes ---------------------------------------------------------------------------- */

struct fake {
	uint32_t slot, claim;
	bool beats;
	struct vmq__dir_who who;
};

#define FAKES 4
extern struct fake fakes[FAKES];

/* A peer of that name comes into a slot; another life of it; it goes. */
struct fake *fake_enter(uint32_t slot, const char *name);
void fake_again(struct fake *f);
void fake_leave(struct fake *f);
struct vmq_ivshmem_cell *cell(uint32_t writer, uint32_t peer);
struct vmq_ivshmem_slot *slot(uint32_t index);
static inline uint32_t word(const vmq_le32 *p)
{
	return vmq__load_acquire(p);
}

/* Let endpoints (NULL: none) hear news, and beat for the fakes. */
void turn(struct vmq *a, struct vmq *b);

/* Turn until it is so, or the test fails. */
#define WAIT(a, b, cond) \
	do { \
		uint64_t until_ = now_ns() + PATIENCE; \
		while (!(cond) && now_ns() < until_) \
			turn(a, b); \
		cr_assert(cond); \
	} while (0)

/* Turn for longer than it takes to see that nothing happens. */
void turns(struct vmq *a, struct vmq *b);

struct vmq_event wait_event(struct vmq *q, uint32_t type);
/* Send, and get the answer of an echo. */
void talk(struct vmq *q, uint32_t peer);

#endif
