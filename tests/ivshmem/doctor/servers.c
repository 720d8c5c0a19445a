/* SPDX-License-Identifier: BSD-2-Clause */
/* servers.c - `vmq doctor` on a host: servers good and bad, files, QEMU. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <endian.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "machine.h"
#include "support.h"

static struct machine m;
static int fds;

static void setup(void)
{
	fds = count_fds();
	machine_make(&m);
}

static void teardown(void)
{
	machine_remove(&m);
}

TestSuite(doctor_servers, .init = setup, .fini = teardown);

/* ---- a server that reads its lines from a script ------------------------------------------- */

enum with { WITH_NOTHING, WITH_EVENTFD, WITH_REGION, WITH_SOCKET };

struct line {
	int64_t word;
	enum with with;
};

struct script {
	const struct line *lines;
	unsigned count;
	bool close_after, in_pieces;
	int listener, region;
};

static char path[128];

static int listen_there(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(path, sizeof(path), "%s/sock", m.root);
	strcpy(a.sun_path, path);
	cr_assert(!bind(sock, (struct sockaddr *)&a, sizeof(a)) && !listen(sock, 1));
	m.d.at = path;
	return sock;
}

static int descriptor(const struct script *s, enum with with)
{
	if (with == WITH_EVENTFD)
		return eventfd(0, EFD_CLOEXEC);
	return with == WITH_SOCKET ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : dup(s->region);
}

static void say(const struct script *s, int sock, const struct line *line)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	int64_t word = (int64_t)htole64((uint64_t)line->word);
	struct iovec iov = { &word, s->in_pieces ? 3 : sizeof(word) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	int fd = -1;

	if (line->with) {
		fd = descriptor(s, line->with);
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	sendmsg(sock, &msg, MSG_NOSIGNAL);
	if (s->in_pieces)
		send(sock, (char *)&word + 3, 5, MSG_NOSIGNAL);
	if (fd >= 0)
		close(fd);
}

static void *serve(void *arg)
{
	const struct script *s = arg;
	int sock = accept(s->listener, NULL, NULL);
	char byte;

	for (unsigned i = 0; i < s->count; i++)
		say(s, sock, &s->lines[i]);
	/* A client never says a word: this waits for its end. */
	if (!s->close_after)
		cr_expect_eq(recv(sock, &byte, 1, 0), 0);
	close(sock);
	return NULL;
}

static void meet(struct script *s, uint64_t size)
{
	pthread_t thread;

	s->region = memfd_create("region", MFD_CLOEXEC);
	s->listener = listen_there();
	cr_assert(!ftruncate(s->region, (off_t)size));
	cr_assert_eq(pthread_create(&thread, NULL, serve, s), 0);
	doctor_server(&m.d);
	pthread_join(thread, NULL);
	close(s->region);
	close(s->listener);
	cr_assert_eq(count_fds(), fds);
}

#define SCRIPT(...) \
	{ .lines = (const struct line[]){ __VA_ARGS__ }, \
	  .count = sizeof((const struct line[]){ __VA_ARGS__ }) / sizeof(struct line) }
#define GREETING { 0, WITH_NOTHING }, { 7, WITH_NOTHING }, { -1, WITH_REGION }
#define BELL(id) { id, WITH_EVENTFD }

Test(doctor_servers, stock)
{
	struct script s = SCRIPT(GREETING, BELL(3), BELL(3), BELL(4), BELL(4), BELL(7), BELL(7));
	char text[256];

	for (unsigned pieces = 0; pieces < 2; pieces++) {
		doctor_again(&m.d);
		s.in_pieces = pieces;
		meet(&s, REGION);
		unlink(path);
		cr_assert(verdict_is(&m, "works"));
		snprintf(text, sizeof(text), "%s: a server (process %d, user %u), protocol version 0", path,
			getpid(), getuid());
		cr_assert(found(&m, "ok", text));
		cr_assert(found(&m, "ok", "it gave this client the id 7 and 2 vectors; 2 other peers"));
		cr_assert(found(&m, "ok", "region of 1024 KiB"));
		cr_assert(found(&m, "ok", "no directory yet: the first endpoint lays it out"));
	}
}

static void refused(struct script *s, const char *why)
{
	char text[256];

	doctor_again(&m.d);
	meet(s, REGION);
	unlink(path);
	snprintf(text, sizeof(text), "%s: %s", path, why);
	cr_assert(found(&m, "fail", text));
	cr_assert(verdict_is(&m, "cannot"));
}

Test(doctor_servers, no_servers_of_ivshmem)
{
	struct script silent = SCRIPT({ 0, 0 }), hangs_up = SCRIPT({ 0, 0 }), version = SCRIPT({ 1, 0 }),
		id = SCRIPT({ 0, 0 }, { 70000, 0 }), no_region = SCRIPT({ 0, 0 }, { 7, 0 }, { -1, 0 }),
		bells = SCRIPT({ 0, 0 }, { 7, 0 }, BELL(-5));

	silent.count = hangs_up.count = 0;
	hangs_up.close_after = true;
	refused(&silent, "it says nothing: it is no ivshmem server, or it hangs");
	refused(&hangs_up, "it closed the connection at once: does it let this user in?");
	refused(&version, "it speaks another version of the protocol");
	refused(&id, "it gives no id, or none that there is");
	refused(&no_region, "it gives no region");
	refused(&bells, "it gives no region");
}

Test(doctor_servers, no_eventfds)
{
	struct script s = SCRIPT(GREETING, BELL(3));

	meet(&s, REGION);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(found(&m, "ok", "it gave this client the id 7 and 0 vectors; 1 other peer"));
}

Test(doctor_servers, regions_that_are_none)
{
	struct script small = SCRIPT(GREETING, BELL(7)),
		socket = SCRIPT({ 0, 0 }, { 7, 0 }, { -1, WITH_SOCKET }, BELL(7));

	meet(&small, 3u << 20);
	unlink(path);
	cr_assert(found(&m, "fail", "a region of 3145728 bytes: it must be a power of two, at least 256 KiB"));
	meet(&socket, REGION);
	cr_assert(found(&m, "fail", "the region is nothing that can be mapped"));
}

Test(doctor_servers, nobody_there)
{
	char text[256], command[256];
	int sock = listen_there();

	close(sock);
	doctor_server(&m.d);
	snprintf(text, sizeof(text), "%s: nobody listens there", path);
	snprintf(command, sizeof(command), "vmq ivshmem-server --size 64M %s", path);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(commands_are(&m, text, command, NULL));
	unlink(path);
	doctor_server(&m.d);
	snprintf(text, sizeof(text), "%s: No such file or directory", path);
	cr_assert(commands_are(&m, text, command, NULL));
}

/* ---- files ------------------------------------------------------------------------------------ */

Test(doctor_servers, files)
{
	char command[256];

	snprintf(path, sizeof(path), "%s/region", m.root);
	m.d.at = path;
	doctor_file(&m.d);
	snprintf(command, sizeof(command), "truncate --size 64M %s", path);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(commands_are(&m, path, command, NULL));
	machine_file(&m, "/region", "", 0, REGION);
	doctor_file(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(found(&m, "ok", "region of 1024 KiB"));
	m.d.at = "/dev/null";
	doctor_file(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
}

/* ---- QEMU -------------------------------------------------------------------------------------- */

#ifdef __x86_64__
#define QEMU "qemu-system-x86_64"

static void says(const char *script, const char *verdict, const char *level, const char *what)
{
	char text[256];

	machine_program(&m, QEMU, script);
	doctor_host(&m.d);
	snprintf(text, sizeof(text), "%s/" QEMU " %s", m.programs, what);
	cr_assert(verdict_is(&m, verdict));
	cr_assert(found(&m, level, text));
}

Test(doctor_servers, qemu)
{
	doctor_host(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(commands_are(&m, "no " QEMU " here", "apt-get install qemu-system-x86", NULL));
	says("#!/bin/sh\n[ \"$*\" = '-device help' ] && echo 'name \"ivshmem-doorbell\", bus PCI\nname "
		"\"ivshmem-plain\"'",
		"works", "ok", "has ivshmem-doorbell and ivshmem-plain");
	says("#!/bin/sh\necho 'name \"ivshmem-plain\", bus PCI'", "works, but", "warn",
		"has no ivshmem-doorbell: it was built without");
	says("#!/bin/sh\necho 'name \"e1000\", bus PCI'", "works, but", "warn",
		"has no ivshmem device: it was built without");
	says("#!/bin/sh\nexit 1", "works, but", "warn", "does not say within 5 s which devices it has");
}
#endif

/* Gone, or not yet waited for: a process with no command line. */
static bool ended(const char *pid)
{
	uint64_t deadline = doctor_now_ms() + PATIENCE_MS;
	char at[64], line[64];

	snprintf(at, sizeof(at), "/proc/%.20s/cmdline", pid);
	do {
		FILE *f = fopen(at, "re");
		size_t n = f ? fread(line, 1, sizeof(line), f) : 0;

		if (f)
			fclose(f);
		if (!n)
			return true;
	} while (doctor_now_ms() < deadline);
	return false;
}

/* A program that says too much, one that never ends, one that leaves a child behind: what
 * is bounded stays so. */
Test(doctor_servers, programs_that_do_not_end)
{
	char *const argv[] = { "loud", NULL };
	char program[128], text[64];
	uint64_t start = doctor_now_ms();

	snprintf(program, sizeof(program), "%s/loud", m.programs);
	machine_program(&m, "loud", "#!/bin/sh\nwhile :; do echo loud; done\n");
	cr_assert_eq(doctor_run(program, argv, 100, text, sizeof(text)), -1);
	cr_assert_lt(strlen(text), sizeof(text));
	machine_program(&m, "loud", "#!/bin/sh\nsleep 1000 &\necho $!\nwait\n");
	cr_assert_eq(doctor_run(program, argv, 2000, text, sizeof(text)), -1);
	cr_assert(atoi(text) > 0 && ended(text), "%s lives on", text);
	machine_program(&m, "loud", "#!/bin/sh\nexec >&- 2>&-\nsleep 1000\n");
	cr_assert_eq(doctor_run(program, argv, 100, text, sizeof(text)), -1);
	machine_program(&m, "loud", "#!/bin/sh\nexit 3\n");
	cr_assert_eq(doctor_run(program, argv, PATIENCE_MS, text, sizeof(text)), 3);
	cr_assert_lt(doctor_now_ms() - start, PATIENCE_MS);
	cr_assert_eq(count_fds(), fds);
}
