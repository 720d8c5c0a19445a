/* SPDX-License-Identifier: BSD-2-Clause */
/* lives.c - endpoints that die, stop for too long, lose their place, or are not rung. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "anew.h"
#include "fabric.h"

#define SIZE (4u << 20)

static void make(void)
{
	fabric_make(SIZE, 4);
}

TestSuite(ivshmem_lives, .init = make, .fini = fabric_end);

static bool holds(uint32_t holder, uint32_t layer)
{
	for (unsigned h = 0; h < VMQ_IVSHMEM_HOLDS; h++)
		if (word(&cell(holder, layer)->hold[h].count))
			return true;
	return false;
}

static uint32_t meet(struct vmq *q, const char *name)
{
	uint32_t id = 0;

	cr_assert_eq(vmq_peer(q, name, PATIENCE, &id), 0);
	return id;
}

static void end(struct vmq *q, uint32_t peer, pid_t pid)
{
	int status = 1;

	cr_assert_eq(vmq_send(q, peer, "end", 3, 0, PATIENCE), 0);
	waitpid(pid, &status, 0);
	cr_expect_eq(status, 0);
}

Test(ivshmem_lives, a_death_without_a_word_is_seen)
{
	struct vmq *a = fabric_vm("a", "lazy_us=60000000");
	pid_t pid = fabric_echo("b", NULL);
	uint32_t b = meet(a, "b");
	struct vmq_msg msg;
	char buf[8];

	talk(a, b);
	fabric_kill(pid);
	cr_expect_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), VMQ_EGONE);
	cr_expect_eq(msg.peer, b);
	/* And the next life is met at the same place. */
	pid = fabric_echo("b", NULL);
	cr_assert_eq(meet(a, "b"), b);
	talk(a, b);
	end(a, b, pid);
	vmq_close(a);
}

static void stopped(const char *mine, const char *its)
{
	struct vmq *a = fabric_vm(mine, NULL);
	pid_t pid = fabric_echo(its, NULL);
	uint32_t b = meet(a, its);

	talk(a, b);
	wait_event(a, VMQ_EVENT_JOIN);
	for (int round = 0; round < 2; round++) {
		kill(pid, SIGSTOP);
		cr_expect_eq(wait_event(a, VMQ_EVENT_LEAVE).reason, VMQ_EGONE);
		cr_expect_eq(vmq_send(a, b, "x", 1, 0, VMQ_NOWAIT), VMQ_EGONE);
		kill(pid, SIGCONT);
		cr_expect_eq(wait_event(a, VMQ_EVENT_JOIN).peer, b);
		talk(a, b);
	}
	end(a, b, pid);
	vmq_close(a);
}

/* Slot 0 lays out for slot 1. */
Test(ivshmem_lives, a_stopped_peer_comes_back)
{
	stopped("a", "b");
}

Test(ivshmem_lives, a_stopped_layer_comes_back)
{
	vmq_close(fabric_vm("b", NULL));
	stopped("a", "b");
}

/* Is anybody said to have left, until told to end? The word: its address. */
static void be_witness(int ready, char *const word[ANEW_WORDS])
{
	struct vmq_event e = { .size = sizeof(e) };
	struct vmq *q;
	uint32_t id;
	char c;

	if (vmq_open(word[0], NULL, &q) || vmq_peer(q, "b", PATIENCE, &id) || write(ready, "", 1) != 1)
		_exit(2);
	while (vmq_recv(q, &c, 1, NULL, VMQ_MS(5)) != 1)
		while (!vmq_event(q, &e, VMQ_NOWAIT))
			if (e.type == VMQ_EVENT_LEAVE)
				_exit(3);
	_exit(vmq_close(q) ? 1 : 0);
}

/* Who did not run cannot say that others did not: it gives them time. */
Test(ivshmem_lives, who_was_stopped_too_does_not_blame_others)
{
	pid_t pid = fabric_echo("b", NULL), witness;
	uint32_t beat[2];
	int ready[2], status = 1;
	char uri[FABRIC_URI], c;
	struct vmq *a;

	cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
	fabric_uri("w", NULL, uri);
	witness = ANEW(be_witness, ready[1], uri);
	cr_assert_eq(read(ready[0], &c, 1), 1);
	kill(pid, SIGSTOP);
	beat[1] = word(&slot(1)->heartbeat);
	/* It has seen the other's last beat. */
	WAIT(NULL, NULL, word(&slot(1)->heartbeat) - beat[1] > 2);
	kill(witness, SIGSTOP);
	turns(NULL, NULL);
	beat[0] = word(&slot(0)->heartbeat);
	beat[1] = word(&slot(1)->heartbeat);
	kill(witness, SIGCONT);
	/* It has looked before it beats. */
	WAIT(NULL, NULL, word(&slot(1)->heartbeat) != beat[1]);
	kill(pid, SIGCONT);
	WAIT(NULL, NULL, word(&slot(0)->heartbeat) != beat[0]);
	a = fabric_vm("a", NULL);
	cr_assert_eq(vmq_send(a, meet(a, "w"), "x", 1, 0, PATIENCE), 0);
	waitpid(witness, &status, 0);
	cr_expect_eq(status, 0, "0x%x", (unsigned)status);
	end(a, meet(a, "b"), pid);
	vmq_close(a);
	close(ready[0]);
	close(ready[1]);
}

#define LONG_DEAD_MS 3000u

/* Open, and tell what came of it. The word: the address. */
static void be_opener(int out, char *const word[ANEW_WORDS])
{
	struct vmq *q = NULL;
	char code = 0;

	if (write(out, &code, 1) != 1)
		_exit(1);
	code = (char)-vmq_open(word[0], NULL, &q);
	if (write(out, &code, 1) != 1)
		_exit(1);
}

/* As after the whole machine stood still: nobody has beaten, and nobody is dead. */
Test(ivshmem_lives, who_was_stopped_while_it_opened_takes_no_place)
{
	const struct vmq__dir_plan plan = { 4, BEAT_MS, LONG_DEAD_MS };
	pid_t pid, opener;
	uint32_t claim;
	char uri[FABRIC_URI], c = 1;
	int out[2];

	cr_assert_eq(vmq__dir_write(fabric.map, fabric.size, &plan), 0);
	pid = fabric_echo("b", NULL);
	claim = word(&slot(0)->claim);
	kill(pid, SIGSTOP);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	fabric_uri("b", NULL, uri);
	opener = ANEW(be_opener, out[1], uri);
	close(out[1]);
	cr_assert_eq(read(out[0], &c, 1), 1);
	/* It has looked, and waits to look again. */
	cr_assert(thread_sleeps(opener));
	kill(opener, SIGSTOP);
	for (uint64_t until = now_ns() + VMQ_MS(LONG_DEAD_MS); now_ns() < until;)
		poll(NULL, 0, 10);
	kill(opener, SIGCONT);
	cr_assert(thread_sleeps(opener));
	cr_expect_eq(word(&slot(0)->claim), claim);
	kill(pid, SIGCONT);
	cr_assert_eq(read(out[0], &c, 1), 1);
	cr_expect_eq(-c, VMQ_EEXIST, "%d", -c);
	waitpid(opener, NULL, 0);
	fabric_kill(pid);
	close(out[0]);
}

/* While it was stopped, somebody else took its place. */
Test(ivshmem_lives, who_lost_its_place_is_down)
{
	struct vmq *a = fabric_vm("a", NULL), *b;
	pid_t pid = fabric_echo("b", NULL);
	uint32_t id = meet(a, "b");
	int status = 1;

	talk(a, id);
	wait_event(a, VMQ_EVENT_JOIN);
	kill(pid, SIGSTOP);
	b = fabric_vm("b", NULL);
	cr_expect_eq(vmq_id(b), id);
	wait_event(a, VMQ_EVENT_LEAVE);
	both_meet(a, "b", b, "a");
	wait_event(a, VMQ_EVENT_JOIN);
	kill(pid, SIGCONT);
	/* An echo ends when its fabric is down. */
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	/* It did no harm to the new owner on its way. */
	turns(a, b);
	cr_expect_eq(word(&slot(1)->live), word(&slot(1)->claim));
	cr_expect(holds(1, 0), "nor take its pages");
	cr_assert_eq(vmq_send(a, id, "x", 1, 0, PATIENCE), 0);
	{
		struct vmq_msg msg;
		char c;

		cr_expect_eq(vmq_recv(b, &c, 1, &msg, PATIENCE), 1);
	}
	vmq_close(b);
	vmq_close(a);
}

Test(ivshmem_lives, down_is_told_once_and_everything_ends)
{
	struct vmq *a = fabric_vm("a", NULL), *b = fabric_vm("b", NULL);
	struct vmq_event e = { .size = sizeof(e) };
	uint32_t id = both_meet(a, "b", b, "a"), heartbeat;
	char c;

	wait_event(a, VMQ_EVENT_JOIN);
	cr_assert_neq(vmq__dir_claim(&fabric.d, 0, word(&slot(0)->claim)), 0u);
	wait_event(a, VMQ_EVENT_LEAVE);
	cr_expect_eq(wait_event(a, VMQ_EVENT_DOWN).reason, VMQ_ECONN);
	cr_expect_eq(vmq_event(a, &e, VMQ_MS(50)), VMQ_ETIMEDOUT);
	cr_expect_eq(vmq_recv(a, &c, 1, NULL, PATIENCE), VMQ_ECONN);
	cr_expect_eq(vmq_send(a, id, "x", 1, 0, PATIENCE), VMQ_EGONE);
	wait_event(b, VMQ_EVENT_JOIN);
	wait_event(b, VMQ_EVENT_LEAVE);
	/* It must not make its place look alive, nor is it its own to leave. */
	heartbeat = word(&slot(0)->heartbeat);
	turns(b, NULL);
	cr_expect_eq(word(&slot(0)->heartbeat), heartbeat);
	vmq_close(a);
	cr_expect_eq(word(&slot(0)->gone), 0u);
	vmq_close(b);
}

/* What was sent before is received, though its sender seemed dead for a while. */
Test(ivshmem_lives, what_a_suspect_had_sent_arrives)
{
	struct vmq *a = fabric_vm("a", NULL), *c = fabric_vm("c", NULL);
	pid_t pid = fabric_echo("b", NULL);
	uint32_t b = meet(a, "b"), n;
	struct vmq_msg msg;

	cr_assert_eq(meet(c, "b"), b);
	for (uint32_t i = 0; i < 3; i++)
		cr_assert_eq(vmq_send(a, b, &i, sizeof(i), 0, PATIENCE), 0);
	/* More than it takes from one peer before it looks at the next. */
	for (int i = 0; i < 100; i++)
		talk(c, b);
	kill(pid, SIGSTOP);
	WAIT(c, NULL, vmq_send(c, b, "x", 1, 0, VMQ_NOWAIT) == VMQ_EGONE);
	kill(pid, SIGCONT);
	for (uint32_t i = 0; i < 3; i++) {
		cr_assert_eq(vmq_recv(a, &n, sizeof(n), &msg, PATIENCE), (int64_t)sizeof(n));
		cr_expect_eq(n, i);
	}
	WAIT(a, c, vmq_peer(a, "b", VMQ_MS(1), &b) == 0 && vmq_send(a, b, "end", 3, 0, VMQ_NOWAIT) == 0);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	vmq_close(c);
	vmq_close(a);
}

/* ---- kicks ----------------------------------------------------------------------------- */

/* Everything is polled here: the word of a bell is all there is. */
Test(ivshmem_lives, a_set_bell_wakes_who_sleeps)
{
	struct vmq *a = fabric_vm("a", "lazy_us=60000000");
	pid_t pid = fabric_echo("b", "lazy_us=60000000&spin_us=4294967295");
	uint32_t b = meet(a, "b");
	uint64_t from = now_ns();

	for (int i = 0; i < 100; i++)
		talk(a, b);
	/* Not once by a time limit. */
	cr_expect_lt(now_ns() - from, PATIENCE);
	end(a, b, pid);
	vmq_close(a);
}

/* Who has heard of everything is left alone. */
Test(ivshmem_lives, what_is_known_wakes_nobody)
{
	struct vmq *a = fabric_vm("a", "lazy_us=60000000"), *b = fabric_vm("b", "lazy_us=60000000");
	struct pollfd p = { .events = POLLIN };
	char c;

	both_meet(a, "b", b, "a");
	p.fd = vmq_fd(a);
	cr_assert_geq(p.fd, 0);
	/* What is still under way comes within some looks of the watch threads. */
	for (int quiet = 0, n = 0; quiet < 3; n++) {
		cr_assert_lt(n, 100);
		while (vmq_recv(a, &c, 1, NULL, VMQ_NOWAIT) != VMQ_EAGAIN)
			;
		turn(NULL, b);
		quiet = poll(&p, 1, 100) ? 0 : quiet + 1;
	}
	vmq_close(b);
	vmq_close(a);
}

/* With a lost interrupt a look at the word is what is left. Here there is no device that
 * could lose one: the words are written as a peer would that cannot ring. */
Test(ivshmem_lives, news_that_nobody_rang_for_is_found)
{
	struct vmq *a = fabric_vm("a", "lazy_us=60000000");
	struct fake *f = fake_enter(1, "f");

	WAIT(a, NULL, word(&cell(0, 1)->serial));
	fake_leave(f);
	WAIT(a, NULL, !word(&cell(0, 1)->serial));
	cr_expect_eq(word(&slot(0)->bell[VMQ_FD_CONTROL]), 0u);
	vmq_close(a);
}
