/* SPDX-License-Identifier: BSD-2-Clause */
/* lab_client.c - a lab as tests and peers see it: peers on another machine, and threads
 * there. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "lab.h"

#define TID_MASK ((1 << STATION_TID_BITS) - 1)

int __real_thread_id(void);
int __wrap_thread_id(void);
bool __real_thread_sleeps(int tid);
bool __wrap_thread_sleeps(int tid);

bool lab_inside(void)
{
	return getenv("VMQ_LAB");
}

uint32_t lab_machine(void)
{
	const char *n = getenv("VMQ_LAB_MACHINE");

	return n ? (uint32_t)atoi(n) : STATION_HOST;
}

void lab_path(const char *file, char *path, size_t len)
{
	snprintf(path, len, "%s/%s", getenv("VMQ_LAB"), file);
}

void lab_enter(uint32_t machine, const char *dir)
{
	char n[12];

	snprintf(n, sizeof(n), "%u", machine);
	setenv("VMQ_LAB", dir, 1);
	setenv("VMQ_LAB_MACHINE", n, 1);
}

/* ---- peers ------------------------------------------------------------------------ */

static int reach_station(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	lab_path("station", at.sun_path, sizeof(at.sun_path));
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&at, sizeof(at)))
		return fd;
	perror(at.sun_path);
	close(fd);
	return -1;
}

bool lab_spawn_on(uint32_t machine, struct conf_peer *p)
{
	struct station_order o = { .machine = machine, .body = (uint32_t)(uintptr_t)p->body,
		.name = (uint32_t)(uintptr_t)p->name, .arg = (uint32_t)(uintptr_t)p->arg };

	p->ctl[0] = reach_station();
	p->ctl[1] = -1;
	return p->ctl[0] >= 0 && send(p->ctl[0], &o, sizeof(o), MSG_NOSIGNAL) == sizeof(o);
}

bool lab_spawn(struct conf_peer *p)
{
	return lab_spawn_on(LAB_PEERS, p);
}

/* Steps that nobody waited for come first. */
int lab_end(struct conf_peer *p, int timeout_ms)
{
	struct pollfd fd = { .fd = p->ctl[0], .events = POLLIN };
	union { uint64_t step; int status; } last;
	ssize_t n;

	do {
		if (poll(&fd, 1, timeout_ms) != 1)
			return -1;
		n = recv(fd.fd, &last, sizeof(last), 0);
	} while (n == sizeof(last.step));
	return n == sizeof(last.status) ? last.status : -1;
}

int lab_join(struct conf_peer *p)
{
	return lab_end(p, 2 * PATIENCE_MS);
}

/* ---- threads ---------------------------------------------------------------------- */

int __wrap_thread_id(void)
{
	return (int)(lab_machine() << STATION_TID_BITS) | __real_thread_id();
}

/* Who waits for an answer (of XenStore, say) sleeps as well, and wakes by itself. */
static bool polls(int tid)
{
	char path[40];
	long call = -1;
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	f = fopen(path, "re");
	if (!f)
		return true;
	n = fscanf(f, "%ld", &call);
	fclose(f);
	/* It may be nobody's business; or it runs, says the file in a word. */
	return n == EOF || call == SYS_ppoll || call == SYS_poll || call == SYS_epoll_wait || call == SYS_epoll_pwait;
}

static void watch(struct conf_peer *me)
{
	uint64_t until = now_ns() + PATIENCE;
	int tid = (int)peer_hear(me);
	bool sleeps;

	do {
		sleeps = thread_sleeps(tid) && polls(tid & TID_MASK);
	} while (!sleeps && now_ns() < until);
	peer_tell(me, sleeps);
}

/* A peer on its machine looks. */
bool __wrap_thread_sleeps(int tid)
{
	uint32_t machine = (uint32_t)tid >> STATION_TID_BITS;
	struct conf_peer watcher = { .name = "watcher", .body = watch };
	uint64_t number = (uint64_t)tid, own, sleeps = 0;
	bool good;

	if (machine == lab_machine())
		return __real_thread_sleeps(tid & TID_MASK);
	good = lab_spawn_on(machine, &watcher) &&
		recv(watcher.ctl[0], &own, sizeof(own), 0) == sizeof(own) &&
		send(watcher.ctl[0], &number, sizeof(number), MSG_NOSIGNAL) == sizeof(number) &&
		recv(watcher.ctl[0], &sleeps, sizeof(sleeps), 0) == sizeof(sleeps);
	close(watcher.ctl[0]);
	return good && sleeps;
}
