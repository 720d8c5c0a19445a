/* SPDX-License-Identifier: BSD-2-Clause */
/* conformance.c - how the suite runs its endpoints and peers. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "anew.h"
#include "conformance.h"

#define ECHO_MAX (1u << 20)

/* Addresses as far as the name, in a peer's process: no fabric was started there. */
static const char *nameless;

void conf_start(void)
{
	signal(SIGPIPE, SIG_IGN);
	cr_assert(conf_fabric.start());
}

void conf_stop(void)
{
	conf_fabric.stop();
}

int conf_open(const char *vm, const char *settings, uint32_t flags, struct vmq **q)
{
	char uri[512], why[200] = "";
	struct vmq_options o = { .size = sizeof(o), .flags = flags, .errmsg = why, .errlen = sizeof(why) };
	int rc = conf_fabric.open ? conf_fabric.open(vm, settings, flags, q) : 1;

	if (rc <= 0)
		return rc;
	if (nameless)
		snprintf(uri, sizeof(uri), "%s%s", nameless, vm);
	else
		conf_fabric.uri(vm, uri, sizeof(uri));
	if (settings && *settings)
		snprintf(uri + strlen(uri), sizeof(uri) - strlen(uri), "&%s", settings);
	rc = vmq_open(uri, &o, q);
	if (rc)
		fprintf(stderr, "%s: %s: %s\n", uri, vmq_errname(rc), why);
	return rc;
}

uint32_t conf_meet(struct vmq *q, const char *vm)
{
	uint32_t id = 0;
	int rc = vmq_peer(q, vm, PATIENCE, &id);

	if (rc)
		fprintf(stderr, "waiting for %s: %s\n", vm, vmq_errname(rc));
	return rc ? 0 : id;
}

struct vmq_stats conf_stats(struct vmq *q)
{
	struct vmq_stats s = { .size = sizeof(s) };

	if (vmq_stats(q, &s))
		abort();
	return s;
}

uint32_t conf_rounds(uint32_t n)
{
	return conf_fabric.slow ? n / conf_fabric.slow : n;
}

struct vmq *conf_vm(const char *vm, const char *settings)
{
	struct vmq *q = NULL;

	cr_assert_eq(conf_open(vm, settings, 0, &q), 0);
	return q;
}

/* ---- steps ----------------------------------------------------------------------- */

static bool say(int fd, uint64_t value)
{
	return send(fd, &value, sizeof(value), MSG_NOSIGNAL) == sizeof(value);
}

static bool hear(int fd, uint64_t *value)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, PATIENCE_MS) == 1 && recv(fd, value, sizeof(*value), 0) == sizeof(*value);
}

void conf_tell(struct conf_peer *p, uint64_t value)
{
	cr_assert(say(p->ctl[0], value), "%s does not listen", p->name);
}

uint64_t conf_hear(struct conf_peer *p)
{
	uint64_t value = 0;

	cr_assert(hear(p->ctl[0], &value), "%s says nothing", p->name);
	return value;
}

void peer_tell(struct conf_peer *me, uint64_t value)
{
	need(say(me->ctl[1], value));
}

uint64_t peer_hear(struct conf_peer *me)
{
	uint64_t value = 0;

	need(hear(me->ctl[1], &value));
	return value;
}

/* ---- peers ------------------------------------------------------------------------ */

void peer_fail(struct conf_peer *me, const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: peer %s: %s\n", file, line, me->name, what);
	if (conf_fabric.processes)
		_exit(1);
	me->failed = true;
	close(me->ctl[1]);
	pthread_exit(NULL);
}

static void run(struct conf_peer *me)
{
	need(say(me->ctl[1], (uint64_t)thread_id()));
	me->body(me);
}

static void *run_thread(void *arg)
{
	struct conf_peer *me = arg;

	run(me);
	close(me->ctl[1]);
	return NULL;
}

void conf_peer_run(struct conf_peer *p)
{
	/* Also so that the test's own connections end when it ends them. */
	child_prepare(p->ctl[1]);
	run(p);
	_exit(0);
}

/* In the new process. The words: the body, the peer's name and arg, and `nameless`. */
static void run_process(int fd, char *const word[ANEW_WORDS])
{
	struct conf_peer p = { .name = word[1], .arg = word[2], .ctl = { -1, fd } };
	uintptr_t body = (uintptr_t)run_process + (uintptr_t)strtoull(word[0], NULL, 10);

	memcpy(&p.body, &body, sizeof(body));
	nameless = word[3];
	conf_peer_run(&p);
}

static void spawn_here(struct conf_peer *p)
{
	char body[24], address[512];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->ctl), 0);
	if (!conf_fabric.processes) {
		cr_assert_eq(pthread_create(&p->thread, NULL, run_thread, p), 0);
		return;
	}
	conf_fabric.uri("", address, sizeof(address));
	snprintf(body, sizeof(body), "%zu", (size_t)((uintptr_t)p->body - (uintptr_t)run_process));
	p->pid = ANEW(run_process, p->ctl[1], body, p->name, p->arg, address);
	cr_assert_geq(p->pid, 0);
	close(p->ctl[1]);
}

void conf_spawn(struct conf_peer *p, const char *name, conf_body *body, const void *arg)
{
	*p = (struct conf_peer){ .name = name, .body = body, .arg = arg };
	if (conf_fabric.spawn)
		cr_assert(conf_fabric.spawn(p), "%s cannot be started elsewhere", name);
	else
		spawn_here(p);
	p->tid = (int)conf_hear(p);
}

void conf_join(struct conf_peer *p)
{
	int status = 0;

	if (conf_fabric.processes) {
		if (conf_fabric.join)
			status = conf_fabric.join(p);
		else
			cr_assert_eq(waitpid(p->pid, &status, 0), p->pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			cr_assert_eq(status, 0, "peer %s ended with status 0x%x", p->name, (unsigned)status);
	} else {
		pthread_join(p->thread, NULL);
		cr_assert_not(p->failed, "peer %s failed", p->name);
	}
	close(p->ctl[0]);
}

struct vmq *peer_vm(struct conf_peer *me, const char *settings)
{
	struct vmq *q = NULL;

	need(conf_open(me->name, settings, 0, &q) == 0);
	return q;
}

/* What a thread can't do is to vanish: where its fabric can't cut its power it leaves in
 * good order, and its peers must not be able to tell. */
void peer_die(struct conf_peer *me, struct vmq *q)
{
	if (conf_fabric.processes)
		raise(SIGKILL);
	if (conf_fabric.die)
		conf_fabric.die(q);
	else
		need(vmq_close(q) == 0);
}

void echo(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, me->arg);
	uint8_t *buf = malloc(ECHO_MAX);
	struct vmq_msg msg;
	int64_t n;

	need(buf);
	while ((n = vmq_recv(q, buf, ECHO_MAX, &msg, PATIENCE)) != VMQ_EGONE) {
		need(n >= 0);
		need(vmq_send(q, msg.peer, buf, (size_t)n, VMQ_SEND_AUTO, PATIENCE) == 0);
	}
	need(vmq_close(q) == 0);
	free(buf);
}
