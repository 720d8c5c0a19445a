/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rt.c - from the first instruction to guest_main(), and interrupts.
 *
 * Gates and the local APIC: AMD64 Architecture Programmer's Manual, volume 2, 8.9 and
 * 16.3.
 */
#include "rt.h"

#define VECTORS 256
#define APIC_SPURIOUS (*(volatile uint32_t *)0xfee000f0u)
#define APIC_ENABLE 0x100u

struct gate {
	uint16_t low, selector, flags, middle;
	uint32_t high, zero;
};

static struct gate idt[VECTORS];
static rt_handler *handler;

void *memcpy(void *to, const void *from, size_t n)
{
	void *start = to;
	size_t words = n / 8;

	n %= 8;
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return start;
}

void *memset(void *to, int byte, size_t n)
{
	uint64_t fill = (uint8_t)byte * 0x0101010101010101ull;
	void *start = to;
	size_t words = n / 8;

	n %= 8;
	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(fill) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(fill) : "memory");
	return start;
}

void rt_out(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

/* ---- interrupts -------------------------------------------------------------------------- */

void rt_dispatch(void)
{
	handler();
}

/* These nine registers are not a function's to keep; with the five words that the CPU
 * has pushed they leave the stack aligned. */
__attribute__((naked)) static void entry(void)
{
	__asm__ volatile(
		"push %rax; push %rcx; push %rdx; push %rsi; push %rdi\n"
		"push %r8; push %r9; push %r10; push %r11\n"
		"cld; call rt_dispatch\n"
		"pop %r11; pop %r10; pop %r9; pop %r8\n"
		"pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rax\n"
		"iretq");
}

static void idt_load(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) where = { sizeof(idt) - 1, (uintptr_t)idt };

	__asm__ volatile("lidt %0" : : "m"(where));
}

void rt_handle(unsigned vector, rt_handler *with)
{
	uintptr_t at = (uintptr_t)entry;

	handler = with;
	idt[vector % VECTORS] = (struct gate){ .low = (uint16_t)at, .selector = 0x08, .flags = 0x8e00,
		.middle = (uint16_t)(at >> 16), .high = (uint32_t)(at >> 32) };
}

__attribute__((section(".text.start"), noreturn)) void _start(uint64_t argument)
{
	idt_load();
	APIC_SPURIOUS = APIC_ENABLE | 0xff;
	guest_main(argument);
	for (;;)
		__asm__ volatile("cli; hlt");
}
