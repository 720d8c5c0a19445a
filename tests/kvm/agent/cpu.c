/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpu.c - the guest's processor: interrupts, clock, timer, page tables.
 *
 * AMD64 Architecture Programmer's Manual, volume 2: 5.3 (page tables), 8.9 (gates),
 * 16.3 to 16.4 (local APIC and its timer). KVM's timer counts nanoseconds.
 */
#include "rt.h"

#define VECTORS 0x52
#define APIC(reg) (*(volatile uint32_t *)(0xfee00000u + (reg)))
#define APIC_SPURIOUS 0x0f0
#define APIC_TIMER 0x320
#define APIC_COUNT 0x380
#define APIC_DIVIDE 0x3e0
#define APIC_ENABLE 0x100u
#define APIC_BY_ONE 0x0bu

#define DIRECTORY ((volatile uint64_t *)0x4000) /* of machine.c: 2 MiB an entry */
#define PRESENT 1u
#define WRITABLE 2u
#define LARGE 0x80u

struct gate {
	uint16_t low, selector, flags, middle;
	uint32_t high, zero;
};

static struct gate idt[VECTORS];
static uint64_t scale;

/* ---- interrupts -------------------------------------------------------------------- */

/* The transport ends it when it has looked. Nine registers are not a function's to
 * keep; with the CPU's five words they leave the stack aligned. */
__attribute__((naked)) static void on_doorbell(void)
{
	__asm__ volatile(
		"push %rax; push %rcx; push %rdx; push %rsi; push %rdi\n"
		"push %r8; push %r9; push %r10; push %r11\n"
		"cld; call transport_interrupt\n"
		"pop %r11; pop %r10; pop %r9; pop %r8\n"
		"pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rax\n"
		"iretq");
}

/* A call or the timer, whose end this is: whoever sleeps looks again. */
__attribute__((naked)) static void on_other(void)
{
	__asm__ volatile("push %rax; mov $0xfee000b0, %eax; movl $0, (%rax); pop %rax; iretq");
}

static void handle(unsigned vector, void (*entry)(void))
{
	uintptr_t at = (uintptr_t)entry;

	idt[vector] = (struct gate){ .low = (uint16_t)at, .selector = 0x08, .flags = 0x8e00,
		.middle = (uint16_t)(at >> 16), .high = (uint32_t)(at >> 32) };
}

void cpu_start(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) where = { sizeof(idt) - 1, (uintptr_t)idt };

	scale = mail->tsc_scale;
	handle(AGENT_VECTOR_DOORBELL, on_doorbell);
	handle(AGENT_VECTOR_CALL, on_other);
	handle(AGENT_VECTOR_TIMER, on_other);
	__asm__ volatile("lidt %0" : : "m"(where));
	APIC(APIC_SPURIOUS) = APIC_ENABLE | 0xff;
	APIC(APIC_DIVIDE) = APIC_BY_ONE;
	APIC(APIC_TIMER) = AGENT_VECTOR_TIMER;
}

void cpu_interrupts(bool on)
{
	if (on)
		__asm__ volatile("sti" : : : "memory");
	else
		__asm__ volatile("cli" : : : "memory");
}

void cpu_out(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

/* ---- time ---------------------------------------------------------------------------- */

uint64_t cpu_now(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)((unsigned __int128)((uint64_t)high << 32 | low) * scale >> 32);
}

void cpu_halt(uint64_t until)
{
	uint64_t now = until == FOREVER ? 0 : cpu_now();
	uint64_t left = until > now ? until - now : 1;

	/* One shot; who sleeps longer than it can count sleeps again. */
	if (until != FOREVER)
		APIC(APIC_COUNT) = left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
	__asm__ volatile("sti; hlt" : : : "memory");
}

/* ---- page tables ------------------------------------------------------------------------ */

void cpu_map(uintptr_t virtual, const void *page, bool writable)
{
	volatile uint64_t *entry = &DIRECTORY[virtual >> 21], *table;

	if (*entry & LARGE)
		*entry = (uintptr_t)heap_pages(1) | PRESENT | WRITABLE;
	table = (volatile uint64_t *)(*entry & ~0xfffull);
	table[virtual >> 12 & 511] = (uintptr_t)page | PRESENT | (writable ? WRITABLE : 0);
	__asm__ volatile("invlpg (%0)" : : "r"(virtual) : "memory");
}
