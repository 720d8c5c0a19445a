/* SPDX-License-Identifier: BSD-2-Clause */
/* file_bytes.c - what is in the file, for those who make it and those who check it. */
#include <string.h>

#include "member.h"

void file_bytes(uint64_t seed, uint64_t offset, void *to, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t x = seed + (offset + i) * 0x9e3779b97f4a7c15u;

		x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
		x = (x ^ x >> 27) * 0x94d049bb133111ebu;
		x ^= x >> 31;
		memcpy((char *)to + i, &x, 8);
	}
}
