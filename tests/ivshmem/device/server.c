/* SPDX-License-Identifier: BSD-2-Clause */
/* server.c - devices at a server that means well. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"

static void ring(struct side *from, const struct side *to, unsigned kind)
{
	from->d->ops->ring(from->d, to->d->doorbell, kind);
}

Test(server, two_ring_each_other)
{
	struct fake f;
	struct side a, b;

	fake_start(&f);
	f.next_id = 7;
	cr_assert_eq(side_join(&a, &f), 0);
	cr_assert_eq(side_join(&b, &f), 0);
	cr_assert_eq(a.d->doorbell, 7);
	cr_assert_eq(b.d->doorbell, 8);
	cr_assert(a.d->vectors == 3 && a.d->caps == VMQ_CAP_WAKE);
	cr_assert_eq(a.d->size, FAKE_SIZE);
	((uint8_t *)a.d->region)[FAKE_SIZE - 1] = 77;
	cr_assert_eq(((uint8_t *)b.d->region)[FAKE_SIZE - 1], 77);
	cr_assert(readable(a.d->news), "it was not told of who came");
	cr_assert_eq(side_settle(&a), 0);
	for (unsigned k = 0; k < VMQ_FDS; k++) {
		ring(&a, &b, k);
		assert_rung(&b, k);
		ring(&b, &a, k);
		assert_rung(&a, k);
	}
	side_close(&a);
	side_close(&b);
	fake_end(&f);
}

Test(server, own_bells_come_out_at_the_same_descriptor)
{
	struct fake f;
	struct side a;
	uint64_t one = 1;

	fake_start(&f);
	cr_assert_eq(side_join(&a, &f), 0);
	for (unsigned k = 0; k < VMQ_FDS; k++) {
		cr_assert_eq(write(a.bell[k], &one, 8), 8);
		assert_rung(&a, k);
	}
	/* Both at once are one. */
	cr_assert_eq(write(a.bell[1], &one, 8), 8);
	cr_assert_eq(write(f.peer[0].ev[1], &one, 8), 8);
	assert_rung(&a, 1);
	cr_assert(!a.d->ops->drain(a.d, VMQ_FDS));
	side_close(&a);
	fake_end(&f);
}

Test(server, who_has_gone_is_not_rung_any_more)
{
	struct fake f;
	struct side a;
	int ev, before;

	fake_start(&f);
	ev = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cr_assert_eq(side_join(&a, &f), 0);
	before = count_fds();
	fake_say_peer(&f.peer[0], 65535, 3, ev);
	side_settle(&a);
	cr_assert_eq(count_fds(), before + 3);
	a.d->ops->ring(a.d, 65535, 2);
	cr_assert(readable(ev));
	cr_assert_eq(read(ev, &(uint64_t){ 0 }, 8), 8);
	fake_say(f.peer[0].sock, 65535, -1);
	side_settle(&a);
	cr_assert_eq(count_fds(), before);
	a.d->ops->ring(a.d, 65535, 2);
	a.d->ops->ring(a.d, VMQ_IVSHMEM_NOBODY, 0);
	a.d->ops->ring(a.d, 1, UINT32_MAX);
	cr_assert(!readable(ev));
	side_close(&a);
	close(ev);
	fake_end(&f);
}

/* ---- how many vectors there are ------------------------------------------------------- */

static void joins_with(unsigned vectors, unsigned expected)
{
	struct fake f;
	struct side a, b;

	fake_start(&f);
	f.vectors = vectors;
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = i ? &b : &a;

		cr_assert_eq(side_join(s, &f), 0);
		cr_assert_eq(s->d->vectors, expected);
		cr_assert_eq(s->d->caps, expected ? VMQ_CAP_WAKE : 0);
	}
	side_settle(&a);
	for (unsigned k = 0; k < expected; k++) {
		ring(&b, &a, k);
		assert_rung(&a, k);
	}
	for (unsigned k = expected; k < VMQ_FDS; k++) {
		ring(&b, &a, k);
		cr_assert(!readable(a.d->fd[k]));
	}
	side_close(&a);
	side_close(&b);
	fake_end(&f);
}

Test(server, no_vectors)
{
	joins_with(0, 0);
}

Test(server, one_vector)
{
	joins_with(1, 1);
}

Test(server, two_vectors)
{
	joins_with(2, 2);
}

Test(server, sixty_four_vectors)
{
	joins_with(64, 3);
}

static void say_one_vector(struct fake *f, struct fake_peer *p)
{
	fake_say_hello(f, p);
	fake_say(p->sock, p->id, p->ev[0]);
}

Test(server, vectors_that_come_late_add)
{
	uint64_t one = 1;
	struct fake f;
	struct side a;
	int fd;

	fake_start(&f);
	f.say = say_one_vector;
	cr_assert_eq(side_join(&a, &f), 0);
	cr_assert_eq(a.d->vectors, 1);
	fd = a.d->fd[2];
	fake_say(f.peer[0].sock, f.peer[0].id, f.peer[0].ev[1]);
	fake_say(f.peer[0].sock, f.peer[0].id, f.peer[0].ev[2]);
	cr_assert_eq(side_settle(&a), IVDEV_BACK);
	cr_assert_eq(a.d->vectors, 3);
	cr_assert_eq(a.d->fd[2], fd);
	cr_assert_eq(write(f.peer[0].ev[2], &one, 8), 8);
	assert_rung(&a, 2);
	side_close(&a);
	fake_end(&f);
}

/* Another peer comes while this one is greeted: its vectors stand behind the own ones. */
static void say_with_joiner(struct fake *f, struct fake_peer *p)
{
	fake_say_hello(f, p);
	fake_say_own(f, p);
	fake_say_peer(p, 500, f->vectors, p->ev[0]);
}

Test(server, somebody_joins_meanwhile)
{
	struct fake f;
	struct side a;

	fake_start(&f);
	f.vectors = 2;
	f.say = say_with_joiner;
	cr_assert_eq(side_join(&a, &f), 0);
	cr_assert_eq(a.d->vectors, 2);
	side_settle(&a);
	a.d->ops->ring(a.d, 500, 1);
	assert_rung(&a, 0);
	side_close(&a);
	fake_end(&f);
}

/* ---- pieces ------------------------------------------------------------------------------ */

static unsigned fd_piece; /* the descriptor comes with that byte of a message */

static void say_in_pieces(struct fake_peer *p, int64_t value, int fd)
{
	for (unsigned i = 0; i < 8; i++) {
		uint8_t byte = (uint8_t)((uint64_t)value >> 8 * i);

		fake_say_raw(p->sock, &byte, 1, fd, fd >= 0 && i == fd_piece);
	}
}

static void greet_in_pieces(struct fake *f, struct fake_peer *p)
{
	say_in_pieces(p, 0, -1);
	say_in_pieces(p, p->id, -1);
	say_in_pieces(p, -1, f->region);
	for (unsigned v = 0; v < f->vectors; v++)
		say_in_pieces(p, p->id, p->ev[v]);
}

static void joins_in_pieces(unsigned piece)
{
	uint64_t one = 1;
	struct fake f;
	struct side a;

	fake_start(&f);
	fd_piece = piece;
	f.next_id = 0x1234;
	f.say = greet_in_pieces;
	cr_assert_eq(side_join(&a, &f), 0);
	cr_assert_eq(a.d->doorbell, 0x1234);
	cr_assert_eq(a.d->vectors, 3);
	cr_assert_eq(write(f.peer[0].ev[1], &one, 8), 8);
	assert_rung(&a, 1);
	side_close(&a);
	fake_end(&f);
}

Test(server, pieces_of_a_byte)
{
	joins_in_pieces(0);
	joins_in_pieces(3);
	joins_in_pieces(7);
}

Test(server, a_piece_now_the_rest_later)
{
	uint8_t bytes[8] = { 99 };
	struct fake f;
	struct side a;

	fake_start(&f);
	cr_assert_eq(side_join(&a, &f), 0);
	fake_say_raw(f.peer[0].sock, bytes, 5, f.peer[0].ev[1], 1);
	cr_assert_eq(side_settle(&a), 0);
	a.d->ops->ring(a.d, 99, 0);
	cr_assert(!readable(a.d->fd[1]));
	fake_say_raw(f.peer[0].sock, bytes + 5, 3, -1, 0);
	cr_assert_eq(side_settle(&a), 0);
	a.d->ops->ring(a.d, 99, 0);
	assert_rung(&a, 1);
	/* What is left of a message goes with the device. */
	fake_say_raw(f.peer[0].sock, bytes, 5, f.peer[0].ev[1], 1);
	side_settle(&a);
	side_close(&a);
	fake_end(&f);
}

/* ---- the way to it ----------------------------------------------------------------------- */

Test(server, nobody_is_there)
{
	struct fake f;
	struct side a;
	char address[128];

	fake_start(&f);
	fake_kill(&f);
	snprintf(address, sizeof(address), "unix=%s", f.path);
	cr_assert_eq(side_open(&a, address), VMQ_ECONN);
	cr_assert(strstr(a.text, f.path));
	unlink(f.path);
	cr_assert_eq(side_open(&a, address), VMQ_ECONN);
	cr_assert_eq(side_open(&a, "unix="), VMQ_EURI);
	snprintf(address, sizeof(address), "unix=/%0120d", 1);
	cr_assert_eq(side_open(&a, address), VMQ_EURI);
	fake_end(&f);
}

Test(server, it_is_another_users)
{
	char address[128];
	struct fake f;
	struct side a;
	pid_t pid;

	if (geteuid())
		cr_skip_test("only root can be two users");
	fake_start(&f);
	/* The credentials are those of the process that last called listen(). */
	pid = fork();
	if (!pid)
		_exit(setuid(65534) || listen(f.listener, 8));
	cr_assert(pid > 0 && waitpid(pid, &(int){ 0 }, 0) == pid);
	snprintf(address, sizeof(address), "unix=%s", f.path);
	cr_assert_eq(side_open(&a, address), VMQ_EACCES);
	cr_assert(strstr(a.text, "another user"));
	fake_end(&f);
}

static void *accept_crowd(void *arg)
{
	for (int i = 0; i < 3; i++)
		fake_accept(arg);
	return NULL;
}

Test(server, a_crowd_waits_before_us)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int crowd[3], n = 0;
	char address[128];
	pthread_t thread;
	struct fake f;
	struct side a;

	fake_start(&f);
	strcpy(at.sun_path, f.path);
	cr_assert(!listen(f.listener, 1));
	for (; n < 3; n++) {
		crowd[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(crowd[n], (struct sockaddr *)&at, sizeof(at)))
			break;
	}
	cr_assert_eq(n, 2, "the queue has no end where it should");
	cr_assert(!pthread_create(&thread, NULL, accept_crowd, &f));
	snprintf(address, sizeof(address), "unix=%s", f.path);
	cr_assert_eq(side_open(&a, address), 0);
	cr_assert_eq(a.d->doorbell, 2);
	pthread_join(thread, NULL);
	for (int i = 0; i < 3; i++)
		close(crowd[i]);
	side_close(&a);
	fake_end(&f);
}
