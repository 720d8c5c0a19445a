/* SPDX-License-Identifier: BSD-2-Clause */
/* demo_common.c - what the sender and the receiver of tools/demo both need. */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "demo.h"

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("demo: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

int64_t check(int64_t rc, const char *what)
{
	if (rc < 0)
		die("%s: %s (%s)", what, vmq_strerror((int)rc), vmq_errname((int)rc));
	return rc;
}

struct vmq *demo_open(const char *address)
{
	char why[200] = "";
	struct vmq_options options = { .size = sizeof(options), .errmsg = why, .errlen = sizeof(why) };
	struct vmq *q;
	int rc = vmq_open(address, &options, &q);

	if (rc)
		die("%s: %s", address, why[0] ? why : vmq_strerror(rc));
	return q;
}

uint64_t demo_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void sha_begin(EVP_MD_CTX *sha)
{
	if (EVP_DigestInit_ex(sha, EVP_sha256(), NULL) != 1)
		die("SHA-256 is not to be had");
}

void sha_add(EVP_MD_CTX *sha, const void *data, size_t len)
{
	if (EVP_DigestUpdate(sha, data, len) != 1)
		die("SHA-256 failed");
}

void sha_end(EVP_MD_CTX *sha, uint8_t digest[DEMO_DIGEST])
{
	if (EVP_DigestFinal_ex(sha, digest, NULL) != 1)
		die("SHA-256 failed");
}
