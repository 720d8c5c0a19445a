/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmq_cat.c - `vmq cat`: standard input to a VM, what comes from it to standard output.
 *
 * One thread reads and sends, the other receives and prints, so that neither direction
 * waits for the other. An empty message is the end of a direction.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common.h"
#include "misuse.h"

#define CHUNK 65536u

struct cat {
	struct vmq *q;
	const char *address, *name;
	int64_t timeout;
	uint32_t peer, epoch;
	int over_fd;              /* readable when the sending thread is to end */
	pthread_t sender;
	size_t out_most;          /* what one write() takes without waiting */
	bool out_ended;           /* the peer's end was there */
	bool others, down;        /* strangers' messages were; the fabric has gone */
	_Atomic int in_code;      /* of the sending thread: -1, or how it ended */
	_Atomic uint64_t moved, last; /* bytes; when something last moved */
};

static int usage(void)
{
	printf(
		"usage: vmq cat [OPTION]... ADDRESS PEER\n\n"
		"Sends standard input to the VM that is called PEER, and prints what comes from it, both at once,\n"
		"byte by byte, until both have ended. PEER runs `vmq cat` as well, or a program that takes an\n"
		"empty message for the end, and sends one.\n\n"
		"  -t, --timeout S    give up when PEER is not there after S seconds, or when later nothing moved\n"
		"                     for S seconds, in neither direction\n"
		"  -h, --help\n\n"
		"ADDRESS is one of sim:unix=PATH, kvm:unix=PATH, ivshmem:unix=PATH, ivshmem:file=PATH, ivshmem:,\n"
		"ivshmem:BDF, xen:FABRIC, with ?name=NAME behind it.\n\n"
		"Exit codes: 0 both have ended, 1 failed, 2 called wrongly, 3 the time was up, 4 PEER left before\n"
		"that, or the fabric has gone.\n");
	return TOOL_OK;
}

static void moved(struct cat *c, size_t bytes)
{
	c->moved += bytes;
	c->last = tool_now();
	tool_progress_bytes(c->moved, 0);
}

/* When it is too late, if nothing moves from now on. */
static uint64_t idle_deadline(struct cat *c)
{
	return c->timeout < 0 ? UINT64_MAX : c->last + (uint64_t)c->timeout;
}

/* ---- standard input to the peer --------------------------------------------------------- */

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

/* An empty message. */
static int say_end(struct cat *c)
{
	int rc;

	do
		rc = vmq_send(c->q, c->peer, "", 0, VMQ_SEND_AUTO, TOOL_SLICE);
	while ((rc == VMQ_EAGAIN || rc == VMQ_ETIMEDOUT) && !over(c));
	if (!rc)
		moved(c, 0);
	return rc;
}

/* What is there is read straight into the peer's queue. 1: go on; 0: it was the end; or an error. */
static int pass_on(struct cat *c, size_t *size)
{
	void *data;
	ssize_t n;
	int rc = room(c, size, &data);

	if (rc)
		return rc;
	do
		n = read(STDIN_FILENO, data, *size);
	while (n < 0 && errno == EINTR && !over(c));
	if (n < 0 && errno == EAGAIN)
		return 1;
	if (n < 0)
		return VMQ_ESYS;
	if (!n)
		return say_end(c);
	rc = vmq_commit(c->q, (size_t)n, VMQ_SEND_AUTO);
	moved(c, (size_t)n);
	return rc ? rc : 1;
}

/* The other thread sleeps: it is to see that this one has ended. */
static void wake_receiver(struct cat *c)
{
	int64_t self = vmq_id(c->q);

	if (self >= 0 && self != c->peer)
		vmq_send(c->q, (uint32_t)self, "", 0, VMQ_SEND_AUTO, VMQ_NOWAIT);
}

static void *sender(void *arg)
{
	struct cat *c = arg;
	size_t size = CHUNK;
	int rc = 1, code = TOOL_OK;

	while (rc > 0)
		rc = readable(c) ? pass_on(c, &size) : VMQ_ETIMEDOUT;
	if (rc == VMQ_ESYS)
		code = tool_fail(TOOL_FAILED, "cannot read standard input: %s", strerror(errno));
	else if (rc)
		code = TOOL_GONE; /* the receiving side says why */
	c->in_code = code;
	wake_receiver(c);
	return NULL;
}

/* ---- the peer to standard output ---------------------------------------------------------- */

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
		moved(c, (size_t)n);
	}
	return -1;
}

/* Who reads standard output sees its end now, whatever the other direction does. */
static int peer_ended(struct cat *c)
{
	c->out_ended = true;
	moved(c, 0);
	dup2(c->over_fd, STDOUT_FILENO);
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
	if (c->out_ended)
		return -1;
	if (!msg->len && !(msg->flags & VMQ_MSG_PAGE))
		return peer_ended(c);
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

static int receive(struct cat *c)
{
	int code = -1;

	while (code < 0) {
		if (tool_stopped() || c->in_code == TOOL_FAILED)
			return TOOL_FAILED;
		if (c->out_ended && !c->in_code)
			return TOOL_OK;
		code = step(c);
	}
	return code;
}

/* It has gone; but that is no trouble if both directions had ended. The sending thread is the
 * one that knows, and has ended by now. */
static int gone(const struct cat *c)
{
	struct vmq_event event = { .size = sizeof(event) };
	bool down = c->down;

	if (c->out_ended && !c->in_code)
		return TOOL_OK;
	/* Peers leave first when the fabric goes. */
	while (!vmq_event(c->q, &event, VMQ_NOWAIT))
		down |= event.type == VMQ_EVENT_DOWN;
	if (down)
		return tool_fail(TOOL_GONE, "the fabric has gone");
	return tool_fail(TOOL_GONE, "'%s' has left %s", c->name,
		c->out_ended ? "and may not have taken everything" : "without an end");
}

/* ---- the command ------------------------------------------------------------------------- */

/* Is the next message the peer's? It stays; those of others before it go. */
static bool spoke(struct vmq *q, const char *name, uint32_t *peer)
{
	struct vmq_msg msg;
	int rc;

	while (!(rc = vmq_peek(q, &msg, VMQ_NOWAIT))) {
		*peer = msg.peer;
		if (!strcmp(tool_name_of(q, msg.peer).text, name))
			return true;
		if (msg.flags & VMQ_MSG_PAGE)
			vmq_page_free(q, &msg.page);
		vmq_release(q);
	}
	return false;
}

static int find(struct cat *c)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	struct stat st;
	int rc = tool_peer(c->q, c->address, c->name, c->timeout, spoke, &c->peer);

	if (rc)
		return rc;
	vmq_peer_info(c->q, c->peer, &info);
	c->epoch = info.epoch;
	c->last = tool_now();
	c->out_most = !fstat(STDOUT_FILENO, &st) && S_ISREG(st.st_mode) ? CHUNK : PIPE_BUF;
	return TOOL_OK;
}

static int converse(struct cat *c)
{
	int rc = find(c);

	if (rc)
		return rc;
	c->over_fd = eventfd(0, EFD_CLOEXEC);
	if (c->over_fd < 0)
		return tool_fail(TOOL_FAILED, "%s", strerror(errno));
	if (!isatty(STDIN_FILENO) && !isatty(STDOUT_FILENO))
		tool_progress("talking to '%s'", c->name);
	rc = pthread_create(&c->sender, NULL, sender, c);
	if (rc)
		return tool_fail(TOOL_FAILED, "%s", strerror(rc));
	rc = receive(c);
	eventfd_write(c->over_fd, 1);
	pthread_join(c->sender, NULL);
	close(c->over_fd);
	tool_progress_end();
	return rc == TOOL_GONE ? gone(c) : rc;
}

static int run(struct cat *c)
{
	int rc;

	tool_signals();
	rc = tool_open(c->address, NULL, NULL, &c->q);
	if (rc)
		return rc;
	rc = converse(c);
	vmq_close(c->q);
	return tool_end(rc);
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct cat *c)
{
	static const struct option longs[] = {
		{ "timeout", required_argument, NULL, 't' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "t:h", longs, NULL)) >= 0) {
		if (opt == 'h')
			return usage();
		if (opt == '?')
			return misuse_option(tool_name, argv);
		if (!tool_seconds("--timeout", optarg, &c->timeout))
			return TOOL_USAGE;
	}
	if (argc - optind != 2)
		return tool_misuse("ADDRESS and PEER are needed, and nothing else");
	c->address = argv[optind];
	c->name = argv[optind + 1];
	return tool_peer_name(c->name) ? -1 : TOOL_USAGE;
}

int tool_cat(int argc, char **argv)
{
	struct cat c = { .timeout = VMQ_FOREVER, .in_code = -1 };
	int code = parse(argc, argv, &c);

	return code < 0 ? run(&c) : code;
}
