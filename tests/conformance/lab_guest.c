/* SPDX-License-Identifier: BSD-2-Clause */
/* lab_guest.c - a guest's station: what its first program starts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lab.h"

#define LINE "/dev/ttyS1"
#define DIR "/tmp"

static int suite_argc;
static char **suite_argv;

/* What is printed goes where errors go. */
static int take_input(void)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);

	dup2(STDERR_FILENO, STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	return fd;
}

static int open_line(void)
{
	int fd = open(LINE, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;

	if (fd < 0 || tcgetattr(fd, &t))
		return -1;
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	t.c_cflag |= CLOCAL;
	return tcsetattr(fd, TCSANOW, &t) ? -1 : fd;
}

int station_guest(uint32_t machine, int argc, char **argv)
{
	struct pollfd fds[STATION_FDS];
	int line = lab_plan.line_is_input ? take_input() : open_line();
	struct station s;

	suite_argc = argc;
	suite_argv = argv;
	signal(SIGPIPE, SIG_IGN);
	/* Criterion wants shared memory. */
	mkdir("/dev/shm", 0777);
	if (line < 0 || mount("shm", "/dev/shm", "tmpfs", 0, NULL) ||
	    !station_open(&s, machine, DIR "/station")) {
		perror("station");
		return 1;
	}
	lab_enter(machine, DIR);
	station_link(&s, STATION_HOST, line);
	station_hello(&s);
	while (!s.broken) {
		station_watch(&s, fds);
		if (poll(fds, STATION_FDS, -1) > 0)
			station_serve(&s, fds);
	}
	return 1;
}

/* The station waits for a peer that ends its steps, so it is this process's child that
 * becomes the suite. All that it said has left the console before it is told of. */
void lab_suite_peer(struct conf_peer *me)
{
	int status;
	pid_t pid = fork();

	need(pid >= 0);
	if (!pid)
		_exit(lab_suite(suite_argc, suite_argv));
	need(waitpid(pid, &status, 0) == pid);
	tcdrain(STDOUT_FILENO);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}
