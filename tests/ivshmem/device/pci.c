/* SPDX-License-Identifier: BSD-2-Clause */
/* pci.c - devices of a machine whose sysfs is made up. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake.h"
#include "pci.h"

#define SIZE (1u << 20)

static char root[64];
static int fds;

static void setup(void)
{
	fds = count_fds();
	scratch_make(root, sizeof(root));
	vmq__pci_sysfs = root;
}

static int gone(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void teardown(void)
{
	nftw(root, gone, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(pci, .init = setup, .fini = teardown);

static const char *file_of(const char *bdf, const char *file)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", root, bdf, file);
	return path;
}

static void put(const char *bdf, const char *file, const void *bytes, size_t len, off_t size)
{
	int fd = open(file_of(bdf, file), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	cr_assert(fd >= 0 && !ftruncate(fd, size) && pwrite(fd, bytes, len, 0) == (ssize_t)len);
	close(fd);
}

static void put_text(const char *bdf, const char *file, const char *text)
{
	put(bdf, file, text, strlen(text), (off_t)strlen(text));
}

static uint8_t byte_of(const char *bdf, const char *file, off_t at)
{
	int fd = open(file_of(bdf, file), O_RDONLY | O_CLOEXEC);
	uint8_t b = 0;

	cr_assert(fd >= 0 && pread(fd, &b, 1, at) == 1);
	close(fd);
	return b;
}

/* The word at an offset of a file of the device. */
static uint32_t word_of(const char *bdf, const char *file, off_t at)
{
	uint32_t word = 0;

	for (unsigned i = 0; i < 4; i++)
		word |= (uint32_t)byte_of(bdf, file, at + i) << 8 * i;
	return word;
}

static void make_folder(const char *bdf)
{
	const char *parts[] = { "", "/bus", "/bus/pci", "/bus/pci/devices" };
	char path[256];

	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s%s", root, parts[i]);
		mkdir(path, 0700);
	}
	cr_assert(!mkdir(file_of(bdf, ""), 0700));
}

/* An ivshmem device with id 5; doorbell: it has interrupts. */
static void make(const char *bdf, bool doorbell, uint64_t size)
{
	uint8_t config[256] = { [4] = 0, [6] = 0x10, [0x34] = 0x40, [0x40] = doorbell ? 0x11 : 0x09 };
	uint8_t regs[256] = { [8] = 5 };
	char lines[160];

	make_folder(bdf);
	put_text(bdf, "vendor", "0x1af4\n");
	put_text(bdf, "device", "0x1110\n");
	put_text(bdf, "enable", "0\n");
	put(bdf, "config", config, sizeof(config), sizeof(config));
	snprintf(lines, sizeof(lines), "0xfebf0000 0xfebf00ff 0x200\n0x0 0x0 0x0\n0x%llx 0x%llx 0x14220c\n",
		1ull << 32, (1ull << 32) + size - 1);
	put_text(bdf, "resource", lines);
	put(bdf, "resource0", regs, sizeof(regs), 4096);
	put(bdf, "resource2", "x", 1, (off_t)size);
}

static int opens(const char *address, struct side *a)
{
	int rc = side_open(a, address);

	cr_assert(!rc || a->text[0], "it does not say why");
	cr_assert(!rc || count_fds() == fds, "descriptors leak");
	return rc;
}

static void closes(struct side *a)
{
	side_close(a);
	cr_assert_eq(count_fds(), fds);
}

Test(pci, doorbell_without_vfio)
{
	const char *bdf = "0000:00:04.0";
	struct side a;

	make(bdf, true, SIZE);
	cr_assert_eq(opens("", &a), 0, "%s", a.text);
	cr_assert_eq(byte_of(bdf, "enable", 0), '1');
	cr_assert(a.d->size == SIZE && *(char *)a.d->region == 'x');
	((char *)a.d->region)[4] = 'y';
	cr_assert_eq(byte_of(bdf, "resource2", 4), 'y');
	cr_assert(a.d->caps == VMQ_CAP_EXIT && !a.d->vectors && a.d->doorbell == 5 && a.d->news == -1);
	a.d->ops->ring(a.d, 0x1234, 2);
	cr_assert_eq(word_of(bdf, "resource0", 12), 0x12340002);
	a.d->ops->ring(a.d, VMQ_IVSHMEM_NOBODY, 0);
	cr_assert_eq(word_of(bdf, "resource0", 12), UINT32_MAX, "it rings somebody");
	a.d->ops->ring(a.d, 1, 0x10000);
	cr_assert_eq(word_of(bdf, "resource0", 12), UINT32_MAX, "it rings somebody else");
	for (unsigned k = 0; k < VMQ_FDS; k++) {
		cr_assert_eq(write(a.bell[k], &(uint64_t){ 1 }, 8), 8);
		assert_rung(&a, k);
	}
	closes(&a);
}

Test(pci, plain)
{
	const char *bdf = "0000:00:04.0";
	struct side a;

	make(bdf, false, SIZE);
	put_text(bdf, "enable", "2\n");
	cr_assert_eq(opens("", &a), 0, "%s", a.text);
	cr_assert(!a.d->caps && !a.d->vectors && a.d->doorbell == VMQ_IVSHMEM_NOBODY);
	a.d->ops->ring(a.d, 1, 1);
	cr_assert_eq(word_of(bdf, "resource0", 12), 0);
	cr_assert_eq(byte_of(bdf, "enable", 0), '2', "it was enabled again");
	closes(&a);
}

Test(pci, registers_that_cannot_be_had)
{
	const char *bdf = "0000:00:04.0";
	uint8_t nobody[4] = { 0xff, 0xff, 0xff, 0xff };
	struct side a;
	int fd;

	make(bdf, true, SIZE);
	fd = open(file_of(bdf, "resource0"), O_RDWR | O_CLOEXEC);
	cr_assert_eq(pwrite(fd, nobody, 4, 8), 4);
	close(fd);
	cr_assert_eq(opens("", &a), 0);
	cr_assert(a.d->doorbell == VMQ_IVSHMEM_NOBODY && a.d->caps == VMQ_CAP_EXIT);
	closes(&a);
	cr_assert(!unlink(file_of(bdf, "resource0")));
	cr_assert_eq(opens("", &a), 0);
	cr_assert(a.d->doorbell == VMQ_IVSHMEM_NOBODY && !a.d->caps);
	a.d->ops->ring(a.d, 1, 1);
	closes(&a);
}

Test(pci, which_of_two)
{
	struct side a;

	make("0000:00:05.0", false, 2 * SIZE);
	make("0000:00:04.0", false, SIZE);
	cr_assert_eq(opens("", &a), 0);
	cr_assert_eq(a.d->size, SIZE);
	closes(&a);
	cr_assert_eq(opens("0000:00:05.0", &a), 0);
	cr_assert_eq(a.d->size, 2 * SIZE);
	closes(&a);
}

Test(pci, what_cannot_be)
{
	const char *addresses[] = { "lab", "0000:00:04", "0000:00:04.0/", "../0000:00:04.0", "unix:x" };
	struct side a;

	cr_assert_eq(opens("", &a), VMQ_ECONN);
	cr_assert(strstr(a.text, "ivshmem-doorbell"), "%s", a.text);
	make("0000:00:04.0", false, 3 * SIZE);
	cr_assert_eq(opens("", &a), VMQ_EPROTO);
	cr_assert(strstr(a.text, "power of two"));
	cr_assert_eq(opens("0000:00:06.0", &a), VMQ_ECONN);
	put_text("0000:00:04.0", "device", "0x1000\n");
	cr_assert_eq(opens("0000:00:04.0", &a), VMQ_EURI);
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		cr_assert_eq(opens(addresses[i], &a), VMQ_EURI, "%s", addresses[i]);
}

Test(pci, no_memory_to_map)
{
	const char *bdf = "0000:00:04.0";
	struct side a;

	make(bdf, true, SIZE);
	cr_assert(!unlink(file_of(bdf, "resource2")));
	cr_assert_eq(opens("", &a), VMQ_ECONN);
	cr_assert(strstr(a.text, bdf));
	cr_assert(!unlink(file_of(bdf, "enable")));
	cr_assert_eq(opens("", &a), VMQ_ECONN);
	cr_assert(strstr(a.text, "enable"));
}

Test(pci, bound_to_vfio_goes_there)
{
	const char *bdf = "0000:00:04.0";
	struct side a;

	make(bdf, true, SIZE);
	cr_assert(!symlink("../../../bus/pci/drivers/vfio-pci", file_of(bdf, "driver")));
	cr_assert_neq(opens("", &a), 0);
	cr_assert(strstr(a.text, "/dev/vfio/"), "%s", a.text);
}
