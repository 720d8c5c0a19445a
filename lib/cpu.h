/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu.h - what a spinning thread tells its processor. */
#ifndef VMQ_CPU_H
#define VMQ_CPU_H

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

#endif
