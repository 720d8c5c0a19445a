/* SPDX-License-Identifier: BSD-2-Clause */
/* file.c - what WHAT is: a hub's socket, or a file that holds a region. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

/* An address of which nothing can be seen without its memory: which file that is. */
static const char *elsewhere(const char *what)
{
	static const struct { const char *begin, *where; } all[] = {
		{ "sim:", "it is inside of one process; a hub can be asked, sim:unix=PATH" },
		{ "kvm:", "it has no hub to ask; give the file of a region, /proc/PID/fd/N of its VMM" },
		{ "ivshmem:", "it has no hub to ask; give the file of its region, as /dev/shm/NAME, "
			"/proc/PID/fd/N of its server, or a device's resource2" },
		{ "xen:", "its memory is shared among its domains only; vmq ls shows who is there" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strncmp(what, all[i].begin, strlen(all[i].begin)))
			return all[i].where;
	return NULL;
}

/* The path of an address that begins so, without its settings. */
static bool path_of(struct watch_source *src, const char *what, const char *begin)
{
	size_t n = strlen(begin);

	if (strncmp(what, begin, n) != 0)
		return false;
	src->own = strndup(what + n, strcspn(what + n, "?"));
	src->path = src->own ? src->own : what + n;
	return true;
}

int watch_open(struct watch_source *src, const char *what)
{
	struct stat st;

	*src = (struct watch_source){ .path = what, .mem.fd = -1 };
	if (path_of(src, what, "sim:unix="))
		src->hub = true;
	else if (path_of(src, what, "ivshmem:file="))
		return open_file(src);
	else if (!stat(what, &st))
		src->hub = S_ISSOCK(st.st_mode);
	else if (elsewhere(what))
		return watch_why(src, VMQ_ENOTSUP, "%.60s cannot be looked into: %s", what, elsewhere(what));
	return src->hub ? watch_hub_probe(src) : open_file(src);
}

void watch_close(struct watch_source *src)
{
	free(src->own);
	src->own = NULL;
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
