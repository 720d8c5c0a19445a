/* SPDX-License-Identifier: BSD-2-Clause */
/* systemd.c - a socket that systemd listens at, and a region that it keeps, so
 * that both outlive the server. */
#define _GNU_SOURCE
#include "srv.h"

#ifdef TOOL_SYSTEMD
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define REGION "region"

const char srv_systemd_help[] =
	"Under systemd it takes the socket of its socket unit (and\n"
	"SOCKET may be left out), and leaves its memory in the service's store of descriptors, if it\n"
	"has one (FileDescriptorStoreMax=1), so that a restart finds it again.";

static int sort(int fd, const char *name, int *listener, int *region)
{
	if (!strcmp(name, REGION) && *region < 0) {
		*region = fd;
		return 0;
	}
	if (sd_is_socket_unix(fd, SOCK_STREAM, -1, NULL, 0) > 0 && *listener < 0) {
		*listener = fd;
		return 0;
	}
	return srv_fail("systemd brought '%.60s', which is neither the stream socket nor the region", name);
}

int srv_systemd_take(int *listener, int *region)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names), rc = 0;

	*listener = *region = -1;
	if (n < 0)
		return srv_fail("what systemd brought: %s", strerror(-n));
	for (int i = 0; i < n; i++) {
		rc |= sort(SD_LISTEN_FDS_START + i, names[i], listener, region);
		free(names[i]);
	}
	free(names);
	return rc;
}

/* Once: it stays there. Files need no keeping. */
void srv_systemd_keep(const struct srv_region *r)
{
	if (r->keep)
		sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" REGION, &r->fd, 1);
}

void srv_systemd_forget(void)
{
	sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=" REGION);
}

void srv_systemd_ready(void)
{
	sd_notify(0, "READY=1");
}

void srv_systemd_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

#else
const char srv_systemd_help[] = "This one was built without libsystemd.";

int srv_systemd_take(int *listener, int *region)
{
	*listener = *region = -1;
	return 0;
}

void srv_systemd_keep(const struct srv_region *r)
{
	(void)r;
}

void srv_systemd_forget(void)
{
}

void srv_systemd_ready(void)
{
}

void srv_systemd_stopping(void)
{
}
#endif
