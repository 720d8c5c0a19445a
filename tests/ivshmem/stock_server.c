/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stock_server.c - an ivshmem server that knows QEMU's protocol and nothing of libvmq:
 * SOCKET REGION BYTES VECTORS. Each message is an int64, little-endian, with at most one
 * descriptor. To a newcomer: 0, its id, -1 with the region; everybody's eventfds; its own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS 16
#define VECTORS 8
#define NO_FD (-1)

static struct client {
	int sock, bell[VECTORS];
	int64_t id;
} clients[CLIENTS];
static unsigned count, vectors;
static int64_t next_id;
static int region;

static void tell(int sock, int64_t number, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { &number, sizeof(number) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd != NO_FD) {
		struct cmsghdr *c;

		m.msg_control = control.room;
		m.msg_controllen = sizeof(control.room);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	if (sendmsg(sock, &m, MSG_NOSIGNAL) != sizeof(number))
		fprintf(stderr, "a client does not listen\n");
}

static void tell_bells(int sock, const struct client *of)
{
	for (unsigned v = 0; v < vectors; v++)
		tell(sock, of->id, of->bell[v]);
}

static void came(int sock)
{
	struct client *c = &clients[count];

	if (count == CLIENTS) {
		close(sock);
		return;
	}
	c->sock = sock;
	c->id = next_id++;
	for (unsigned v = 0; v < vectors; v++)
		c->bell[v] = eventfd(0, EFD_CLOEXEC);
	tell(sock, 0, NO_FD);
	tell(sock, c->id, NO_FD);
	tell(sock, -1, region);
	for (unsigned i = 0; i < count; i++) {
		tell_bells(clients[i].sock, c);
		tell_bells(sock, &clients[i]);
	}
	tell_bells(sock, c);
	count++;
}

static void went(unsigned which)
{
	struct client gone = clients[which];

	clients[which] = clients[--count];
	for (unsigned i = 0; i < count; i++)
		tell(clients[i].sock, gone.id, NO_FD);
	for (unsigned v = 0; v < vectors; v++)
		close(gone.bell[v]);
	close(gone.sock);
}

static void serve(int listener)
{
	struct pollfd p[CLIENTS + 1];
	unsigned n = count;

	p[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (unsigned i = 0; i < n; i++)
		p[i + 1] = (struct pollfd){ .fd = clients[i].sock, .events = POLLIN };
	if (poll(p, n + 1, -1) <= 0)
		return;
	/* Clients have nothing to say: what is readable has ended. From the last one on, as
	 * the last one takes the place of who went. */
	for (unsigned i = n; i-- > 0;)
		if (p[i + 1].revents)
			went(i);
	if (p[0].revents)
		came(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 5)
		return 2;
	vectors = (unsigned)atoi(argv[4]);
	region = open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", argv[1]);
	if (vectors > VECTORS || ftruncate(region, atol(argv[3])) ||
			bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 16))
		return 1;
	fprintf(stderr, "ready\n");
	for (;;)
		serve(listener);
}
