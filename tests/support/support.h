/* SPDX-License-Identifier: BSD-2-Clause */
/* support.h - what tests of several tiers need: patience, scratch folders, hubs in
 * processes of their own, and counts of what must not leak. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <vmq/vmm.h>

/* Longer than anything that works takes, even under a sanitizer. */
#define PATIENCE_MS 30000
#define PATIENCE VMQ_MS(PATIENCE_MS)

uint64_t now_ns(void);

/* The bytes of message number n, so that each place of each message differs. */
void pattern(void *to, size_t len, uint32_t n);
bool matches(const void *from, size_t len, uint32_t n);
void fill(void *to, uint8_t byte, size_t len);
bool zeros(const void *from, size_t len);
/* Is a write there a fault? Where it is not, it is done. */
bool write_faults(void *at);

/* A folder of one's own, and its end with all files in it. */
void scratch_make(char *dir, size_t len);
void scratch_remove(const char *dir);
/* A file in it; path gets its name. */
void scratch_file(const char *dir, const char *name, const char *text, char *path, size_t len);

int count_fds(void);
int count_maps(void);

/* Two endpoints of one thread meet: each has to look for the other. The id of the
 * second; the test ends if they don't. */
uint32_t both_meet(struct vmq *q, const char *name, struct vmq *other, const char *own);

/* Own thread id, and to wait until a thread sleeps in the kernel. */
int thread_id(void);
bool thread_sleeps(int tid);

/* In a new process: keep only descriptor `keep`, and die with the parent. */
void child_prepare(int keep);

/* A hub in a process of its own. */
struct hub_proc {
	pid_t pid;
	char dir[64], path[96];
};
bool hub_start(struct hub_proc *h, const char *topology, uint32_t tick_us);
/* Another one at the same path, after hub_crash(). */
bool hub_restart(struct hub_proc *h);
void hub_crash(struct hub_proc *h);
/* Stop it in good order. True: it ended well. */
bool hub_stop(struct hub_proc *h);

#endif
