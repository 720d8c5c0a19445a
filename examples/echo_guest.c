/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * echo_guest.c - a VM that says something to the VM "host" and prints what comes back.
 *
 *	vmq hub -t examples/lab.json /tmp/lab &
 *	example-echo_host 'sim:unix=/tmp/lab?name=host' &
 *	example-echo_guest 'sim:unix=/tmp/lab?name=guest-1' hello world
 */
#include <stdio.h>
#include <string.h>

#include <vmq/vmq.h>

#define PATIENCE VMQ_MS(10000)

static int failed(const char *what, int code)
{
	fprintf(stderr, "echo_guest: %s: %s\n", what, vmq_strerror(code));
	return 1;
}

/* Say one thing and wait for its echo. */
static int say(struct vmq *q, uint32_t host, const char *text)
{
	size_t len = strlen(text);
	char echo[4096];
	int64_t n;
	int rc;

	/* Rings the host's doorbell if the host sleeps, and costs nothing else. */
	rc = vmq_send(q, host, text, len, VMQ_SEND_AUTO, PATIENCE);
	if (rc)
		return failed("cannot send", rc);
	n = vmq_recv(q, echo, sizeof(echo), NULL, PATIENCE);
	if (n < 0)
		return failed("no echo", (int)n);
	if ((size_t)n != len || memcmp(echo, text, len)) {
		fprintf(stderr, "echo_guest: that was not an echo\n");
		return 1;
	}
	printf("%.*s\n", (int)n, echo);
	return 0;
}

int main(int argc, char **argv)
{
	char why[200] = "";
	struct vmq_options options = { .size = sizeof(options), .errmsg = why, .errlen = sizeof(why) };
	struct vmq *q;
	uint32_t host;
	int rc;

	if (argc < 3) {
		fprintf(stderr, "usage: %s ADDRESS TEXT...\n", argv[0]);
		return 2;
	}
	rc = vmq_open(argv[1], &options, &q);
	if (rc)
		return failed(why[0] ? why : argv[1], rc);
	/* Peers have ids. This one is found by its name, also if it comes later. */
	rc = vmq_peer(q, "host", PATIENCE, &host);
	if (rc)
		rc = failed("there is no host", rc);
	for (int i = 2; i < argc && !rc; i++)
		rc = say(q, host, argv[i]);
	vmq_close(q);
	return rc;
}
