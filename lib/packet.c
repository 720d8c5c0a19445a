/* SPDX-License-Identifier: BSD-2-Clause */
/* packet.c - packets, with descriptors, between processes of one user and machine. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"
#include "packet.h"

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == PACKET_PATH_MAX + 1, "a path and its end");

int vmq__packet_address(const char *path, void *sun, unsigned *len)
{
	struct sockaddr_un *a = sun;

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (!*path || strlen(path) > PACKET_PATH_MAX)
		return VMQ_EINVAL;
	strcpy(a->sun_path, path);
	*len = (unsigned)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
	return 0;
}

/* ---- listen ------------------------------------------------------------------- */

/* Who answers there? 0 or EAGAIN: somebody; EPROTOTYPE: at another kind of socket;
 * ECONNREFUSED: nobody; or another errno. */
static int call(const struct sockaddr_un *a, unsigned len)
{
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), e = 0;

	if (s < 0 || connect(s, (const struct sockaddr *)a, len))
		e = errno;
	if (s >= 0)
		close(s);
	return e;
}

static int listen_at(int sock, const struct sockaddr_un *a, unsigned len)
{
	int e = call(a, len);

	if (!e || e == EAGAIN || e == EPROTOTYPE)
		return VMQ_EEXIST;
	/* An old socket is in the way. */
	if (e == ECONNREFUSED && !vmq__packet_blocked(a->sun_path))
		unlink(a->sun_path);
	/* The file gets the socket's mode: there is no moment in which others may
	 * connect, and the process's umask is left alone. */
	if (!fchmod(sock, 0600) && !bind(sock, (const struct sockaddr *)a, len) && !listen(sock, 64))
		return 0;
	return errno == EADDRINUSE ? VMQ_EEXIST : errno == ENOENT ? VMQ_ESYS : vmq__errno(errno);
}

int vmq__packet_listen(const char *path)
{
	struct sockaddr_un a;
	unsigned len;
	int sock, rc, e;

	if (vmq__packet_address(path, &a, &len))
		return VMQ_EINVAL;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return vmq__errno(errno);
	rc = listen_at(sock, &a, len);
	if (!rc)
		return sock;
	e = errno;
	close(sock);
	errno = e;
	return rc;
}

/* ---- send and receive ----------------------------------------------------------- */

int vmq__packet_send(int sock, const void *msg, size_t size, const int *fds, unsigned n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * PACKET_FDS)] = { 0 };
	struct iovec iov = { (void *)(uintptr_t)msg, size };
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
	if (sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size)
		return 0;
	/* Too many descriptors are under way: the reader is behind. */
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == ETOOMANYREFS ? VMQ_EAGAIN : VMQ_ECONN;
}

void vmq__packet_close(int fds[PACKET_FDS])
{
	for (unsigned i = 0; i < PACKET_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

static void take_fds(struct msghdr *m, int fds[PACKET_FDS])
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t size = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(c), size < sizeof(int) * PACKET_FDS ? size : sizeof(int) * PACKET_FDS);
	}
}

int vmq__packet_recv(int sock, void *msg, size_t size, uint32_t version, int fds[PACKET_FDS])
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * PACKET_FDS)];
	struct iovec iov = { msg, size };
	/* Not CMSG_SPACE: the kernel would use its padding for one more descriptor. */
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = CMSG_LEN(sizeof(int) * PACKET_FDS) };
	uint32_t theirs = version;
	ssize_t n;

	for (unsigned i = 0; i < PACKET_FDS; i++)
		fds[i] = -1;
	n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	/* Who closes with packets unread resets us, once, and before what it sent is read. */
	if (n < 0 && errno == ECONNRESET)
		n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? VMQ_EAGAIN : VMQ_ECONN;
	take_fds(&m, fds);
	if (n >= (ssize_t)sizeof(theirs))
		memcpy(&theirs, msg, sizeof(theirs));
	if (n == (ssize_t)size && theirs == version && !(m.msg_flags & MSG_TRUNC)) {
		if (!(m.msg_flags & MSG_CTRUNC))
			return 0;
		vmq__packet_close(fds);
		return VMQ_EMFILE;
	}
	vmq__packet_close(fds);
	if (!n)
		return VMQ_ECONN;
	return theirs != version ? VMQ_EVERSION : VMQ_EPROTO;
}

bool vmq__packet_trusted(int sock, int *pid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	if (pid)
		*pid = peer.pid;
	return peer.uid == geteuid() || peer.uid == 0;
}

bool vmq__packet_foreign(int sock)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	uid_t own = geteuid();

	return own && !getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) && peer.uid != own;
}

/* ---- nobody there ---------------------------------------------------------------- */

bool vmq__packet_blocked(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISSOCK(st.st_mode);
}

int vmq__packet_unreached(const char *nobody, const char *path, int e, char *text, size_t len)
{
	if (e == ECONNREFUSED && vmq__packet_blocked(path)) {
		snprintf(text, len, "%s is no socket", path);
		return VMQ_EPROTO;
	}
	if (e == EPROTOTYPE) {
		snprintf(text, len, "%s is a socket of another kind: a hub's is for sim:unix=, a VMM's for "
			"kvm:unix=, an ivshmem server's for ivshmem:unix=", path);
		return VMQ_EPROTO;
	}
	if (e == EACCES || e == EPERM) {
		snprintf(text, len, "this user may not connect to %s: %s", path, strerror(e));
		return VMQ_EACCES;
	}
	snprintf(text, len, "%s %s: %s", nobody, path, strerror(e));
	return vmq__errno(e);
}
