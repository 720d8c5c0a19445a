/* SPDX-License-Identifier: BSD-2-Clause */
/* server_wire.c - messages of an ivshmem server, which may come in pieces. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"
#include "loop.h"
#include "server.h"

void vmq__iv_wire_reset(struct vmq__iv_wire *w)
{
	vmq__loop_close(w->msg.fd);
	memset(w, 0, sizeof(*w));
	w->msg.fd = -1;
}

static void take_fd(struct vmq__iv_wire *w, struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd;

	if (m->msg_flags & MSG_CTRUNC)
		w->msg.cut = true;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(sizeof(fd)))
		return;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (w->msg.fd < 0)
		w->msg.fd = fd;
	else
		close(fd);
}

/* Bytes that came, or an error. */
static int receive(int sock, struct vmq__iv_wire *w)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { w->bytes + w->have, sizeof(w->bytes) - w->have };
	/* Not CMSG_SPACE: the kernel would use its padding for one more descriptor. */
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? VMQ_EAGAIN : VMQ_ECONN;
	take_fd(w, &m);
	return n ? (int)n : VMQ_ECONN;
}

int vmq__iv_wire_next(int sock, struct vmq__iv_wire *w, struct vmq__iv_msg *msg)
{
	uint64_t value;

	while (w->have < sizeof(w->bytes)) {
		int n = receive(sock, w);

		if (n < 0)
			return n;
		w->have += (unsigned)n;
	}
	memcpy(&value, w->bytes, sizeof(value));
	*msg = w->msg;
	msg->value = (int64_t)vmq__le64(value);
	w->msg.fd = -1;
	vmq__iv_wire_reset(w);
	return 0;
}
