/* SPDX-License-Identifier: BSD-2-Clause */
/* file_test.c - 64 MiB go from one guest to another by pages that change hands. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "member.h"
#include "world.h"

/* The hash of the bytes that the seed stands for, by other means than the guests'. */
static void expected_hash(uint64_t seed, char hex[65])
{
	static uint8_t chunk[FILE_CHUNK];
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t sum[32];

	cr_assert(EVP_DigestInit_ex(c, EVP_sha256(), NULL));
	for (uint64_t at = 0; at < FILE_SIZE; at += FILE_CHUNK) {
		file_bytes(seed, at, chunk, FILE_CHUNK);
		cr_assert(EVP_DigestUpdate(c, chunk, FILE_CHUNK));
	}
	cr_assert(EVP_DigestFinal_ex(c, sum, NULL));
	EVP_MD_CTX_free(c);
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

static struct file_told giver, taker;

/* What both guests have to say; either may be the first to have finished. */
static void hear_both(struct vmq *q)
{
	uint32_t giver_id, taker_id;
	struct file_told told;
	struct vmq_msg msg;

	cr_assert_eq(vmq_peer(q, "giver", 2 * PATIENCE, &giver_id), 0);
	cr_assert_eq(vmq_peer(q, "taker", 2 * PATIENCE, &taker_id), 0);
	for (int i = 0; i < 2; i++) {
		int64_t n = vmq_recv(q, &told, sizeof(told), &msg, 2 * PATIENCE);

		cr_assert_eq(n, sizeof(told), "%s", n < 0 ? vmq_strerror((int)n) : "a message of another size");
		told.sha256[64] = 0;
		if (msg.peer == taker_id)
			taker = told;
		else
			giver = told;
	}
}

static struct world w;
static bool good;

static void finish(void)
{
	world_end(&w, !good);
}

Test(file, by_pages, .timeout = 120, .fini = finish)
{
	char address[128], seed[32], hash[65];
	uint64_t number = now_ns();
	struct vmq *q;

	world_make(&w);
	cr_assert(world_server(&w, NULL));
	snprintf(address, sizeof(address), "ivshmem:unix=%s?name=judge", w.sock);
	snprintf(seed, sizeof(seed), "%" PRIu64, number);
	world_guest(&w, "taker", WORLD_VFIO, "take", "ivshmem:?name=taker", NULL);
	world_guest(&w, "giver", WORLD_SYSFS, "give", "ivshmem:?name=giver", seed, NULL);
	cr_assert_eq(vmq_open(address, NULL, &q), 0);
	expected_hash(number, hash);
	hear_both(q);
	fprintf(stderr, "seed %s: %s\n", seed, hash);
	cr_assert_str_eq(giver.sha256, hash);
	cr_assert_str_eq(taker.sha256, hash);

	/* All of it in pages, and of that nothing in a lane. */
	cr_assert_eq(giver.page_bytes_sent, FILE_SIZE);
	cr_assert_eq(taker.bytes, FILE_SIZE);
	cr_assert_eq(taker.pages_received, FILE_SIZE / VMQ_PAGE_SIZE);
	cr_assert_lt(giver.sent_bytes, 4096);
	cr_assert_lt(taker.received_bytes, 4096);
	vmq_close(q);
	cr_assert(world_ended(&w, "giver", PATIENCE_MS));
	cr_assert(world_ended(&w, "taker", PATIENCE_MS));
	good = true;
}
