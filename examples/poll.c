/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * poll.c - one thread serves many peers, in an event loop of its own (epoll).
 *
 * Every peer's messages come out of the one queue, so one descriptor is enough. Each
 * message goes back to its sender (call it "host", and try echo_guest), and lines from
 * the standard input, the loop's other source, go to all peers.
 */
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <vmq/vmq.h>

#define MESSAGE_MAX 65536

static int serve(struct vmq *q, const struct vmq_msg *msg, int64_t n)
{
	int rc;

	if (n < 0) /* who left or misbehaved: vmq_event() says it with the name */
		return n == VMQ_EGONE || n == VMQ_EPEER ? 0 : (int)n;
	/* The loop must not wait for one slow peer: whose queue is full, loses. */
	rc = vmq_send(q, msg->peer, msg->data, msg->len, VMQ_SEND_AUTO, VMQ_NOWAIT);
	if (rc)
		fprintf(stderr, "poll: no answer for peer %u: %s\n", msg->peer, vmq_strerror(rc));
	return 0;
}

/* The doorbell rings once for many messages: take them all, until VMQ_EAGAIN. From
 * then on the next message makes the descriptor readable. */
static int drain_messages(struct vmq *q)
{
	struct vmq_msg msg;
	char buf[MESSAGE_MAX];
	int rc = 0;

	while (!rc) {
		int64_t n = vmq_recv(q, buf, sizeof(buf), &msg, VMQ_NOWAIT);

		rc = n == VMQ_EAGAIN ? VMQ_EAGAIN : serve(q, &msg, n);
	}
	return rc == VMQ_EAGAIN ? 0 : rc;
}

/* After the messages: a peer's farewell comes behind its last message. */
static int drain_events(struct vmq *q)
{
	struct vmq_event event = { .size = sizeof(event) };
	int rc;

	while (!(rc = vmq_event(q, &event, VMQ_NOWAIT))) {
		if (event.type == VMQ_EVENT_DOWN)
			return VMQ_ECONN;
		printf("%s %s\n", event.name, event.type == VMQ_EVENT_JOIN ? "joined" : "left");
	}
	fflush(stdout);
	return rc == VMQ_EAGAIN ? 0 : rc;
}

static void tell_all(struct vmq *q, int epfd)
{
	char line[512];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line));

	if (n > 0)
		vmq_broadcast(q, line, (size_t)n, VMQ_SEND_AUTO, VMQ_NOWAIT);
	else
		epoll_ctl(epfd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
}

static int loop(struct vmq *q, int epfd)
{
	struct epoll_event ready[2];
	int rc = 0;

	while (!rc) {
		int n = epoll_wait(epfd, ready, 2, -1);

		for (int i = 0; i < n && !rc; i++) {
			if (ready[i].data.fd == STDIN_FILENO)
				tell_all(q, epfd);
			else if (!(rc = drain_messages(q)))
				rc = drain_events(q);
		}
	}
	return rc;
}

static int watch(int epfd, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return fd < 0 ? fd : epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e);
}

int main(int argc, char **argv)
{
	struct vmq_options options = { .size = sizeof(options), .max_msg = MESSAGE_MAX };
	int rc, epfd = epoll_create1(0);
	struct vmq *q = NULL;

	if (argc != 2) {
		fprintf(stderr, "usage: %s ADDRESS\n", argv[0]);
		return 2;
	}
	rc = vmq_open(argv[1], &options, &q);
	if (!rc && watch(epfd, vmq_fd(q)))
		rc = VMQ_ESYS;
	/* A plain file as standard input cannot be watched: then there is none. */
	watch(epfd, STDIN_FILENO);
	if (!rc)
		rc = loop(q, epfd);
	printf("stopped: %s\n", vmq_strerror(rc));
	vmq_close(q);
	close(epfd);
	return rc == VMQ_ECONN ? 0 : 1;
}
