/* SPDX-License-Identifier: BSD-2-Clause */
/* lies.c - devices at servers that lie, in all ways that come to mind: no crash, no hang,
 * no descriptors that run out. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake.h"

static void hang_up(struct fake_peer *p)
{
	shutdown(p->sock, SHUT_RDWR);
}

/* ---- greetings that are refused -------------------------------------------------------- */

static void silent(struct fake *f, struct fake_peer *p)
{
	(void)f;
	(void)p;
}

static void silent_after_id(struct fake *f, struct fake_peer *p)
{
	(void)f;
	fake_say(p->sock, 0, -1);
	fake_say(p->sock, 3, -1);
}

static void half_a_message(struct fake *f, struct fake_peer *p)
{
	fake_say_raw(p->sock, "\0\0\0", 3, f->region, 1);
}

static void version_1(struct fake *f, struct fake_peer *p)
{
	(void)f;
	fake_say(p->sock, 1, -1);
}

static void another_protocol(struct fake *f, struct fake_peer *p)
{
	(void)f;
	fake_say_raw(p->sock, "220 mail.example ESMTP\r\n", 24, -1, 0);
}

static void version_with_fd(struct fake *f, struct fake_peer *p)
{
	fake_say(p->sock, 0, f->region);
}

static void id_70000(struct fake *f, struct fake_peer *p)
{
	(void)f;
	fake_say(p->sock, 0, -1);
	fake_say(p->sock, 70000, -1);
}

static void id_negative(struct fake *f, struct fake_peer *p)
{
	(void)f;
	fake_say(p->sock, 0, -1);
	fake_say(p->sock, -7, -1);
}

static void id_of_64_bits(struct fake *f, struct fake_peer *p)
{
	(void)f;
	fake_say(p->sock, 0, -1);
	fake_say(p->sock, 1ll << 32, -1);
}

static void no_region(struct fake *f, struct fake_peer *p)
{
	p->id = 3;
	fake_say(p->sock, 0, -1);
	fake_say(p->sock, p->id, -1);
	fake_say(p->sock, -1, -1);
	fake_say_own(f, p);
}

static void vectors_before_the_region(struct fake *f, struct fake_peer *p)
{
	fake_say(p->sock, 0, -1);
	fake_say(p->sock, p->id, -1);
	fake_say_own(f, p);
}

static void says_region(struct fake_peer *p, int fd)
{
	fake_say(p->sock, 0, -1);
	fake_say(p->sock, p->id, -1);
	fake_say(p->sock, -1, fd);
	close(fd);
}

static void region_of(struct fake_peer *p, off_t size)
{
	int fd = memfd_create("lie", MFD_CLOEXEC);

	cr_assert(!ftruncate(fd, size));
	says_region(p, fd);
}

static void region_empty(struct fake *f, struct fake_peer *p)
{
	(void)f;
	region_of(p, 0);
}

static void region_odd(struct fake *f, struct fake_peer *p)
{
	(void)f;
	region_of(p, 3 << 20);
}

static void region_small(struct fake *f, struct fake_peer *p)
{
	(void)f;
	region_of(p, VMQ_IVSHMEM_REGION_MIN / 2);
}

static void region_a_pipe(struct fake *f, struct fake_peer *p)
{
	int fds[2];

	(void)f;
	cr_assert(!pipe(fds));
	close(fds[1]);
	says_region(p, fds[0]);
}

static void region_an_eventfd(struct fake *f, struct fake_peer *p)
{
	(void)f;
	says_region(p, eventfd(0, EFD_CLOEXEC));
}

static void region_read_only(struct fake *f, struct fake_peer *p)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->region);
	says_region(p, open(path, O_RDONLY | O_CLOEXEC));
}

static void closes_at_once(struct fake *f, struct fake_peer *p)
{
	(void)f;
	hang_up(p);
}

static void closes_after_region(struct fake *f, struct fake_peer *p)
{
	fake_say_hello(f, p);
	hang_up(p);
}

static void says_we_have_gone(struct fake *f, struct fake_peer *p)
{
	fake_say_hello(f, p);
	fake_say(p->sock, p->id, -1);
}

static void speaks_of_peer_70000(struct fake *f, struct fake_peer *p)
{
	fake_say_hello(f, p);
	fake_say(p->sock, 70000, f->region);
}

static void region_twice(struct fake *f, struct fake_peer *p)
{
	fake_say_hello(f, p);
	fake_say(p->sock, -1, f->region);
}

struct lie {
	const char *name;
	void (*say)(struct fake *f, struct fake_peer *p);
	int code;
};

static struct lie lies[] = {
	{ "silent", silent, VMQ_ECONN },
	{ "silent after its id", silent_after_id, VMQ_ECONN },
	{ "half a message", half_a_message, VMQ_ECONN },
	{ "version 1", version_1, VMQ_EVERSION },
	{ "another protocol", another_protocol, VMQ_EPROTO },
	{ "version with a descriptor", version_with_fd, VMQ_EPROTO },
	{ "id 70000", id_70000, VMQ_EPROTO },
	{ "id -7", id_negative, VMQ_EPROTO },
	{ "id 2^32", id_of_64_bits, VMQ_EPROTO },
	{ "no region", no_region, VMQ_EPROTO },
	{ "vectors before the region", vectors_before_the_region, VMQ_EPROTO },
	{ "empty region", region_empty, VMQ_EPROTO },
	{ "region of 3 MiB", region_odd, VMQ_EPROTO },
	{ "region of 128 KiB", region_small, VMQ_EPROTO },
	{ "region is a pipe", region_a_pipe, VMQ_EPROTO },
	{ "region is an eventfd", region_an_eventfd, VMQ_EPROTO },
	{ "region cannot be written", region_read_only, VMQ_EACCES },
	{ "closes at once", closes_at_once, VMQ_ECONN },
	{ "closes after the region", closes_after_region, VMQ_ECONN },
	{ "we have gone", says_we_have_gone, VMQ_EPROTO },
	{ "peer 70000", speaks_of_peer_70000, VMQ_EPROTO },
	{ "two regions", region_twice, VMQ_EPROTO },
};

Test(lies, greetings_are_refused)
{
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct fake f;
		struct side a;
		int rc;

		fake_start(&f);
		f.say = lies[i].say;
		rc = side_join(&a, &f);
		cr_assert_eq(rc, lies[i].code, "%s: %s (%s)", lies[i].name, vmq_strerror(rc), a.text);
		cr_assert(a.text[0], "%s: it does not say why", lies[i].name);
		fake_end(&f);
	}
}

/* ---- floods ------------------------------------------------------------------------------ */

static void say_flood_of_fds(struct fake *f, struct fake_peer *p)
{
	uint8_t id[8] = { 200 };

	fake_say_hello(f, p);
	for (unsigned i = 0; i < 40; i++)
		fake_say_raw(p->sock, id, 8, p->ev[0], 50);
	for (unsigned i = 0; i < 8; i++) /* one message with as many as there are bytes */
		fake_say_raw(p->sock, id + i, 1, p->ev[0], 30);
	fake_say_own(f, p);
}

Test(lies, descriptors_that_nobody_asked_for)
{
	struct fake f;
	struct side a;
	int before;

	fake_start(&f);
	f.say = say_flood_of_fds;
	before = count_fds();
	cr_assert_eq(side_join(&a, &f), 0);
	/* The fake's 4, the device's 5 and 3 of its own, 3 bells, 3 of peer 200; not 2,000. */
	cr_assert_leq(count_fds(), before + 20);
	a.d->ops->ring(a.d, 200, 2);
	assert_rung(&a, 0);
	side_close(&a);
	fake_end(&f);
}

#define CROWD 5000

static void say_crowd(struct fake *f, struct fake_peer *p)
{
	fake_say_hello(f, p);
	for (uint32_t id = 1; id <= CROWD; id++)
		fake_say_peer(p, id, 3, p->ev[1]);
	fake_say_own(f, p);
}

Test(lies, thousands_of_peers)
{
	struct rlimit limit;
	struct fake f;
	struct side a;

	cr_assert(!getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_cur < 600 ? limit.rlim_cur : 600;
	cr_assert(!setrlimit(RLIMIT_NOFILE, &limit));
	fake_start(&f);
	f.say = say_crowd;
	cr_assert_eq(side_join(&a, &f), 0);
	cr_assert_eq(a.d->vectors, 3);
	cr_assert_leq(count_fds(), f.fds + (int)limit.rlim_cur / 2 + 20);
	a.d->ops->ring(a.d, 1, 0);
	assert_rung(&a, 1);
	a.d->ops->ring(a.d, CROWD, 0);
	cr_assert(!readable(a.d->fd[1]));
	/* Who goes makes room. */
	fake_say(f.peer[0].sock, 1, -1);
	fake_say_peer(&f.peer[0], CROWD, 1, f.peer[0].ev[1]);
	side_settle(&a);
	a.d->ops->ring(a.d, CROWD, 0);
	assert_rung(&a, 1);
	side_close(&a);
	fake_end(&f);
}

static void *talk_on(void *arg)
{
	struct fake_peer *p = arg;
	uint8_t one[4096] = { 0 };

	/* Peer 9 goes, over and over, until the device hangs up. */
	for (size_t i = 0; i < sizeof(one); i += 8)
		one[i] = 9;
	while (send(p->sock, one, sizeof(one), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

static pthread_t talker;

static void say_without_end(struct fake *f, struct fake_peer *p)
{
	fake_say_hello(f, p);
	cr_assert(!pthread_create(&talker, NULL, talk_on, p));
}

Test(lies, a_server_that_never_stops_talking)
{
	struct fake f;
	struct side a;

	fake_start(&f);
	f.say = say_without_end;
	cr_assert_eq(side_join(&a, &f), 0);
	cr_assert_eq(a.d->vectors, 0);
	for (unsigned i = 0; i < 100; i++)
		cr_assert_eq(a.d->ops->service(a.d), 0);
	side_close(&a);
	pthread_join(talker, NULL);
	fake_end(&f);
}

Test(lies, much_at_once_is_taken_in_parts)
{
	uint8_t much[64 * 1024] = { 0 };
	struct fake f;
	struct side a;

	fake_start(&f);
	cr_assert_eq(side_join(&a, &f), 0);
	for (size_t i = 0; i < sizeof(much); i += 8)
		much[i] = 9;
	fake_say_raw(f.peer[0].sock, much, sizeof(much), -1, 0);
	cr_assert_eq(a.d->ops->service(a.d), 0);
	cr_assert(readable(a.d->news), "one call takes whatever there is");
	side_settle(&a);
	side_close(&a);
	fake_end(&f);
}
