/* SPDX-License-Identifier: BSD-2-Clause */
/* shown.c - text of somebody else's, made fit for a terminal. */
#include <stdint.h>
#include <string.h>

#include "shown.h"

/* The sequence's length, as its first byte says; 0: none begins so. */
static size_t length(unsigned char first)
{
	return first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : (first & 0xf0) == 0xe0 ? 3 :
		first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

size_t shown_character(const char *s, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *u = (const unsigned char *)s;
	size_t n = len ? length(u[0]) : 0;
	uint32_t c;

	if (!n || n > len)
		return 0;
	c = n == 1 ? u[0] : u[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) ||
			(c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
		return 0;
	return n;
}

void shown(char *text)
{
	size_t left = strlen(text);

	while (left) {
		size_t n = shown_character(text, left);

		if (!n)
			*text = '?';
		text += n ? n : 1;
		left -= n ? n : 1;
	}
}
