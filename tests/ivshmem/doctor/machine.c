/* SPDX-License-Identifier: BSD-2-Clause */
/* machine.c - a machine for the doctor that is a folder, and what he finds in it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine.h"
#include "support.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

void machine_make(struct machine *m)
{
	static char sysfs[80];

	memset(m, 0, sizeof(*m));
	scratch_make(m->root, sizeof(m->root));
	/* Others than root look into some of these machines. */
	must(!chmod(m->root, 0755));
	snprintf(m->programs, sizeof(m->programs), "%s/bin", m->root);
	snprintf(sysfs, sizeof(sysfs), "%s/sys", m->root);
	vmq__pci_sysfs = sysfs;
	m->d = (struct doctor){ .root = m->root, .path = m->programs, .release = RELEASE, .hypervisor = "" };
	must(!doctor_init(&m->d));
	machine_folder(m, "/sys/bus/pci/devices");
}

static int gone(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void machine_remove(struct machine *m)
{
	doctor_exit(&m->d);
	nftw(m->root, gone, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- files ------------------------------------------------------------------------------ */

static void folders(char *path)
{
	for (char *s = path + 1; (s = strchr(s, '/')) != NULL; s++) {
		*s = 0;
		mkdir(path, 0755);
		*s = '/';
	}
}

static void place(struct machine *m, char path[DOCTOR_PATH], const char *name)
{
	doctor_path(&m->d, path, "%s", name);
	folders(path);
}

void machine_file(struct machine *m, const char *name, const void *bytes, size_t len, uint64_t size)
{
	char path[DOCTOR_PATH];
	int fd;

	place(m, path, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	must(fd >= 0 && !ftruncate(fd, (off_t)size) && pwrite(fd, bytes, len, 0) == (ssize_t)len);
	close(fd);
}

void machine_text(struct machine *m, const char *path, const char *text)
{
	machine_file(m, path, text, strlen(text), strlen(text));
}

void machine_folder(struct machine *m, const char *name)
{
	char path[DOCTOR_PATH];

	place(m, path, name);
	mkdir(path, 0755);
}

void machine_link(struct machine *m, const char *name, const char *to)
{
	char path[DOCTOR_PATH];

	place(m, path, name);
	unlink(path);
	must(!symlink(to, path));
}

void machine_program(struct machine *m, const char *name, const char *script)
{
	char file[64], path[DOCTOR_PATH];

	snprintf(file, sizeof(file), "/bin/%s", name);
	machine_text(m, file, script);
	doctor_path(&m->d, path, "%s", file);
	must(!chmod(path, 0755));
}

void machine_mode(struct machine *m, const char *name, mode_t mode)
{
	char path[DOCTOR_PATH];

	doctor_path(&m->d, path, "%s", name);
	must(!chmod(path, mode));
}

bool machine_as_nobody(bool (*look)(void))
{
	int status = 0;
	pid_t pid = fork();

	/* Who is not root is somebody whom these files do not belong to as it is. */
	if (!pid)
		_exit(geteuid() || !setuid(65534) ? !look() : 2);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

void machine_read(struct machine *m, const char *path, char *text, size_t len)
{
	doctor_read(&m->d, text, len, "%s", path);
}

/* ---- devices ------------------------------------------------------------------------------- */

static void in_device(struct machine *m, const char *bdf, const char *file, const void *bytes, size_t len,
	uint64_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, file);
	machine_file(m, path, bytes, len, size);
}

void machine_device(struct machine *m, const char *bdf, bool interrupts, uint64_t size)
{
	uint8_t config[256] = { 0xf4, 0x1a, 0x10, 0x11, 0x02 };
	char resource[256];
	int n;

	if (interrupts) {
		config[0x06] = 0x10;
		config[0x34] = 0x50; /* a vendor's own; then MSI-X */
		config[0x50] = 0x09;
		config[0x51] = 0x40;
		config[0x40] = 0x11;
	}
	n = snprintf(resource, sizeof(resource), "0x00000000febf1000 0x00000000febf10ff 0x0000000000040200\n%s\n"
		"0x00000000fe000000 0x%016llx 0x000000000014220c\n",
		interrupts ? "0x00000000febf2000 0x00000000febf2fff 0x0000000000040200" :
			     "0x0000000000000000 0x0000000000000000 0x0000000000000000",
		0xfe000000ull + size - 1);
	in_device(m, bdf, "vendor", "0x1af4\n", 7, 7);
	in_device(m, bdf, "device", "0x1110\n", 7, 7);
	in_device(m, bdf, "config", config, sizeof(config), sizeof(config));
	in_device(m, bdf, "resource", resource, (size_t)n, (uint64_t)n);
	in_device(m, bdf, "resource0", "", 0, 256);
	in_device(m, bdf, "resource2", "", 0, size);
	in_device(m, bdf, "enable", "0\n", 2, 2);
}

void machine_group(struct machine *m, const char *bdf, int group)
{
	char path[128], to[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	snprintf(to, sizeof(to), "../../../../kernel/iommu_groups/%d", group);
	machine_link(m, path, to);
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices/%s", group, bdf);
	machine_text(m, path, "");
}

void machine_driver(struct machine *m, const char *bdf, const char *driver)
{
	char path[128], to[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", bdf);
	snprintf(to, sizeof(to), "../../drivers/%s", driver);
	machine_link(m, path, to);
}

void machine_modules(struct machine *m)
{
	machine_text(m, MODULES "/drivers/vfio/vfio.ko", "");
	machine_text(m, MODULES "/drivers/vfio/vfio_iommu_type1.ko.xz", "");
	machine_text(m, MODULES "/drivers/vfio/pci/vfio-pci.ko", "");
}

void machine_vfio(struct machine *m, int group)
{
	char path[64];

	machine_folder(m, "/sys/bus/pci/drivers/vfio-pci");
	machine_folder(m, "/sys/module/vfio_iommu_type1");
	machine_text(m, "/sys/bus/pci/drivers_probe", "");
	machine_text(m, "/dev/vfio/vfio", "");
	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	machine_text(m, path, "");
}

/* ---- what was found --------------------------------------------------------------------------- */

static const json_t *last(const struct machine *m)
{
	return json_array_get(m->d.report, json_array_size(m->d.report) - 1);
}

static const char *string(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static bool otherwise(const struct machine *m, const char *missed)
{
	fprintf(stderr, "---- not found: %s\n", missed);
	doctor_print(&m->d, stderr);
	return false;
}

bool verdict_is(const struct machine *m, const char *verdict)
{
	return !strcmp(string(last(m), "verdict"), verdict) || otherwise(m, verdict);
}

bool found(const struct machine *m, const char *level, const char *text)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(json_object_get(last(m), "findings"), i, finding)
		if (!strcmp(string(finding, "text"), text) && !strcmp(string(finding, "level"), level))
			return true;
	return otherwise(m, text);
}

static bool same(const json_t *commands, va_list expected)
{
	const json_t *command;
	const char *want;
	size_t i;

	json_array_foreach(commands, i, command) {
		want = va_arg(expected, const char *);
		if (!want || strcmp(json_string_value(command), want))
			return false;
	}
	return !va_arg(expected, const char *);
}

bool commands_are(const struct machine *m, const char *start, ...)
{
	const json_t *finding, *commands = NULL;
	va_list expected;
	unsigned times = 0;
	size_t i;
	bool ok;

	json_array_foreach(json_object_get(last(m), "findings"), i, finding) {
		if (strncmp(string(finding, "text"), start, strlen(start)))
			continue;
		commands = json_object_get(finding, "commands");
		times++;
	}
	va_start(expected, start);
	ok = times == 1 && same(commands, expected);
	va_end(expected);
	return ok || otherwise(m, start);
}
