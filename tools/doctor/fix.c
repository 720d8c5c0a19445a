/* SPDX-License-Identifier: BSD-2-Clause */
/* fix.c - `vmq doctor --fix`: give the device to vfio-pci, or take it all back. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor.h"

#define MODPROBE_MS 30000
#define PACKED 4 /* MODULE_INIT_COMPRESSED_FILE, where the headers are older */

/* ---- one step ----------------------------------------------------------------------------- */

static bool failed(struct doctor *d, const char *what, const char *name, const char *why)
{
	doctor_say(d, DOCTOR_FAIL, "%s %s: %s", what, name, *why ? why : "it failed");
	return false;
}

static bool do_modprobe(struct doctor *d, const struct doctor_step *s)
{
	char program[DOCTOR_PATH], said[256] = "", module[64];
	char *const argv[] = { "modprobe", module, NULL };

	memcpy(module, s->text, sizeof(module));
	if (!doctor_which(d, "modprobe", program) || doctor_run(program, argv, MODPROBE_MS, said, sizeof(said)))
		return failed(d, "modprobe", s->text, said);
	doctor_say(d, DOCTOR_OK, "modprobe %s", s->text);
	return true;
}

static bool do_insmod(struct doctor *d, const struct doctor_step *s)
{
	bool packed = !strstr(s->path, ".ko") || strcmp(strstr(s->path, ".ko"), ".ko");
	char path[DOCTOR_PATH];
	long rc = -1;
	int fd, e;

	doctor_path(d, path, "%s", s->path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		rc = syscall(SYS_finit_module, fd, "", packed ? PACKED : 0);
	e = errno;
	if (fd >= 0)
		close(fd);
	if (rc && e != EEXIST)
		return failed(d, "insmod", s->path, strerror(e));
	doctor_say(d, DOCTOR_OK, "insmod %s", s->path);
	return true;
}

static bool do_echo(struct doctor *d, const struct doctor_step *s)
{
	int e = doctor_write(d, s->path, s->text);

	if (e) {
		doctor_say(d, DOCTOR_FAIL, "echo %s > %s: %s", s->text, s->path, strerror(e));
		return false;
	}
	doctor_say(d, DOCTOR_OK, "echo %s > %s", s->text, s->path);
	return true;
}

bool doctor_do(struct doctor *d, const struct doctor_step *s)
{
	if (s->what == DOCTOR_MODPROBE)
		return do_modprobe(d, s);
	return s->what == DOCTOR_INSMOD ? do_insmod(d, s) : do_echo(d, s);
}

/* ---- all of them --------------------------------------------------------------------------- */

/* Modules stay: they do nothing by themselves. */
static void undo(struct doctor *d, const struct doctor_plan *plan, unsigned done)
{
	while (done--) {
		const struct doctor_step *s = &plan->step[done];
		int e;

		if (!*s->undo)
			continue;
		e = doctor_write(d, s->undo, s->undo_text);
		doctor_say(d, e ? DOCTOR_FAIL : DOCTOR_NOTE, "undone: echo \"%s\" > "
			"%s%s%s", s->undo_text, s->undo,
			e ? ": " : "", e ? strerror(e) : "");
	}
}

/* The kernel's probe says nothing if no driver took the device. */
static bool took(struct doctor *d, const struct vmq__pci *before, const struct doctor_plan *plan)
{
	const struct doctor_step *last = &plan->step[plan->count - 1];
	struct vmq__pci now;

	if (strcmp(last->path, "/sys/bus/pci/drivers_probe"))
		return true;
	if (!vmq__pci_find(before->bdf, 0, &now) && !strcmp(now.driver, "vfio-pci"))
		return true;
	doctor_say(d, DOCTOR_FAIL, "vfio-pci did not take %s; the kernel's log (dmesg) may say why", before->bdf);
	return false;
}

static void carry_out(struct doctor *d, const struct vmq__pci *pci, const struct doctor_plan *plan)
{
	unsigned done = 0;

	while (done < plan->count && doctor_do(d, &plan->step[done]))
		done++;
	if (done < plan->count || !took(d, pci, plan))
		undo(d, plan, done);
}

static void fix_look(struct doctor *d)
{
	struct doctor_plan plan;
	struct vmq__pci pci;

	if (vmq__pci_find(d->bdf, 0, &pci)) {
		doctor_say(d, DOCTOR_FAIL, "there is no ivshmem device to bind");
		return;
	}
	if (!doctor_plan(d, &pci, d->bdf, &plan))
		doctor_say(d, DOCTOR_FAIL, "there is no vfio-pci in /lib/modules/%s", d->release);
	else if (*pci.driver && strcmp(pci.driver, "vfio-pci") && !plan.count)
		doctor_say(d, DOCTOR_NOTE, "%s stays with the driver %s; `vmq doctor --fix ivshmem:%s` takes "
			"it away if vfio-pci can have it", pci.bdf, pci.driver, pci.bdf);
	else if (!plan.count)
		doctor_say(d, DOCTOR_OK, "nothing for --fix to do at %s", pci.bdf);
	else if (geteuid())
		doctor_say(d, DOCTOR_FAIL, "only root can do that");
	else
		carry_out(d, &pci, &plan);
}

bool doctor_fix(struct doctor *d)
{
	bool ok;

	doctor_begin(d, "fix");
	fix_look(d);
	ok = !doctor_failed(d);
	doctor_verdict(d, ok ? "done" : "failed");
	return ok;
}
