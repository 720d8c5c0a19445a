/* SPDX-License-Identifier: BSD-2-Clause */
/* open_mistakes.c - addresses that lead to something else than was meant: vmq_open() says
 * what is there, with the code that its comment names, and in time. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <vmq/vmq.h>

#include "support.h"

#define SOMEBODY 65534 /* a user that is not root */

static char dir[64], path[96], why[300];

static void prepare(void)
{
	signal(SIGPIPE, SIG_IGN);
	scratch_make(dir, sizeof(dir));
	chmod(dir, 0755);
	snprintf(path, sizeof(path), "%s/there", dir);
}

static void finish(void)
{
	scratch_remove(dir);
}

TestSuite(open_mistakes, .init = prepare, .fini = finish);

static int try_at(const char *begin)
{
	struct vmq_options o = { .size = sizeof(o), .name = "a", .errmsg = why, .errlen = sizeof(why) };
	struct vmq *q = (void *)&q;
	char uri[200];
	int rc;

	why[0] = 0;
	snprintf(uri, sizeof(uri), "%s%s", begin, path);
	rc = vmq_open(uri, &o, &q);
	cr_expect_null(q);
	return rc;
}

/* A transport that was not built cannot be asked. */
static void refused(const char *begin, int code, const char *says)
{
	int rc = try_at(begin);

	if (rc == VMQ_ENOTSUP && strstr(why, "no transport"))
		return;
	cr_expect_eq(rc, code, "%s: %s, %s", begin, vmq_errname(rc), why);
	cr_expect(strstr(why, says), "%s: '%s' does not say '%s'", begin, why, says);
	cr_expect(strstr(why, path), "%s: '%s' does not say where", begin, why);
}

static void refused_by_all(int code, const char *says)
{
	refused("sim:unix=", code, says);
	refused("kvm:unix=", code, says);
	refused("ivshmem:unix=", code, says);
}

static int some_socket(int type, int backlog)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	cr_assert_eq(bind(sock, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert(type == SOCK_DGRAM || !listen(sock, backlog));
	return sock;
}

/* ---- what is at the path --------------------------------------------------------------- */

Test(open_mistakes, nothing)
{
	refused_by_all(VMQ_ECONN, "No such file");
}

Test(open_mistakes, a_file)
{
	scratch_file(dir, "there", "text", path, sizeof(path));
	refused_by_all(VMQ_EPROTO, "is no socket");
}

Test(open_mistakes, a_socket_that_nobody_serves)
{
	close(some_socket(SOCK_SEQPACKET, 1));
	refused_by_all(VMQ_ECONN, "refused");
}

Test(open_mistakes, an_ivshmem_servers_socket)
{
	int sock = some_socket(SOCK_STREAM, 1);

	refused("sim:unix=", VMQ_EPROTO, "an ivshmem server's for ivshmem:unix=");
	refused("kvm:unix=", VMQ_EPROTO, "an ivshmem server's for ivshmem:unix=");
	close(sock);
}

Test(open_mistakes, a_hubs_socket)
{
	int sock = some_socket(SOCK_SEQPACKET, 1);

	refused("ivshmem:unix=", VMQ_EPROTO, "a hub's is for sim:unix=, a VMM's for kvm:unix=");
	close(sock);
}

Test(open_mistakes, a_hub_where_a_vmm_is_expected)
{
	struct hub_proc h;

	cr_assert(hub_start(&h, NULL, 0));
	strcpy(path, h.path);
	refused("kvm:unix=", VMQ_EVERSION, "a hub's socket is for sim:unix=");
	cr_expect(hub_stop(&h));
}

/* A hub does not take it away either, nor a VMM's bridge. */
Test(open_mistakes, to_listen_where_somebody_else_does)
{
	struct vmq_hub_options o = { .size = sizeof(o), .path = path, .errmsg = why, .errlen = sizeof(why) };
	int sock = some_socket(SOCK_STREAM, 1);
	struct vmq_hub *hub;

	cr_expect_eq(vmq_hub_open(&o, &hub), VMQ_EEXIST, "%s", why);
	cr_expect_eq(access(path, F_OK), 0);
	refused("sim:unix=", VMQ_EPROTO, "of another kind");
	close(sock);
	unlink(path);
	scratch_file(dir, "there", "text", path, sizeof(path));
	cr_expect_eq(vmq_hub_open(&o, &hub), VMQ_EEXIST);
	cr_expect(strstr(why, "is no socket"), "%s", why);
	unlink(path);
}

/* ---- whose it is ------------------------------------------------------------------------- */

/* As another user than made it, and not as root, who may everything. */
static void as_somebody(void)
{
	if (geteuid())
		cr_skip("it takes root to be another user");
	cr_assert_eq(seteuid(SOMEBODY), 0);
}

Test(open_mistakes, a_folder_that_is_not_open_to_this_user)
{
	int sock = some_socket(SOCK_SEQPACKET, 1);

	chmod(dir, 0);
	if (!geteuid())
		cr_assert_eq(seteuid(SOMEBODY), 0);
	refused_by_all(VMQ_EACCES, "may not connect");
	refused("ivshmem:file=", VMQ_EACCES, "Permission denied");
	if (!getuid())
		cr_assert_eq(seteuid(0), 0);
	chmod(dir, 0755);
	close(sock);
}

/* Root's socket can be reached, as its owner changed its mode; who serves it hangs up. */
static void hangs_up_on_somebody(const char *begin)
{
	int sock = some_socket(SOCK_SEQPACKET, 1);
	pid_t pid;

	chmod(path, 0666);
	pid = fork();
	if (!pid) {
		child_prepare(sock);
		close(accept(sock, NULL, NULL));
		_exit(0);
	}
	close(sock);
	as_somebody();
	refused(begin, VMQ_EACCES, "another user's");
	cr_assert_eq(seteuid(0), 0);
}

Test(open_mistakes, a_hub_of_another_user)
{
	hangs_up_on_somebody("sim:unix=");
}

Test(open_mistakes, a_vmm_of_another_user)
{
	hangs_up_on_somebody("kvm:unix=");
}

/* ---- files of regions ---------------------------------------------------------------------- */

Test(open_mistakes, files)
{
	int sock;

	refused("ivshmem:file=", VMQ_ECONN, "QEMU makes it");
	scratch_file(dir, "there", "text", path, sizeof(path));
	refused("ivshmem:file=", VMQ_EPROTO, "4 bytes: a region has a power of two");
	unlink(path);
	sock = some_socket(SOCK_STREAM, 1);
	refused("ivshmem:file=", VMQ_EPROTO, "a socket: a server's is for ivshmem:unix=");
	close(sock);
	strcpy(path, dir);
	refused("ivshmem:file=", VMQ_EPROTO, "a folder");
	refused("sim:lab?topology=", VMQ_ETOPOLOGY, "Is a directory");
}

/* ---- how long it takes --------------------------------------------------------------------- */

static void nothing_to_do(int sig)
{
	(void)sig;
}

/* A signal neither ends the wait nor begins it anew. */
Test(open_mistakes, silence_under_signals, .timeout = 60)
{
	const struct itimerval often = { { 1, 0 }, { 1, 0 } };
	struct sigaction action = { .sa_handler = nothing_to_do };
	int sock = some_socket(SOCK_SEQPACKET, 1);

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	refused("sim:unix=", VMQ_ECONN, "does not answer");
	close(sock);
}

/* So many want to be let in that there is no place to wait in. */
static void no_place(int type, const char *begin, const char *says)
{
	int sock = some_socket(type, 0), others[8];
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strcpy(a.sun_path, path);
	for (unsigned i = 0; i < 8; i++) {
		others[i] = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(others[i], (struct sockaddr *)&a, sizeof(a));
	}
	refused(begin, VMQ_ECONN, says);
	for (unsigned i = 0; i < 8; i++)
		close(others[i]);
	close(sock);
}

Test(open_mistakes, a_crowd_at_the_hub, .timeout = 60)
{
	no_place(SOCK_SEQPACKET, "sim:unix=", "does not answer");
}

Test(open_mistakes, a_crowd_at_the_vmm, .timeout = 60)
{
	no_place(SOCK_SEQPACKET, "kvm:unix=", "does not answer");
}

Test(open_mistakes, a_crowd_at_the_ivshmem_server, .timeout = 60)
{
	no_place(SOCK_STREAM, "ivshmem:unix=", "lets nobody in");
}
