/* SPDX-License-Identifier: BSD-2-Clause */
/* tasks.c - the guest's tasks: one for each place of a call. They take turns where one
 * of them sleeps, and nowhere else. */
#include "rt.h"

#define STACK (96u << 10) /* vmq_poll() has a large table on it */

struct task {
	void *stack_pointer;
	const volatile uint32_t *word; /* it sleeps until this is not */
	uint32_t was;                  /* ... that any more */
	uint64_t until;
};

struct agent_mail *mail;

static struct task tasks[AGENT_CALLS], *running;
static uint8_t stacks[AGENT_CALLS][STACK] __attribute__((aligned(16)));
static void *scheduler;

/* Keep what a function call keeps on the one stack, go on with the other. */
__attribute__((naked)) static void change_stack(void **save __attribute__((unused)),
	void *load __attribute__((unused)))
{
	__asm__ volatile(
		"push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
		"mov %rsp, (%rdi); mov %rsi, %rsp\n"
		"pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
		"ret");
}

unsigned task_number(void)
{
	return (unsigned)(running - tasks);
}

void task_waiting(bool waiting)
{
	__atomic_store_n(&mail->call[task_number()].waiting, waiting, __ATOMIC_RELEASE);
}

void task_sleep(const volatile uint32_t *word, uint32_t was, uint64_t until)
{
	running->word = word;
	running->was = was;
	running->until = until;
	change_stack(&running->stack_pointer, scheduler);
}

static void task_main(void)
{
	unsigned number = task_number();
	struct agent_call *call = &mail->call[number];
	uint32_t served = 0;

	for (;;) {
		task_sleep(&call->asked, served, FOREVER);
		served = __atomic_load_n(&call->asked, __ATOMIC_ACQUIRE);
		calls_do(call);
		__atomic_store_n(&call->done, served, __ATOMIC_RELEASE);
		cpu_out(AGENT_PORT, number);
	}
}

static void task_make(unsigned number)
{
	/* As change_stack() leaves it: six registers and where to return to. */
	void **top = (void **)(stacks[number] + STACK) - 8;

	top[6] = (void *)(uintptr_t)task_main;
	tasks[number].stack_pointer = top;
	tasks[number].word = &mail->call[number].done;
	tasks[number].was = 1; /* ready */
}

static bool is_ready(const struct task *t, uint64_t now)
{
	return *t->word != t->was || t->until <= now;
}

/* Run who is ready. True if anybody was. */
static bool run_ready(void)
{
	bool any = false;

	for (struct task *t = tasks; t < tasks + AGENT_CALLS; t++) {
		if (!is_ready(t, t->until == FOREVER ? 0 : cpu_now()))
			continue;
		running = t;
		change_stack(&scheduler, t->stack_pointer);
		any = true;
	}
	return any;
}

/* With interrupts off: an interrupt that makes somebody ready ends the halt. */
static void wait_ready(void)
{
	uint64_t until = FOREVER;

	cpu_interrupts(false);
	for (const struct task *t = tasks; t < tasks + AGENT_CALLS; t++) {
		if (*t->word != t->was) {
			cpu_interrupts(true);
			return;
		}
		if (t->until < until)
			until = t->until;
	}
	cpu_halt(until);
}

_Noreturn void tasks_run(void)
{
	for (unsigned i = 0; i < AGENT_CALLS; i++)
		task_make(i);
	for (;;) {
		if (!run_ready())
			wait_ready();
	}
}
