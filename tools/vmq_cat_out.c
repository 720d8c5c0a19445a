/* SPDX-License-Identifier: BSD-2-Clause */
/* vmq_cat_out.c - the peer to standard output. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "vmq_cat.h"

#define LOOKS 1000 /* messages of others may stand before */

/* When it is too late, if nothing moves from now on. */
static uint64_t idle_deadline(struct cat *c)
{
	return c->timeout < 0 ? UINT64_MAX : c->last + (uint64_t)c->timeout;
}

static int too_late(const char *name)
{
	return tool_fail(TOOL_TIMEOUT, "nothing came from '%s', and nothing went to it, in time", name);
}

/* Never waits inside of write(), where nothing else would be noticed. -1: done. */
static int put(struct cat *c, const uint8_t *data, size_t len)
{
	while (len) {
		struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };
		ssize_t n;

		if (tool_poll(&p, 1, idle_deadline(c)) < 0)
			return TOOL_FAILED;
		if (!p.revents && tool_now() >= idle_deadline(c))
			return too_late(c->name);
		n = p.revents ? write(STDOUT_FILENO, data, len < c->out_most ? len : c->out_most) : 0;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return tool_output_failed(NULL);
		if (n <= 0)
			continue;
		data += n;
		len -= (size_t)n;
		cat_moved(c, (size_t)n);
	}
	return -1;
}

/* Who reads standard output sees its end now, whatever the other direction does. */
static int peer_ended(struct cat *c)
{
	cat_moved(c, 0);
	if (!c->out_ended)
		dup2(c->over_fd, STDOUT_FILENO);
	c->out_ended = true;
	return -1;
}

/* It took an empty message for a message. */
static int too_much(struct cat *c)
{
	if (!c->more)
		tool_say("'%s' sent more behind an empty message, which is the end: that is dropped", c->name);
	c->more = true;
	return -1;
}

/* -1: go on. */
static int message(struct cat *c, const struct vmq_msg *msg)
{
	int code;

	if (msg->peer == vmq_id(c->q) && msg->peer != c->peer)
		return -1; /* wake_receiver() */
	if (msg->peer != c->peer) {
		if (!c->others)
			tool_say("'%s' sends, too: that is dropped", tool_name_of(c->q, msg->peer).text);
		c->others = true;
		return -1;
	}
	if (!msg->len && !(msg->flags & VMQ_MSG_PAGE))
		return c->until_gone ? -1 : peer_ended(c);
	if (c->out_ended)
		return too_much(c);
	code = put(c, msg->data, msg->len);
	return code < 0 && msg->flags & VMQ_MSG_PAGE ? put(c, msg->page.addr, msg->page.len) : code;
}

/* A peer has left. An earlier life of ours may have: this one is still there. */
static int end_of(struct cat *c, uint32_t peer, int why)
{
	struct vmq_peer_info info = { .size = sizeof(info) };

	if (peer != c->peer)
		return -1;
	if (why == VMQ_EPEER) {
		tool_say_poison(c->q, peer);
		return TOOL_FAILED;
	}
	if (!vmq_peer_info(c->q, peer, &info) && !info.state && info.epoch == c->epoch)
		return -1;
	return TOOL_GONE;
}

/* Take the next message, or see why there is none. -1: go on. */
static int step(struct cat *c)
{
	struct vmq_msg msg;
	int rc = vmq_peek(c->q, &msg, tool_left(idle_deadline(c), TOOL_SLICE)), code;

	if (!rc) {
		code = message(c, &msg);
		if (msg.flags & VMQ_MSG_PAGE)
			vmq_page_free(c->q, &msg.page);
		vmq_release(c->q);
		return code;
	}
	if (rc == VMQ_ETIMEDOUT || rc == VMQ_EAGAIN)
		return tool_now() < idle_deadline(c) ? -1 : too_late(c->name);
	if (rc == VMQ_EGONE || rc == VMQ_EACCES || rc == VMQ_EPEER)
		return end_of(c, msg.peer, rc);
	c->down = rc == VMQ_ECONN;
	return c->down ? TOOL_GONE : tool_fail(TOOL_FAILED, "%s", vmq_strerror(rc));
}

/* Both have ended. What the peer may have put behind its end is there by now, or never seen. */
static int ended(struct cat *c)
{
	struct vmq_msg msg;

	for (int i = 0; i < LOOKS && !c->more && !vmq_peek(c->q, &msg, VMQ_NOWAIT); i++) {
		message(c, &msg);
		if (msg.flags & VMQ_MSG_PAGE)
			vmq_page_free(c->q, &msg.page);
		vmq_release(c->q);
	}
	return TOOL_OK;
}

int cat_receive(struct cat *c)
{
	int code = -1;

	while (code < 0) {
		if (tool_stopped() || c->in_code == TOOL_FAILED)
			return TOOL_FAILED;
		if (c->out_ended && !c->in_code)
			return ended(c);
		code = step(c);
	}
	return code;
}
