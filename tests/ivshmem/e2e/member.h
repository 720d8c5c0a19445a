/* SPDX-License-Identifier: BSD-2-Clause */
/* member.h - what the program in the guests does, besides ring.h. Exit codes. */
#ifndef E2E_MEMBER_H
#define E2E_MEMBER_H

#include <stddef.h>
#include <stdint.h>

/* The file that crosses: its bytes follow from a seed, so that the test can tell its hash
 * without having it. */
#define FILE_SIZE (64u << 20)
#define FILE_CHUNK (256u << 10)
void file_bytes(uint64_t seed, uint64_t offset, void *to, size_t len);

/* file.c: what each guest tells the judge, for it to compare. */
struct file_told {
	uint64_t bytes, sent_bytes, page_bytes_sent, pages_received, received_bytes;
	char sha256[65];
	char pad[7];
};

/* Make the file, give it to "taker" by pages, and tell. */
int file_give(const char *address, const char *seed);
/* Receive it, give the pages back, and tell. */
int file_take(const char *address);

/* noise.c: write random bytes all over the region of the first ivshmem device. */
int noise(const char *seconds);

/* endure.c: open, send and receive with "other", open again whatever happens, for so many
 * seconds; then meet for good. */
int endure(const char *address, const char *other, const char *seconds);

#endif
