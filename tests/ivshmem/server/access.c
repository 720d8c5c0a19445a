/* SPDX-License-Identifier: BSD-2-Clause */
/* access.c - the server's socket, and who may come. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"
#include "server.h"
#include "support.h"

#define USER 4321u
#define GROUP 4400u

static struct server s;

static void start(void)
{
	server_init(&s);
	chmod(s.dir, 0755);
}

static void stop(void)
{
	server_end(&s);
}

TestSuite(access, .init = start, .fini = stop, .timeout = 100);

static struct stat status(const char *path)
{
	struct stat st = { 0 };

	cr_assert_eq(lstat(path, &st), 0, "%s", path);
	return st;
}

enum { LET_IN, REFUSED, NO_WAY };

/* What becomes of a client of that user, that group, and one more group. */
static int as(uid_t user, gid_t group, gid_t more)
{
	int code;
	pid_t pid = fork();

	if (!pid) {
		int64_t value;
		int sock, fd;

		if (setgroups(1, &more) || setgid(group) || setuid(user))
			_exit(9);
		sock = raw_socket(s.path);
		_exit(sock < 0 ? NO_WAY : raw_recv(sock, &value, &fd, PATIENCE_MS) == 1 ? LET_IN : REFUSED);
	}
	waitpid(pid, &code, 0);
	return WIFEXITED(code) ? WEXITSTATUS(code) : -1;
}

static void need_root(void)
{
	if (geteuid())
		cr_skip_test("only root can be somebody else");
}

Test(access, others_are_kept_out)
{
	need_root();
	cr_assert(SERVER(&s, s.path));
	cr_expect_eq(status(s.path).st_mode & 07777, 0600u);
	cr_expect_eq(as(USER, GROUP, GROUP), NO_WAY);
	cr_expect_eq(as(0, 0, 0), LET_IN);
	server_stop(&s, SIGTERM);
	/* Also where the file lets them. */
	cr_assert(SERVER(&s, "--mode", "666", s.path));
	cr_expect_eq(as(USER, GROUP, GROUP), REFUSED);
	cr_expect(server_says(&s, "of user 4321: this user is not let in", 1));
	cr_expect_eq(as(0, GROUP, GROUP), LET_IN);
}

Test(access, users_that_are_let_in)
{
	need_root();
	cr_assert(SERVER(&s, "-m", "0666", "--allow-uid", "nobody,4321", "--allow-uid", "4323", s.path));
	cr_expect_eq(as(USER, GROUP, GROUP), LET_IN);
	cr_expect_eq(as(USER + 1, GROUP, GROUP), REFUSED);
	cr_expect_eq(as(USER + 2, GROUP, GROUP), LET_IN);
	cr_expect_eq(as(65534, GROUP, GROUP), LET_IN);
	cr_expect_eq(as(0, 0, 0), LET_IN);
}

Test(access, groups_that_are_let_in)
{
	need_root();
	cr_assert(SERVER(&s, "-m", "0666", "--allow-gid", "4400", s.path));
	cr_expect_eq(as(USER, GROUP, 1), LET_IN);
	cr_expect_eq(as(USER, 1, GROUP), LET_IN, "one of its groups is enough");
	cr_expect_eq(as(USER, 1, 2), REFUSED);
}

static void strict_umask(void)
{
	umask(0777);
}

Test(access, mode_and_owner)
{
	need_root();
	cr_assert(server_start(&s, (const char *[]){ "--mode", "0660", "--owner", "4321:4400", s.path, NULL },
		strict_umask));
	cr_expect_eq(status(s.path).st_mode & 07777, 0660u);
	cr_expect_eq(status(s.path).st_uid, USER);
	cr_expect_eq(status(s.path).st_gid, GROUP);
	server_stop(&s, SIGTERM);
	cr_assert(SERVER(&s, "--owner", ":4400", s.path));
	cr_expect_eq(status(s.path).st_uid, 0u);
	cr_expect_eq(status(s.path).st_gid, GROUP);
	server_stop(&s, SIGTERM);
	cr_assert(SERVER(&s, "--owner", "nobody", s.path));
	cr_expect_eq(status(s.path).st_uid, 65534u);
	cr_expect_eq(status(s.path).st_gid, 0u);
}

/* ---- the path -------------------------------------------------------------------------- */

Test(access, dead_sockets_are_replaced)
{
	struct raw a;

	cr_assert(SERVER(&s, s.path));
	server_kill(&s);
	status(s.path);
	cr_assert(SERVER(&s, s.path));
	cr_expect(raw_join(&a, s.path, 3));
	cr_expect_eq(server_stop(&s, SIGTERM), 0);
	cr_expect_neq(access(s.path, F_OK), 0, "it removes what it made");
}

Test(access, live_ones_are_not)
{
	struct server other;
	struct raw a, b;

	cr_assert(SERVER(&s, s.path));
	cr_assert(raw_join(&a, s.path, 3));
	server_init(&other);
	cr_expect_not(SERVER(&other, s.path));
	cr_expect_eq(server_code(&other), 1);
	cr_expect(server_says(&other, "vmq ivshmem-server: a server listens at ", 1));
	server_end(&other);
	cr_expect(raw_quiet(a.sock), "nobody notices");
	cr_expect(raw_join(&b, s.path, 3));
	cr_expect_eq(b.id, 1);
}

Test(access, other_files_are_left_alone)
{
	char path[128];

	scratch_file(s.dir, "sock", "precious", path, sizeof(path));
	cr_expect_not(SERVER(&s, s.path));
	cr_expect_eq(server_code(&s), 1);
	cr_expect(server_says(&s, "is in the way, and no socket", 1));
	cr_expect_eq(status(s.path).st_size, 8);
}

/* At its end it removes its own socket, not one that has taken its place. */
Test(access, another_socket_stays)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);

	cr_assert(SERVER(&s, s.path));
	unlink(s.path);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", s.path);
	cr_assert_eq(bind(sock, (void *)&a, sizeof(a)), 0);
	cr_expect_eq(server_stop(&s, SIGINT), 0);
	cr_expect_eq(access(s.path, F_OK), 0);
}

Test(access, paths_that_cannot_be)
{
	char path[200];

	cr_expect_not(SERVER(&s, "/nonexistent/folder/sock"));
	cr_expect_eq(server_code(&s), 1);
	cr_expect(server_says(&s, "/nonexistent/folder/sock: No such file", 1));
	snprintf(path, sizeof(path), "%s/%0120d", s.dir, 0);
	cr_expect_not(SERVER(&s, path));
	cr_expect_eq(server_code(&s), 1);
	cr_expect_not(SERVER(&s, ""));
	cr_expect_eq(server_code(&s), 1);
	cr_expect(server_says(&s, "cannot be a socket's path", 2));
}

/* A start that fails later leaves no socket behind. */
Test(access, failed_start_cleans_up)
{
	cr_expect_not(SERVER(&s, "--file", "/nonexistent/region", s.path));
	cr_expect_eq(server_code(&s), 1);
	cr_expect_neq(access(s.path, F_OK), 0);
}
