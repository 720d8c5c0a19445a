/* SPDX-License-Identifier: BSD-2-Clause */
/* world.c - a server, guests, programs of the host. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

#define WORDS 40

void world_make(struct world *w)
{
	memset(w, 0, sizeof(*w));
	scratch_make(w->dir, sizeof(w->dir));
	snprintf(w->sock, sizeof(w->sock), "%s/sock", w->dir);
	snprintf(w->region, sizeof(w->region), "%s/region", w->dir);
}

/* ---- processes --------------------------------------------------------------------------- */

static struct process *find(struct world *w, const char *name)
{
	for (int i = 0; i < WORLD_PROCESSES; i++)
		if (!strcmp(w->processes[i].name, name))
			return &w->processes[i];
	fprintf(stderr, "there is no process %s\n", name);
	abort();
}

/* A name that comes back has a log of its own each time. */
static struct process *process_new(struct world *w, const char *name)
{
	struct process *p = NULL;

	for (int i = 0; i < WORLD_PROCESSES && !p; i++)
		if (!strcmp(w->processes[i].name, name) || !w->processes[i].name[0])
			p = &w->processes[i];
	if (!p || p->pid)
		abort();
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->lives++;
	snprintf(p->log, sizeof(p->log), "%s/%s.%u", w->dir, name, p->lives);
	return p;
}

static void start(struct world *w, const char *name, const char *const *argv)
{
	struct process *p = process_new(w, name);
	int fd = open(p->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int none = open("/dev/null", O_RDONLY | O_CLOEXEC);

	fflush(NULL);
	p->pid = fork();
	if (!p->pid) {
		dup2(none, STDIN_FILENO);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		child_prepare(-1);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(none);
	close(fd);
	if (p->pid < 0)
		abort();
}

/* What stands in front, then what the caller has. */
static void words(const char **argv, const char *const *front, const char *word, va_list more)
{
	int n = 0;

	for (; front[n]; n++)
		argv[n] = front[n];
	for (; word && n < WORDS - 1; n++) {
		argv[n] = word;
		word = va_arg(more, const char *);
	}
	argv[n] = NULL;
}

void world_program(struct world *w, const char *name, const char *word, ...)
{
	const char *const front[] = { MEMBER, NULL };
	const char *argv[WORDS];
	va_list more;

	va_start(more, word);
	words(argv, front, word, more);
	va_end(more);
	start(w, name, argv);
}

void world_guest(struct world *w, const char *name, enum world_driver driver, const char *word, ...)
{
	const char *front[] = { GUEST_SCRIPT, IMAGE, "--server", w->sock, "--name", name, "--vectors", "3",
		NULL, NULL, NULL, NULL };
	int n = 8;
	const char *argv[WORDS];
	va_list more;

	if (driver == WORLD_SYSFS)
		front[n++] = "--polled";
	front[n++] = "--";
	front[n] = "member";
	va_start(more, word);
	words(argv, front, word, more);
	va_end(more);
	start(w, name, argv);
}

static bool reap(struct process *p, int flags)
{
	if (p->pid && waitpid(p->pid, &p->status, flags) == p->pid)
		p->pid = 0;
	return !p->pid;
}

uint64_t world_kill(struct world *w, const char *name)
{
	struct process *p = find(w, name);
	uint64_t when = now_ns();

	if (p->pid)
		kill(p->pid, SIGKILL);
	reap(p, 0);
	return when;
}

bool world_runs(struct world *w, const char *name)
{
	return !reap(find(w, name), WNOHANG);
}

static bool log_has(const char *path, const char *text)
{
	static char buf[1 << 20];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(buf, 1, sizeof(buf) - 1, f) : 0;

	buf[n] = 0;
	if (f)
		fclose(f);
	return strstr(buf, text) != NULL;
}

bool world_says(struct world *w, const char *name, const char *text, int ms)
{
	struct process *p = find(w, name);
	uint64_t until = now_ns() + VMQ_MS(ms);
	bool there;

	while (!(there = log_has(p->log, text)) && !reap(p, WNOHANG) && now_ns() < until)
		usleep(20000);
	there = there || log_has(p->log, text);
	if (!there)
		fprintf(stderr, "%s did not say: %s\n", name, text);
	return there;
}

bool world_ended(struct world *w, const char *name, int ms)
{
	struct process *p = find(w, name);
	uint64_t until = now_ns() + VMQ_MS(ms);

	while (!reap(p, WNOHANG) && now_ns() < until)
		usleep(20000);
	if (p->pid || p->status) {
		fprintf(stderr, "%s %s\n", name, p->pid ? "still runs" : "did not end well");
		return false;
	}
	/* A guest's own result is on its console. */
	return !log_has(p->log, "vmq-init: ") || log_has(p->log, "vmq-init: exit 0");
}

/* ---- servers --------------------------------------------------------------------------------- */

bool world_server(struct world *w, const char *option, ...)
{
	const char *const front[] = { VMQ_TOOL, "ivshmem-server", "--file", w->region, "--size", "64M",
		"--slots", "8", w->sock, NULL };
	const char *argv[WORDS];
	va_list more;

	va_start(more, option);
	words(argv, front, option, more);
	va_end(more);
	start(w, "server", argv);
	return world_says(w, "server", "ready", PATIENCE_MS);
}

bool world_stock_server(struct world *w)
{
	const char *const argv[] = { STOCK_SERVER, w->sock, w->region, "16777216", "3", NULL };

	start(w, "server", argv);
	return world_says(w, "server", "ready", PATIENCE_MS);
}

/* ---- the end ------------------------------------------------------------------------------------ */

static void show(const char *path)
{
	char buf[4096];
	FILE *f = fopen(path, "re");
	size_t n;

	fprintf(stderr, "--- %s\n", path);
	while (f && (n = fread(buf, 1, sizeof(buf), f)))
		fwrite(buf, 1, n, stderr);
	if (f)
		fclose(f);
}

void world_end(struct world *w, bool failed)
{
	char path[160];

	for (int i = 0; i < WORLD_PROCESSES && w->processes[i].name[0]; i++) {
		struct process *p = &w->processes[i];

		world_kill(w, p->name);
		for (unsigned n = 1; n <= p->lives && failed; n++) {
			snprintf(path, sizeof(path), "%s/%s.%u", w->dir, p->name, n);
			show(path);
		}
	}
	scratch_remove(w->dir);
}
