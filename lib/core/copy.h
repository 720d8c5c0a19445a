/* SPDX-License-Identifier: BSD-2-Clause */
/* copy.h - copies of message bytes: a call costs more than eight words do. */
#ifndef VMQ_CORE_COPY_H
#define VMQ_CORE_COPY_H

#include <stddef.h>
#include <string.h>

static inline void vmq__copy(void *to, const void *from, size_t len)
{
	switch (len) {
	case 0:
		return;
	case 8:
		memcpy(to, from, 8);
		return;
	case 16:
		memcpy(to, from, 16);
		return;
	case 32:
		memcpy(to, from, 32);
		return;
	case 64:
		memcpy(to, from, 64);
		return;
	default:
		memcpy(to, from, len);
	}
}

#endif
