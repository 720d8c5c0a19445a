/* SPDX-License-Identifier: BSD-2-Clause */
/* command.c - `vmq doctor` as a command: what it takes, its exit codes, its JSON. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <stdarg.h>
#include <string.h>

#include "machine.h"
#include "support.h"

#define TEXT 65536

static char text[TEXT];

/* Run it on this machine; its exit code. */
static int doctor(const char *first, ...)
{
	char *argv[8] = { "vmq", "doctor", (char *)(uintptr_t)first };
	va_list args;

	va_start(args, first);
	for (unsigned i = 3; i < 7 && argv[i - 1]; i++)
		argv[i] = va_arg(args, char *);
	va_end(args);
	return doctor_run(VMQ_TOOL, argv, PATIENCE_MS, text, sizeof(text));
}

Test(doctor_command, help)
{
	cr_assert_eq(doctor("--help", NULL), 0);
	cr_assert(strstr(text, "usage: vmq doctor [--fix] [--json] [TRANSPORT]"));
	cr_assert(strstr(text, "Exit codes: 0 "));
}

Test(doctor_command, called_wrongly)
{
	cr_assert_eq(doctor("tcp", NULL), 2);
	cr_assert(strstr(text, "vmq doctor: 'tcp' is not a transport"));
	cr_assert_eq(doctor("ivshmem:unix=", NULL), 2);
	cr_assert_eq(doctor("ivshmem:file=", NULL), 2);
	cr_assert_eq(doctor("simple", NULL), 2);
	cr_assert_eq(doctor("sim", "kvm", NULL), 2);
	cr_assert_eq(doctor("--fix", "sim", NULL), 2);
	cr_assert(strstr(text, "--fix can mend ivshmem in a guest, and xen, and nothing else"));
	cr_assert_eq(doctor("--mend", NULL), 2);
	cr_assert(strstr(text, "see vmq doctor --help"));
}

/* sim works wherever these tests do. */
Test(doctor_command, exit_codes)
{
	cr_assert_eq(doctor("sim", NULL), 0);
	cr_assert(strstr(text, "sim: works\n"));
	cr_assert_eq(doctor("ivshmem:unix=/nonexistent?name=me", NULL), 1);
	cr_assert(strstr(text, "ivshmem-host: cannot, because: /nonexistent: No such file or directory\n"
		"          vmq ivshmem-server --size 64M /nonexistent"));
	cr_assert_eq(doctor("ivshmem:ffff:ff:1f.7", NULL), 1);
	cr_assert_eq(doctor("ivshmem-host", NULL), 0);
	cr_assert_eq(doctor(NULL), 0);
}

/* What is not there cannot be fixed; that others work is no excuse. On a machine that has
 * a device, this would bind it. */
Test(doctor_command, fix_fails)
{
	struct vmq__pci pci;

	cr_assert_eq(doctor("--fix", "ivshmem:ffff:ff:1f.7", NULL), 1);
	cr_assert(strstr(text, "fix: failed, because: there is no ivshmem device to bind\n"));
	if (!vmq__pci_find(NULL, 0, &pci))
		return;
	cr_assert_eq(doctor("--fix", NULL), 1);
	cr_assert(strstr(text, "sim: works\n"));
}

static json_t *parsed(void)
{
	json_error_t error;
	json_t *root = json_loads(text, 0, &error);

	cr_assert(root, "%s: %s", error.text, text);
	return root;
}

static void check_part(json_t *part, const char *expected)
{
	const char *name, *verdict, *why, *level, *said;
	json_t *findings, *finding, *commands, *command;
	size_t i, j;

	cr_assert_eq(json_unpack(part, "{s:s, s:s, s:s, s:o !}", "name", &name, "verdict", &verdict, "why", &why,
		"findings", &findings), 0);
	cr_assert_str_eq(name, expected);
	cr_assert(!strcmp(verdict, "works") || !strcmp(verdict, "works, but") || !strcmp(verdict, "cannot"));
	cr_assert_eq(!*why, !strcmp(verdict, "works"));
	cr_assert_gt(json_array_size(findings), 0);
	json_array_foreach(findings, i, finding) {
		cr_assert_eq(json_unpack(finding, "{s:s, s:s, s:o !}", "level", &level, "text", &said, "commands",
			&commands), 0);
		cr_assert(strstr("ok note warn fail", level) && *said);
		json_array_foreach(commands, j, command)
			cr_assert(json_is_string(command));
	}
}

Test(doctor_command, json)
{
	static const char *const names[] = { "sim", "kvm", "ivshmem-guest", "ivshmem-host", "xen" };
	json_t *root, *parts, *part;
	const char *version;
	int can_work;
	size_t i;

	cr_assert_eq(doctor("--json", NULL), 0);
	root = parsed();
	cr_assert_eq(json_unpack(root, "{s:s, s:b, s:o !}", "vmq", &version, "can_work", &can_work,
		"transports", &parts), 0);
	cr_assert_str_eq(version, vmq_version());
	cr_assert(can_work);
	cr_assert_eq(json_array_size(parts), sizeof(names) / sizeof(names[0]));
	json_array_foreach(parts, i, part)
		check_part(part, names[i]);
	json_decref(root);
}

/* Bytes that are no text make no JSON that is none. */
Test(doctor_command, json_of_odd_names)
{
	json_t *root, *part;
	const char *why;

	cr_assert_eq(doctor("--json", "ivshmem:unix=/non\xff\x1b[31mexistent", NULL), 1);
	root = parsed();
	part = json_array_get(json_object_get(root, "transports"), 0);
	why = json_string_value(json_object_get(part, "why"));
	cr_assert_str_eq(why, "/non\?\?[31mexistent: No such file or directory");
	json_decref(root);
}
