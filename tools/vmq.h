/* SPDX-License-Identifier: BSD-2-Clause */
/* vmq.h - what the files of the command `vmq` share. */
#ifndef VMQ_TOOL_H
#define VMQ_TOOL_H

/* Exit codes of every sub-command. */
#define TOOL_OK 0
#define TOOL_FAILED 1
#define TOOL_USAGE 2
#define TOOL_TIMEOUT 3 /* the time that --timeout gave was up */
#define TOOL_GONE 4    /* the peer or the fabric has gone */

/* A sub-command: argv[0] is "vmq NAME", so that messages of getopt say who speaks. */
struct tool_command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help; /* one line */
};

int tool_send(int argc, char **argv);
int tool_recv(int argc, char **argv);
int tool_cat(int argc, char **argv);
int tool_ls(int argc, char **argv);
int tool_top(int argc, char **argv);
int tool_stats(int argc, char **argv);
int tool_dump(int argc, char **argv);
int tool_hub(int argc, char **argv);
int tool_ivshmem_server(int argc, char **argv);
int tool_doctor(int argc, char **argv);

#endif
