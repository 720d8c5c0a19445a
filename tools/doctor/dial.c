/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dial.c - a client of an ivshmem server that listens, and never says a word, as
 * the protocol has it: 8 bytes a message, with at most one descriptor. The version, an id,
 * -1 with the region; each peer's id with an eventfd for each vector; last, the client's own.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doctor.h"
#include "dial.h"

#define QUIET_MS 100u /* behind the first of its own eventfds: no more will come */
#define MESSAGES_MOST 100000u

struct message {
	int64_t word;
	size_t have;
	int fd;
};

static void take_fd(struct msghdr *m, struct message *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int fd;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		    c->cmsg_len < CMSG_LEN(sizeof(fd)))
			continue;
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		if (msg->fd >= 0)
			close(msg->fd);
		msg->fd = fd;
	}
}

/* More bytes of a message. False: the server has closed, or broken. */
static bool more(int sock, struct message *msg)
{
	_Alignas(struct cmsghdr) char control[CMSG_LEN(sizeof(int))];
	struct iovec iov = { (uint8_t *)&msg->word + msg->have, sizeof(msg->word) - msg->have };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
	take_fd(&m, msg);
	msg->have += (size_t)n;
	return n > 0;
}

static void peer(struct doctor_dial *dial, int64_t id, bool with_fd)
{
	if (!with_fd)
		dial->peers -= id != dial->id && dial->peers;
	else if (id == dial->id)
		dial->vectors++;
	else if (id != dial->last)
		dial->peers++;
	dial->last = id;
}

/* A whole message. False: what it says can't be. */
static bool take(struct doctor_dial *dial, struct message *msg)
{
	int64_t word = (int64_t)le64toh((uint64_t)msg->word);

	if (!dial->has_version) {
		dial->version = word;
		dial->has_version = true;
		return !word;
	}
	if (!dial->has_id) {
		dial->id = word;
		dial->has_id = true;
		dial->last = -1;
		return word >= 0 && word <= UINT16_MAX;
	}
	if (word == -1 && dial->region < 0) {
		dial->region = msg->fd;
		msg->fd = -1;
		return dial->region >= 0;
	}
	peer(dial, word, msg->fd >= 0);
	return word >= 0 && word <= UINT16_MAX;
}

/* Milliseconds until it has waited for long enough. */
static uint64_t patience(const struct doctor_dial *dial, uint64_t deadline, uint64_t heard)
{
	uint64_t now = doctor_now_ms(), until = deadline;

	if (dial->vectors && dial->region >= 0 && heard + QUIET_MS < until)
		until = heard + QUIET_MS;
	return until > now ? until - now : 0;
}

void doctor_dial(int sock, unsigned ms, struct doctor_dial *dial)
{
	uint64_t deadline = doctor_now_ms() + ms, heard = deadline - ms, left;
	struct pollfd p = { .fd = sock, .events = POLLIN };
	struct message msg = { .fd = -1 };
	struct ucred who;
	socklen_t len = sizeof(who);
	bool good = true;

	if (!getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &len)) {
		dial->pid = who.pid;
		dial->uid = who.uid;
	}
	for (unsigned n = 0; good && n < MESSAGES_MOST; n++) {
		left = patience(dial, deadline, heard);
		if (!left || poll(&p, 1, (int)left) <= 0)
			break;
		heard = doctor_now_ms();
		dial->closed = !more(sock, &msg);
		if (dial->closed)
			break;
		if (msg.have < sizeof(msg.word))
			continue;
		good = take(dial, &msg);
		if (msg.fd >= 0)
			close(msg.fd);
		msg = (struct message){ .fd = -1 };
	}
	if (msg.fd >= 0)
		close(msg.fd);
}
