/* SPDX-License-Identifier: BSD-2-Clause */
/* vmq.c - the command `vmq`: finds the sub-command and runs it. */
#include <stdio.h>
#include <string.h>

#include <vmq/vmq.h>

#include "vmq.h"

static const struct tool_command commands[] = {
	{ "hub", tool_hub, "connect VMs that are processes of this machine" },
#ifdef TOOL_IVSHMEM_SERVER
	{ "ivshmem-server", tool_ivshmem_server, "share memory and doorbells between QEMU's guests and this host" },
#endif
#ifdef TOOL_DOCTOR
	{ "doctor", tool_doctor, "which transports can work here, what is missing, and how to mend it" },
#endif
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int usage(FILE *to, int code)
{
	fprintf(to, "usage: vmq COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-15s %s\n", commands[i].name, commands[i].help);
	fprintf(to, "\n`vmq COMMAND --help` says more. Exit codes: 0 done, 1 failed, 2 called wrongly.\n");
	return code;
}

static int run(const struct tool_command *command, int argc, char **argv)
{
	char name[32];
	int code;

	snprintf(name, sizeof(name), "vmq %s", command->name);
	argv[0] = name;
	code = command->run(argc, argv);
	/* Output that could not be written is a failure, too. */
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "%s: cannot write its output\n", name);
		return code ? code : TOOL_FAILED;
	}
	return code;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr, TOOL_USAGE);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return usage(stdout, TOOL_OK);
	if (!strcmp(argv[1], "--version")) {
		printf("vmq %s\n", vmq_version());
		return TOOL_OK;
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return run(&commands[i], argc - 1, argv + 1);
	fprintf(stderr, "vmq: '%s' is not a command of vmq\n", argv[1]);
	return usage(stderr, TOOL_USAGE);
}
