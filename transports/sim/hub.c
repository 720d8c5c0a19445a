/* SPDX-License-Identifier: BSD-2-Clause */
/* hub.c - a VMM whose VMs are processes: it listens, serves and ticks. What it says
 * to one VM is in hub_vm.c, what it can be asked in hub_ask.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "hub.h"
#include "loop.h"

#define TICK_DEFAULT_US 10000
#define EVENTS 64

void vmq__hub_log(struct vmq_hub *hub, const char *format, ...)
{
	char line[300];
	va_list args;

	if (!hub->log)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	hub->log(hub->ctx, line);
}

/* ---- open -------------------------------------------------------------------------- */

static int fail(const struct vmq_hub_options *o, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vmq__explain(o->errmsg, o->errlen, code, format, args);
	va_end(args);
	return code;
}

static int listen_at(struct vmq_hub *hub, const struct vmq_hub_options *o)
{
	hub->sock = vmq__packet_listen(o->path);
	if (hub->sock == VMQ_EINVAL)
		return fail(o, VMQ_EINVAL, "'%.120s' cannot be a socket's path", o->path);
	if (hub->sock == VMQ_EEXIST && vmq__packet_blocked(o->path))
		return fail(o, VMQ_EEXIST, "%s is there, and is no socket", o->path);
	if (hub->sock == VMQ_EEXIST)
		return fail(o, VMQ_EEXIST, "a hub listens at %s already", o->path);
	if (hub->sock < 0)
		return fail(o, hub->sock, "%s: %s", o->path, strerror(errno));
	strcpy(hub->path, o->path);
	return 0;
}

int vmq__hub_watch(struct vmq_hub *hub, int fd, void *what)
{
	return vmq__loop_watch(hub->epfd, fd, what);
}

static int watch_all(struct vmq_hub *hub)
{
	struct itimerspec every = { 0 };
	int rc;

	hub->epfd = epoll_create1(EPOLL_CLOEXEC);
	hub->stopfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	hub->tickfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (hub->epfd < 0 || hub->stopfd < 0 || hub->tickfd < 0)
		return vmq__errno(errno);
	every.it_interval.tv_sec = hub->tick_us / 1000000;
	every.it_interval.tv_nsec = (long)(hub->tick_us % 1000000) * 1000;
	every.it_value = every.it_interval;
	timerfd_settime(hub->tickfd, 0, &every, NULL);
	rc = vmq__hub_watch(hub, hub->sock, &hub->sock);
	if (!rc)
		rc = vmq__hub_watch(hub, hub->stopfd, &hub->stopfd);
	return rc ? rc : vmq__hub_watch(hub, hub->tickfd, &hub->tickfd);
}

static int read_topology(struct vmq_hub *hub, const struct vmq_hub_options *o)
{
	struct vmq_vmm_options vo = { .size = sizeof(vo) };
	char why[256] = "";
	int rc = vmq__sim_topology_read(o->topology, &hub->topology, why, sizeof(why));

	if (rc)
		return fail(o, rc, "%s", why[0] ? why : vmq_strerror(rc));
	vo.flags = hub->topology->closed ? VMQ_VMM_CLOSED : 0;
	hub->tick_us = o->tick_us ? o->tick_us : hub->topology->tick_us ? hub->topology->tick_us :
		TICK_DEFAULT_US;
	rc = vmq_vmm_create(&vo, &hub->vmm);
	return rc ? rc : vmq__sim_topology_apply(hub->topology, hub->vmm);
}

/* Recursive: who logs may ask. */
static void lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t how;

	pthread_mutexattr_init(&how);
	pthread_mutexattr_settype(&how, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &how);
	pthread_mutexattr_destroy(&how);
}

int vmq_hub_open(const struct vmq_hub_options *o, struct vmq_hub **out)
{
	struct vmq_hub *hub;
	int rc;

	if (!o || !out || !vmq__sized_in(o, sizeof(*o)) || !o->path)
		return VMQ_EINVAL;
	if (o->errmsg && o->errlen)
		o->errmsg[0] = 0;
	hub = calloc(1, sizeof(*hub));
	if (!hub)
		return fail(o, VMQ_ENOMEM, "%s", vmq_strerror(VMQ_ENOMEM));
	lock_init(&hub->lock);
	hub->sock = hub->epfd = hub->stopfd = hub->tickfd = -1;
	hub->log = o->log;
	hub->ctx = o->ctx;
	rc = read_topology(hub, o);
	if (!rc)
		rc = listen_at(hub, o);
	if (!rc)
		rc = watch_all(hub);
	if (rc) {
		vmq_hub_close(hub);
		return fail(o, rc, "%s", vmq_strerror(rc));
	}
	*out = hub;
	return 0;
}

int vmq_hub_close(struct vmq_hub *hub)
{
	if (!hub)
		return VMQ_EBADF;
	while (hub->vms)
		vmq__hub_vm_drop(hub->vms, NULL);
	vmq__hub_vm_reap(hub);
	if (hub->path[0])
		unlink(hub->path);
	vmq__loop_close(hub->sock);
	vmq__loop_close(hub->epfd);
	vmq__loop_close(hub->stopfd);
	vmq__loop_close(hub->tickfd);
	if (hub->vmm)
		vmq_vmm_destroy(hub->vmm);
	vmq__sim_topology_free(hub->topology);
	vmq__hub_forget(hub, 0);
	pthread_mutex_destroy(&hub->lock);
	free(hub);
	return 0;
}

/* ---- serve --------------------------------------------------------------------------- */

static void accept_one(struct vmq_hub *hub)
{
	int s = accept4(hub->sock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), pid;

	if (s < 0)
		return;
	if (!vmq__sim_wire_trusted(s, &pid)) {
		vmq__hub_log(hub, "process %d is of another user: refused", pid);
		close(s);
		return;
	}
	if (vmq__hub_vm_new(hub, s, pid))
		close(s);
}

/* The timer interrupt of every VM: a natural exit. */
static void tick(struct vmq_hub *hub)
{
	uint64_t ticks;

	if (read(hub->tickfd, &ticks, sizeof(ticks)) != sizeof(ticks))
		return;
	for (struct hub_vm *vm = hub->vms, *next; vm; vm = next) {
		next = vm->next;
		if (vm->vm)
			vmq__hub_vm_exit(vm, VMQ_EXIT_TIMER);
		else if (vm->watches)
			vmq__hub_watch_idle(vm, ticks * hub->tick_us);
	}
}

static bool serve(struct vmq_hub *hub, struct epoll_event *e)
{
	uint64_t count;

	if (e->data.ptr == &hub->stopfd) {
		if (read(hub->stopfd, &count, sizeof(count)) < 0)
			return false;
		return true;
	}
	if (e->data.ptr == &hub->sock)
		accept_one(hub);
	else if (e->data.ptr == &hub->tickfd)
		tick(hub);
	else
		vmq__hub_vm_serve(e->data.ptr);
	return false;
}

int vmq_hub_run(struct vmq_hub *hub, int64_t timeout_ns)
{
	uint64_t deadline = vmq__loop_deadline(timeout_ns);
	struct epoll_event e[EVENTS];

	if (!hub)
		return VMQ_EBADF;
	for (;;) {
		int n = epoll_wait(hub->epfd, e, EVENTS, vmq__loop_left(deadline));
		bool stop = false;

		if (n < 0 && errno != EINTR)
			return VMQ_ESYS;
		pthread_mutex_lock(&hub->lock);
		for (int i = 0; i < n; i++)
			stop |= serve(hub, &e[i]);
		/* Only now: an event further down may have named one that left. */
		vmq__hub_vm_reap(hub);
		pthread_mutex_unlock(&hub->lock);
		if (stop)
			return 0;
		if (n <= 0 && !vmq__loop_left(deadline))
			return timeout_ns == VMQ_NOWAIT ? VMQ_EAGAIN : VMQ_ETIMEDOUT;
	}
}

void vmq_hub_stop(struct vmq_hub *hub)
{
	if (hub)
		vmq__loop_ring(hub->stopfd);
}
