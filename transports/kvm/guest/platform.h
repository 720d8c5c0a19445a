/* SPDX-License-Identifier: BSD-2-Clause */
/* platform.h - the few instructions that C has no words for. A port to another
 * processor begins here. */
#ifndef VMQ_GUEST_PLATFORM_H
#define VMQ_GUEST_PLATFORM_H

#include <stdint.h>

#if !defined(__x86_64__)
#error "the guest part is written for x86_64: see guest/platform.h"
#endif

static inline void platform_out(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void platform_irq_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void platform_irq_on(void)
{
	__asm__ volatile("sti" : : : "memory");
}

/* Interrupts come on with the halt, not between the two. */
static inline void platform_irq_on_and_halt(void)
{
	__asm__ volatile("sti; hlt" : : : "memory");
}

#endif
