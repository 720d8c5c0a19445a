/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pages.c - a large buffer goes from one VM to another, and back, without a copy.
 *
 *	example-pages take 'sim:unix=/tmp/lab?name=taker' &
 *	example-pages give 'sim:unix=/tmp/lab?name=giver&pages=2048'
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <vmq/vmq.h>

#define SIZE (4u << 20)
#define PATIENCE VMQ_MS(10000)

static int failed(const char *what, int64_t code)
{
	fprintf(stderr, "pages: %s: %s\n", what, vmq_strerror((int)code));
	return 1;
}

static uint64_t sum(const void *data, size_t len)
{
	const uint8_t *b = data;
	uint64_t total = 0;

	while (len--)
		total = total * 31 + *b++;
	return total;
}

/* Wait for a message that brings pages with it. */
static int64_t recv_page(struct vmq *q, struct vmq_msg *msg, char *text, size_t cap)
{
	int64_t n = vmq_recv(q, text, cap - 1, msg, PATIENCE);

	if (n >= 0)
		text[n] = 0;
	return n >= 0 && !(msg->flags & VMQ_MSG_PAGE) ? VMQ_EINVAL : n;
}

static int give(struct vmq *q)
{
	struct vmq_stats stats = { .size = sizeof(stats) };
	struct vmq_page page;
	struct vmq_msg msg;
	uint32_t taker;
	uint8_t *bytes;
	char text[64];
	int64_t rc = vmq_peer(q, "taker", PATIENCE, &taker);

	if (!rc)
		rc = vmq_page_alloc(q, taker, SIZE, &page, PATIENCE);
	if (rc)
		return failed("no pages", rc);
	bytes = page.addr;
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 4096);
	printf("giver: %u pages filled at %p, sum %016" PRIx64 "\n", page.count, page.addr, sum(bytes, SIZE));
	rc = vmq_page_send(q, &page, VMQ_PAGE_MOVE, "yours now", 9, VMQ_SEND_AUTO, PATIENCE);
	if (rc)
		return failed("cannot send", rc);
	/* The handle is stale. The addresses are still there, and what lay behind
	 * them is not: the mapping has changed. */
	if (vmq_caps(q) & VMQ_CAP_UNMAP)
		printf("giver: the same addresses now have sum %016" PRIx64 "\n", sum(bytes, SIZE));
	rc = recv_page(q, &msg, text, sizeof(text));
	if (rc < 0)
		return failed("nothing came back", rc);
	bytes = msg.page.addr;
	printf("giver: '%s': %zu bytes back at %p, the first is %u\n", text, msg.page.len,
		msg.page.addr, bytes[0]);
	vmq_page_free(q, &msg.page);
	vmq_stats(q, &stats);
	printf("giver: %" PRIu64 " bytes handed over, %" PRIu64 " copied\n", stats.page_bytes_sent,
		stats.sent_bytes);
	return 0;
}

static int take(struct vmq *q)
{
	struct vmq_msg msg;
	uint8_t *bytes;
	char text[64];
	int64_t rc = recv_page(q, &msg, text, sizeof(text));

	if (rc < 0)
		return failed("no pages came", rc);
	bytes = msg.page.addr;
	printf("taker: '%s': %zu bytes at %p, sum %016" PRIx64 "\n", text, msg.page.len, msg.page.addr,
		sum(bytes, msg.page.len));
	/* They are this VM's: it may write, and give them away in turn. */
	bytes[0] = 42;
	rc = vmq_page_send(q, &msg.page, VMQ_PAGE_MOVE, "back to you", 11, VMQ_SEND_AUTO, PATIENCE);
	return rc ? failed("cannot send them back", rc) : 0;
}

int main(int argc, char **argv)
{
	struct vmq *q;
	int rc;

	if (argc != 3 || (strcmp(argv[1], "give") && strcmp(argv[1], "take"))) {
		fprintf(stderr, "usage: %s give|take ADDRESS\n", argv[0]);
		return 2;
	}
	rc = vmq_open(argv[2], NULL, &q);
	if (rc)
		return failed(argv[2], rc);
	rc = strcmp(argv[1], "give") ? take(q) : give(q);
	vmq_close(q);
	return rc;
}
