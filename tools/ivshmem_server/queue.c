/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue.c - what is still to be said to one client.
 *
 * A message is eight bytes, with at most one descriptor. A client reads when it likes, so
 * what its socket does not take waits here; doorbells are kept by reference, so that a
 * slow client costs no descriptors but those of clients that left meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/atomic.h"
#include "srv.h"

#define FIRST_SIZE 16u

void srv_doors_put(struct srv_doors *doors)
{
	if (!doors || --doors->refs)
		return;
	for (uint32_t i = 0; i < doors->vectors; i++)
		close(doors->fd[i]);
	free(doors);
}

static bool bigger(struct srv_queue *q)
{
	uint32_t size = q->size ? 2 * q->size : FIRST_SIZE;
	struct srv_word *ring = malloc(size * sizeof(*ring));

	if (!ring)
		return false;
	for (uint32_t i = 0; i < q->count; i++)
		ring[i] = q->ring[(q->head + i) & (q->size - 1)];
	free(q->ring);
	q->ring = ring;
	q->size = size;
	q->head = 0;
	return true;
}

bool srv_queue_push(struct srv_queue *q, uint32_t limit, int64_t value, struct srv_doors *doors,
	int fd)
{
	if (q->count >= limit || (q->count == q->size && !bigger(q)))
		return false;
	q->ring[(q->head + q->count++) & (q->size - 1)] = (struct srv_word){ value, doors, fd };
	if (doors)
		doors->refs++;
	return true;
}

static void pop(struct srv_queue *q)
{
	srv_doors_put(q->ring[q->head].doors);
	q->head = (q->head + 1) & (q->size - 1);
	q->count--;
	q->part = 0;
}

/* The rest of a message; its descriptor goes with its first byte. */
static ssize_t say(int sock, int64_t value, uint32_t sent, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	uint64_t wire = vmq__le64((uint64_t)value);
	struct iovec iov = { (char *)&wire + sent, sizeof(wire) - sent };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0 && !sent) {
		struct cmsghdr *c;

		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool srv_queue_flush(struct srv_queue *q, int sock)
{
	q->crowded = false;
	while (q->count) {
		const struct srv_word *w = &q->ring[q->head];
		ssize_t n = say(sock, w->value, q->sent, w->doors ? w->doors->fd[q->part] : w->fd);

		if (n < 0 && errno == EINTR)
			continue;
		q->crowded = n < 0 && (errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM);
		if (n < 0)
			return q->crowded || errno == EAGAIN || errno == EWOULDBLOCK;
		q->sent = (q->sent + (uint32_t)n) % sizeof(w->value);
		if (!q->sent && ++q->part >= (w->doors ? w->doors->vectors : 1))
			pop(q);
	}
	return true;
}

void srv_queue_free(struct srv_queue *q)
{
	while (q->count)
		pop(q);
	free(q->ring);
	memset(q, 0, sizeof(*q));
}
