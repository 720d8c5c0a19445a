/* SPDX-License-Identifier: BSD-2-Clause */
/* ivshmem_file.c - the suite over the file of an ivshmem-plain device: nothing rings. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "conformance.h"

#define SIZE (1ll << 30) /* of addresses: most of it is never written to */

static char dir[64], path[96];

static bool start(void)
{
	int fd, rc;

	scratch_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/region", dir);
	fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	rc = ftruncate(fd, SIZE);
	close(fd);
	return !rc;
}

static void stop(void)
{
	scratch_remove(dir);
}

static void uri(const char *vm, char *text, size_t len)
{
	snprintf(text, len, "ivshmem:file=%s?name=%s", path, vm);
}

const struct conf_fabric conf_fabric = {
	.name = "ivshmem-file",
	.processes = true,
	.caps = VMQ_CAP_PAGES,
	.start = start,
	.stop = stop,
	.uri = uri,
};
