/* SPDX-License-Identifier: BSD-2-Clause */
/* wire.c - packets, with descriptors, between a hub and the VMs' processes. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"
#include "sim.h"

int vmq__sim_wire_address(const char *path, void *sun, unsigned *len)
{
	struct sockaddr_un *a = sun;

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (!*path || strlen(path) >= sizeof(a->sun_path))
		return VMQ_EINVAL;
	strcpy(a->sun_path, path);
	*len = (unsigned)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
	return 0;
}

int vmq__sim_wire_send(int sock, const struct sim_wire *msg, const int *fds, unsigned n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * SIM_WIRE_FDS)] = { 0 };
	struct iovec iov = { (void *)(uintptr_t)msg, sizeof(*msg) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		struct cmsghdr *c;

		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	}
	if (sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(*msg))
		return 0;
	return errno == EAGAIN || errno == EWOULDBLOCK ? VMQ_EAGAIN : VMQ_ECONN;
}

void vmq__sim_wire_close(int fds[SIM_WIRE_FDS])
{
	for (int i = 0; i < SIM_WIRE_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

static void take_fds(struct msghdr *m, int fds[SIM_WIRE_FDS])
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	}
}

int vmq__sim_wire_recv(int sock, struct sim_wire *msg, int fds[SIM_WIRE_FDS])
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * SIM_WIRE_FDS)];
	struct iovec iov = { msg, sizeof(*msg) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control) };
	ssize_t n;

	for (int i = 0; i < SIM_WIRE_FDS; i++)
		fds[i] = -1;
	n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? VMQ_EAGAIN : VMQ_ECONN;
	take_fds(&m, fds);
	if (n == (ssize_t)sizeof(*msg) && msg->version == SIM_WIRE_VERSION && !(m.msg_flags & MSG_TRUNC)) {
		msg->name[VMQ_NAME_MAX] = 0;
		msg->text[sizeof(msg->text) - 1] = 0;
		if (!(m.msg_flags & MSG_CTRUNC))
			return 0;
		vmq__sim_wire_close(fds);
		return VMQ_EMFILE;
	}
	vmq__sim_wire_close(fds);
	if (!n)
		return VMQ_ECONN;
	return n >= (ssize_t)sizeof(uint32_t) && msg->version != SIM_WIRE_VERSION ? VMQ_EVERSION : VMQ_EPROTO;
}

bool vmq__sim_wire_trusted(int sock, int *pid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	if (pid)
		*pid = peer.pid;
	return peer.uid == geteuid() || peer.uid == 0;
}
