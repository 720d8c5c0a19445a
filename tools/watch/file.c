/* SPDX-License-Identifier: BSD-2-Clause */
/* file.c - what WHAT is: a hub's socket, or a file that holds a region. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common.h"
#include "watch.h"

int watch_why(struct watch_source *src, int code, const char *format, ...)
{
	va_list args;

	if (src->why[0])
		return code;
	va_start(args, format);
	vsnprintf(src->why, sizeof(src->why), format, args);
	va_end(args);
	return code;
}

static int open_file(struct watch_source *src)
{
	int fd = open(src->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc;

	if (fd < 0)
		return watch_why(src, VMQ_ESYS, "cannot read %s: %s", src->path, strerror(errno));
	rc = watch_mem_open(&src->mem, fd);
	if (rc == VMQ_EPROTO)
		return watch_why(src, rc, "%s is empty, or no file that holds a region", src->path);
	return rc ? watch_why(src, rc, "cannot read %s: %s", src->path, strerror(errno)) : 0;
}

int watch_open(struct watch_source *src, const char *what)
{
	static const char hub[] = "sim:unix=";
	struct stat st;

	*src = (struct watch_source){ .path = what, .mem.fd = -1 };
	if (!strncmp(what, hub, strlen(hub))) {
		src->path = what + strlen(hub);
		src->hub = true;
	} else if (!stat(what, &st) && S_ISSOCK(st.st_mode)) {
		src->hub = true;
	}
	return src->hub ? watch_hub_probe(src) : open_file(src);
}

void watch_close(struct watch_source *src)
{
	watch_mem_close(&src->mem);
}

static int look_channel(const struct watch_mem *m, struct watch_snapshot *s)
{
	struct watch_channel *ch = watch_add_channel(s);

	s->kind = WATCH_CHANNEL;
	return ch ? watch_channel_read(m, 0, m->size, ch) : VMQ_ENOMEM;
}

int watch_look(struct watch_source *src, struct watch_snapshot *s)
{
	int rc;

	*s = (struct watch_snapshot){ .at = tool_now() };
	if (src->hub)
		rc = watch_hub_look(src, s);
	else if (watch_ivshmem_is(&src->mem))
		rc = watch_ivshmem_look(&src->mem, s);
	else
		rc = look_channel(&src->mem, s);
	if (rc == VMQ_EVERSION && !src->hub)
		return watch_why(src, rc, "%s is of another version of libvmq, or needs features that this one "
			"does not have", src->path);
	if (rc == VMQ_EPROTO)
		return watch_why(src, rc, "%s holds no channel and no directory of libvmq, or a damaged one",
			src->path);
	return rc ? watch_why(src, rc, "%s: %s", src->path, vmq_strerror(rc)) : 0;
}
