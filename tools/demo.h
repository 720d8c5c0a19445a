/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo.h - what the two VMs of tools/demo say to each other.
 *
 * A file is FILE, then its bytes as DATA messages or PAGE hand-overs, then END with
 * its digest. BEGIN comes before all of it, DONE after. The receiver answers DONE
 * with a VERDICT. Both ends are of one machine: numbers are in its own byte order.
 */
#ifndef VMQ_DEMO_H
#define VMQ_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include <vmq/vmq.h>

enum demo_type {
	DEMO_BEGIN = 1, /* size: bytes that will come, for the display */
	DEMO_FILE,      /* mode, size; body: path */
	DEMO_STREAM,    /* size: as FILE, but its bytes are only checked, not kept */
	DEMO_DATA,      /* body: bytes */
	DEMO_PAGE,      /* bytes are in the page */
	DEMO_END,       /* body: SHA-256 */
	DEMO_DONE,
	DEMO_VERDICT,   /* size: 0 if all is well; body: a text */
};

struct demo_head {
	uint32_t type, mode;
	uint64_t size;
};

#define DEMO_DIGEST 32
#define DEMO_SMALL 8192u          /* larger files go in pages */
#define DEMO_RECORD 4096u          /* bytes of a file in one message */
#define DEMO_RUN (512u << 10)      /* bytes of a file in one hand-over */
#define DEMO_WAIT VMQ_MS(30000)    /* after this the other side is given up */
#define DEMO_BODY 16384u           /* largest body of a message */

struct demo_message {
	struct demo_head head;
	uint8_t body[DEMO_BODY];
};

/* Say what is wrong and end the process. */
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *format, ...);

/* Die unless rc, a result of libvmq, is 0 or a count. Gives rc. */
int64_t check(int64_t rc, const char *what);

/* Open an endpoint or die. */
struct vmq *demo_open(const char *address);

uint64_t demo_now(void);

void sha_begin(EVP_MD_CTX *sha);
void sha_add(EVP_MD_CTX *sha, const void *data, size_t len);
void sha_end(EVP_MD_CTX *sha, uint8_t digest[DEMO_DIGEST]);

#endif
