/* SPDX-License-Identifier: BSD-2-Clause */
/* restart.c - a server dies, and is there again or another is. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake.h"

/* The server dies; a hears of it, once. */
static void lose(struct fake *f, struct side *a)
{
	unsigned said;

	fake_kill(f);
	cr_assert(readable_soon(a->d->news));
	said = a->d->ops->service(a->d);
	for (unsigned i = 0; i < 4; i++)
		said += a->d->ops->service(a->d);
	cr_assert_eq(said, IVDEV_LOST, "it said %x in all", said);
}

Test(restart, the_same_region)
{
	int fd[VMQ_FDS], news;
	struct fake f;
	struct side a;
	void *region;

	fake_start(&f);
	cr_assert_eq(side_join(&a, &f), 0);
	memcpy(fd, a.d->fd, sizeof(fd));
	news = a.d->news;
	region = a.d->region;
	lose(&f, &a);
	cr_assert(!readable(a.d->news), "it does not wait between two looks");
	fake_restart(&f, false);
	f.next_id = 40;
	cr_assert_eq(side_serve(&a, &f, IVDEV_BACK), IVDEV_BACK);
	cr_assert_eq(a.d->doorbell, 40);
	cr_assert_eq(a.d->vectors, 3);
	cr_assert(!memcmp(fd, a.d->fd, sizeof(fd)) && news == a.d->news && region == a.d->region);
	for (unsigned k = 0; k < VMQ_FDS; k++) {
		cr_assert_eq(write(f.peer[0].ev[k], &(uint64_t){ 1 }, 8), 8);
		assert_rung(&a, k);
	}
	side_close(&a);
	fake_end(&f);
}

Test(restart, many_times)
{
	struct fake f;
	struct side a;
	int before;

	fake_start(&f);
	cr_assert_eq(side_join(&a, &f), 0);
	before = count_fds();
	for (unsigned i = 0; i < 10; i++) {
		lose(&f, &a);
		f.vectors = i % 3 + 1;
		fake_restart(&f, false);
		side_serve(&a, &f, IVDEV_BACK);
		cr_assert_eq(a.d->vectors, f.vectors);
		/* the fake's vectors, and the device's own */
		cr_assert_eq(count_fds(), before - 2 * (3 - (int)f.vectors));
	}
	side_close(&a);
	fake_end(&f);
}

Test(restart, another_region)
{
	struct fake f;
	struct side a;

	fake_start(&f);
	cr_assert_eq(side_join(&a, &f), 0);
	lose(&f, &a);
	fake_restart(&f, true);
	cr_assert_eq(side_serve(&a, &f, IVDEV_OTHER), IVDEV_OTHER);
	/* It looks no more: a second goes by in which nothing happens. */
	cr_assert_eq(poll(&(struct pollfd){ .fd = a.d->news, .events = POLLIN }, 1, 1500), 0);
	cr_assert_eq(a.d->ops->service(a.d), 0);
	*(volatile uint8_t *)a.d->region = 1;
	a.d->ops->drain(a.d, 0);
	side_close(&a);
	fake_end(&f);
}

Test(restart, the_same_region_with_another_size)
{
	struct fake f;
	struct side a;

	fake_start(&f);
	cr_assert_eq(side_join(&a, &f), 0);
	lose(&f, &a);
	fake_restart(&f, false);
	cr_assert(!ftruncate(f.region, 2 * FAKE_SIZE));
	cr_assert_eq(side_serve(&a, &f, IVDEV_OTHER), IVDEV_OTHER);
	side_close(&a);
	fake_end(&f);
}

/* ---- eventfds of the old server's time -------------------------------------------------- */

static int told; /* what the next server gives out as peer 9's */

static void greet_with_9(struct fake *f, struct fake_peer *p)
{
	fake_say_hello(f, p);
	fake_say_peer(p, 9, 3, told);
	fake_say_own(f, p);
}

Test(restart, peers_of_before_can_be_rung_still)
{
	struct fake f;
	struct side a;
	int old, new;

	fake_start(&f);
	old = eventfd(0, EFD_CLOEXEC);
	new = eventfd(0, EFD_CLOEXEC);
	told = old;
	f.say = greet_with_9;
	cr_assert_eq(side_join(&a, &f), 0);
	lose(&f, &a);
	a.d->ops->ring(a.d, 9, 1);
	cr_assert(readable(old), "not while there is no server");
	cr_assert_eq(read(old, &(uint64_t){ 0 }, 8), 8);
	/* A server that does not know peer 9 */
	f.say = NULL;
	fake_restart(&f, false);
	side_serve(&a, &f, IVDEV_BACK);
	/* ... says that it has gone, of whom it knows nothing */
	fake_say(f.peer[0].sock, 9, -1);
	side_settle(&a);
	a.d->ops->ring(a.d, 9, 1);
	cr_assert(readable(old), "not by way of the new server");
	cr_assert_eq(read(old, &(uint64_t){ 0 }, 8), 8);
	/* ... until it names another */
	fake_say_peer(&f.peer[0], 9, 2, new);
	side_settle(&a);
	a.d->ops->ring(a.d, 9, 1);
	cr_assert(readable(new) && !readable(old));
	cr_assert_eq(read(new, &(uint64_t){ 0 }, 8), 8);
	a.d->ops->ring(a.d, 9, 2);
	cr_assert(!readable(new) && !readable(old), "the old one's third vector was kept");
	side_close(&a);
	close(old);
	close(new);
	fake_end(&f);
}

/* Own eventfds of before are what peers of before know: they work until there are new ones. */
Test(restart, own_bells_of_before_ring_still)
{
	struct fake f;
	struct side a;
	int ev;

	fake_start(&f);
	cr_assert_eq(side_join(&a, &f), 0);
	ev = dup(f.peer[0].ev[0]);
	lose(&f, &a);
	cr_assert_eq(write(ev, &(uint64_t){ 1 }, 8), 8);
	assert_rung(&a, 0);
	fake_restart(&f, false);
	side_serve(&a, &f, IVDEV_BACK);
	cr_assert_eq(write(ev, &(uint64_t){ 1 }, 8), 8);
	cr_assert(!readable(a.d->fd[0]), "the old one is in the set still");
	side_close(&a);
	close(ev);
	fake_end(&f);
}

/* ---- servers that lie the second time ----------------------------------------------------- */

static unsigned lied;

static void lie_thrice(struct fake *f, struct fake_peer *p)
{
	switch (lied++) {
	case 0:
		fake_say(p->sock, 1, -1);
		break;
	case 1:
		shutdown(p->sock, SHUT_RDWR);
		break;
	case 2:
		fake_say_hello(f, p);
		fake_say(p->sock, p->id, p->ev[0]);
		fake_say(p->sock, -5, -1);
		break;
	default:
		fake_greet(f, p);
	}
}

Test(restart, it_lies_at_first)
{
	struct fake f;
	struct side a;

	fake_start(&f);
	cr_assert_eq(side_join(&a, &f), 0);
	lose(&f, &a);
	f.say = lie_thrice;
	fake_restart(&f, false);
	cr_assert_eq(side_serve(&a, &f, IVDEV_BACK), IVDEV_BACK);
	cr_assert_eq(lied, 4);
	/* own bells of before were kept through all of it; now they are the new server's */
	cr_assert_eq(a.d->vectors, 3);
	side_close(&a);
	fake_end(&f);
}

Test(restart, garbage_while_it_is_up)
{
	struct fake f;
	struct side a;

	fake_start(&f);
	cr_assert_eq(side_join(&a, &f), 0);
	fake_say(f.peer[0].sock, -2, f.region);
	cr_assert_eq(side_serve(&a, &f, IVDEV_BACK), IVDEV_LOST | IVDEV_BACK);
	cr_assert_eq(a.d->doorbell, 1);
	side_close(&a);
	fake_end(&f);
}

/* It is silent: the device looks again after a while, and never hangs. */
static void silent_once(struct fake *f, struct fake_peer *p)
{
	if (lied++)
		fake_greet(f, p);
}

Test(restart, it_is_silent_at_first)
{
	struct fake f;
	struct side a;

	fake_start(&f);
	cr_assert_eq(side_join(&a, &f), 0);
	lose(&f, &a);
	f.say = silent_once;
	fake_restart(&f, false);
	cr_assert_eq(side_serve(&a, &f, IVDEV_BACK), IVDEV_BACK);
	cr_assert_eq(lied, 2);
	side_close(&a);
	fake_end(&f);
}

/* ---- the table of peers is full of the old server's ------------------------------------- */

Test(restart, old_peers_make_room_for_new_ones)
{
	struct fake f;
	struct side a;
	int ev;

	fake_start(&f);
	ev = eventfd(0, EFD_CLOEXEC);
	cr_assert_eq(side_join(&a, &f), 0);
	for (uint32_t id = 100; id < 500; id++) {
		fake_say_peer(&f.peer[0], id, 1, f.region);
		side_settle(&a);
	}
	lose(&f, &a);
	fake_restart(&f, false);
	side_serve(&a, &f, IVDEV_BACK);
	for (uint32_t id = 1000; id < 1004; id++)
		fake_say_peer(&f.peer[0], id, 1, ev);
	side_settle(&a);
	for (uint32_t id = 1000; id < 1004; id++) {
		a.d->ops->ring(a.d, id, 0);
		cr_assert(readable(ev), "peer %u", id);
		cr_assert_eq(read(ev, &(uint64_t){ 0 }, 8), 8);
	}
	side_close(&a);
	close(ev);
	fake_end(&f);
}
