/* SPDX-License-Identifier: BSD-2-Clause */
/* xen_machines.c - the programs of a lab in dom0, in place of lab_machines.c: calls of the
 * agents in the domains guest1 and guest2, which were made for it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"

#define WORDS 40

/* They are there. */
int lab_image(const struct lab *lab, char *why, size_t len)
{
	(void)lab;
	snprintf(why, len, "the domains do not answer");
	return 0;
}

bool lab_server(struct lab *lab)
{
	lab->part[LAB_SERVER].ready = true;
	return true;
}

/* A call ends with this process, and the station at its other end with it. */
static _Noreturn void call(const struct lab *lab, unsigned guest, int console, int line)
{
	char self[200] = "", domain[12], number[12], program[] = "xen-exec", station[] = "--station";
	char *word[WORDS + 1] = { program, domain, self, station, number };
	int n = 5;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		_exit(127);
	snprintf(domain, sizeof(domain), "guest%u", guest);
	snprintf(number, sizeof(number), "%u", guest);
	for (int i = 1; i < lab->argc && n < WORDS; i++)
		word[n++] = lab->argv[i];
	dup2(line, STDIN_FILENO);
	dup2(line, STDOUT_FILENO);
	dup2(console, STDERR_FILENO);
	execvp(word[0], word);
	perror(program);
	_exit(127);
}

bool lab_boot(struct lab *lab, unsigned guest)
{
	struct lab_part *p = &lab->part[guest];
	int console[2], line[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, console) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line))
		return false;
	p->console = console[0];
	p->line = line[0];
	fflush(NULL);
	p->pid = fork();
	if (!p->pid)
		call(lab, guest, console[1], line[1]);
	close(console[1]);
	close(line[1]);
	return p->pid > 0;
}

/* A station ends when its line does, and the call with all that was printed carried. */
void lab_kill(struct lab *lab)
{
	for (unsigned i = LAB_GUEST1; i <= LAB_GUEST2; i++)
		if (lab->part[i].pid > 0)
			shutdown(lab->part[i].line, SHUT_WR);
	for (unsigned i = LAB_GUEST1; i <= LAB_GUEST2; i++) {
		pid_t pid = lab->part[i].pid;

		if (pid <= 0 || lab_ends_soon(pid))
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}
