/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmq_cat.c - `vmq cat`: standard input to a VM, what comes from it to standard output.
 *
 * One thread reads and sends, the other receives and prints, so that neither direction
 * waits for the other. An empty message is the end of a direction, unless the
 * peer is to end by leaving.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "misuse.h"
#include "vmq_cat.h"

static int usage(void)
{
	printf(
		"usage: vmq cat [OPTION]... ADDRESS PEER\n\n"
		"Sends standard input to the VM that is called PEER, and prints what comes from it, both at once,\n"
		"byte by byte, until both have ended. PEER runs `vmq cat` as well, or a program that takes an\n"
		"empty message for the end, and sends one.\n\n"
		"  -g, --until-gone   PEER sends no end: it leaves, and its empty messages are nothing\n"
		"  -t, --timeout S    give up when PEER is not there after S seconds, or when later nothing moved\n"
		"                     for S seconds, in neither direction\n"
		"  -h, --help\n\n"
		"ADDRESS is one of sim:unix=PATH, kvm:unix=PATH, ivshmem:unix=PATH, ivshmem:file=PATH, ivshmem:,\n"
		"ivshmem:BDF, xen:FABRIC, with ?name=NAME behind it.\n\n"
		"Exit codes: 0 both have ended, 1 failed, 2 called wrongly, 3 the time was up, 4 PEER left before\n"
		"that, or the fabric has gone.\n");
	return TOOL_OK;
}

void cat_moved(struct cat *c, size_t bytes)
{
	c->moved += bytes;
	c->last = tool_now();
	tool_progress_bytes(c->moved, 0);
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
	if (c->until_gone && (!c->in_code || c->in_code == CAT_WAITED))
		return TOOL_OK;
	return tool_fail(TOOL_GONE, "'%s' has left %s", c->name,
		c->out_ended || c->until_gone ? "and may not have taken everything" : "without an end");
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
	c->out_most = !fstat(STDOUT_FILENO, &st) && S_ISREG(st.st_mode) ? CAT_CHUNK : PIPE_BUF;
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
	rc = pthread_create(&c->sender, NULL, cat_sender, c);
	if (rc)
		return tool_fail(TOOL_FAILED, "%s", strerror(rc));
	rc = cat_receive(c);
	eventfd_write(c->over_fd, 1);
	pthread_join(c->sender, NULL);
	close(c->over_fd);
	tool_progress_end();
	if (rc == TOOL_GONE)
		rc = gone(c);
	return !rc && c->more ? TOOL_FAILED : rc;
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
		{ "timeout", required_argument, NULL, 't' }, { "until-gone", no_argument, NULL, 'g' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "t:gh", longs, NULL)) >= 0) {
		if (opt == 'h')
			return usage();
		if (opt == '?')
			return misuse_option(tool_name, argv);
		c->until_gone |= opt == 'g';
		if (opt == 't' && !tool_seconds("--timeout", optarg, &c->timeout))
			return TOOL_USAGE;
	}
	if (argc - optind != 2)
		return misuse(tool_name, "ADDRESS and PEER are needed, and nothing else");
	c->address = argv[optind];
	c->name = argv[optind + 1];
	return tool_peer_name(c->name) ? -1 : TOOL_USAGE;
}

int tool_cat(int argc, char **argv)
{
	struct cat c = { .timeout = VMQ_FOREVER, .in_code = CAT_SENDING };
	int code = parse(argc, argv, &c);

	return code < 0 ? run(&c) : code;
}
