/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock.c - who in this domain has a name: the process with a socket of that address, in no
 * file system. The kernel lets go of it when the process ends, however it does.
 *
 * Such addresses are those of a network namespace: processes of two of them do not see each
 * other's. Endpoints of one domain and fabric belong into one.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"
#include "store.h"

static socklen_t address(struct sockaddr_un *at, const char *fabric, uint32_t domid, const char *name)
{
	int n;

	*at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(at->sun_path + 1, sizeof(at->sun_path) - 1, "vmq-xen/%s/%u/%s", fabric, domid, name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int vmq__xen_lock(const char *fabric, uint32_t domid, const char *name)
{
	struct sockaddr_un at;
	socklen_t len = address(&at, fabric, domid, name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), e;

	if (fd < 0)
		return vmq__errno(errno);
	if (!bind(fd, (struct sockaddr *)&at, len))
		return fd;
	e = errno;
	close(fd);
	return e == EADDRINUSE ? VMQ_EEXIST : vmq__errno(e);
}

/* Where that cannot be found out, somebody does. */
bool vmq__xen_locked(const char *fabric, uint32_t domid, const char *name)
{
	struct sockaddr_un at;
	socklen_t len = address(&at, fabric, domid, name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool nobody;

	if (fd < 0)
		return true;
	nobody = connect(fd, (struct sockaddr *)&at, len) && errno == ECONNREFUSED;
	close(fd);
	return !nobody;
}
