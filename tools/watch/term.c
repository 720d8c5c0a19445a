/* SPDX-License-Identifier: BSD-2-Clause */
/* term.c - the terminal: its screen, its keys, its size, and what it signals. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "top.h"

static struct termios was;
static bool on, keys;
static int said[2] = { -1, -1 };

void term_enter(void)
{
	struct termios now;

	if (on)
		return;
	on = true;
	keys = !tcgetattr(STDIN_FILENO, &was);
	if (keys) {
		now = was;
		now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		now.c_cc[VMIN] = 0;
		now.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSANOW, &now);
	}
	/* The other screen, no cursor, no wrapping of long lines. */
	fputs("\033[?1049h\033[?25l\033[?7l\033[2J", stdout);
	fflush(stdout);
}

void term_leave(void)
{
	if (!on)
		return;
	on = false;
	fputs("\033[?7h\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	if (keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &was);
}

static void on_signal(int number)
{
	int saved = errno;
	unsigned char byte = (unsigned char)number;
	ssize_t written = write(said[1], &byte, 1);

	(void)written;
	errno = saved;
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigemptyset(&action.sa_mask);
	sigaction(number, &action, NULL);
}

int term_signals(void)
{
	if (pipe2(said, O_CLOEXEC | O_NONBLOCK))
		return -1;
	handle(SIGWINCH, on_signal);
	handle(SIGTSTP, on_signal);
	handle(SIGQUIT, on_signal);
	return said[0];
}

void term_obey(int number)
{
	if (number == SIGWINCH)
		return;
	term_leave();
	handle(number, SIG_DFL);
	raise(number);
	/* Only after a stop is there a later. */
	handle(number, on_signal);
	term_enter();
}

void term_size(unsigned *columns, unsigned *rows)
{
	struct winsize size;

	*columns = 80;
	*rows = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return;
	*columns = size.ws_col ? size.ws_col : *columns;
	*rows = size.ws_row ? size.ws_row : *rows;
}
