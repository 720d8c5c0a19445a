/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server_greet.c - what an ivshmem server says: to a newcomer the protocol's version, its
 * id, the region, the eventfds of the peers that are there and, last, its own; then who
 * comes and who goes.
 *
 * The greeting has no end mark, nor does it say how many vectors there are. Own eventfds
 * come last and peers have as many as we, so it ends when as many own ones have come as
 * some other peer has, or as we need. Who is alone, or with a server of few vectors, has
 * to wait until the server is quiet for a moment. If that was too early, nothing is lost:
 * vectors that come later simply add, and until then that kind of bell is polled.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "loop.h"
#include "server.h"

#define MESSAGES 256 /* in a row */

void vmq__iv_greet_reset(struct vmq__iv_server *s)
{
	vmq__iv_wire_reset(&s->wire);
	for (unsigned k = 0; k < VMQ_FDS; k++) {
		vmq__loop_close(s->greeted[k]);
		s->greeted[k] = -1;
	}
	s->step = IV_VERSION;
	s->id = s->seen = s->heard = 0;
	s->lie = NULL;
}

static int lie(struct vmq__iv_server *s, int code, const char *text)
{
	s->lie = text;
	return code;
}

/* ---- own vectors ------------------------------------------------------------------ */

/* Others have it open too: to close it alone would leave it in the set. */
static void unset(struct vmq__iv_server *s, unsigned k)
{
	if (s->own[k] < 0)
		return;
	epoll_ctl(s->d.fd[k], EPOLL_CTL_DEL, s->own[k], NULL);
	close(s->own[k]);
	s->own[k] = -1;
}

static void set(struct vmq__iv_server *s, unsigned k, int fd)
{
	unset(s, k);
	if (fd < 0)
		return;
	if (vmq__loop_watch(s->d.fd[k], fd, NULL))
		close(fd);
	else
		s->own[k] = fd;
}

static void count_vectors(struct vmq__iv_server *s)
{
	unsigned n = 0;

	while (n < VMQ_FDS && s->own[n] >= 0)
		n++;
	s->d.vectors = n;
	s->d.caps = n ? VMQ_CAP_WAKE : 0;
}

static void own_vector(struct vmq__iv_server *s, int fd)
{
	uint32_t k = s->seen;

	if (k >= VMQ_FDS || !vmq__iv_eventfd(fd)) {
		close(fd);
		return;
	}
	s->seen++;
	if (s->state != IV_UP) {
		s->greeted[k] = fd;
		return;
	}
	pthread_mutex_lock(&s->lock);
	set(s, k, fd);
	count_vectors(s);
	pthread_mutex_unlock(&s->lock);
}

bool vmq__iv_greet_done(const struct vmq__iv_server *s, bool idle)
{
	uint32_t others = vmq__iv_peers_vectors(&s->peers, s->life);

	if (s->step != IV_VECTORS)
		return false;
	return idle || s->seen == VMQ_FDS || (others && s->seen >= others);
}

void vmq__iv_greet_adopt(struct vmq__iv_server *s)
{
	pthread_mutex_lock(&s->lock);
	for (unsigned k = 0; k < VMQ_FDS; k++) {
		set(s, k, s->greeted[k]);
		s->greeted[k] = -1;
	}
	count_vectors(s);
	pthread_mutex_unlock(&s->lock);
	s->d.doorbell = s->id;
	s->state = IV_UP;
}

/* ---- messages ---------------------------------------------------------------------- */

static int version(struct vmq__iv_server *s, const struct vmq__iv_msg *m)
{
	if (m->fd >= 0 || m->value < 0 || m->value > IV_ID_MAX)
		return lie(s, VMQ_EPROTO, "is no ivshmem server");
	if (m->value)
		return lie(s, VMQ_EVERSION, "speaks another version of the ivshmem protocol");
	s->step = IV_ID;
	return 0;
}

static int own_id(struct vmq__iv_server *s, const struct vmq__iv_msg *m)
{
	if (m->fd >= 0 || m->value < 0 || m->value > IV_ID_MAX)
		return lie(s, VMQ_EPROTO, "gives no id that can be");
	s->id = (uint32_t)m->value;
	s->step = IV_REGION;
	return 0;
}

static int first_region(struct vmq__iv_server *s, int fd)
{
	struct stat st;
	int rc = vmq__ivdev_map(&s->d, fd, "the server's region", s->why, &st);

	if (rc)
		return rc;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

static int region(struct vmq__iv_server *s, const struct vmq__iv_msg *m)
{
	struct stat st;
	int rc;

	if (m->value == -1 && m->cut && m->fd < 0)
		return lie(s, VMQ_EMFILE, "hands out a region, for which there is no descriptor");
	if (m->value != -1 || m->fd < 0)
		return lie(s, VMQ_EPROTO, "hands out no region");
	s->step = IV_VECTORS;
	if (!s->d.region) {
		rc = first_region(s, m->fd);
		if (rc)
			return rc;
	} else if (fstat(m->fd, &st) || st.st_dev != s->dev || st.st_ino != s->ino ||
			(uint64_t)st.st_size != s->d.size) {
		return VMQ_ESTALE;
	}
	return 0;
}

/* m->fd is taken. */
static int peer(struct vmq__iv_server *s, struct vmq__iv_msg *m)
{
	bool own = m->value == (int64_t)s->id;
	int fd = m->fd;

	if (m->value < 0 || m->value > IV_ID_MAX)
		return lie(s, VMQ_EPROTO, "speaks of a peer that cannot be");
	m->fd = -1;
	if (fd < 0 && m->cut)
		return 0;
	if (own && fd < 0)
		return lie(s, VMQ_EPROTO, "says that we have gone");
	if (own) {
		own_vector(s, fd);
		return 0;
	}
	pthread_mutex_lock(&s->lock);
	if (fd >= 0)
		vmq__iv_peers_add(&s->peers, (uint32_t)m->value, s->life, fd);
	else
		vmq__iv_peers_gone(&s->peers, (uint32_t)m->value, s->life);
	pthread_mutex_unlock(&s->lock);
	if (fd < 0 && s->d.gone)
		s->d.gone(s->d.ctx, (uint32_t)m->value);
	return 0;
}

static int message(struct vmq__iv_server *s, struct vmq__iv_msg *m)
{
	switch (s->step) {
	case IV_VERSION:
		return version(s, m);
	case IV_ID:
		return own_id(s, m);
	case IV_REGION:
		return region(s, m);
	default:
		return peer(s, m);
	}
}

int vmq__iv_greet_take(struct vmq__iv_server *s)
{
	struct vmq__iv_msg m;
	int rc;

	for (unsigned i = 0; i < MESSAGES; i++) {
		rc = vmq__iv_wire_next(s->sock, &s->wire, &m);
		if (rc)
			return rc == VMQ_EAGAIN ? 0 : rc;
		s->heard++;
		rc = message(s, &m);
		vmq__loop_close(m.fd);
		if (rc)
			return rc;
	}
	return VMQ_EAGAIN;
}
