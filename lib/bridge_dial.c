/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bridge_dial.c - VMMs call each other, and agree on one connection for each pair.
 *
 *	who calls          who is called
 *	HELLO         ->
 *	              <-   HELLO, with a code if it has one to that VMM already
 *	READY         ->   (or closes, for the same reason)
 *
 * Both may call at once. Then each has answered the other, and both see it: the one
 * that the VMM of the lower instance made stays.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bridge.h"
#include "internal.h"

static struct bridge_far *other_to(const struct bridge_far *far, uint64_t instance)
{
	struct bridge_far *other = far->bridge->fars;

	while (other && (other == far || other->instance != instance))
		other = other->next;
	return other;
}

static const char *ready(struct bridge_far *far)
{
	far->ready = true;
	if (far->target)
		far->target->why = NULL;
	vmq__bridge_log(far->bridge, "the VMM of process %d is there", far->pid);
	vmq__far_announce_all(far);
	return NULL;
}

static const char *called(struct bridge_far *far, const struct far_packet *m)
{
	const struct vmq_bridge *b = far->bridge;
	struct far_packet hello = vmq__far_packet(FAR_HELLO);

	if (m->type == FAR_READY && far->instance)
		return ready(far);
	if (m->type != FAR_HELLO || far->instance || !m->number)
		return "it did not say HELLO first";
	hello.number = b->instance;
	if (m->number == b->instance || other_to(far, m->number))
		hello.code = VMQ_EEXIST;
	vmq__far_send(far, &hello, NULL, 0);
	if (hello.code)
		return "";
	far->instance = m->number;
	return NULL;
}

static const char *answered(struct bridge_far *far, const struct far_packet *m)
{
	struct vmq_bridge *b = far->bridge;
	struct far_packet go = vmq__far_packet(FAR_READY);
	struct bridge_far *other;

	if (m->type != FAR_HELLO || !m->number)
		return "it did not answer HELLO";
	far->target->instance = m->number;
	other = other_to(far, m->number);
	if (m->code || m->number == b->instance || (other && (other->ready || b->instance > m->number)))
		return "";
	if (other)
		vmq__far_drop(other, "", false);
	far->instance = m->number;
	vmq__far_send(far, &go, NULL, 0);
	return ready(far);
}

const char *vmq__dial_packet(struct bridge_far *far, const struct far_packet *m)
{
	if (far->ready)
		return "it said HELLO twice";
	return far->target ? answered(far, m) : called(far, m);
}

/* ---- call -------------------------------------------------------------------------- */

/* Is there somebody to call: no connection, by whichever way? */
static bool wanted(const struct vmq_bridge *b, const struct far_target *t)
{
	if (t->far || t->instance == b->instance)
		return false;
	for (const struct bridge_far *far = b->fars; far; far = far->next)
		if (far->ready && far->instance == t->instance)
			return false;
	return true;
}

bool vmq__dial_wanted(const struct vmq_bridge *b)
{
	for (const struct far_target *t = b->targets; t; t = t->next)
		if (wanted(b, t))
			return true;
	return false;
}

/* Nobody there yet, or a crowd: next time. */
static int call(struct far_target *t)
{
	struct sockaddr_un a;
	unsigned len;
	char text[1];
	int sock;

	vmq__packet_address(t->path, &a, &len);
	t->error = 0;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock >= 0 && !connect(sock, (const struct sockaddr *)&a, len))
		return sock;
	t->error = errno == EAGAIN ? 0 : errno;
	t->code = t->error ? vmq__packet_unreached("", t->path, t->error, text, sizeof(text)) : 0;
	if (sock >= 0)
		close(sock);
	return -1;
}

static void dial_one(struct vmq_bridge *b, struct far_target *t)
{
	static const char stranger[] = "another user's";
	int sock = call(t), pid;

	if (sock < 0)
		return;
	t->code = 0;
	if (vmq__packet_trusted(sock, &pid)) {
		if (vmq__far_new(b, sock, pid, t))
			close(sock);
		return;
	}
	if (t->why != stranger)
		vmq__bridge_log(b, "who listens at %s is %s", t->path, stranger);
	t->why = stranger;
	t->code = VMQ_EACCES;
	close(sock);
}

void vmq__dial(struct vmq_bridge *b)
{
	for (struct far_target *t = b->targets; t; t = t->next)
		if (wanted(b, t))
			dial_one(b, t);
}
