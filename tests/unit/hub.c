/* SPDX-License-Identifier: BSD-2-Clause */
/* hub.c - the hub: opened, served, asked, told to stop. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support.h"

static char dir[64], path[96], why[200];
static char lines[4096]; /* of the hub's log */

static void start(void)
{
	scratch_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/hub", dir);
}

static void stop(void)
{
	scratch_remove(dir);
}

TestSuite(hub, .init = start, .fini = stop);

static void log_line(void *ctx, const char *line)
{
	size_t used = strlen(lines);

	(void)ctx;
	snprintf(lines + used, sizeof(lines) - used, "%s\n", line);
}

static struct vmq_hub_options options(void)
{
	return (struct vmq_hub_options){ .size = sizeof(struct vmq_hub_options), .path = path,
		.errmsg = why, .errlen = sizeof(why), .log = log_line };
}

static int open_hub(struct vmq_hub **hub)
{
	struct vmq_hub_options o = options();

	return vmq_hub_open(&o, hub);
}

Test(hub, bad_arguments)
{
	struct vmq_vmm_stats s = { .size = sizeof(s) };
	struct vmq_hub_options o = options();
	struct vmq_hub *hub = NULL;

	cr_expect_eq(vmq_hub_open(NULL, &hub), VMQ_EINVAL);
	cr_expect_eq(vmq_hub_open(&o, NULL), VMQ_EINVAL);
	o.size--;
	cr_expect_eq(vmq_hub_open(&o, &hub), VMQ_EINVAL);
	o = options();
	o.path = NULL;
	cr_expect_eq(vmq_hub_open(&o, &hub), VMQ_EINVAL);
	o.path = "";
	cr_expect_eq(vmq_hub_open(&o, &hub), VMQ_EINVAL);
	o.path = "/nonexistent/folder/hub";
	cr_expect_eq(vmq_hub_open(&o, &hub), VMQ_ESYS);
	cr_expect(strstr(why, "/nonexistent/folder/hub: No such file"), "%s", why);
	cr_expect_eq(vmq_hub_run(NULL, 0), VMQ_EBADF);
	cr_expect_eq(vmq_hub_close(NULL), VMQ_EBADF);
	cr_expect_eq(vmq_hub_stats(NULL, "a", &s), VMQ_EBADF);
	cr_expect_eq(vmq_hub_kill(NULL, "a"), VMQ_EBADF);
	cr_expect_eq(vmq_hub_next(NULL, (char[VMQ_NAME_MAX + 1]){ "" }, NULL), VMQ_EBADF);
	vmq_hub_stop(NULL);
}

Test(hub, bad_questions)
{
	char name[VMQ_NAME_MAX + 1] = "";
	struct vmq_hub *hub = NULL;

	cr_assert_eq(open_hub(&hub), 0, "%s", why);
	cr_expect_eq(vmq_hub_next(hub, name, NULL), VMQ_ENOENT);
	cr_expect_eq(vmq_hub_next(hub, NULL, NULL), VMQ_EINVAL);
	memset(name, 'x', sizeof(name));
	cr_expect_eq(vmq_hub_next(hub, name, NULL), VMQ_EINVAL, "it does not end");
	cr_expect_eq(vmq_hub_kill(hub, NULL), VMQ_EINVAL);
	cr_expect_eq(vmq_hub_kill(hub, "a"), VMQ_ENOENT);
	vmq_hub_close(hub);
}

Test(hub, run_and_stop)
{
	struct vmq_hub *hub = NULL;
	struct stat st;

	cr_assert_eq(open_hub(&hub), 0, "%s", why);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600u);
	cr_expect_eq(vmq_hub_run(hub, VMQ_NOWAIT), VMQ_EAGAIN);
	cr_expect_eq(vmq_hub_run(hub, VMQ_MS(5)), VMQ_ETIMEDOUT);
	vmq_hub_stop(hub);
	cr_expect_eq(vmq_hub_run(hub, VMQ_FOREVER), 0);
	vmq_hub_close(hub);
	cr_expect_neq(stat(path, &st), 0, "its socket is removed");
}

Test(hub, one_at_a_path)
{
	struct vmq_hub *hub = NULL, *other = NULL;

	cr_assert_eq(open_hub(&hub), 0);
	cr_expect_eq(open_hub(&other), VMQ_EEXIST);
	cr_expect(strstr(why, "already"), "%s", why);
	cr_expect_null(other);
	vmq_hub_close(hub);
}

Test(hub, old_socket_is_replaced_and_files_are_not)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct vmq_hub *hub = NULL;

	strcpy(sun.sun_path, path);
	cr_assert_eq(bind(s, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(s);
	cr_expect_eq(open_hub(&hub), 0, "%s", why);
	vmq_hub_close(hub);
	scratch_file(dir, "hub", "precious", path, sizeof(path));
	hub = NULL;
	cr_expect_eq(open_hub(&hub), VMQ_EEXIST);
	cr_expect_null(hub);
	cr_expect_eq(access(path, F_OK), 0);
}

/* ---- with VMs ------------------------------------------------------------------------ */

static void *serve(void *hub)
{
	vmq_hub_run(hub, VMQ_FOREVER);
	return NULL;
}

static struct vmq *vm(const char *name)
{
	char uri[200];
	struct vmq *q = NULL;

	snprintf(uri, sizeof(uri), "sim:unix=%s?name=%s", path, name);
	cr_assert_eq(vmq_open(uri, NULL, &q), 0);
	return q;
}

static void *be_met(void *q)
{
	uint32_t id;

	return vmq_peer(q, "a", PATIENCE, &id) ? "not met" : NULL;
}

/* A hub that serves, and two VMs that have met. */
static struct {
	struct vmq_hub *hub;
	pthread_t server;
	struct vmq *a, *b;
	uint32_t to_b;
} met;

static void meet(void)
{
	pthread_t other;
	void *failed;

	cr_assert_eq(open_hub(&met.hub), 0, "%s", why);
	pthread_create(&met.server, NULL, serve, met.hub);
	met.a = vm("a");
	met.b = vm("b");
	pthread_create(&other, NULL, be_met, met.b);
	cr_assert_eq(vmq_peer(met.a, "b", PATIENCE, &met.to_b), 0);
	pthread_join(other, &failed);
	cr_expect_null(failed);
}

static void serve_no_more(void)
{
	vmq_hub_stop(met.hub);
	pthread_join(met.server, NULL);
}

static void send_to_b(unsigned n, uint32_t flags)
{
	while (n--) {
		cr_assert_eq(vmq_send(met.a, met.to_b, "x", 1, flags, VMQ_NOWAIT), 0);
		if (flags == VMQ_SEND_LAZY)
			cr_assert_eq(vmq_yield(met.a), 0);
	}
}

Test(hub, knows_who_left)
{
	struct vmq_vmm_stats s = { .size = sizeof(s) };

	meet();
	vmq_close(met.a);
	vmq_close(met.b);
	/* A new VM is served after all that was said before. */
	vmq_close(vm("a"));
	serve_no_more();
	cr_assert_eq(vmq_hub_stats(met.hub, "b", &s), 0, "also after it left");
	cr_expect_eq(s.exits_immediate, 0u);
	cr_expect_eq(vmq_hub_stats(met.hub, "nobody", &s), VMQ_ENOENT);
	s.size = 1;
	cr_expect_eq(vmq_hub_stats(met.hub, "b", &s), VMQ_EINVAL);
	cr_expect_eq(vmq_hub_kill(met.hub, "a"), VMQ_ENOENT);
	vmq_hub_close(met.hub);
	cr_expect(strstr(lines, "a joined (process "), "%s", lines);
	cr_expect(strstr(lines, "b left: "), "%s", lines);
}

Test(hub, counts_exits)
{
	struct vmq_vmm_stats s = { .size = sizeof(s) };

	meet();
	send_to_b(7, VMQ_SEND_NOW);
	send_to_b(3, VMQ_SEND_LAZY);
	vmq_close(met.a);
	vmq_close(vm("z")); /* served after all of that */
	serve_no_more();
	cr_assert_eq(vmq_hub_stats(met.hub, "a", &s), 0);
	cr_expect_eq(s.exits_immediate, 7u);
	cr_expect_eq(s.exits_natural[VMQ_EXIT_YIELD], 3u);
	cr_expect_geq(s.kicks, 7u);
	vmq_close(met.b);
	vmq_hub_close(met.hub);
}

/* A VM that left before it read all that it was told: what it had said counts all the same. */
Test(hub, counts_exits_of_who_left_in_haste)
{
	struct vmq_vmm_stats s = { .size = sizeof(s) };

	meet();
	vmq_close(vm("z")); /* of whom a does not hear any more */
	serve_no_more();
	send_to_b(7, VMQ_SEND_NOW);
	vmq_close(met.a);
	for (uint64_t until = now_ns() + PATIENCE; !strstr(lines, "a left") && now_ns() < until;)
		vmq_hub_run(met.hub, VMQ_NOWAIT);
	cr_assert_eq(vmq_hub_stats(met.hub, "a", &s), 0);
	cr_expect_eq(s.exits_immediate, 7u);
	cr_expect(strstr(lines, "a left: its connection closed"), "%s", lines);
	vmq_close(met.b);
	vmq_hub_close(met.hub);
}

/* ---- asked from elsewhere --------------------------------------------------------------- */

struct asker {
	struct vmq_hub *hub;
	const char *wrong;
	unsigned rounds;
	atomic_bool done;
};

/* "a" and "z" are there all the time; "b" comes and goes. */
static const char *one_round(struct vmq_hub *hub, bool *seen)
{
	struct vmq_vmm_stats s = { .size = sizeof(s) };
	char name[VMQ_NAME_MAX + 1] = "";
	bool there;

	if (vmq_hub_next(hub, name, &there) || strcmp(name, "a") || !there)
		return "no a";
	if (vmq_hub_next(hub, name, &there))
		return "neither b nor z";
	if (!strcmp(name, "b")) {
		*seen = true;
		if (vmq_hub_stats(hub, "b", &s))
			return "b has no counters";
		if (vmq_hub_next(hub, name, &there))
			return "nobody after b";
	} else if (*seen) {
		return "b was forgotten";
	}
	if (strcmp(name, "z") || !there)
		return "no z";
	return vmq_hub_next(hub, name, NULL) == VMQ_ENOENT ? NULL : "somebody after z";
}

static void *ask(void *arg)
{
	struct asker *k = arg;
	bool seen = false;

	for (; !k->wrong && !k->done; k->rounds++)
		k->wrong = one_round(k->hub, &seen);
	return NULL;
}

Test(hub, answers_while_it_serves)
{
	struct vmq_hub_options o = options();
	struct asker k = { 0 };
	pthread_t server, asker;
	struct vmq *a, *z;
	char topology[96];

	/* Strangers: a and z need not read of b's comings and goings. */
	scratch_file(dir, "t.json", "{\"open\": true, \"refuse\": [[\"b\", \"*\"]]}", topology,
		sizeof(topology));
	o.topology = topology;
	cr_assert_eq(vmq_hub_open(&o, &k.hub), 0, "%s", why);
	pthread_create(&server, NULL, serve, k.hub);
	a = vm("a");
	z = vm("z");
	pthread_create(&asker, NULL, ask, &k);
	for (int i = 0; i < 300; i++)
		vmq_close(vm("b"));
	k.done = true;
	pthread_join(asker, NULL);
	cr_expect_null(k.wrong, "%s in round %u", k.wrong, k.rounds);
	cr_expect_gt(k.rounds, 0u);
	vmq_hub_stop(k.hub);
	pthread_join(server, NULL);
	vmq_close(a);
	vmq_close(z);
	vmq_hub_close(k.hub);
}

static void ask_about_it(void *hub, const char *line)
{
	char name[VMQ_NAME_MAX + 1] = "";

	if (strstr(line, "joined") && vmq_hub_next(*(struct vmq_hub **)hub, name, NULL) == 0)
		log_line(NULL, name);
}

Test(hub, may_be_asked_by_its_log)
{
	struct vmq_hub_options o = options();
	struct vmq_hub *hub = NULL;
	pthread_t server;

	o.log = ask_about_it;
	o.ctx = &hub;
	cr_assert_eq(vmq_hub_open(&o, &hub), 0, "%s", why);
	pthread_create(&server, NULL, serve, hub);
	vmq_close(vm("a"));
	vmq_close(vm("z"));
	vmq_hub_stop(hub);
	pthread_join(server, NULL);
	vmq_hub_close(hub);
	cr_expect_str_eq(lines, "a\na\n");
}

Test(hub, forgets_who_left_long_ago)
{
	struct vmq_vmm_stats s = { .size = sizeof(s) };
	struct vmq_hub *hub = NULL;
	char name[VMQ_NAME_MAX + 1];
	unsigned known = 0;
	pthread_t server;

	cr_assert_eq(open_hub(&hub), 0, "%s", why);
	pthread_create(&server, NULL, serve, hub);
	vmq_close(vm("first"));
	vmq_close(vm("second"));
	for (int i = 0; i < 4094; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		vmq_close(vm(name));
	}
	vmq_close(vm("n0")); /* served after all of that */
	cr_assert_eq(vmq_hub_stats(hub, "first", &s), VMQ_ENOENT);
	cr_assert_eq(vmq_hub_stats(hub, "second", &s), 0);
	for (name[0] = 0; !vmq_hub_next(hub, name, NULL); known++)
		cr_expect(known || !strcmp(name, "n0"));
	cr_expect_eq(known, 4095u);
	vmq_hub_stop(hub);
	pthread_join(server, NULL);
	vmq_hub_close(hub);
}
