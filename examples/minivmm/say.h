/* SPDX-License-Identifier: BSD-2-Clause */
/* say.h - lines of text without a libc: cut where they do not fit, always ended. */
#ifndef SAY_H
#define SAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t say_length(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

static inline bool say_equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static inline void say_add(char *line, size_t size, const char *text)
{
	size_t at = say_length(line);

	while (*text && at + 1 < size)
		line[at++] = *text++;
	line[at] = 0;
}

static inline void say_start(char *line, size_t size, const char *text)
{
	*line = 0;
	say_add(line, size, text);
}

static inline void say_number(char *line, size_t size, uint32_t n)
{
	char digits[11] = "";
	unsigned at = sizeof(digits) - 1;

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	say_add(line, size, digits + at);
}

#endif
