/* SPDX-License-Identifier: BSD-2-Clause */
/* name.h - what a VM may be called. Needs no libc. */
#ifndef VMQ_NAME_H
#define VMQ_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include <vmq/layout.h>

/* In words. */
#define VMQ__NAME_RULE "1 to 43 bytes, not *, no / ? & or control characters"
VMQ_STATIC_ASSERT(VMQ_NAME_MAX == 43, "as the words say");

/* A name is shown to people and stands in addresses and file names. */
static inline bool vmq__name_ok(const char *name)
{
	size_t n = 0;

	if (!name || (name[0] == '*' && !name[1]))
		return false;
	for (; n <= VMQ_NAME_MAX && name[n]; n++)
		if ((unsigned char)name[n] < 0x20 || name[n] == 0x7f || name[n] == '/' ||
				name[n] == '?' || name[n] == '&')
			return false;
	return n && n <= VMQ_NAME_MAX;
}

#endif
