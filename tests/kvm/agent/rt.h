/* SPDX-License-Identifier: BSD-2-Clause */
/* rt.h - what stands in for an operating system under libvmq in the guest. */
#ifndef AGENT_RT_H
#define AGENT_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmq/transport.h>

#include "agent.h"

#define FOREVER UINT64_MAX

/* ---- cpu.c: the processor ------------------------------------------------------ */

void cpu_start(void);
/* Nanoseconds, monotonic. */
uint64_t cpu_now(void);
void cpu_out(uint16_t port, uint32_t value);
void cpu_interrupts(bool on);
/* With interrupts off: halt until one comes, or until then; they are on afterwards. */
void cpu_halt(uint64_t until);
/* The page tables: 4-KiB pages from `virtual` (in the views) on. */
void cpu_map(uintptr_t virtual, const void *page, bool writable);

/* ---- tasks.c: one task for each call, cooperative ------------------------------- */

extern struct agent_mail *mail;

_Noreturn void tasks_run(void);
/* Sleep until *word is not `was`, or until then. */
void task_sleep(const volatile uint32_t *word, uint32_t was, uint64_t until);
/* Say that the running task's call waits, or no longer does. */
void task_waiting(bool waiting);
/* A number that says which task runs. */
unsigned task_number(void);

/* ---- heap.c ----------------------------------------------------------------------- */

void heap_init(uintptr_t from, uintptr_t to);
/* Zero-filled, page-aligned, for good. */
void *heap_pages(size_t n);

/* ---- transport.c ------------------------------------------------------------------- */

extern const struct vmq_env agent_env;
/* The window, before the endpoint is opened; and the doorbell's interrupt. */
int transport_start(void *window);
void transport_interrupt(void);

/* ---- window.c: of the channel to oneself --------------------------------------------- */

void window_start(uintptr_t views);

/* ---- calls.c -------------------------------------------------------------------------- */

void calls_do(struct agent_call *call);

#endif
