/* SPDX-License-Identifier: BSD-2-Clause */
/* libc.c - what libvmq takes from string.h, stdlib.h, ctype.h and stdio.h. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory: one instruction, not a loop of them --------------------------------- */

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	void *start = to;
	size_t words = n / 8;

	n %= 8;
	if (words)
		__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	if (n)
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return start;
}

void *memset(void *to, int byte, size_t n)
{
	uint64_t fill = (uint8_t)byte * 0x0101010101010101ull;
	void *start = to;
	size_t words = n / 8;

	n %= 8;
	if (words)
		__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(fill) : "memory");
	if (n)
		__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(fill) : "memory");
	return start;
}

/* ---- strings ------------------------------------------------------------------------ */

size_t strnlen(const char *s, size_t most)
{
	size_t n = 0;

	while (n < most && s[n])
		n++;
	return n;
}

size_t strlen(const char *s)
{
	const char *end = s;

	while (*end)
		end++;
	return (size_t)(end - s);
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (uint8_t)*a - (uint8_t)*b;
}

char *strchr(const char *s, int c)
{
	while (*s != (char)c)
		if (!*s++)
			return NULL;
	return (char *)(uintptr_t)s;
}

char *strcpy(char *restrict to, const char *restrict from)
{
	return memcpy(to, from, strlen(from) + 1);
}

/* For one separator, as libvmq has it. */
char *strtok_r(char *restrict s, const char *restrict separator, char **restrict save)
{
	char *start = s ? s : *save, *end;

	while (start && *start == *separator)
		start++;
	if (!start || !*start)
		return NULL;
	end = strchr(start, *separator);
	if (end)
		*end++ = 0;
	*save = end;
	return start;
}

/* Decimal. */
unsigned long strtoul(const char *restrict s, char **restrict end, int base)
{
	unsigned long n = 0;

	(void)base;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (n > (ULONG_MAX - 9) / 10)
			errno = ERANGE;
		n = n * 10 + (unsigned)(*s - '0');
	}
	*end = (char *)(uintptr_t)s;
	return n;
}

int *__errno_location(void)
{
	static int number;

	return &number;
}

/* What isdigit() looks at: only the digits have a class. */
const unsigned short **__ctype_b_loc(void)
{
	static unsigned short class[384];
	static const unsigned short *at = class + 128;

	for (int c = '0'; c <= '9'; c++)
		class[128 + c] = (unsigned short)_ISdigit;
	return &at;
}

/* ---- text for people ------------------------------------------------------------------ */

struct line {
	char *text;
	size_t size, at;
};

static void put(struct line *l, const char *text, size_t most)
{
	for (; most-- && *text; l->at++, text++)
		if (l->at + 1 < l->size)
			l->text[l->at] = *text;
}

static void put_number(struct line *l, uint64_t n, unsigned base)
{
	char digits[21] = "";
	unsigned at = sizeof(digits) - 1;

	do {
		digits[--at] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	put(l, digits + at, sizeof(digits));
}

/* One conversion: %s, %.40s, %d, %u, %zu, %x. Returns what is behind it. */
static const char *convert(struct line *l, const char *f, va_list *args)
{
	size_t most = SIZE_MAX;
	bool wide = false;
	int n;

	if (*f == '.')
		most = strtoul(f + 1, (char **)&f, 10);
	for (; *f == 'z' || *f == 'l'; f++)
		wide = true;
	if (*f == 's') {
		put(l, va_arg(*args, const char *), most);
	} else if (*f == 'd') {
		n = va_arg(*args, int);
		put(l, "-", n < 0);
		put_number(l, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, 10);
	} else {
		put_number(l, wide ? va_arg(*args, uint64_t) : va_arg(*args, unsigned), *f == 'x' ? 16 : 10);
	}
	return f + 1;
}

int vsnprintf(char *restrict text, size_t size, const char *restrict f, va_list args)
{
	struct line l = { text, size, 0 };
	va_list copy;

	va_copy(copy, args);
	while (*f) {
		if (*f == '%' && f[1] != '%')
			f = convert(&l, f + 1, &copy);
		else
			put(&l, f++, 1);
	}
	va_end(copy);
	if (size)
		text[l.at < size ? l.at : size - 1] = 0;
	return (int)l.at;
}

int snprintf(char *restrict text, size_t size, const char *restrict f, ...)
{
	va_list args;
	int n;

	va_start(args, f);
	n = vsnprintf(text, size, f, args);
	va_end(args);
	return n;
}
