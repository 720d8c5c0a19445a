/* SPDX-License-Identifier: BSD-2-Clause */
/* fake.c - an ivshmem server that says what a test wants. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake.h"

/* ---- the server ------------------------------------------------------------------- */

static int new_region(void)
{
	int fd = memfd_create("region", MFD_CLOEXEC);

	cr_assert(fd >= 0 && !ftruncate(fd, FAKE_SIZE));
	return fd;
}

static void listen_there(struct fake *f)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strcpy(a.sun_path, f->path);
	unlink(f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert(f->listener >= 0);
	cr_assert(!bind(f->listener, (struct sockaddr *)&a, sizeof(a)) && !listen(f->listener, 8));
}

void fake_start(struct fake *f)
{
	memset(f, 0, sizeof(*f));
	f->fds = count_fds();
	scratch_make(f->dir, sizeof(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/server", f->dir);
	f->vectors = 3;
	f->region = new_region();
	listen_there(f);
}

static void forget(struct fake_peer *p)
{
	close(p->sock);
	for (unsigned v = 0; v < FAKE_VECTORS; v++)
		if (p->ev[v] >= 0)
			close(p->ev[v]);
}

void fake_kill(struct fake *f)
{
	for (; f->count; f->count--)
		forget(&f->peer[f->count - 1]);
	if (f->listener >= 0)
		close(f->listener);
	f->listener = -1;
}

void fake_restart(struct fake *f, bool region)
{
	if (region) {
		close(f->region);
		f->region = new_region();
	}
	listen_there(f);
}

void fake_end(struct fake *f)
{
	fake_kill(f);
	close(f->region);
	scratch_remove(f->dir);
	cr_assert_eq(count_fds(), f->fds, "descriptors leak");
}

void fake_say_raw(int sock, const void *bytes, size_t len, int fd, unsigned n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 64)] = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n) {
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n);
		for (unsigned i = 0; i < n; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
	}
	/* Who listens may have hung up at the last lie. */
	cr_assert(sendmsg(sock, &m, MSG_NOSIGNAL) == (ssize_t)len || errno == EPIPE || errno == ECONNRESET);
}

void fake_say(int sock, int64_t value, int fd)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)((uint64_t)value >> 8 * i);
	fake_say_raw(sock, bytes, sizeof(bytes), fd, fd >= 0);
}

void fake_say_hello(struct fake *f, struct fake_peer *p)
{
	fake_say(p->sock, 0, -1);
	fake_say(p->sock, p->id, -1);
	fake_say(p->sock, -1, f->region);
}

void fake_say_own(struct fake *f, struct fake_peer *p)
{
	for (unsigned v = 0; v < f->vectors; v++)
		fake_say(p->sock, p->id, p->ev[v]);
}

void fake_say_peer(struct fake_peer *to, uint32_t id, unsigned n, int ev)
{
	while (n--)
		fake_say(to->sock, id, ev);
}

void fake_greet(struct fake *f, struct fake_peer *p)
{
	fake_say_hello(f, p);
	for (struct fake_peer *o = f->peer; o < p; o++)
		for (unsigned v = 0; v < f->vectors; v++)
			fake_say(o->sock, p->id, p->ev[v]);
	for (struct fake_peer *o = f->peer; o < p; o++)
		for (unsigned v = 0; v < f->vectors; v++)
			fake_say(p->sock, o->id, o->ev[v]);
	fake_say_own(f, p);
}

struct fake_peer *fake_accept(struct fake *f)
{
	struct fake_peer *p = &f->peer[f->count];
	struct pollfd w = { .fd = f->listener, .events = POLLIN };

	cr_assert(f->count < FAKE_PEERS && poll(&w, 1, PATIENCE_MS) == 1);
	p->sock = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	cr_assert(p->sock >= 0);
	p->id = f->next_id++;
	for (unsigned v = 0; v < FAKE_VECTORS; v++)
		p->ev[v] = v < f->vectors ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	f->count++;
	(f->say ? f->say : fake_greet)(f, p);
	return p;
}

/* ---- devices ------------------------------------------------------------------------ */

static int why_fail(void *ctx, int code, const char *format, ...)
{
	struct side *s = ctx;
	va_list args;

	va_start(args, format);
	vsnprintf(s->text, sizeof(s->text), format, args);
	va_end(args);
	return code;
}

void side_bells(struct side *s)
{
	memset(s, 0, sizeof(*s));
	for (unsigned k = 0; k < VMQ_FDS; k++)
		s->bell[k] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void drop_bells(struct side *s)
{
	for (unsigned k = 0; k < VMQ_FDS; k++)
		close(s->bell[k]);
}

int side_try(struct side *s, const char *address)
{
	const struct vmq__ivdev_why why = { why_fail, s };
	int rc = vmq__ivdev_open(address, s->bell, &why, &s->d);

	if (rc)
		drop_bells(s);
	return rc;
}

int side_open(struct side *s, const char *address)
{
	side_bells(s);
	return side_try(s, address);
}

static void *accept_one(void *arg)
{
	fake_accept(arg);
	return NULL;
}

int side_join(struct side *s, struct fake *f)
{
	char address[128];
	pthread_t thread;
	int rc;

	snprintf(address, sizeof(address), "unix=%s", f->path);
	cr_assert(!pthread_create(&thread, NULL, accept_one, f));
	rc = side_open(s, address);
	pthread_join(thread, NULL);
	return rc;
}

void side_close(struct side *s)
{
	s->d->ops->close(s->d);
	drop_bells(s);
}

unsigned side_serve(struct side *s, struct fake *f, unsigned bits)
{
	uint64_t until = now_ns() + PATIENCE;
	unsigned said = 0;

	while ((said & bits) != bits) {
		struct pollfd p[2] = { { .fd = s->d->news, .events = POLLIN },
			{ .fd = f->listener, .events = POLLIN } };

		cr_assert(now_ns() < until, "the device said %x, not %x", said, bits);
		poll(p, 2, 1000);
		if (p[1].revents & POLLIN)
			fake_accept(f);
		said |= s->d->ops->service(s->d);
	}
	return said;
}

unsigned side_settle(struct side *s)
{
	uint64_t until = now_ns() + PATIENCE;
	unsigned said = 0;

	do
		said |= s->d->ops->service(s->d);
	while (readable(s->d->news) && now_ns() < until);
	cr_assert(!readable(s->d->news));
	return said;
}

bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

bool readable_soon(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, PATIENCE_MS) > 0;
}

void assert_rung(struct side *s, unsigned kind)
{
	cr_assert(readable_soon(s->d->fd[kind]), "kind %u does not wake", kind);
	for (unsigned k = 0; k < VMQ_FDS; k++)
		cr_assert(k == kind || !readable(s->d->fd[k]), "%u wakes too", k);
	cr_assert(s->d->ops->drain(s->d, kind));
	cr_assert(!readable(s->d->fd[kind]));
	cr_assert(!s->d->ops->drain(s->d, kind));
}
