/* SPDX-License-Identifier: BSD-2-Clause */
/* files.c - devices that are files. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake.h"

static char dir[64], path[128], address[160];
static int fds;

static void setup(void)
{
	fds = count_fds();
	scratch_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/region", dir);
	snprintf(address, sizeof(address), "file=%s", path);
}

static void teardown(void)
{
	scratch_remove(dir);
}

TestSuite(files, .init = setup, .fini = teardown);

static void make(off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	cr_assert(fd >= 0 && !ftruncate(fd, size));
	close(fd);
}

Test(files, two_share_one)
{
	struct side a, b;
	uint8_t *at;

	make(VMQ_IVSHMEM_REGION_MIN);
	cr_assert_eq(side_open(&a, address), 0);
	cr_assert_eq(side_open(&b, address), 0);
	cr_assert_eq(a.d->size, VMQ_IVSHMEM_REGION_MIN);
	at = a.d->region;
	at[VMQ_IVSHMEM_REGION_MIN - 1] = 9;
	at = b.d->region;
	cr_assert_eq(at[VMQ_IVSHMEM_REGION_MIN - 1], 9);
	cr_assert_eq((uintptr_t)at % VMQ_PAGE_SIZE, 0);
	side_close(&a);
	side_close(&b);
	cr_assert_eq(count_fds(), fds);
}

Test(files, no_doorbells_but_the_own_bells)
{
	struct side a;

	make(1 << 20);
	cr_assert_eq(side_open(&a, address), 0);
	cr_assert(!a.d->caps && !a.d->vectors && a.d->doorbell == VMQ_IVSHMEM_NOBODY);
	cr_assert(a.d->news == -1 && !a.d->ops->service(a.d));
	a.d->ops->ring(a.d, 0, 0);
	for (unsigned k = 0; k < VMQ_FDS; k++) {
		cr_assert_eq(a.d->fd[k], a.bell[k]);
		cr_assert_eq(write(a.bell[k], &(uint64_t){ 1 }, 8), 8);
		assert_rung(&a, k);
	}
	side_close(&a);
	cr_assert_eq(count_fds(), fds);
}

static void refused(int code, const char *text)
{
	struct side a;
	int rc = side_open(&a, address);

	cr_assert_eq(rc, code, "%s", vmq_strerror(rc));
	cr_assert(strstr(a.text, text), "'%s' does not say '%s'", a.text, text);
	cr_assert_eq(count_fds(), fds);
}

Test(files, sizes_that_no_region_has)
{
	const off_t sizes[] = { 0, 1, 4096, VMQ_IVSHMEM_REGION_MIN - 1, VMQ_IVSHMEM_REGION_MIN + 1,
		VMQ_IVSHMEM_REGION_MIN / 2, 3 << 20, (1 << 20) + 4096 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make(sizes[i]);
		refused(VMQ_EPROTO, "power of two");
	}
}

Test(files, what_is_no_file)
{
	refused(VMQ_ECONN, path);
	cr_assert(!mkfifo(path, 0600));
	refused(VMQ_EPROTO, "is no file");
	strcpy(address, "file=/dev/null");
	refused(VMQ_EPROTO, "/dev/null is no file");
	strcpy(address, "file=/tmp");
	refused(VMQ_EPROTO, "/tmp");
	strcpy(address, "file=");
	refused(VMQ_EURI, "path");
}

Test(files, another_users)
{
	make(1 << 20);
	cr_assert(!chmod(path, 0600));
	if (geteuid())
		cr_skip_test("only root can be two users");
	cr_assert(!chmod(dir, 0755) && !seteuid(65534));
	refused(VMQ_EACCES, path);
	cr_assert(!seteuid(0));
}
