/* SPDX-License-Identifier: BSD-2-Clause */
/* echo_host.c - a VM that sends back what it gets, to whoever sent it, until the hub
 * ends. See echo_guest.c for how to start it. */
#include <stdio.h>

#include <vmq/vmq.h>

/* One message in, the same message out. Returns 0, or why it can't go on. */
static int echo(struct vmq *q)
{
	struct vmq_msg msg;
	char buf[65536];
	int64_t n;
	int rc;

	n = vmq_recv(q, buf, sizeof(buf), &msg, VMQ_FOREVER);
	/* Said once for each guest that leaves: the queue itself goes on. */
	if (n == VMQ_EGONE || n == VMQ_EPEER) {
		printf("guest %u left: %s\n", msg.peer, vmq_strerror((int)n));
		return 0;
	}
	if (n < 0)
		return (int)n;
	printf("%lld bytes from guest %u\n", (long long)n, msg.peer);
	/* Not for ever: a guest that sends and never receives would stop us. */
	rc = vmq_send(q, msg.peer, buf, (size_t)n, VMQ_SEND_AUTO, VMQ_MS(1000));
	if (rc)
		fprintf(stderr, "echo_host: guest %u gets no echo: %s\n", msg.peer, vmq_strerror(rc));
	return 0;
}

int main(int argc, char **argv)
{
	char why[200] = "";
	struct vmq_options options = { .size = sizeof(options), .errmsg = why, .errlen = sizeof(why) };
	struct vmq *q;
	int rc;

	if (argc != 2) {
		fprintf(stderr, "usage: %s ADDRESS\n", argv[0]);
		return 2;
	}
	/* Guests may not send more at once than our buffer holds. */
	options.max_msg = 65536;
	rc = vmq_open(argv[1], &options, &q);
	if (rc) {
		fprintf(stderr, "echo_host: %s\n", why[0] ? why : vmq_strerror(rc));
		return 1;
	}
	do {
		rc = echo(q);
		fflush(stdout);
	} while (!rc);
	/* VMQ_ECONN: the hub ended, and everything that was sent has been received. */
	printf("stopped: %s\n", vmq_strerror(rc));
	vmq_close(q);
	return rc == VMQ_ECONN ? 0 : 1;
}
