/* SPDX-License-Identifier: BSD-2-Clause */
/* victim.c - endpoints that go on whatever is done to the region. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support.h"
#include "victim.h"

#define TALKS 20 /* messages from each other that make a phase */
#define UNEXPECTED 7

static struct victim_board *board;
static struct victim_state *self;
static int me;

/* Each call of the library: for as long as it takes, and no longer. */
#define CALL(f, ...) (self->call = #f, alarm(VICTIM_CALL_S), f(__VA_ARGS__))

static void unexpected(int64_t rc)
{
	fprintf(stderr, "victim %d: %s: %s\n", me, self->call, vmq_errname((int)rc));
	_exit(UNEXPECTED);
}

/* ---- talk ------------------------------------------------------------------------------ */

/* One life of the endpoint. */
struct life {
	struct vmq *q;
	int phase;       /* in which it began */
	uint32_t peer[VICTIMS];
	uint32_t n;
	bool over;
};

/* What a call may say while the region is not what it should be. */
static void check(struct life *l, int64_t rc)
{
	if (rc >= 0 || rc == VMQ_EAGAIN || rc == VMQ_ETIMEDOUT || rc == VMQ_EGONE || rc == VMQ_EPEER)
		return;
	if (rc == VMQ_ECONN) {
		l->over = true;
		return;
	}
	if (rc != VMQ_ENOENT && rc != VMQ_ENOMEM && rc != VMQ_ESTALE && rc != VMQ_ENOTSUP &&
			rc != VMQ_EMSGSIZE)
		unexpected(rc);
}

/* Asked after what was received was looked at: the attack may begin in between. */
static bool calm(const struct life *l)
{
	return (l->phase == VICTIM_CALM || l->phase == VICTIM_START) && l->phase == atomic_load(&board->phase);
}

static void send_one(struct life *l, int to)
{
	uint8_t data[3000];
	size_t len = 8 + l->n * 37 % (sizeof(data) - 8);

	pattern(data, len, (uint32_t)me);
	check(l, CALL(vmq_send, l->q, l->peer[to], data, len, l->n % 3, VMQ_MS(1)));
}

static void send_page(struct life *l, int to)
{
	struct vmq_page page;
	int rc = CALL(vmq_page_alloc, l->q, l->peer[to], 5000, &page, VMQ_NOWAIT);

	check(l, rc);
	if (rc)
		return;
	pattern(page.addr, 5000, (uint32_t)me);
	rc = CALL(vmq_page_send, l->q, &page, l->n & 1 ? VMQ_PAGE_MOVE : VMQ_PAGE_LEND, "page", 4, 0,
		VMQ_MS(1));
	check(l, rc);
	if (rc || !(l->n & 1))
		check(l, CALL(vmq_page_free, l->q, &page));
}

static int sender(const struct life *l, uint32_t peer)
{
	for (int i = 0; i < VICTIMS; i++)
		if (i != me && l->peer[i] == peer)
			return i;
	return -1;
}

/* In calm nothing but what was sent may arrive. */
static void look_at(const struct life *l, const struct vmq_msg *msg, const uint8_t *data, size_t len)
{
	int from = sender(l, msg->peer);
	bool page = msg->flags & VMQ_MSG_PAGE;

	if (from < 0)
		return;
	if (!(page ? len == 4 && matches(msg->page.addr, 5000, (uint32_t)from) :
			matches(data, len, (uint32_t)from)) && calm(l)) {
		fprintf(stderr, "victim %d: not what %d sent: %zu bytes%s\n", me, from, len,
			page ? ", page" : "");
		_exit(UNEXPECTED);
	}
	if (l->phase == atomic_load(&board->phase))
		atomic_fetch_add(&self->heard[from], 1);
}

static void receive(struct life *l)
{
	static uint8_t data[1 << 16];
	struct vmq_msg msg;
	int64_t n = 0;

	for (int i = 0; i < 20 && n >= 0; i++) {
		n = CALL(vmq_recv, l->q, data, sizeof(data), &msg, i ? VMQ_NOWAIT : VMQ_MS(1));
		check(l, n);
		if (n == VMQ_EPEER)
			atomic_fetch_add(&self->recvs, 1);
		if (n < 0)
			continue;
		/* Whatever length a page claims, all of it can be read. */
		for (size_t at = 0; msg.flags & VMQ_MSG_PAGE && at < msg.page.len; at += 512)
			(void)*(volatile uint8_t *)((uint8_t *)msg.page.addr + at);
		look_at(l, &msg, data, (size_t)n);
		if (msg.flags & VMQ_MSG_PAGE)
			check(l, CALL(vmq_page_free, l->q, &msg.page));
	}
}

/* Its next life may have another id. */
static void forget(struct life *l, uint32_t peer)
{
	for (int i = 0; i < VICTIMS; i++)
		if (l->peer[i] == peer)
			l->peer[i] = 0;
}

static void events(struct life *l)
{
	struct vmq_event e = { .size = sizeof(e) };
	int rc = 0;

	for (int i = 0; i < 20 && !rc; i++) {
		rc = CALL(vmq_event, l->q, &e, VMQ_NOWAIT);
		check(l, rc);
		if (!rc && e.type == VMQ_EVENT_LEAVE)
			forget(l, e.peer);
		if (!rc && e.type == VMQ_EVENT_POISON)
			atomic_fetch_add(&self->poisons, 1);
		if (!rc && e.type == VMQ_EVENT_DOWN)
			atomic_fetch_add(&self->downs, 1);
	}
}

static void talk(struct life *l)
{
	char name[20];

	for (int i = 0; i < VICTIMS; i++) {
		if (i == me)
			continue;
		snprintf(name, sizeof(name), "victim%d", i);
		if (!l->peer[i])
			check(l, CALL(vmq_peer, l->q, name, VMQ_NOWAIT, &l->peer[i]));
		else if (l->n % 8 == 5)
			send_page(l, i);
		else
			send_one(l, i);
	}
	l->n++;
	receive(l);
	check(l, CALL(vmq_yield, l->q));
}

/* ---- lives ----------------------------------------------------------------------------- */

static bool may_fail(int rc)
{
	return rc == VMQ_EPROTO || rc == VMQ_EEXIST || rc == VMQ_ENOMEM || rc == VMQ_EVERSION ||
		rc == VMQ_ECONN;
}

/* Its news is heard to the end: also after a call has said that all is over. */
static void live(struct vmq *q, int phase)
{
	struct life l = { .q = q, .phase = phase };

	while (!l.over) {
		int now = atomic_load(&board->phase);

		if (now == VICTIM_END || (now == VICTIM_CALM && phase != now))
			break;
		if (now == VICTIM_ATTACK)
			l.phase = now;
		talk(&l);
		events(&l);
	}
	receive(&l);
	events(&l);
}

static void run(void)
{
	const struct timespec pause = { 0, 2000000 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int phase = atomic_load(&board->phase), rc;
		struct vmq *q;

		if (phase == VICTIM_END)
			_exit(0);
		rc = CALL(vmq_open, self->uri, NULL, &q);
		if (rc) {
			if (!may_fail(rc))
				unexpected(rc);
			nanosleep(&pause, NULL);
			continue;
		}
		atomic_fetch_add(&self->lives, 1);
		live(q, phase);
		CALL(vmq_close, q);
	}
}

/* ---- for the test ----------------------------------------------------------------------- */

struct victim_board *victims_new(void)
{
	void *b = mmap(NULL, sizeof(struct victim_board), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED)
		abort();
	return b;
}

void victims_free(struct victim_board *b)
{
	munmap(b, sizeof(*b));
}

void victim_start(struct victim_board *b, int index)
{
	pid_t pid = fork();

	if (pid) {
		b->v[index].pid = pid;
		return;
	}
	board = b;
	me = index;
	self = &b->v[index];
	run();
}

static bool ended(struct victim_state *v, int index)
{
	int status;

	if (v->pid <= 0 || waitpid(v->pid, &status, WNOHANG) != v->pid)
		return v->pid <= 0;
	v->pid = 0;
	if (WIFSIGNALED(status))
		fprintf(stderr, "victim %d: %s in %s\n", index, WTERMSIG(status) == SIGALRM ? "hung" :
			strsignal(WTERMSIG(status)), v->call);
	else if (WEXITSTATUS(status))
		fprintf(stderr, "victim %d: ended with %d\n", index, WEXITSTATUS(status));
	v->pid = status ? -1 : 0;
	return true;
}

static bool all_heard(const struct victim_board *b)
{
	for (int i = 0; i < VICTIMS; i++)
		for (int j = 0; j < VICTIMS; j++)
			if (i != j && atomic_load(&b->v[i].heard[j]) < TALKS)
				return false;
	return true;
}

bool victims_talk(struct victim_board *b, enum victim_phase next)
{
	const struct timespec pause = { 0, 2000000 };
	uint64_t until = now_ns() + 2 * PATIENCE;

	while (!all_heard(b)) {
		for (int i = 0; i < VICTIMS; i++)
			if (ended(&b->v[i], i))
				return false;
		if (now_ns() > until) {
			fprintf(stderr, "the victims do not meet\n");
			for (int i = 0; i < VICTIMS * VICTIMS; i++)
				fprintf(stderr, "victim %d: %d messages of victim %d\n", i / VICTIMS,
					atomic_load(&b->v[i / VICTIMS].heard[i % VICTIMS]), i % VICTIMS);
			return false;
		}
		nanosleep(&pause, NULL);
	}
	atomic_store(&b->phase, next);
	return true;
}

bool victims_end(struct victim_board *b)
{
	const struct timespec pause = { 0, 2000000 };
	uint64_t until = now_ns() + 2 * PATIENCE;
	bool good = true;

	atomic_store(&b->phase, VICTIM_END);
	for (int i = 0; i < VICTIMS; i++) {
		while (!ended(&b->v[i], i) && now_ns() < until)
			nanosleep(&pause, NULL);
		if (b->v[i].pid > 0) {
			kill(b->v[i].pid, SIGKILL);
			waitpid(b->v[i].pid, NULL, 0);
			b->v[i].pid = -1;
		}
		good &= !b->v[i].pid;
	}
	return good;
}
