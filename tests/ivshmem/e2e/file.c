/* SPDX-License-Identifier: BSD-2-Clause */
/* file.c - a file of 64 MiB goes from guest to guest by pages that change hands. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmq/vmq.h>

#include "member.h"

#define WAIT VMQ_MS(60000)
#define PATH "/tmp/file"

static int failed(const char *what, int64_t code)
{
	printf("file: %s: %s\n", what, code < 0 ? vmq_strerror((int)code) : "");
	return 1;
}

/* The hash of the file as the system's own program sees it. */
static bool hash(char hex[65])
{
	FILE *f = popen("sha256sum " PATH, "re");
	bool ok = f && fscanf(f, "%64[0-9a-f]", hex) == 1;

	return f && !pclose(f) && ok;
}

/* Tell the judge, and stay until it leaves. */
static int tell(struct vmq *q, struct file_told *told)
{
	struct vmq_stats s = { .size = sizeof(s) };
	struct vmq_msg msg;
	uint32_t judge;
	int64_t rc;

	if (!hash(told->sha256))
		return failed("no hash", 0);
	vmq_stats(q, &s);
	told->sent_bytes = s.sent_bytes;
	told->page_bytes_sent = s.page_bytes_sent;
	told->pages_received = s.pages_received;
	told->received_bytes = s.received_bytes;
	printf("file: %" PRIu64 " bytes, %s; %" PRIu64 " bytes sent in lanes, %" PRIu64 " in pages\n",
		told->bytes, told->sha256, told->sent_bytes, told->page_bytes_sent);
	rc = vmq_peer(q, "judge", WAIT, &judge);
	if (!rc)
		rc = vmq_send(q, judge, told, sizeof(*told), VMQ_SEND_AUTO, WAIT);
	if (rc)
		return failed("cannot tell", rc);
	do
		rc = vmq_recv(q, NULL, 0, &msg, WAIT);
	while (rc != VMQ_EGONE || msg.peer != judge);
	return 0;
}

/* ---- the giver ------------------------------------------------------------------------- */

static bool make_file(uint64_t seed)
{
	static uint8_t chunk[FILE_CHUNK];
	FILE *f = fopen(PATH, "we");

	for (uint64_t at = 0; f && at < FILE_SIZE; at += FILE_CHUNK) {
		file_bytes(seed, at, chunk, FILE_CHUNK);
		if (fwrite(chunk, FILE_CHUNK, 1, f) != 1)
			return false;
	}
	return f && !fclose(f);
}

/* The system puts the file's bytes into the page: that is the only copy there is. */
static int64_t give_chunk(struct vmq *q, uint32_t taker, int fd)
{
	struct vmq_page page;
	size_t have = 0;
	int64_t n = vmq_page_alloc(q, taker, FILE_CHUNK, &page, WAIT);

	if (n)
		return n;
	do {
		n = read(fd, (char *)page.addr + have, FILE_CHUNK - have);
		have += n > 0 ? (size_t)n : 0;
	} while (n > 0 && have < FILE_CHUNK);
	if (have < FILE_CHUNK)
		return VMQ_ESYS;
	return vmq_page_send(q, &page, VMQ_PAGE_MOVE, "", 0, VMQ_SEND_AUTO, WAIT);
}

int file_give(const char *address, const char *seed)
{
	struct file_told told = { 0 };
	uint32_t taker;
	struct vmq *q;
	int64_t rc;
	int fd;

	if (!make_file(strtoull(seed, NULL, 0)))
		return failed("cannot make it", 0);
	fd = open(PATH, O_RDONLY | O_CLOEXEC);
	rc = vmq_open(address, NULL, &q);
	if (!rc)
		rc = vmq_peer(q, "taker", WAIT, &taker);
	for (; !rc && told.bytes < FILE_SIZE; told.bytes += FILE_CHUNK)
		rc = give_chunk(q, taker, fd);
	if (rc)
		return failed("cannot give it", rc);
	rc = tell(q, &told);
	vmq_close(q);
	close(fd);
	return (int)rc;
}

/* ---- the taker --------------------------------------------------------------------------- */

int file_take(const char *address)
{
	struct file_told told = { 0 };
	FILE *f = fopen(PATH, "we");
	struct vmq_msg msg;
	struct vmq *q;
	int64_t rc;

	rc = f ? vmq_open(address, NULL, &q) : VMQ_ESYS;
	while (!rc && told.bytes < FILE_SIZE) {
		rc = vmq_recv(q, NULL, 0, &msg, WAIT);
		if (rc || !(msg.flags & VMQ_MSG_PAGE))
			break;
		told.bytes += msg.page.len;
		if (fwrite(msg.page.addr, msg.page.len, 1, f) != 1)
			break;
		rc = vmq_page_free(q, &msg.page);
	}
	if (rc || told.bytes != FILE_SIZE || fclose(f))
		return failed("cannot take it", rc);
	rc = tell(q, &told);
	vmq_close(q);
	return (int)rc;
}
