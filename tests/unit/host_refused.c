/* SPDX-License-Identifier: BSD-2-Clause */
/* host_refused.c - what vmq_open() says of kvm: addresses that lead nowhere. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host_vmm.h"

TestSuite(host_refused, .init = vmm_prepare, .fini = vmm_stop);

static void refused(const char *name, int code, const char *text)
{
	struct vmq *q = (void *)&q;
	int rc = try_open(name, &q);

	cr_expect_eq(rc, code, "%s: %s", vmq_errname(rc), why);
	cr_expect_null(q);
	cr_expect(strstr(why, text), "'%s' does not say '%s'", why, text);
}

/* A socket at the VMM's path that is no VMM. */
static int some_socket(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, vmm_path);
	cr_assert_eq(bind(sock, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(sock, 1), 0);
	return sock;
}

Test(host_refused, nobody_listens)
{
	refused("a", VMQ_ECONN, "no VMM listens at");
	close(some_socket()); /* one that died */
	refused("a", VMQ_ECONN, "no VMM listens at");
}

static void *answer_nonsense(void *arg)
{
	int sock = *(int *)arg, c = accept(sock, NULL, NULL);
	char packet[4096];

	memset(packet, 0xee, sizeof(packet));
	recv(c, packet, sizeof(packet), 0);
	memset(packet, 0xee, sizeof(packet));
	send(c, packet, 64, MSG_NOSIGNAL);
	recv(c, packet, sizeof(packet), 0);
	close(c);
	return NULL;
}

Test(host_refused, no_vmm_listens)
{
	int sock = some_socket(), rc;
	pthread_t thread;
	struct vmq *q;

	cr_assert_eq(pthread_create(&thread, NULL, answer_nonsense, &sock), 0);
	rc = try_open("a", &q);
	cr_expect(rc == VMQ_EVERSION || rc == VMQ_EPROTO, "%s: %s", vmq_errname(rc), why);
	cr_expect(strstr(why, vmm_path), "%s", why);
	close(sock);
	pthread_join(thread, NULL);
}

Test(host_refused, listens_and_never_answers)
{
	int sock = some_socket();

	refused("a", VMQ_ECONN, "does not answer");
	close(sock);
}

Test(host_refused, names_that_are_in_use)
{
	struct vmq *a, *h;

	vmm_listen(0);
	serve_start();
	h = on_vmm("host");
	a = program("a");
	refused("host", VMQ_EEXIST, "host");
	refused("a", VMQ_EEXIST, "'a'");
	vmq_close(a);
	vmq_close(h);
}

Test(host_refused, ids_that_are_in_use)
{
	struct vmq *a, *h;
	int64_t id;

	vmm_listen(0);
	serve_start();
	a = program("a");
	id = vmq_id(a);
	vmq_close(a);
	serve_stop();
	vmq_bridge_close(bridge);
	vmq_vmm_destroy(vmm);
	vmm_listen((uint32_t)id);
	serve_start();
	h = on_vmm("host");
	cr_assert_eq(vmq_id(h), id);
	refused("a", VMQ_EEXIST, "id");
	vmq_close(h);
}

static uint64_t no_time(void *ctx)
{
	(void)ctx;
	return 0;
}

static void no_wait(void *ctx, struct vmq *q, uint64_t deadline)
{
	(void)ctx;
	(void)q;
	(void)deadline;
}

static void no_wake(void *ctx, struct vmq *q)
{
	(void)ctx;
	(void)q;
}

static void refused_at(const char *uri, const struct vmq_env *env, int code)
{
	struct vmq_options o = { .size = sizeof(o), .env = env, .errmsg = why, .errlen = sizeof(why) };
	struct vmq *q;
	int rc = vmq_open(uri, &o, &q);

	cr_expect_eq(rc, code, "%s: %s, %s", uri, vmq_errname(rc), why);
	cr_expect_neq(why[0], 0, "%s", uri);
}

Test(host_refused, wrong_addresses)
{
	struct vmq_env env = { .size = sizeof(env), .now = no_time, .wait = no_wait, .wake = no_wake,
		.random = no_time };
	char uri[300], deep[150];

	memset(deep, 'd', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = 0;
	snprintf(uri, sizeof(uri), "kvm:unix=/%s?name=a", deep);
	refused_at(uri, NULL, VMQ_EURI);
	refused_at("kvm:lab?name=a", NULL, VMQ_EURI);
	refused_at("kvm:unix=?name=a", NULL, VMQ_EURI);
	refused_at("kvm:?name=a", NULL, VMQ_EURI);
	refused_at("kvm:unix=/tmp/x", NULL, VMQ_EURI);
	refused_at("kvm:unix=/tmp/x?name=a&topology=/tmp/y", NULL, VMQ_EINVAL);
	refused_at("kvm:unix=/tmp/x?name=a", &env, VMQ_ENOTSUP);
}
