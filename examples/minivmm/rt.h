/* SPDX-License-Identifier: BSD-2-Clause */
/* rt.h - what a bare-metal guest has instead of an operating system: an
 * interrupt, and the two functions of libc that compilers call by themselves. */
#ifndef RT_H
#define RT_H

#include <stddef.h>
#include <stdint.h>

#define RT_EOI 0xfee000b0u /* end-of-interrupt register of the local APIC */

/* The guest's program. `argument` is the VMM's; returning halts for good. */
void guest_main(uint64_t argument);

/* A handler; it is to write to RT_EOI, or to let somebody do so. */
typedef void rt_handler(void);

/* The one interrupt of this guest, and who handles it. Interrupts are off at the
 * start. */
void rt_handle(unsigned vector, rt_handler *handler);

/* Write 32 bits to an I/O port. */
void rt_out(uint16_t port, uint32_t value);

#endif
