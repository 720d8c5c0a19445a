/* SPDX-License-Identifier: BSD-2-Clause */
/* alloc.h - count allocations, or let one fail. The program is linked with
 * --wrap=malloc and so on, and with the static library. */
#ifndef TESTS_ALLOC_H
#define TESTS_ALLOC_H

#include <stdbool.h>

/* Calls since the last alloc_reset(). */
unsigned long alloc_calls(void);
void alloc_reset(void);

/* Of the calls to come, the n-th (from 0) fails; negative: none. */
void alloc_fail_at(long n);
/* Did the last one that was to fail do so? */
bool alloc_failed(void);

#endif
