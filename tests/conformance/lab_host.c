/* SPDX-License-Identifier: BSD-2-Clause */
/* lab_host.c - the process that a lab is: the host's station, and what looks after the
 * server and the guests. It ends when the test's program does, however that ends, and
 * they end with it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lab.h"

#define START_NS VMQ_MS(150000) /* a busy machine may boot slowly, and download first */
#define LIFE_NS VMQ_MS(480000)

enum { CONTROL = STATION_FDS, CONSOLES, FDS = CONSOLES + LAB_PARTS };

struct answer {
	int code;
	char why[240];
};

/* In the test's program. */
static int control = -1;
static pid_t lab_pid;
static char dir[64];

/* ---- what the parts print ----------------------------------------------------------- */

static void console_line(struct lab_part *p)
{
	p->text[p->used] = 0;
	p->ready |= !!strstr(p->text, "ready ");
	fprintf(stderr, "%s| %s\n", p->name, p->text);
	p->used = 0;
}

static void console_bytes(struct lab_part *p, const char *from, size_t n)
{
	for (; n--; from++) {
		if (*from == '\n' || p->used == sizeof(p->text) - 1)
			console_line(p);
		if (*from != '\n' && *from != '\r')
			p->text[p->used++] = *from;
	}
}

/* False: the part has ended. */
static bool console(struct lab_part *p)
{
	char buf[4096];
	ssize_t n = recv(p->console, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0)
		console_bytes(p, buf, (size_t)n);
	return n;
}

static void last_words(struct lab *lab)
{
	for (unsigned i = 0; i < LAB_PARTS; i++) {
		struct lab_part *p = &lab->part[i];
		struct pollfd fd = { .fd = p->console, .events = POLLIN };

		while (p->pid && poll(&fd, 1, 0) == 1 && console(p))
			;
		if (p->used)
			console_line(p);
	}
}

bool lab_ends_soon(pid_t pid)
{
	uint64_t until = now_ns() + VMQ_MS(5000);
	const struct timespec pause = { .tv_nsec = 5000000 };

	while (now_ns() < until) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* ---- one life -------------------------------------------------------------------------- */

/* Boot when there is a server; true when all are up. */
static bool start_on(struct lab *lab, struct station *s)
{
	bool up = true;

	for (unsigned i = lab_plan.host ? LAB_GUEST2 : LAB_GUEST1; i <= LAB_GUEST2; i++) {
		struct lab_part *p = &lab->part[i];

		if (lab->part[LAB_SERVER].ready && !p->pid && lab_boot(lab, i))
			station_link(s, i, p->line);
		up &= s->here[i];
	}
	return up;
}

/* True: go on. */
static bool serve(struct lab *lab, struct station *s, struct pollfd fds[FDS])
{
	station_watch(s, fds);
	for (unsigned i = 0; i < LAB_PARTS; i++)
		fds[CONSOLES + i] = (struct pollfd){ .fd = lab->part[i].pid ? lab->part[i].console : -1,
			.events = POLLIN };
	if (poll(fds, FDS, 1000) < 0)
		return true;
	station_serve(s, fds);
	for (unsigned i = 0; i < LAB_PARTS; i++) {
		if (!fds[CONSOLES + i].revents || console(&lab->part[i]))
			continue;
		fprintf(stderr, "lab: %s has ended\n", lab->part[i].name);
		return false;
	}
	return !s->broken;
}

/* Until the test's program closes its end. */
static void live(struct lab *lab, int program)
{
	struct pollfd fds[FDS] = { [CONTROL] = { .fd = program, .events = POLLIN } };
	struct answer a = { .why = "the lab did not start" };
	uint64_t from = now_ns();
	bool up = false, good = true;
	struct station s;
	char path[96];

	snprintf(path, sizeof(path), "%s/station", lab->dir);
	a.code = lab_image(lab, a.why, sizeof(a.why));
	good = !a.code && station_open(&s, STATION_HOST, path) && lab_server(lab);
	while (good && !fds[CONTROL].revents) {
		good = serve(lab, &s, fds) && now_ns() - from < (up ? LIFE_NS : START_NS);
		if (up || !good || !start_on(lab, &s))
			continue;
		up = true;
		send(program, &a, sizeof(a), MSG_NOSIGNAL);
	}
	if (up && !good)
		fprintf(stderr, "lab: stopped\n");
	a.code = a.code ? a.code : 1;
	if (!up)
		send(program, &a, sizeof(a), MSG_NOSIGNAL);
	lab_kill(lab);
	last_words(lab);
}

static _Noreturn void run(int program, int argc, char *const argv[])
{
	struct lab lab = { .argc = argc, .argv = argv, .part = { { .name = "server" },
		{ .name = "guest 1" }, { .name = "guest 2" } } };

	/* Who interrupts the program at a terminal leaves this process to tidy up. */
	setpgid(0, 0);
	close(control);
	snprintf(lab.dir, sizeof(lab.dir), "%s", dir);
	live(&lab, program);
	scratch_remove(lab.dir);
	_exit(0);
}

/* ---- the test's program ---------------------------------------------------------------------- */

int lab_start(int argc, char *const argv[])
{
	struct answer a = { .code = 1, .why = "the lab has ended" };
	int ends[2];

	scratch_make(dir, sizeof(dir));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return 1;
	control = ends[0];
	lab_pid = fork();
	if (!lab_pid)
		run(ends[1], argc, argv);
	close(ends[1]);
	lab_enter(STATION_HOST, dir);
	if (recv(control, &a, sizeof(a), 0) == sizeof(a) && !a.code)
		return 0;
	printf("%s%s\n", a.code == LAB_SKIPPED ? "skipped: " : "", a.why);
	fflush(stdout);
	lab_stop();
	return a.code;
}

void lab_stop(void)
{
	close(control);
	waitpid(lab_pid, NULL, 0);
}
