/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu.h - what a spinning thread tells its processor. */
#ifndef VMQ_CPU_H
#define VMQ_CPU_H

#include <stdint.h>

/* A counter that is read in a few nanoseconds, and counts at most six in one: the
 * processor's cycles. 0 where there is none. */
static inline uint64_t vmq__cycles(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_ia32_rdtsc();
#else
	return 0;
#endif
}

static inline void vmq__relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
	__asm__ volatile("yield" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/* This line will be written: fetch it to be owned, not to be shared. The builtin
 * shares it on a baseline x86-64, all of which know the instruction or ignore it. */
static inline void vmq__prefetch_write(const void *line)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" ::"m"(*(const char *)line));
#else
	__builtin_prefetch(line, 1);
#endif
}

#endif
