/* SPDX-License-Identifier: BSD-2-Clause */
/* command.c - `vmq doctor`: which transports can work on this machine, what is missing,
 * and what mends it. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include <vmq/vmq.h>

#include "doctor.h"
#include "misuse.h"
#include "vmq.h"

struct command {
	bool fix, json;
	void (*look[8])(struct doctor *d);
	unsigned looks;
	char address[512];
};

static int usage(void)
{
	printf(
		"usage: vmq doctor [--fix] [--json] [TRANSPORT]\n\n"
		"Says which transports can work on this machine, a guest or a host, what is missing, and\n"
		"the commands that mend it. TRANSPORT is one of:\n\n"
		"  sim, kvm, xen\n"
		"  ivshmem            as a guest and as a host; ivshmem-guest, ivshmem-host: one of them\n"
		"  ivshmem:BDF        a guest's device, as ivshmem:0000:00:04.0\n"
		"  ivshmem:unix=PATH  a server's socket on this host: connects to it, and says who is there\n"
		"  ivshmem:file=PATH  a file that is, or may become, a region\n\n"
		"  -f, --fix          as root, in a guest: give the ivshmem device to vfio-pci, or enable it\n"
		"                     where that can't be. A device that has another driver is left alone\n"
		"                     unless TRANSPORT names it. On Xen: load its modules, let programs grant\n"
		"                     more pages\n"
		"  -j, --json         all of it as JSON\n"
		"  -h, --help\n\n"
		"Exit codes: 0 it works, or at least one of them does; 1 none does, or --fix failed; 2 called\n"
		"wrongly.\n");
	return TOOL_OK;
}

/* ---- the command line ------------------------------------------------------------------- */

static void look(struct command *c, void (*function)(struct doctor *d))
{
	c->look[c->looks++] = function;
}

static int address(struct command *c, struct doctor *d, const char *text)
{
	snprintf(c->address, sizeof(c->address), "%s", text);
	c->address[strcspn(c->address, "?")] = 0;
	text = c->address;
	if (!strncmp(text, "unix=", 5) || !strncmp(text, "file=", 5)) {
		d->at = text + 5;
		look(c, *text == 'u' ? doctor_server : doctor_file);
	} else {
		d->bdf = *text ? text : NULL;
		look(c, doctor_guest);
	}
	return d->at && !*d->at ? -1 : 0;
}

static int transport(struct command *c, struct doctor *d, const char *name)
{
	static const struct {
		const char *name;
		void (*look[2])(struct doctor *d);
	} names[] = {
		{ "sim", { doctor_sim } },
		{ "kvm", { doctor_kvm } },
		{ "ivshmem", { doctor_guest, doctor_host } },
		{ "ivshmem-guest", { doctor_guest } },
		{ "ivshmem-host", { doctor_host } },
		{ "xen", { doctor_xen } },
	};
	size_t len = strcspn(name, ":");

	if (!strncmp(name, "ivshmem:", 8))
		return address(c, d, name + 8);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].name) != len || strncmp(names[i].name, name, len))
			continue;
		look(c, names[i].look[0]);
		if (names[i].look[1])
			look(c, names[i].look[1]);
		return 0;
	}
	return -1;
}

static void everything(struct command *c)
{
	look(c, doctor_sim);
	look(c, doctor_kvm);
	look(c, doctor_guest);
	look(c, doctor_host);
	look(c, doctor_xen);
}

static bool looks_at(const struct command *c, void (*function)(struct doctor *d))
{
	for (unsigned i = 0; i < c->looks; i++)
		if (c->look[i] == function)
			return true;
	return false;
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct command *c, struct doctor *d)
{
	static const struct option longs[] = {
		{ "fix", no_argument, NULL, 'f' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "fjh", longs, NULL)) >= 0) {
		if (o == 'h')
			return usage();
		if (o == 'f')
			c->fix = true;
		else if (o == 'j')
			c->json = true;
		else
			return misuse_option("vmq doctor", argv);
	}
	if (optind == argc)
		everything(c);
	else if (optind != argc - 1)
		return misuse("vmq doctor", "one TRANSPORT at most");
	else if (transport(c, d, argv[optind]))
		return misuse("vmq doctor", "'%.60s' is not a transport", argv[optind]);
	if (c->fix && !looks_at(c, doctor_guest) && !looks_at(c, doctor_xen)) {
		fprintf(stderr, "vmq doctor: --fix can mend ivshmem in a guest, and xen, and nothing else\n");
		return TOOL_USAGE;
	}
	return -1;
}

/* ---- the machine -------------------------------------------------------------------------- */

static const char *hypervisor(void)
{
	static char name[13] = "";
#ifdef __x86_64__
	unsigned a, b = 0, c = 0, d = 0;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 31))
		return "";
	__cpuid(0x40000000, a, b, c, d);
	memcpy(name, &b, 4);
	memcpy(name + 4, &c, 4);
	memcpy(name + 8, &d, 4);
#endif
	return name;
}

static const char *programs(void)
{
	static char path[4096];
	const char *env = getenv("PATH");

	/* Where a user's own path does not lead: modprobe. */
	snprintf(path, sizeof(path), "%s:/usr/sbin:/sbin:/usr/bin:/bin", env ? env : "");
	return path;
}

static int report(const struct command *c, const struct doctor *d)
{
	json_t *root;
	int bad;

	if (!c->json) {
		doctor_print(d, stdout);
		return 0;
	}
	root = json_pack("{s:s, s:b, "
		"s:O}", "vmq", vmq_version(), "can_work", doctor_any(d), "transports", d->report);
	bad = json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
	return bad;
}

static bool mend(const struct command *c, struct doctor *d)
{
	bool ok = true;

	if (looks_at(c, doctor_guest))
		ok = doctor_fix(d);
	if (looks_at(c, doctor_xen))
		ok &= doctor_fix_xen(d, c->looks == 1);
	return ok;
}

static int examine(const struct command *c, struct doctor *d)
{
	bool ok = !c->fix || mend(c, d);
	int code;

	for (unsigned i = 0; i < c->looks; i++)
		c->look[i](d);
	code = ok && doctor_any(d) ? TOOL_OK : TOOL_FAILED;
	if (report(c, d) || d->broken) {
		fprintf(stderr, "vmq doctor: out of memory\n");
		code = TOOL_FAILED;
	}
	return code;
}

int tool_doctor(int argc, char **argv)
{
	struct doctor d = { .root = "", .hypervisor = hypervisor(), .path = programs() };
	struct command c = { 0 };
	struct utsname machine;
	int code = parse(argc, argv, &c, &d);

	if (code >= 0)
		return code;
	d.release = uname(&machine) ? "" : machine.release;
	if (doctor_init(&d)) {
		fprintf(stderr, "vmq doctor: out of memory\n");
		return TOOL_FAILED;
	}
	code = examine(&c, &d);
	doctor_exit(&d);
	return code;
}
