/* SPDX-License-Identifier: BSD-2-Clause */
/* lab_machines.c - the programs of a lab: the image's script, the server, QEMU. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"

#define QEMU "qemu-system-x86_64"
#define IMAGE_SECONDS 120u
#define WORDS 64u
#define KERNEL "console=ttyS0 quiet no_timer_check rdinit=/init panic=-1 "

/* The words of a command. */
struct words {
	char *word[WORDS + 1];
	unsigned n;
	char text[4096];
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct words *w, const char *format, ...)
{
	size_t room = sizeof(w->text) - w->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(w->text + w->used, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room || w->n == WORDS)
		abort();
	w->word[w->n++] = w->text + w->used;
	w->used += (size_t)n + 1;
}

static void add_all(struct words *w, const char *const words[])
{
	for (; *words; words++)
		add(w, "%s", *words);
}

/* In a new process that ends with this one; out becomes its output. */
static _Noreturn void become(struct words *w, int out)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	if (!freopen("/dev/null", "r", stdin))
		_exit(127);
	execvp(w->word[0], w->word);
	dprintf(out, "%s: %s\n", w->word[0], strerror(errno));
	_exit(127);
}

/* ---- the image ---------------------------------------------------------------------- */

static bool found(const char *program)
{
	const char *path = getenv("PATH");
	char list[4096], file[4200], *save, *at;

	snprintf(list, sizeof(list), "%s", path ? path : "");
	for (at = strtok_r(list, ":", &save); at; at = strtok_r(NULL, ":", &save)) {
		snprintf(file, sizeof(file), "%s/%s", at, program);
		if (!access(file, X_OK))
			return true;
	}
	return false;
}

/* Its last line says why it failed. */
static void last_line(int fd, char *why, size_t len)
{
	char text[2048], *at;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = 0;
	at = strrchr(text, '\n');
	snprintf(why, len, "no guest image: %s", at ? at + 1 : text);
}

/* What is not installed is a reason to skip; an image that cannot be made is none. */
static bool possible(char *why, size_t len)
{
	static const char *const needed[] = { QEMU, "cpio", "apt-get", "dpkg-deb" };

	for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!found(needed[i])) {
			snprintf(why, len, "%s was not found", needed[i]);
			return false;
		}
	return true;
}

int lab_image(const struct lab *lab, char *why, size_t len)
{
	struct words w = { .n = 0 };
	FILE *out = tmpfile();
	char self[300] = "";
	int status = -1;
	pid_t pid;

	if (!possible(why, len))
		return LAB_SKIPPED;
	if (!out || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	add(&w, "%s", LAB_IMAGE);
	add(&w, "%s", lab->dir);
	add_all(&w, (const char *const[]){ "--cache", LAB_CACHE, "--lib-of", self, "--add", NULL });
	add(&w, "%s:/bin/suite", self);
	pid = fork();
	if (!pid) {
		alarm(IMAGE_SECONDS);
		become(&w, fileno(out));
	}
	waitpid(pid, &status, 0);
	if (status)
		last_line(fileno(out), why, len);
	fclose(out);
	return status ? 1 : 0;
}

/* ---- parts that run ----------------------------------------------------------------------- */

static bool part_start(struct lab_part *p, struct words *w, int theirs)
{
	fflush(NULL);
	p->pid = fork();
	if (!p->pid)
		become(w, theirs);
	return p->pid > 0;
}

bool lab_server(struct lab *lab)
{
	struct lab_part *p = &lab->part[LAB_SERVER];
	struct words w = { .n = 0 };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return false;
	p->console = ends[0];
	/* Room for what endpoints take by default; deaths in guests are found by this time. */
	add_all(&w, (const char *const[]){ LAB_TOOL, "ivshmem-server", "--size", "256M", "--slots", "8",
		"--dead-ms", "2000", NULL });
	add(&w, "%s/ivshmem", lab->dir);
	part_start(p, &w, ends[1]);
	close(ends[1]);
	return p->pid > 0;
}

static void add_devices(struct words *w, const struct lab *lab)
{
	for (unsigned i = 0; i < (lab_plan.interrupts ? LAB_DEVICES : 1); i++) {
		add(w, "-chardev");
		add(w, "socket,id=iv%u,path=%s/ivshmem", i, lab->dir);
		add(w, "-device");
		add(w, "ivshmem-doorbell,chardev=iv%u,vectors=3,addr=%x", i, 16 + i);
	}
}

static void add_line(struct words *w, const char *id, int fd)
{
	add(w, "-chardev");
	add(w, "socket,id=%s,fd=%d", id, fd);
	add(w, "-serial");
	add(w, "chardev:%s", id);
}

/* What the guest's first program starts. */
static void add_command(struct words *w, const struct lab *lab, unsigned guest)
{
	char text[1024];
	size_t n;

	n = (size_t)snprintf(text, sizeof(text), KERNEL "%s -- /bin/suite --station %u",
		lab_plan.interrupts ? "intel_iommu=on vmq.bind=vfio" : "vmq.bind=sysfs", guest);
	for (int i = 1; i < lab->argc && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", lab->argv[i]);
	add(w, "-append");
	add(w, "%s", text);
}

static void add_qemu(struct words *w, const struct lab *lab)
{
	/* With less than this, QEMU's atomic instructions are none for other processes. */
	add_all(w, (const char *const[]){ QEMU, "-accel", "tcg,thread=multi", "-smp", "1,maxcpus=2",
		"-m", "256", "-nodefaults", "-display", "none", "-no-reboot", "-kernel", NULL });
	add(w, "%s/vmlinuz", lab->dir);
	add(w, "-initrd");
	add(w, "%s/initrd.gz", lab->dir);
	if (lab_plan.interrupts)
		add_all(w, (const char *const[]){ "-M", "q35", "-device", "intel-iommu,intremap=on", NULL });
	else
		add_all(w, (const char *const[]){ "-M", "pc", NULL });
}

bool lab_boot(struct lab *lab, unsigned guest)
{
	struct lab_part *p = &lab->part[guest];
	int console[2], line[2], output;
	struct words w = { .n = 0 };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, console) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line))
		return false;
	p->console = console[0];
	p->line = line[0];
	/* Copies that QEMU inherits. */
	output = dup(console[1]);
	line[0] = dup(line[1]);
	add_qemu(&w, lab);
	add_devices(&w, lab);
	add_line(&w, "console", output);
	add_line(&w, "line", line[0]);
	add_command(&w, lab, guest);
	part_start(p, &w, console[1]);
	close(output);
	close(line[0]);
	close(console[1]);
	close(line[1]);
	return p->pid > 0;
}

/* ---- their end ---------------------------------------------------------------------------------- */

void lab_kill(struct lab *lab)
{
	for (unsigned i = LAB_PARTS; i--;) {
		pid_t pid = lab->part[i].pid;

		if (pid <= 0)
			continue;
		kill(pid, i == LAB_SERVER ? SIGTERM : SIGKILL);
		if (lab_ends_soon(pid))
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}
