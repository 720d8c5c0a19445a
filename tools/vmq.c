/* SPDX-License-Identifier: BSD-2-Clause */
/* vmq.c - the command `vmq`: finds the sub-command and runs it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common.h"
#include "misuse.h"

static const struct tool_command commands[] = {
	{ "send", tool_send, "send messages to a VM" },
	{ "recv", tool_recv, "print the messages that other VMs send" },
	{ "cat", tool_cat, "standard input to a VM, and what it says to standard output" },
	{ "ls", tool_ls, "who is on a fabric" },
	{ "top", tool_top, "VMs and channels at work, live" },
	{ "stats", tool_stats, "counters of VMs and channels, for people and programs" },
	{ "dump", tool_dump, "what stands in a channel's region, and what is wrong with it" },
	{ "hub", tool_hub, "connect VMs that are processes of this machine" },
#ifdef TOOL_IVSHMEM_SERVER
	{ "ivshmem-server", tool_ivshmem_server, "share memory and doorbells between QEMU's guests and this host" },
#endif
#ifdef TOOL_DOCTOR
	{ "doctor", tool_doctor, "which transports can work here, what is missing, and how to mend it" },
#endif
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int usage(void)
{
	printf("usage: vmq COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-15s %s\n", commands[i].name, commands[i].help);
	printf(
		"\n`vmq COMMAND --help` says more. `vmq --version` says which libvmq this is.\n"
		"Exit codes: 0 done, 1 failed, 2 called wrongly, 3 the time was up (--timeout), 4 the peer or\n"
		"the fabric has gone.\n");
	return TOOL_OK;
}

/* Output that could not be written is a failure, too. */
static int written(int code)
{
	tool_progress_end();
	errno = 0;
	if ((!fflush(stdout) && !ferror(stdout)) || code)
		return code;
	return tool_fail(TOOL_FAILED, "cannot write to standard output%s%s", errno ? ": " : "",
		errno ? strerror(errno) : "");
}

static int run(const struct tool_command *command, int argc, char **argv)
{
	static char name[32];

	snprintf(name, sizeof(name), "vmq %s", command->name);
	tool_name = argv[0] = name;
	return written(command->run(argc, argv));
}

int main(int argc, char **argv)
{
	tool_std_fds();
	opterr = 0; /* the commands say it themselves */
	if (argc < 2)
		return misuse("vmq", "a COMMAND is needed");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return written(usage());
	if (!strcmp(argv[1], "--version")) {
		printf("vmq %s\n", vmq_version());
		return written(TOOL_OK);
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return run(&commands[i], argc - 1, argv + 1);
	return misuse("vmq", "'%.60s' is not a command of vmq", argv[1]);
}
