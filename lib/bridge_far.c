/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge_far.c - one connection to another VMM: packets out, packets in, its end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge.h"
#include "internal.h"
#include "loop.h"

#define BUDGET 64        /* packets of one VMM before the next's turn */
#define QUEUE_MOST 16384 /* packets that wait for one VMM */
#define STRANGERS 32u    /* connections that have not got ready */

/* ---- out ------------------------------------------------------------------------ */

static void watch(struct bridge_far *far)
{
	struct epoll_event e = { .events = EPOLLIN | (far->queue ? EPOLLOUT : 0u), .data.ptr = far };

	epoll_ctl(far->bridge->epfd, EPOLL_CTL_MOD, far->sock, &e);
}

/* We may be in the middle of a call of the VMM's: the loop does the rest. */
static void broke(struct bridge_far *far, const char *why)
{
	far->broken = why;
	shutdown(far->sock, SHUT_RDWR);
}

static void out_free(struct far_out *out)
{
	vmq__packet_close(out->fds);
	free(out);
}

/* The caller's descriptors may be closed by the time that this is sent. */
static int queue(struct bridge_far *far, const struct far_packet *m, const int *fds, unsigned n)
{
	struct far_out *out = far->queued < QUEUE_MOST ? calloc(1, sizeof(*out)) : NULL;
	bool had = far->queue != NULL, ok = true;

	if (!out)
		return VMQ_ENOMEM;
	out->packet = *m;
	for (unsigned i = 0; i < PACKET_FDS; i++) {
		out->fds[i] = i < n ? fcntl(fds[i], F_DUPFD_CLOEXEC, 3) : -1;
		ok &= i >= n || out->fds[i] >= 0;
	}
	if (!ok) {
		out_free(out);
		return VMQ_EMFILE;
	}
	*far->tail = out;
	far->tail = &out->next;
	far->queued++;
	if (!had)
		watch(far);
	return 0;
}

void vmq__far_send(struct bridge_far *far, const struct far_packet *m, const int *fds, unsigned n)
{
	int rc = VMQ_EAGAIN;

	if (!far || far->sock < 0 || far->broken)
		return;
	if (!far->queue)
		rc = vmq__packet_send(far->sock, m, sizeof(*m), fds, n);
	/* Closed: what it said last is still to be read. */
	if (rc == VMQ_EAGAIN && queue(far, m, fds, n))
		broke(far, "it does not read what it is told");
}

static void flush(struct bridge_far *far)
{
	while (far->queue) {
		struct far_out *out = far->queue;
		unsigned n = 0;

		while (n < PACKET_FDS && out->fds[n] >= 0)
			n++;
		if (vmq__packet_send(far->sock, &out->packet, sizeof(out->packet), out->fds, n) == VMQ_EAGAIN)
			return;
		far->queue = out->next;
		far->queued--;
		out_free(out);
	}
	far->tail = &far->queue;
	watch(far);
}

/* ---- in --------------------------------------------------------------------------- */

static unsigned fds_of(const struct far_packet *m)
{
	return m->type == FAR_VM_ADD || m->type == FAR_JOIN ? 2 : 0;
}

static const char *packet_in(struct bridge_far *far, struct far_packet *m, int fds[PACKET_FDS], int rc)
{
	unsigned n = 0;

	while (n < PACKET_FDS && fds[n] >= 0)
		n++;
	/* Descriptors may have found no place here; too many are its doing. */
	if (n != fds_of(m) && rc != VMQ_EMFILE)
		return "it sent a wrong number of descriptors";
	m->name[VMQ_NAME_MAX] = 0;
	if (!far->ready || m->type == FAR_HELLO || m->type == FAR_READY)
		return vmq__dial_packet(far, m);
	if (m->type == FAR_VM_ADD)
		return vmq__far_vm_add(far, m, fds);
	if (m->type == FAR_VM_DEL)
		return vmq__far_vm_del(far, m);
	if (m->type != FAR_VM_ANSWER)
		return vmq__span_packet(far, m, fds);
	if (far->answer == VMQ_EAGAIN || !far->answer)
		far->answer = m->code < 0 ? m->code : 0;
	return NULL;
}

/* Who was called tells a caller of another version which one this is. */
static void other_version(struct bridge_far *far)
{
	struct far_packet m = vmq__far_packet(FAR_HELLO);

	if (!far->target)
		vmq__far_send(far, &m, NULL, 0);
}

static void over(struct bridge_far *far, int code, const char *why)
{
	if (code == VMQ_EVERSION)
		other_version(far);
	if (code == VMQ_ECONN && far->target && !far->ready && vmq__packet_foreign(far->sock))
		code = VMQ_EACCES;
	if (far->target)
		far->target->code = code;
	vmq__far_drop(far, why, code == VMQ_ECONN);
}

static void receive(struct bridge_far *far)
{
	int fds[PACKET_FDS], rc;
	struct far_packet m;
	const char *why = NULL;

	for (int budget = BUDGET; budget && !why; budget--) {
		rc = vmq__packet_recv(far->sock, &m, sizeof(m), FAR_VERSION, fds);
		if (rc == VMQ_EAGAIN)
			return;
		if (rc && rc != VMQ_EMFILE)
			break;
		why = packet_in(far, &m, fds, rc);
		vmq__packet_close(fds);
	}
	if (why)
		over(far, *why ? VMQ_EPROTO : VMQ_EEXIST, why);
	else if (rc == VMQ_ECONN)
		over(far, rc, far->ready ? "its connection closed" : "");
	else if (rc == VMQ_EVERSION)
		over(far, rc, "it speaks another version");
	else if (rc == VMQ_EPROTO)
		over(far, rc, "it sent no packet of this protocol");
}

void vmq__far_serve(struct bridge_far *far, unsigned events)
{
	if (far->sock >= 0 && far->broken)
		vmq__far_drop(far, far->broken, false);
	if (far->sock >= 0 && events & EPOLLOUT)
		flush(far);
	if (far->sock >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(far);
}

/* ---- begin and end -------------------------------------------------------------------- */

/* Who connects and says nothing keeps nobody out. */
static void strangers_limit(struct vmq_bridge *b)
{
	struct bridge_far *oldest = NULL;
	unsigned n = 0;

	for (struct bridge_far *far = b->fars; far; far = far->next)
		if (!far->ready && !far->target) {
			oldest = far;
			n++;
		}
	if (n > STRANGERS)
		vmq__far_drop(oldest, "it said nothing", false);
}

int vmq__far_new(struct vmq_bridge *b, int sock, int pid, struct far_target *target)
{
	struct bridge_far *far = calloc(1, sizeof(*far));
	struct far_packet hello = vmq__far_packet(FAR_HELLO);
	int rc = far ? vmq__loop_watch(b->epfd, sock, far) : VMQ_ENOMEM;

	if (rc) {
		free(far);
		return rc;
	}
	far->bridge = b;
	far->sock = sock;
	far->pid = pid;
	far->tail = &far->queue;
	far->answer = VMQ_EAGAIN;
	far->target = target;
	far->next = b->fars;
	b->fars = far;
	if (!target) {
		strangers_limit(b);
		return 0;
	}
	target->far = far;
	hello.number = b->instance;
	vmq__far_send(far, &hello, NULL, 0);
	return 0;
}

/* Of a target that fails again and again in one way, once. */
static void log_end(struct bridge_far *far, const char *why)
{
	struct far_target *t = far->target;

	if (!*why || (t && !far->ready && t->why == why))
		return;
	if (t)
		t->why = why;
	vmq__bridge_log(far->bridge, "the VMM of process %d left: %s", far->pid, why);
}

void vmq__far_drop(struct bridge_far *far, const char *why, bool died)
{
	struct bridge_far **at = &far->bridge->fars;

	if (far->sock < 0)
		return;
	while (*at != far)
		at = &(*at)->next;
	*at = far->next;
	far->next = far->bridge->dropped;
	far->bridge->dropped = far;
	/* Closing alone leaves it there while a forked child has the socket, too. */
	epoll_ctl(far->bridge->epfd, EPOLL_CTL_DEL, far->sock, NULL);
	close(far->sock);
	far->sock = -1;
	log_end(far, why);
	if (far->target)
		far->target->far = NULL;
	vmq__far_lost(far, died);
	far->ready = false;
	vmq__bridge_rearm(far->bridge);
}

void vmq__far_reap(struct vmq_bridge *b)
{
	while (b->dropped) {
		struct bridge_far *far = b->dropped;

		b->dropped = far->next;
		while (far->queue) {
			struct far_out *out = far->queue;

			far->queue = out->next;
			out_free(out);
		}
		free(far);
	}
}
