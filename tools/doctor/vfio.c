/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio.c - does vfio-pci have the device, could it, and what would it take? */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

/* In the order in which they need each other. Kernels have them or not: vfio_virqfd went
 * into vfio, and iommufd came, with Linux 6.2. */
static const struct {
	const char *name, *file;
} modules[] = {
	{ "irqbypass", "virt/lib/irqbypass.ko" },
	{ "iommufd", "drivers/iommu/iommufd/iommufd.ko" },
	{ "vfio", "drivers/vfio/vfio.ko" },
	{ "vfio_virqfd", "drivers/vfio/vfio_virqfd.ko" },
	{ "vfio_iommu_type1", "drivers/vfio/vfio_iommu_type1.ko" },
	{ "vfio_pci_core", "drivers/vfio/pci/vfio-pci-core.ko" },
	{ "vfio_pci", "drivers/vfio/pci/vfio-pci.ko" },
};
#define UNSAFE "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
#define MODULES (sizeof(modules) / sizeof(modules[0]))

/* ---- steps -------------------------------------------------------------------------------- */

static struct doctor_step *step(struct doctor_plan *plan)
{
	struct doctor_step *s = &plan->step[plan->count < DOCTOR_STEPS ? plan->count++ : DOCTOR_STEPS - 1];

	memset(s, 0, sizeof(*s));
	return s;
}

static struct doctor_step *echo(struct doctor_plan *plan, const char *text, const char *bdf, const char *file)
{
	struct doctor_step *s = step(plan);

	s->what = DOCTOR_ECHO;
	snprintf(s->text, sizeof(s->text), "%s", text);
	snprintf(s->path, sizeof(s->path), "/sys/bus/pci/devices/%s/%s", bdf, file);
	return s;
}

static void modprobe(struct doctor_plan *plan, const char *module)
{
	struct doctor_step *s = step(plan);

	s->what = DOCTOR_MODPROBE;
	snprintf(s->text, sizeof(s->text), "%s", module);
}

/* The file of a module, packed or not, or false. */
static bool module_file(const struct doctor *d, const char *file, char path[DOCTOR_PATH])
{
	static const char *const packed[] = { "", ".xz", ".zst", ".gz" };

	for (size_t i = 0; i < sizeof(packed) / sizeof(packed[0]); i++) {
		snprintf(path, DOCTOR_PATH, "/lib/modules/%s/kernel/%s%s", d->release, file, packed[i]);
		if (doctor_there(d, "%s", path))
			return true;
	}
	return false;
}

static void insmods(const struct doctor *d, struct doctor_plan *plan)
{
	char path[DOCTOR_PATH];

	for (size_t i = 0; i < MODULES; i++) {
		struct doctor_step *s;

		if (doctor_there(d, "/sys/module/%s", modules[i].name) || !module_file(d, modules[i].file, path))
			continue;
		s = step(plan);
		s->what = DOCTOR_INSMOD;
		snprintf(s->text, sizeof(s->text), "%s", modules[i].name);
		memcpy(s->path, path, sizeof(path));
	}
}

static bool loaded(const struct doctor *d)
{
	return doctor_there(d, "/sys/bus/pci/drivers/vfio-pci") &&
	       doctor_there(d, "/sys/module/vfio_iommu_type1");
}

static bool loadable(const struct doctor *d)
{
	char path[DOCTOR_PATH];

	return loaded(d) || module_file(d, modules[MODULES - 1].file, path);
}

static void load(const struct doctor *d, struct doctor_plan *plan)
{
	char program[DOCTOR_PATH];

	if (loaded(d))
		return;
	if (!doctor_which(d, "modprobe", program)) {
		insmods(d, plan);
		return;
	}
	modprobe(plan, "vfio_iommu_type1");
	modprobe(plan, "vfio-pci");
}

static void bind(const struct vmq__pci *pci, struct doctor_plan *plan)
{
	struct doctor_step *s;

	if (*pci->driver) {
		s = echo(plan, pci->bdf, pci->bdf, "driver/unbind");
		snprintf(s->undo, sizeof(s->undo), "/sys/bus/pci/drivers/%s/bind", pci->driver);
		snprintf(s->undo_text, sizeof(s->undo_text), "%s", pci->bdf);
	}
	s = echo(plan, "vfio-pci", pci->bdf, "driver_override");
	memcpy(s->undo, s->path, sizeof(s->undo));
	s = step(plan);
	s->what = DOCTOR_ECHO;
	snprintf(s->text, sizeof(s->text), "%s", pci->bdf);
	snprintf(s->path, sizeof(s->path), "/sys/bus/pci/drivers_probe");
}

/* ---- the group ------------------------------------------------------------------------------- */

static void driver_of(const struct doctor *d, const char *bdf, char driver[DOCTOR_PATH])
{
	char path[DOCTOR_PATH], to[DOCTOR_PATH], *last;
	ssize_t n;

	doctor_path(d, path, "/sys/bus/pci/devices/%s/driver", bdf);
	n = readlink(path, to, sizeof(to) - 1);
	to[n > 0 ? n : 0] = 0;
	last = strrchr(to, '/');
	memcpy(driver, last ? last + 1 : to, strlen(last ? last + 1 : to) + 1);
}

static bool known_to_vfio(const char *driver)
{
	return !*driver || !strcmp(driver, "vfio-pci") || !strcmp(driver, "pci-stub") ||
	       !strcmp(driver, "pcieport");
}

/* vfio gives a group out only if none of its devices is at a driver that it does not know.
 * The first one that is: its address, and its driver. */
static bool neighbour(const struct doctor *d, const struct vmq__pci *pci, char bdf[DOCTOR_PATH],
	char driver[DOCTOR_PATH])
{
	char path[DOCTOR_PATH];
	bool found = false;
	struct dirent *e;
	DIR *dir;

	doctor_path(d, path, "/sys/kernel/iommu_groups/%d/devices", pci->group);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir)) != NULL) {
		if (*e->d_name == '.' || !strcmp(e->d_name, pci->bdf))
			continue;
		driver_of(d, e->d_name, driver);
		found = !known_to_vfio(driver);
		snprintf(bdf, DOCTOR_PATH, "%s", e->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* ---- the plan -------------------------------------------------------------------------------- */

/* Bit 3 of an Intel IOMMU's extended capabilities. */
static bool remaps(const struct doctor *d)
{
	unsigned long long bits;
	char text[32];

	doctor_read(d, text, sizeof(text), "/sys/class/iommu/dmar0/intel-iommu/ecap");
	if (sscanf(text, "%llx", &bits) != 1 || bits & 8)
		return true;
	doctor_read(d, text, sizeof(text), UNSAFE);
	return *text == 'Y';
}

bool doctor_plan(const struct doctor *d, const struct vmq__pci *pci, bool take, struct doctor_plan *plan)
{
	char other[DOCTOR_PATH], driver[DOCTOR_PATH];
	bool could = pci->interrupts && pci->group >= 0 && remaps(d) && !neighbour(d, pci, other, driver);

	plan->count = 0;
	if (!strcmp(pci->driver, "vfio-pci"))
		return true;
	if (could && loadable(d) && (!*pci->driver || take)) {
		load(d, plan);
		bind(pci, plan);
	} else if (!pci->enabled && !*pci->driver) {
		echo(plan, "1", pci->bdf, "enable");
	}
	return !could || loadable(d);
}

void doctor_plan_commands(struct doctor *d, const struct doctor_plan *plan)
{
	for (unsigned i = 0; i < plan->count; i++) {
		const struct doctor_step *s = &plan->step[i];

		if (s->what == DOCTOR_MODPROBE)
			doctor_command(d, "modprobe %s", s->text);
		else if (s->what == DOCTOR_INSMOD)
			doctor_command(d, "insmod %s", s->path);
		else
			doctor_command(d, "echo %s > %s", s->text, s->path);
	}
}

/* ---- findings ---------------------------------------------------------------------------------- */

/* Why it is without IOMMU: the machine has none, or the kernel was not told, or it was. */
static void no_iommu(struct doctor *d)
{
	bool there = doctor_there(d, "/sys/firmware/acpi/tables/DMAR");
	char arguments[4096];

	doctor_read(d, arguments, sizeof(arguments), "/proc/cmdline");
	if (there && strstr(arguments, "intel_iommu=on")) {
		doctor_say(d, DOCTOR_WARN, "polled: interrupts need vfio-pci, which needs the IOMMU; this "
			"machine has one, and its kernel was told to use it, but the device is in no group; "
			"the kernel's log may say why:");
		doctor_command(d, "dmesg | grep -i -e dmar -e iommu");
	} else if (there) {
		doctor_say(d, DOCTOR_WARN, "polled: interrupts need vfio-pci, which needs the IOMMU; this "
			"machine has one, but its kernel was started without these arguments:");
		doctor_command(d, "intel_iommu=on no_timer_check");
	} else {
		doctor_say(d, DOCTOR_WARN, "polled: interrupts need vfio-pci, which needs an IOMMU, and this "
			"machine has none; QEMU gives it one with these flags, and the kernel wants these "
			"arguments:");
		doctor_command(d, "-M q35 -device intel-iommu,intremap=on");
		doctor_command(d, "intel_iommu=on no_timer_check");
	}
}

/* What vfio would say to the IOMMU: it takes none that lets a device send any interrupt. */
static void no_remapping(struct doctor *d, bool bound)
{
	doctor_say(d, bound ? DOCTOR_FAIL : DOCTOR_WARN, "%sthe IOMMU cannot remap interrupts, and vfio "
		"refuses it; give QEMU the first of these, or trust the device and do the second, as "
		"root:", bound ? "" : "polled: ");
	doctor_command(d, "-device intel-iommu,intremap=on");
	if (doctor_there(d, UNSAFE))
		doctor_command(d, "echo Y > " UNSAFE);
	else
		doctor_command(d, "modprobe vfio_iommu_type1 allow_unsafe_interrupts=1");
}

static void not_alone(struct doctor *d, const struct vmq__pci *pci, bool bound, const char *bdf,
	const char *driver)
{
	doctor_say(d, bound ? DOCTOR_FAIL : DOCTOR_WARN, "%s%s is in the same IOMMU group (%d) and at the "
		"driver %s: vfio gives the group out only without that", bound ? "" : "polled: ", bdf,
		pci->group, driver);
	doctor_command(d, "echo %s > /sys/bus/pci/devices/%s/driver/unbind", bdf, bdf);
}

static void not_bound(struct doctor *d, const struct vmq__pci *pci)
{
	struct doctor_plan plan;

	if (!doctor_plan(d, pci, true, &plan)) {
		doctor_say(d, DOCTOR_WARN, "polled: interrupts need vfio-pci, and there is no such module in "
			"/lib/modules/%s: install the rest of this kernel's modules", d->release);
		return;
	}
	if (*pci->driver)
		doctor_say(d, DOCTOR_WARN, "polled: the driver %s has the device, and can't hand its "
			"interrupts to a program; `vmq doctor --fix ivshmem:%s` moves it to vfio-pci, and so "
			"do, as root:", pci->driver, pci->bdf);
	else
		doctor_say(d, DOCTOR_WARN, "polled: the device is not at vfio-pci, which can hand its "
			"interrupts to a program; `vmq doctor --fix` puts it there, and so do, as root:");
	doctor_plan_commands(d, &plan);
}

static bool may_open(struct doctor *d, const struct vmq__pci *pci)
{
	char path[DOCTOR_PATH];

	if (!doctor_there(d, "/dev/vfio/%d", pci->group) || !doctor_there(d, "/dev/vfio/vfio")) {
		doctor_say(d, DOCTOR_FAIL, "vfio-pci has the device, but /dev/vfio/%d or /dev/vfio/vfio is "
			"not there", pci->group);
		doctor_command(d, "modprobe vfio_iommu_type1");
		return false;
	}
	doctor_path(d, path, "/dev/vfio/%d", pci->group);
	if (access(path, R_OK | W_OK)) {
		doctor_say(d, DOCTOR_FAIL, "this user may not open /dev/vfio/%d: %s", pci->group,
			strerror(errno));
		doctor_command(d, "sudo chown $USER /dev/vfio/%d", pci->group);
		return false;
	}
	return true;
}

bool doctor_vfio(struct doctor *d, const struct vmq__pci *pci)
{
	char other[DOCTOR_PATH], driver[DOCTOR_PATH];
	bool bound = !strcmp(pci->driver, "vfio-pci");

	if (pci->group < 0) {
		no_iommu(d);
		return false;
	}
	if (!remaps(d)) {
		no_remapping(d, bound);
		return false;
	}
	if (neighbour(d, pci, other, driver)) {
		not_alone(d, pci, bound, other, driver);
		return false;
	}
	if (!bound) {
		not_bound(d, pci);
		return false;
	}
	return may_open(d, pci);
}
