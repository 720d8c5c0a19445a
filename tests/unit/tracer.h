/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tracer.h - a tracer of one's own process: reads the notes about the probes in libvmq.so's
 * file, as every tracer does, puts a breakpoint at each, and evaluates the arguments from
 * the registers and the memory that the notes name. x86-64 only.
 */
#ifndef TESTS_TRACER_H
#define TESTS_TRACER_H

#include <stdint.h>

#define TRACER_ARGS 5

struct tracer_hit {
	unsigned count;              /* arguments */
	uint64_t arg[TRACER_ARGS];
};

/* Attach to all probes. How many there are; 0: none, or they cannot be read. */
unsigned tracer_attach(void);

/* How often a probe was passed since it was asked last, and the arguments of the last time. */
unsigned tracer_take(const char *name, struct tracer_hit *last);

#endif
