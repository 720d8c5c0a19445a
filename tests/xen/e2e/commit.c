/* SPDX-License-Identifier: BSD-2-Clause */
/* commit.c - one who commits messages and is destroyed, and one who looks for them only then. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenstore.h>

#include "member.h"

#define WAIT VMQ_MS(20000)
#define BYTES 180u
#define GO "data/go"

/* ---- who is destroyed ---------------------------------------------------------------------- */

static int commit_to(struct vmq *q, const char *name, uint32_t count)
{
	uint8_t bytes[BYTES];
	uint32_t peer;
	int rc = vmq_peer(q, name, WAIT, &peer);

	for (uint32_t i = 1; i <= count && !rc; i++) {
		memset(bytes, (int)(i & 0xff), sizeof(bytes));
		memcpy(bytes, &i, sizeof(i));
		rc = vmq_send(q, peer, bytes, sizeof(bytes), VMQ_SEND_AUTO, VMQ_NOWAIT);
	}
	if (rc)
		say("commit: %s: %s", name, vmq_errname(rc));
	return rc;
}

int commit(const char *address, const char *count, char **others)
{
	struct vmq *q;
	int rc = member_open(address, &q);

	for (; !rc && *others; others++)
		rc = commit_to(q, *others, (uint32_t)atoi(count));
	if (rc)
		return 1;
	say("committed %s to each", count);
	for (;;)
		pause();
}

/* ---- who receives --------------------------------------------------------------------------- */

static bool wait_for_go(void)
{
	struct xs_handle *xs = xs_open(0);
	char *value = NULL;
	unsigned len;

	for (uint64_t end = now_ms() + 60000; xs && !value && now_ms() < end; usleep(20000))
		value = xs_read(xs, XBT_NULL, GO, &len);
	xs_close(xs);
	free(value);
	return value != NULL;
}

/* How many came, in order and whole, before the end of the stream; *end is how it ended. */
static uint32_t count_in(struct vmq *q, uint32_t peer, int64_t *end)
{
	uint8_t bytes[BYTES + 1];
	uint32_t got = 0, number;
	struct vmq_msg m;
	int64_t n;

	for (;; got++) {
		n = vmq_recv(q, bytes, sizeof(bytes), &m, WAIT);
		if (n != BYTES || m.peer != peer)
			break;
		memcpy(&number, bytes, sizeof(number));
		if (number != got + 1 || bytes[BYTES - 1] != (number & 0xff))
			break;
	}
	*end = n;
	return got;
}

static bool leave_is_told(struct vmq *q, uint32_t peer)
{
	struct vmq_event e = { .size = sizeof(e) };
	int rc;

	do {
		rc = vmq_event(q, &e, WAIT);
	} while (!rc && (e.peer != peer || e.type != VMQ_EVENT_LEAVE));
	return !rc && e.reason == VMQ_EGONE;
}

int collect(const char *address, const char *from, const char *count)
{
	uint32_t peer, got;
	struct vmq *q;
	int64_t end;
	bool told;
	int rc = member_open(address, &q);

	if (!rc)
		rc = vmq_peer(q, from, VMQ_MS(60000), &peer);
	say("collect: %s", rc ? vmq_errname(rc) : "met");
	if (rc || !wait_for_go())
		return 1;
	got = count_in(q, peer, &end);
	told = leave_is_told(q, peer);
	vmq_close(q);
	say("collect: %u of %s, then %s; %s", got, count, end < 0 ? vmq_errname((int)end) : "something else",
		told ? "LEAVE" : "no LEAVE");
	return told && end == VMQ_EGONE && got == (uint32_t)atoi(count) ? 0 : 1;
}
