/* SPDX-License-Identifier: BSD-2-Clause */
/* ivshmem_server.c - the suite over host programs at an ivshmem server: ours, or one that
 * knows QEMU's protocol and nothing of libvmq. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance.h"

static char dir[64], path[96];
static pid_t server = -1;

static void become_server(void)
{
#ifdef STOCK_SERVER
	char region[96];

	snprintf(region, sizeof(region), "%s/region", dir);
	execl(STOCK_SERVER, STOCK_SERVER, path, region, "1073741824", "3", (char *)NULL);
#else
	execl(TOOL, TOOL, "ivshmem-server", "--quiet", "--size", "1G", path, (char *)NULL);
#endif
}

static _Noreturn void serve(int out)
{
	child_prepare(out);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	become_server();
	_exit(127);
}

/* It says that it is ready, or nothing. */
static bool start(void)
{
	char line[256] = "";
	int out[2];
	FILE *f;

	scratch_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/server", dir);
	if (pipe2(out, O_CLOEXEC))
		return false;
	server = fork();
	if (!server)
		serve(out[1]);
	close(out[1]);
	f = fdopen(out[0], "r");
	while (f && strncmp(line, "ready", 5))
		if (!fgets(line, sizeof(line), f))
			return false;
	/* Left open: it may have more to say. */
	return f != NULL;
}

static void stop(void)
{
	if (server > 0) {
		kill(server, SIGTERM);
		waitpid(server, NULL, 0);
	}
	scratch_remove(dir);
}

static void uri(const char *vm, char *text, size_t len)
{
	snprintf(text, len, "ivshmem:unix=%s?name=%s", path, vm);
}

const struct conf_fabric conf_fabric = {
	.name = "ivshmem-server",
	.processes = true,
	.caps = VMQ_CAP_PAGES | VMQ_CAP_WAKE,
	.start = start,
	.stop = stop,
	.uri = uri,
};
