/* SPDX-License-Identifier: BSD-2-Clause */
/* pci.c - ivshmem devices as Linux shows them in sysfs. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmq/core.h>

#include "pci.h"

#define PATH_LEN 512
#define CONFIG 256
#define STATUS 0x06
#define STATUS_CAPS 0x10
#define COMMAND 0x04
#define COMMAND_MEMORY 0x02
#define CAPS 0x34
#define CAP_MSIX 0x11
#define CAPS_MOST 48 /* as many as fit: a list that goes in circles ends, too */

const char *vmq__pci_sysfs = "/sys";

static void device_path(char path[PATH_LEN], const char *bdf, const char *file)
{
	snprintf(path, PATH_LEN, "%s/bus/pci/devices/%s/%s", vmq__pci_sysfs, bdf, file);
}

/* Up to len bytes of a file of the device; how many there were. */
static size_t device_read(const char *bdf, const char *file, void *buf, size_t len)
{
	char path[PATH_LEN];
	ssize_t got;
	int fd;

	device_path(path, bdf, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, buf, len);
	close(fd);
	return got > 0 ? (size_t)got : 0;
}

/* The number at the start of a file of the device, or `none`. */
static unsigned long device_number(const char *bdf, const char *file, int base, unsigned long none)
{
	char text[32], *end;
	unsigned long n;

	text[device_read(bdf, file, text, sizeof(text) - 1)] = 0;
	n = strtoul(text, &end, base);
	return end == text ? none : n;
}

/* The last part of where a link of the device leads to, or "". */
static void device_link(const char *bdf, const char *link, char *name, size_t len)
{
	char path[PATH_LEN], to[PATH_LEN];
	ssize_t got;
	char *last;

	device_path(path, bdf, link);
	got = readlink(path, to, sizeof(to));
	name[0] = 0;
	if (got <= 0 || (size_t)got >= sizeof(to))
		return;
	to[got] = 0;
	last = strrchr(to, '/');
	last = last ? last + 1 : to;
	if (strlen(last) < len)
		memcpy(name, last, strlen(last) + 1);
}

/* ---- addresses --------------------------------------------------------------- */

static bool hex(const char **s, unsigned least, unsigned most, unsigned top, uint64_t *n)
{
	unsigned digits = 0;

	for (*n = 0; **s && strchr("0123456789abcdef", **s) && digits < most; digits++, (*s)++)
		*n = *n << 4 | (uint64_t)(**s <= '9' ? **s - '0' : **s - 'a' + 10);
	return digits >= least && *n <= top;
}

/* 0000:00:04.0 as a number that sorts; 0: it is no address. */
static uint64_t address(const char *bdf)
{
	uint64_t domain, bus, device, function;
	const char *s = bdf;

	if (!hex(&s, 4, 8, UINT32_MAX, &domain) || *s++ != ':' || !hex(&s, 2, 2, 0xff, &bus) ||
	    *s++ != ':' || !hex(&s, 2, 2, 0x1f, &device) || *s++ != '.' ||
	    !hex(&s, 1, 1, 7, &function) || *s)
		return 0;
	return 1ull << 63 | domain << 16 | bus << 8 | device << 3 | function;
}

static bool is_ivshmem(const char *bdf)
{
	return device_number(bdf, "vendor", 16, 0) == VMQ__PCI_VENDOR &&
	       device_number(bdf, "device", 16, 0) == VMQ__PCI_DEVICE;
}

/* The first ivshmem device behind an address, in bdf. Its address, or 0. */
static uint64_t next_after(DIR *dir, uint64_t after, char bdf[VMQ__PCI_NAME])
{
	const struct dirent *e;
	uint64_t best = 0, at;

	rewinddir(dir);
	while ((e = readdir(dir)) != NULL) {
		at = address(e->d_name);
		if (at <= after || (best && at >= best) || !is_ivshmem(e->d_name))
			continue;
		best = at;
		snprintf(bdf, VMQ__PCI_NAME, "%.*s", (int)VMQ__PCI_NAME - 1, e->d_name);
	}
	return best;
}

static int nth(unsigned n, char bdf[VMQ__PCI_NAME])
{
	char path[PATH_LEN];
	uint64_t at = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/bus/pci/devices", vmq__pci_sysfs);
	dir = opendir(path);
	if (!dir)
		return VMQ_ENOENT;
	do
		at = next_after(dir, at, bdf);
	while (at && n--);
	closedir(dir);
	return at ? 0 : VMQ_ENOENT;
}

static int named(const char *name, char bdf[VMQ__PCI_NAME])
{
	char path[PATH_LEN];
	struct stat st;

	if (!address(name))
		return VMQ_EINVAL;
	device_path(path, name, "vendor");
	if (stat(path, &st))
		return VMQ_ENOENT;
	snprintf(bdf, VMQ__PCI_NAME, "%s", name);
	return is_ivshmem(name) ? 0 : VMQ_EINVAL;
}

/* ---- what is there ------------------------------------------------------------- */

/* Bytes of a BAR: "start end flags" on its line of `resource`. */
static uint64_t bar_size(const char *bdf, unsigned bar)
{
	char text[2048], *line = text;
	uint64_t start, end;

	text[device_read(bdf, "resource", text, sizeof(text) - 1)] = 0;
	while (bar-- && line)
		line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
	if (!line || sscanf(line, "%" SCNx64 " %" SCNx64, &start, &end) != 2)
		return 0;
	return end > start ? end - start + 1 : 0;
}

/* Has it MSI-X? 1, 0, or -1: this reader does not see as much of the config space. */
static int msix(const uint8_t *config, size_t len)
{
	unsigned at;

	if (len <= CAPS)
		return -1;
	if (!(config[STATUS] & STATUS_CAPS))
		return 0;
	at = config[CAPS] & 0xfcu;
	for (unsigned i = 0; at && i < CAPS_MOST; i++) {
		if (at + 1 >= len)
			return -1;
		if (config[at] == CAP_MSIX)
			return 1;
		at = config[at + 1] & 0xfcu;
	}
	return 0;
}

/* QEMU gives the device its BAR1 for nothing else than MSI-X's table. */
static bool has_interrupts(const char *bdf, const uint8_t *config, size_t len)
{
	char path[PATH_LEN];
	struct stat st;
	int has = msix(config, len);

	if (has >= 0)
		return has;
	device_path(path, bdf, "msi_irqs");
	return !stat(path, &st) || bar_size(bdf, 1);
}

static void look_at(struct vmq__pci *pci)
{
	uint8_t config[CONFIG] = { 0 };
	size_t len = device_read(pci->bdf, "config", config, sizeof(config));
	char group[VMQ__PCI_NAME], *end;
	long n;

	device_link(pci->bdf, "driver", pci->driver, sizeof(pci->driver));
	device_link(pci->bdf, "iommu_group", group, sizeof(group));
	n = strtol(group, &end, 10);
	pci->group = end == group || *end || n < 0 || n > INT_MAX ? -1 : (int)n;
	/* Firmware may have switched it on where the kernel has not. */
	pci->enabled = len > COMMAND ? config[COMMAND] & COMMAND_MEMORY :
				       device_number(pci->bdf, "enable", 10, 0);
	pci->size = bar_size(pci->bdf, 2);
	pci->interrupts = has_interrupts(pci->bdf, config, len);
}

int vmq__pci_find(const char *bdf, unsigned n, struct vmq__pci *pci)
{
	int rc;

	memset(pci, 0, sizeof(*pci));
	rc = bdf ? named(bdf, pci->bdf) : nth(n, pci->bdf);
	if (rc)
		return rc;
	look_at(pci);
	return 0;
}
