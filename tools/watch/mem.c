/* SPDX-License-Identifier: BSD-2-Clause */
/* mem.c - reading regions, from a mapping that cannot shrink or by copies of the kernel's. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watch.h"

/* Of a file that somebody makes shorter, a mapping would be a SIGBUS. */
static bool may_map(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	char byte;

	return (seals >= 0 && seals & F_SEAL_SHRINK) || pread(fd, &byte, 1, 0) < 0;
}

int watch_mem_open(struct watch_mem *m, int fd)
{
	struct stat st;
	void *at;

	*m = (struct watch_mem){ .fd = fd };
	if (fstat(fd, &st))
		goto failed;
	m->size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	if (!S_ISREG(st.st_mode) || !m->size) {
		watch_mem_close(m);
		return VMQ_EPROTO;
	}
	if (!may_map(fd))
		return 0;
	at = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		goto failed;
	m->map = at;
	return 0;
failed:
	watch_mem_close(m);
	return VMQ_ESYS;
}

void watch_mem_close(struct watch_mem *m)
{
	int e = errno;

	if (m->map)
		munmap((void *)(uintptr_t)m->map, m->size);
	if (m->fd >= 0)
		close(m->fd);
	*m = (struct watch_mem){ .fd = -1 };
	errno = e;
}

static void copy(const uint8_t *from, uint8_t *to, size_t len)
{
	while (len) {
		uint64_t word;

		if ((uintptr_t)from % sizeof(word) || len < sizeof(word)) {
			*to++ = *(const volatile uint8_t *)from++;
			len--;
			continue;
		}
		word = atomic_load_explicit((const _Atomic uint64_t *)from, memory_order_acquire);
		memcpy(to, &word, sizeof(word));
		from += sizeof(word);
		to += sizeof(word);
		len -= sizeof(word);
	}
}

int watch_mem_read(const struct watch_mem *m, uint64_t off, void *to, size_t len)
{
	ssize_t n;

	if (off > m->size || len > m->size - off)
		return VMQ_EPROTO;
	if (m->map) {
		copy(m->map + off, to, len);
		return 0;
	}
	n = pread(m->fd, to, len, (off_t)off);
	return n == (ssize_t)len ? 0 : n < 0 ? VMQ_ESYS : VMQ_EPROTO;
}
