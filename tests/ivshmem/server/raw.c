/* SPDX-License-Identifier: BSD-2-Clause */
/* raw.c - a client that speaks the protocol of ivshmem and looks at each message. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "raw.h"
#include "support.h"

int raw_socket(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (!connect(s, (void *)&a, sizeof(a)))
		return s;
	close(s);
	return -1;
}

int raw_recv(int sock, int64_t *value, int *fd, int timeout_ms)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
	struct iovec iov = { value, sizeof(*value) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t n;

	*fd = -1;
	if (poll(&p, 1, timeout_ms) != 1)
		return -1;
	n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	if (n != sizeof(*value))
		return 0; /* also the end of a connection with an error */
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
			c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	return 1;
}

static bool say(const char *what)
{
	fprintf(stderr, "raw: %s\n", what);
	return false;
}

/* All doorbells of one client, of which the first is here. */
static bool doors(int sock, struct raw_peer *p, int64_t id, int first, unsigned vectors)
{
	int64_t value;

	p->id = id;
	p->vectors = 1;
	p->fd[0] = first;
	while (p->vectors < vectors) {
		int fd;

		if (raw_recv(sock, &value, &fd, PATIENCE_MS) != 1 || value != id || fd < 0)
			return say("another message among the doorbells of one client");
		p->fd[p->vectors++] = fd;
	}
	return true;
}

static struct raw_peer *slot(struct raw *r, int64_t id)
{
	for (int i = 0; i < RAW_PEERS; i++)
		if (id < 0 ? !r->peers[i].vectors : r->peers[i].vectors && r->peers[i].id == id)
			return &r->peers[i];
	return NULL;
}

static void forget(struct raw_peer *p)
{
	for (unsigned i = 0; i < p->vectors; i++)
		close(p->fd[i]);
	p->vectors = 0;
}

static bool first_three(struct raw *r)
{
	struct stat st;
	int64_t value;
	int fd;

	if (raw_recv(r->sock, &value, &fd, PATIENCE_MS) != 1 || value || fd >= 0)
		return say("the first message is not version 0");
	if (raw_recv(r->sock, &r->id, &fd, PATIENCE_MS) != 1 || r->id < 0 || r->id > 65535 || fd >= 0)
		return say("the second message is not an id");
	if (raw_recv(r->sock, &value, &r->region, PATIENCE_MS) != 1 || value != -1 || r->region < 0)
		return say("the third message is not the region");
	if (fstat(r->region, &st))
		return say("the region has no size");
	r->size = (size_t)st.st_size;
	r->map = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->region, 0);
	return r->map != MAP_FAILED || say("the region cannot be mapped");
}

bool raw_join(struct raw *r, const char *path, unsigned vectors)
{
	int64_t value;
	int fd;

	memset(r, 0, sizeof(*r));
	r->region = -1;
	r->sock = raw_socket(path);
	if (r->sock < 0 || !first_three(r))
		return say("did not join");
	for (;;) {
		struct raw_peer *p;

		if (raw_recv(r->sock, &value, &fd, PATIENCE_MS) != 1 || value < 0 || fd < 0)
			return say("neither a peer's doorbell nor an own one");
		p = value == r->id ? &r->own : slot(r, -1);
		if (slot(r, value) || !p || !doors(r->sock, p, value, fd, vectors))
			return say("a peer twice, or too many");
		if (p == &r->own)
			return true;
	}
}

void raw_leave(struct raw *r)
{
	close(r->sock);
	close(r->region);
	munmap(r->map, r->size);
	forget(&r->own);
	for (int i = 0; i < RAW_PEERS; i++)
		forget(&r->peers[i]);
}

int64_t raw_joined(struct raw *r, unsigned vectors)
{
	struct raw_peer *p = slot(r, -1);
	int64_t value;
	int fd;

	if (raw_recv(r->sock, &value, &fd, PATIENCE_MS) != 1 || fd < 0 || slot(r, value) || !p)
		return -1;
	return doors(r->sock, p, value, fd, vectors) ? value : -1;
}

int64_t raw_left(struct raw *r)
{
	struct raw_peer *p;
	int64_t value;
	int fd;

	if (raw_recv(r->sock, &value, &fd, PATIENCE_MS) != 1 || fd >= 0)
		return -1;
	p = slot(r, value);
	if (p)
		forget(p);
	return p ? value : -1;
}

bool raw_cut_off(int sock)
{
	uint64_t until = now_ns() + PATIENCE;
	int64_t value;
	int fd, n;

	do {
		n = raw_recv(sock, &value, &fd, 100);
		if (fd >= 0)
			close(fd);
		if (!n)
			return true;
	} while (now_ns() < until);
	return false;
}

bool raw_quiet(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };

	return !poll(&p, 1, 0);
}

bool rung(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t count;

	return poll(&p, 1, timeout_ms) == 1 && read(fd, &count, sizeof(count)) == sizeof(count);
}
