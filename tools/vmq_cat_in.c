/* SPDX-License-Identifier: BSD-2-Clause */
/* vmq_cat_in.c - standard input to the peer: a thread that reads and sends. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "vmq_cat.h"

/* Is the whole to end? */
static bool over(struct cat *c)
{
	struct pollfd p = { .fd = c->over_fd, .events = POLLIN };

	return tool_stopped() || poll(&p, 1, 0) > 0;
}

/* Wait for something to read. False: it is over. */
static bool readable(struct cat *c)
{
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = c->over_fd, .events = POLLIN } };

	do {
		if (tool_poll(p, 2, UINT64_MAX) < 0 || p[1].revents)
			return false;
	} while (!p[0].revents);
	return true;
}

/* Room for a piece in the peer's queue; *size becomes less if no lane of the peer's could ever
 * hold that much. */
static int room(struct cat *c, size_t *size, void **data)
{
	int rc;

	do {
		rc = vmq_reserve(c->q, c->peer, *size, data, TOOL_SLICE);
		if (rc == VMQ_EMSGSIZE && *size > 1) {
			*size /= 2;
			rc = VMQ_EAGAIN;
		}
	} while ((rc == VMQ_EAGAIN || rc == VMQ_ETIMEDOUT) && !over(c));
	return rc;
}

/* An empty message, in place of what there was room for. */
static int say_end(struct cat *c)
{
	int rc = vmq_cancel(c->q);

	if (rc)
		return rc;
	do
		rc = vmq_send(c->q, c->peer, "", 0, VMQ_SEND_AUTO, TOOL_SLICE);
	while ((rc == VMQ_EAGAIN || rc == VMQ_ETIMEDOUT) && !over(c));
	if (!rc)
		cat_moved(c, 0);
	return rc;
}

/* The peer has gone: was there anything left for it? */
static bool input_ended(void)
{
	char byte;

	return read(STDIN_FILENO, &byte, 1) == 0;
}

/* What is there is read straight into the peer's queue. 1: go on; 0: it was the end; or an error. */
static int pass_on(struct cat *c, size_t *size)
{
	void *data;
	ssize_t n;
	int rc = room(c, size, &data);

	if (rc)
		return rc == VMQ_EGONE && c->until_gone && input_ended() ? 0 : rc;
	do
		n = read(STDIN_FILENO, data, *size);
	while (n < 0 && errno == EINTR && !over(c));
	if (n < 0 && errno == EAGAIN)
		return 1;
	if (n < 0)
		return VMQ_ESYS;
	if (!n) {
		rc = say_end(c);
		return rc == VMQ_EGONE && c->until_gone ? 0 : rc;
	}
	rc = vmq_commit(c->q, (size_t)n, VMQ_SEND_AUTO);
	cat_moved(c, (size_t)n);
	return rc ? rc : 1;
}

/* The other thread sleeps: it is to see that this one has ended. */
static void wake_receiver(struct cat *c)
{
	int64_t self = vmq_id(c->q);

	if (self >= 0 && self != c->peer)
		vmq_send(c->q, (uint32_t)self, "", 0, VMQ_SEND_AUTO, VMQ_NOWAIT);
}

void *cat_sender(void *cat)
{
	struct cat *c = cat;
	size_t size = CAT_CHUNK;
	int rc = 1, code = TOOL_OK;
	bool more = true;

	while (rc > 0 && (more = readable(c)))
		rc = pass_on(c, &size);
	if (!more)
		code = CAT_WAITED;
	else if (rc == VMQ_ESYS)
		code = tool_fail(TOOL_FAILED, "cannot read standard input: %s", strerror(errno));
	else if (rc)
		code = TOOL_GONE; /* the receiving side says why */
	c->in_code = code;
	wake_receiver(c);
	return NULL;
}
