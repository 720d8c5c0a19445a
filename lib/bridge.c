/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge.c - joins the VMs of this VMM with those of others: opened, run, closed. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bridge.h"
#include "internal.h"
#include "loop.h"

#define EVENTS 64
#define ROUNDS 64 /* of VMQ_NOWAIT, whatever others send meanwhile */
#define RETRY_DEFAULT_MS 100

/* ---- log ------------------------------------------------------------------------ */

/* The lock is held now; it is said without it. */
void vmq__bridge_log(struct vmq_bridge *b, const char *format, ...)
{
	struct bridge_line *line = b->log ? malloc(sizeof(*line) + 300) : NULL;
	va_list args;

	if (!line)
		return;
	va_start(args, format);
	vsnprintf(line->text, 300, format, args);
	va_end(args);
	line->next = NULL;
	*b->last_line = line;
	b->last_line = &line->next;
}

static void say_lines(struct vmq_bridge *b)
{
	struct bridge_line *line, *next;

	pthread_mutex_lock(&b->vmm->lock);
	line = b->lines;
	b->lines = NULL;
	b->last_line = &b->lines;
	pthread_mutex_unlock(&b->vmm->lock);
	for (; line; line = next) {
		next = line->next;
		b->log(b->ctx, line->text);
		free(line);
	}
}

/* ---- open and close ----------------------------------------------------------------- */

static int fail(const struct vmq_bridge_options *o, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vmq__explain(o->errmsg, o->errlen, code, format, args);
	va_end(args);
	return code;
}

static int listen_at(struct vmq_bridge *b, const struct vmq_bridge_options *o)
{
	b->sock = vmq__packet_listen(o->path);
	if (b->sock == VMQ_EINVAL)
		return fail(o, VMQ_EINVAL, "'%.120s' cannot be a socket's path", o->path);
	if (b->sock == VMQ_EEXIST && vmq__packet_blocked(o->path))
		return fail(o, VMQ_EEXIST, "%s is there, and is no socket", o->path);
	if (b->sock == VMQ_EEXIST)
		return fail(o, VMQ_EEXIST, "somebody listens at %s already", o->path);
	if (b->sock < 0)
		return fail(o, b->sock, "%s: %s", o->path, strerror(errno));
	strcpy(b->path, o->path);
	return vmq__loop_watch(b->epfd, b->sock, &b->sock);
}

static int set_up(struct vmq_bridge *b, const struct vmq_bridge_options *o)
{
	int rc;

	if (getrandom(&b->instance, sizeof(b->instance), 0) != sizeof(b->instance))
		return vmq__errno(errno);
	b->instance |= 1; /* 0 is nobody */
	b->epfd = epoll_create1(EPOLL_CLOEXEC);
	b->stopfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	b->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (b->epfd < 0 || b->stopfd < 0 || b->timerfd < 0)
		return vmq__errno(errno);
	rc = vmq__loop_watch(b->epfd, b->stopfd, &b->stopfd);
	if (!rc)
		rc = vmq__loop_watch(b->epfd, b->timerfd, &b->timerfd);
	return rc || !o->path ? rc : listen_at(b, o);
}

static void bridge_free(struct vmq_bridge *b)
{
	if (b->path[0])
		unlink(b->path);
	vmq__loop_close(b->sock);
	vmq__loop_close(b->stopfd);
	vmq__loop_close(b->timerfd);
	vmq__loop_close(b->epfd);
	while (b->targets) {
		struct far_target *t = b->targets;

		b->targets = t->next;
		free(t);
	}
	free(b);
}

/* One bridge for a VMM. */
static int claim(struct vmq_vmm *vmm, struct vmq_bridge *b)
{
	int rc = 0;

	pthread_mutex_lock(&vmm->lock);
	if (vmm->bridge)
		rc = VMQ_EBUSY;
	else
		vmm->bridge = b;
	pthread_mutex_unlock(&vmm->lock);
	return rc;
}

int vmq_bridge_open(struct vmq_vmm *vmm, const struct vmq_bridge_options *o, struct vmq_bridge **out)
{
	struct vmq_bridge *b;
	int rc;

	if (!vmm)
		return VMQ_EBADF;
	if (!o || !out || !vmq__sized_in(o, sizeof(*o)))
		return VMQ_EINVAL;
	if (o->errmsg && o->errlen)
		o->errmsg[0] = 0;
	b = calloc(1, sizeof(*b));
	if (!b)
		return fail(o, VMQ_ENOMEM, "%s", vmq_strerror(VMQ_ENOMEM));
	b->vmm = vmm;
	b->sock = b->epfd = b->stopfd = b->timerfd = -1;
	b->retry_ms = o->retry_ms ? o->retry_ms : RETRY_DEFAULT_MS;
	b->log = o->log;
	b->ctx = o->ctx;
	b->last_line = &b->lines;
	rc = set_up(b, o);
	if (!rc)
		rc = claim(vmm, b);
	if (rc) {
		bridge_free(b);
		return fail(o, rc, "%s", vmq_strerror(rc));
	}
	*out = b;
	return 0;
}

int vmq_bridge_close(struct vmq_bridge *b)
{
	if (!b)
		return VMQ_EBADF;
	pthread_mutex_lock(&b->vmm->lock);
	while (b->fars) {
		vmq__span_goodbye(b->fars);
		vmq__far_drop(b->fars, "", false);
	}
	vmq__far_reap(b);
	b->vmm->bridge = NULL;
	pthread_mutex_unlock(&b->vmm->lock);
	say_lines(b);
	bridge_free(b);
	return 0;
}

/* ---- whom to call ---------------------------------------------------------------------- */

static void timer(const struct vmq_bridge *b, uint64_t ns)
{
	struct itimerspec t = { .it_value = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) } };

	timerfd_settime(b->timerfd, 0, &t, NULL);
}

void vmq__bridge_rearm(struct vmq_bridge *b)
{
	if (b->deaf || vmq__dial_wanted(b))
		timer(b, b->retry_ms * 1000000ull);
}

int vmq_bridge_connect(struct vmq_bridge *b, const char *path)
{
	char sun[256];
	unsigned len;
	struct far_target *t;

	if (!b)
		return VMQ_EBADF;
	if (!path || vmq__packet_address(path, sun, &len))
		return VMQ_EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return VMQ_ENOMEM;
	strcpy(t->path, path);
	pthread_mutex_lock(&b->vmm->lock);
	t->next = b->targets;
	b->targets = t;
	timer(b, 1);
	pthread_mutex_unlock(&b->vmm->lock);
	return 0;
}

int vmq__bridge_answer(struct vmq_bridge *b, int *error)
{
	const struct far_target *t;
	int rc = VMQ_EAGAIN;

	pthread_mutex_lock(&b->vmm->lock);
	t = b->targets;
	*error = t && !t->far ? t->error : 0;
	if (t && t->far)
		rc = t->far->answer;
	else if (t && t->code)
		rc = t->code;
	pthread_mutex_unlock(&b->vmm->lock);
	return rc;
}

/* ---- run ------------------------------------------------------------------------------- */

/* Out of descriptors, a waiting caller would wake us for ever: look again later. */
static void deaf(struct vmq_bridge *b)
{
	epoll_ctl(b->epfd, EPOLL_CTL_DEL, b->sock, NULL);
	b->deaf = true;
	vmq__bridge_rearm(b);
}

static void answer(struct vmq_bridge *b)
{
	int s = accept4(b->sock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), pid = 0;

	if (s < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			deaf(b);
		return;
	}
	if (vmq__packet_trusted(s, &pid) && !vmq__far_new(b, s, pid, NULL))
		return;
	vmq__bridge_log(b, "process %d was refused", pid);
	close(s);
}

static void tick(struct vmq_bridge *b)
{
	uint64_t count;

	if (read(b->timerfd, &count, sizeof(count)) != sizeof(count))
		return;
	if (b->deaf && !vmq__loop_watch(b->epfd, b->sock, &b->sock))
		b->deaf = false;
	vmq__dial(b);
	vmq__bridge_rearm(b);
}

/* Returns whether to stop. */
static bool serve(struct vmq_bridge *b, const struct epoll_event *e)
{
	uint64_t count;

	if (e->data.ptr == &b->stopfd)
		return read(b->stopfd, &count, sizeof(count)) == sizeof(count);
	if (e->data.ptr == &b->sock)
		answer(b);
	else if (e->data.ptr == &b->timerfd)
		tick(b);
	else
		vmq__far_serve(e->data.ptr, e->events);
	return false;
}

static bool serve_all(struct vmq_bridge *b, const struct epoll_event *e, int n)
{
	bool stop = false;

	pthread_mutex_lock(&b->vmm->lock);
	for (int i = 0; i < n; i++)
		stop |= serve(b, &e[i]);
	/* Only now: an event further down may have named one that was dropped. */
	vmq__far_reap(b);
	pthread_mutex_unlock(&b->vmm->lock);
	say_lines(b);
	return stop;
}

int vmq_bridge_run(struct vmq_bridge *b, int64_t timeout_ns)
{
	uint64_t deadline = vmq__loop_deadline(timeout_ns);
	struct epoll_event e[EVENTS];

	if (!b)
		return VMQ_EBADF;
	for (unsigned round = 1;; round++) {
		int n = epoll_wait(b->epfd, e, EVENTS, vmq__loop_left(deadline));

		if (n < 0 && errno != EINTR)
			return VMQ_ESYS;
		if (serve_all(b, e, n))
			return 0;
		if (timeout_ns == VMQ_NOWAIT && round >= ROUNDS)
			return VMQ_EAGAIN;
		if (n <= 0 && !vmq__loop_left(deadline))
			return timeout_ns == VMQ_NOWAIT ? VMQ_EAGAIN : VMQ_ETIMEDOUT;
	}
}

void vmq_bridge_stop(struct vmq_bridge *b)
{
	if (b)
		vmq__loop_ring(b->stopfd);
}

int vmq_bridge_fd(struct vmq_bridge *b)
{
	return b ? b->epfd : VMQ_EBADF;
}
