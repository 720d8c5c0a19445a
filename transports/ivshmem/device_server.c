/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_server.c - a host program as a peer at an ivshmem server's socket, QEMU's own
 * server or ours.
 *
 * fd[kind] is a set that holds bell[kind] and the own eventfd of that vector, so that it
 * stays the same while servers and their eventfds come and go. news is a set too: of the
 * connection, and of a timer for all that has a time limit.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "loop.h"
#include "packet.h"
#include "server.h"

#define GREET_MS 5000 /* for all of a greeting */
#define QUIET_MS 100  /* nothing more is to come */
#define AGAIN_MS 100  /* between two looks for a server */
#define LIED_MS 1000  /* ... after one that was of no use */

static struct vmq__iv_server *server_of(struct vmq__ivdev *d)
{
	return (struct vmq__iv_server *)d;
}

static uint64_t in_ms(int ms)
{
	return vmq__loop_deadline((int64_t)ms * 1000000);
}

/* ---- the connection --------------------------------------------------------------- */

static void hang_up(struct vmq__iv_server *s)
{
	if (s->sock < 0)
		return;
	epoll_ctl(s->d.news, EPOLL_CTL_DEL, s->sock, NULL);
	close(s->sock);
	s->sock = -1;
	vmq__iv_greet_reset(s);
}

static int dialled(struct vmq__iv_server *s)
{
	if (connect(s->sock, (struct sockaddr *)&s->at, s->at_len))
		return errno == EAGAIN ? VMQ_EAGAIN : vmq__ivdev_errno(errno);
	if (!vmq__packet_trusted(s->sock, NULL)) {
		s->lie = "is another user's";
		return VMQ_EACCES;
	}
	return vmq__loop_watch(s->d.news, s->sock, NULL);
}

/* 0: connected. VMQ_EAGAIN: too many others want to be. errno is kept. */
static int dial(struct vmq__iv_server *s)
{
	int rc, e;

	s->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->sock < 0)
		return vmq__errno(errno);
	vmq__iv_greet_reset(s);
	rc = dialled(s);
	if (rc) {
		e = errno;
		close(s->sock);
		s->sock = -1;
		errno = e;
		return rc;
	}
	s->life++;
	s->state = IV_GREET;
	s->until = in_ms(GREET_MS);
	s->quiet = in_ms(QUIET_MS);
	return 0;
}

/* ---- what an endpoint calls --------------------------------------------------------- */

static void server_ring(struct vmq__ivdev *d, uint32_t doorbell, uint32_t vector)
{
	struct vmq__iv_server *s = server_of(d);

	pthread_mutex_lock(&s->lock);
	vmq__iv_peers_ring(&s->peers, doorbell, vector);
	pthread_mutex_unlock(&s->lock);
}

static bool server_drain(struct vmq__ivdev *d, unsigned kind)
{
	struct vmq__iv_server *s = server_of(d);
	bool rung = vmq__ivdev_drain_bell(d, kind);
	int own = 0;

	if (kind >= VMQ_FDS)
		return false;
	pthread_mutex_lock(&s->lock);
	if (s->own[kind] >= 0)
		own = vmq__ivdev_hush(s->own[kind]);
	/* What cannot be silenced must not keep anybody awake. */
	if (own < 0)
		epoll_ctl(d->fd[kind], EPOLL_CTL_DEL, s->own[kind], NULL);
	pthread_mutex_unlock(&s->lock);
	return rung || own > 0;
}

/* The timer rings when the state has to change if nothing is heard before. */
static void arm(struct vmq__iv_server *s)
{
	struct itimerspec t = { { 0, 0 }, { 0, 0 } };
	uint64_t at = s->until, count;

	if (read(s->timer, &count, sizeof(count)) < 0)
		count = 0; /* it had not rung */
	if (s->state == IV_GREET && s->step == IV_VECTORS && s->quiet < at)
		at = s->quiet;
	if (s->state == IV_LOST || s->state == IV_GREET) {
		int left = vmq__loop_left(at);

		t.it_value.tv_sec = left / 1000;
		t.it_value.tv_nsec = left % 1000 * 1000000 + 1;
	}
	timerfd_settime(s->timer, 0, &t, NULL);
}

static unsigned ended(struct vmq__iv_server *s, int code)
{
	bool up = s->state == IV_UP;

	hang_up(s);
	s->state = IV_LOST;
	s->until = in_ms(up ? AGAIN_MS : LIED_MS);
	if (code != VMQ_ESTALE)
		return up ? IVDEV_LOST : 0;
	s->state = IV_OVER;
	return IVDEV_OTHER;
}

static unsigned look(struct vmq__iv_server *s)
{
	int rc;

	if (vmq__loop_left(s->until))
		return 0;
	rc = dial(s);
	if (rc)
		s->until = in_ms(rc == VMQ_ECONN || rc == VMQ_EAGAIN ? AGAIN_MS : LIED_MS);
	return 0;
}

static unsigned listen_on(struct vmq__iv_server *s)
{
	uint32_t vectors = s->d.vectors, heard = s->heard;
	int rc = vmq__iv_greet_take(s);

	if (rc && rc != VMQ_EAGAIN)
		return ended(s, rc);
	if (s->state == IV_UP)
		return s->d.vectors != vectors ? IVDEV_BACK : 0;
	if (s->heard != heard)
		s->quiet = in_ms(QUIET_MS);
	if (vmq__iv_greet_done(s, !vmq__loop_left(s->quiet) || !vmq__loop_left(s->until))) {
		vmq__iv_greet_adopt(s);
		return IVDEV_BACK;
	}
	return vmq__loop_left(s->until) ? 0 : ended(s, VMQ_ECONN);
}

static unsigned server_service(struct vmq__ivdev *d)
{
	struct vmq__iv_server *s = server_of(d);
	unsigned found = 0;

	if (s->state == IV_LOST)
		found |= look(s);
	if (s->state == IV_GREET || s->state == IV_UP)
		found |= listen_on(s);
	arm(s);
	return found;
}

static void server_close(struct vmq__ivdev *d)
{
	struct vmq__iv_server *s = server_of(d);

	hang_up(s);
	vmq__iv_peers_free(&s->peers);
	for (unsigned k = 0; k < VMQ_FDS; k++) {
		vmq__loop_close(s->own[k]);
		vmq__loop_close(d->fd[k]);
	}
	vmq__loop_close(s->timer);
	vmq__loop_close(d->news);
	if (d->region)
		munmap(d->region, d->size);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct vmq__ivdev_ops server_ops = {
	.close = server_close,
	.ring = server_ring,
	.drain = server_drain,
	.service = server_service,
};

/* ---- open ------------------------------------------------------------------------------ */

static struct vmq__iv_server *server_new(const int bell[VMQ_FDS], const struct vmq__ivdev_why *why)
{
	struct vmq__iv_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	vmq__ivdev_init(&s->d, &server_ops, bell);
	pthread_mutex_init(&s->lock, NULL);
	vmq__iv_peers_init(&s->peers);
	s->why = why;
	s->sock = s->timer = s->wire.msg.fd = -1;
	for (unsigned k = 0; k < VMQ_FDS; k++)
		s->own[k] = s->greeted[k] = s->d.fd[k] = -1;
	return s;
}

static int make_sets(struct vmq__iv_server *s)
{
	int rc;

	s->d.news = epoll_create1(EPOLL_CLOEXEC);
	s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->d.news < 0 || s->timer < 0)
		return vmq__errno(errno);
	rc = vmq__loop_watch(s->d.news, s->timer, NULL);
	for (unsigned k = 0; k < VMQ_FDS && !rc; k++) {
		s->d.fd[k] = epoll_create1(EPOLL_CLOEXEC);
		if (s->d.fd[k] < 0)
			return vmq__errno(errno);
		rc = vmq__loop_watch(s->d.fd[k], s->d.bell[k], NULL);
	}
	return rc;
}

static int first_dial(struct vmq__iv_server *s, const char *path)
{
	const struct timespec moment = { 0, 10000000 };
	uint64_t until = in_ms(GREET_MS);
	int rc = dial(s);
	char text[250];

	while (rc == VMQ_EAGAIN && vmq__loop_left(until)) {
		nanosleep(&moment, NULL);
		rc = dial(s);
	}
	if (!rc) {
		s->until = until;
		return 0;
	}
	if (rc == VMQ_EAGAIN) {
		rc = VMQ_ECONN;
		s->lie = "lets nobody in";
	}
	if (s->lie)
		return s->why->fail(s->why->ctx, rc, "the server at %.120s %s", path, s->lie);
	rc = vmq__packet_unreached("no ivshmem server at", path, errno, text, sizeof(text));
	return s->why->fail(s->why->ctx, rc, "%s", text);
}

static int greeting(struct vmq__iv_server *s)
{
	struct pollfd p = { .fd = s->sock, .events = POLLIN };
	int rc = 0;

	while (!vmq__iv_greet_done(s, false)) {
		int left = vmq__loop_left(s->until);
		int wait = s->step == IV_VECTORS && left > QUIET_MS ? QUIET_MS : left;

		rc = left ? poll(&p, 1, wait) : 0;
		if (!rc)
			return vmq__iv_greet_done(s, true) ? 0 : VMQ_ETIMEDOUT;
		rc = vmq__iv_greet_take(s);
		if (rc && rc != VMQ_EAGAIN)
			return rc;
	}
	return 0;
}

static int greeted(struct vmq__iv_server *s, const char *path)
{
	int rc = greeting(s);

	if (rc == VMQ_ETIMEDOUT)
		s->lie = "does not say what an ivshmem server says";
	else if (rc == VMQ_ECONN)
		s->lie = "turned us away: it is full, or does not let this user in";
	rc = rc == VMQ_ETIMEDOUT ? VMQ_ECONN : rc;
	if (rc && s->lie)
		s->why->fail(s->why->ctx, rc, "the server at %.120s %s", path, s->lie);
	return rc;
}

int vmq__ivdev_server(const char *path, const int bell[VMQ_FDS], const struct vmq__ivdev_why *why,
	struct vmq__ivdev **d)
{
	struct vmq__iv_server *s = server_new(bell, why);
	int rc;

	if (!s)
		return VMQ_ENOMEM;
	if (vmq__packet_address(path, &s->at, &s->at_len))
		rc = why->fail(why->ctx, VMQ_EURI, "'%.120s' cannot be a socket's path: that has 1 to %u "
			"bytes", path, PACKET_PATH_MAX);
	else
		rc = make_sets(s);
	if (!rc)
		rc = first_dial(s, path);
	if (!rc)
		rc = greeted(s, path);
	s->why = NULL;
	if (rc) {
		server_close(&s->d);
		return rc;
	}
	vmq__iv_greet_adopt(s);
	*d = &s->d;
	return 0;
}
