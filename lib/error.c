/* SPDX-License-Identifier: BSD-2-Clause */
/* error.c - codes and their texts, and small checks that many files need. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define SIZED_MAX 4096u /* bytes of a struct, in any version */

const char *vmq_strerror(int code)
{
	switch (code) {
#define TEXT(name, number, text) \
	case number: \
		return text;
	VMQ_ERRORS(TEXT)
	default:
		return code < 0 ? "unknown error" : "no error";
	}
}

const char *vmq_errname(int code)
{
	switch (code) {
#define NAME(name, number, text) \
	case number: \
		return "VMQ_" #name;
	VMQ_ERRORS(NAME)
	default:
		return code < 0 ? "VMQ_E?" : "VMQ_OK";
	}
}

const char *vmq_poison_text(int reason)
{
	switch (reason) {
	VMQ_POISONS(TEXT)
	default:
		return "unknown reason";
	}
}

const char *vmq_version(void)
{
	return VMQ_VERSION_STRING;
}

/* What a failed system call means to a caller. */
int vmq__errno(int e)
{
	switch (e) {
	case ENOMEM:
	case ENOBUFS:
		return VMQ_ENOMEM;
	case EMFILE:
	case ENFILE:
		return VMQ_EMFILE;
	case ENOENT:
	case ECONNREFUSED:
	case ECONNRESET:
	case EPIPE:
		return VMQ_ECONN;
	case ETIMEDOUT:
		return VMQ_ETIMEDOUT;
	default:
		return VMQ_ESYS;
	}
}

int vmq__explain(char *buf, size_t len, int code, const char *format, va_list args)
{
	if (buf && len && !buf[0])
		vsnprintf(buf, len, format, args);
	return code;
}

/* The same name gives the same UUID everywhere: two FNV-1a hashes of it, with
 * the version and variant bits of a custom UUID (version 8, RFC 9562). */
void vmq__uuid_of(const char *name, uint8_t uuid[16])
{
	uint64_t h[2] = { 0xcbf29ce484222325ull, 0x84222325cbf29ce4ull };

	for (const char *c = name; *c; c++)
		for (int i = 0; i < 2; i++)
			h[i] = (h[i] ^ (uint8_t)*c) * 0x100000001b3ull;
	for (int i = 0; i < 16; i++)
		uuid[i] = (uint8_t)(h[i / 8] >> 8 * (i % 8));
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x80);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

static size_t size_of(const void *sized)
{
	size_t size;

	memcpy(&size, sized, sizeof(size));
	return size;
}

bool vmq__sized_in(const void *options, size_t known)
{
	size_t size = size_of(options);

	if (size < known || size > SIZED_MAX)
		return false;
	for (const uint8_t *at = options; known < size; known++)
		if (at[known])
			return false;
	return true;
}

bool vmq__sized_out(void *info, size_t known)
{
	size_t size = size_of(info);

	if (size < known || size > SIZED_MAX)
		return false;
	memset((uint8_t *)info + known, 0, size - known);
	return true;
}
