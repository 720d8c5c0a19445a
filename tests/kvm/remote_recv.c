/* SPDX-License-Identifier: BSD-2-Clause */
/* remote_recv.c - vmq.h on a guest's endpoint: receiving and waiting; and the guest's
 * memory, which its own CPU is to touch. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "remote_wrap.h"

#define SEEN 65536u /* bytes of a buffer that are fetched, whatever the guest says */
#define BATCH 64u
#define LOOK_NS 200000

/* ---- receiving ------------------------------------------------------------------- */

/* A buffer that the guest may write `cap` bytes of; its bytes are there as they are
 * here, so that a write that should not be is seen. */
static uint64_t put_buffer(struct call *c, const void *buf, size_t cap)
{
	uint64_t at = call_put(c, buf, cap < SEEN ? cap : SEEN);

	if (at && cap > SEEN)
		call_room(c, cap - SEEN);
	return at;
}

static void fetch_buffer(const struct call *c, uint64_t at, void *buf, size_t cap, int64_t len)
{
	size_t n = cap < SEEN ? cap : SEEN;

	if (len > (int64_t)n && len <= (int64_t)cap)
		n = (size_t)len;
	call_fetch(c, at, buf, n);
}

int64_t __wrap_vmq_recv(struct vmq *q, void *buf, size_t cap, struct vmq_msg *msg, int64_t timeout_ns)
{
	uint64_t at, to;
	struct call c;
	int64_t rc;

	if (!call_begin(&c, q))
		return __real_vmq_recv(call_real(q), buf, cap, msg, timeout_ns);
	at = call_put(&c, msg, sizeof(*msg));
	to = put_buffer(&c, buf, cap);
	rc = CALL(&c, AGENT_RECV, to, cap, at, (uint64_t)timeout_ns);
	fetch_buffer(&c, to, buf, cap, rc);
	call_fetch(&c, at, msg, sizeof(*msg));
	if (msg && msg->data == (void *)(uintptr_t)to)
		msg->data = buf;
	return call_end(&c, rc);
}

int __wrap_vmq_recv_batch(struct vmq *q, struct vmq_msg *msgs, unsigned n, int64_t timeout_ns)
{
	struct vmq_msg *there;
	void *buf[BATCH];
	struct call c;
	uint64_t at;
	int rc;

	if (!call_begin(&c, q))
		return __real_vmq_recv_batch(call_real(q), msgs, n, timeout_ns);
	if (n > BATCH)
		abort();
	at = call_put(&c, msgs, n * sizeof(*msgs));
	there = call_bytes(&c, at);
	for (unsigned i = 0; i < n; i++) {
		buf[i] = msgs[i].data;
		there[i].data = (void *)(uintptr_t)put_buffer(&c, buf[i], msgs[i].cap);
	}
	rc = (int)CALL(&c, AGENT_RECV_BATCH, at, n, (uint64_t)timeout_ns);
	/* Buffers may overlap where the first ones are not filled. */
	for (unsigned i = n; i--;) {
		fetch_buffer(&c, (uintptr_t)there[i].data, buf[i], msgs[i].cap, (int64_t)there[i].len);
		msgs[i] = there[i];
		msgs[i].data = buf[i];
	}
	return (int)call_end(&c, rc);
}

/* msg->data is the guest's address. */
int __wrap_vmq_peek(struct vmq *q, struct vmq_msg *msg, int64_t timeout_ns)
{
	struct call c;
	uint64_t at;
	int rc;

	if (!call_begin(&c, q))
		return __real_vmq_peek(call_real(q), msg, timeout_ns);
	at = call_put(&c, msg, sizeof(*msg));
	rc = (int)CALL(&c, AGENT_PEEK, at, (uint64_t)timeout_ns);
	call_fetch(&c, at, msg, sizeof(*msg));
	return (int)call_end(&c, rc);
}

int __wrap_vmq_release(struct vmq *q)
{
	struct call c;

	if (!call_begin(&c, q))
		return __real_vmq_release(call_real(q));
	return (int)call_end(&c, CALL(&c, AGENT_RELEASE, 0));
}

int __wrap_vmq_event(struct vmq *q, struct vmq_event *event, int64_t timeout_ns)
{
	struct call c;
	uint64_t at;
	int rc;

	if (!call_begin(&c, q))
		return __real_vmq_event(call_real(q), event, timeout_ns);
	at = call_put(&c, event, sizeof(*event));
	rc = (int)CALL(&c, AGENT_EVENT, at, (uint64_t)timeout_ns);
	call_fetch(&c, at, event, sizeof(*event));
	return (int)call_end(&c, rc);
}

/* ---- waiting for many -------------------------------------------------------------- */

static int poll_one(struct vmq_pollfd *fd, int64_t timeout_ns)
{
	struct vmq_pollfd *there;
	struct call c;
	uint64_t at;
	int rc;

	if (!call_begin(&c, fd->q)) {
		struct vmq_pollfd copy = { call_real(fd->q), fd->events, 0 };

		rc = __real_vmq_poll(&copy, 1, timeout_ns);
		fd->revents = copy.revents;
		return rc;
	}
	at = call_put(&c, fd, sizeof(*fd));
	rc = (int)CALL(&c, AGENT_POLL, at, (uint64_t)timeout_ns);
	there = call_bytes(&c, at);
	fd->revents = there->revents;
	return (int)call_end(&c, rc);
}

static int look(struct vmq_pollfd *fds, unsigned n)
{
	int count = 0;

	for (unsigned i = 0; i < n; i++)
		count += poll_one(&fds[i], VMQ_NOWAIT) > 0;
	return count;
}

static bool any_remote(const struct vmq_pollfd *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (fds[i].q && call_real(fds[i].q) != fds[i].q)
			return true;
	return false;
}

/* One guest waits for itself. Nobody but the host can wait for several. */
int __wrap_vmq_poll(struct vmq_pollfd *fds, unsigned n, int64_t timeout_ns)
{
	uint64_t from = now_ns();
	int count;

	if (!any_remote(fds, n))
		return __real_vmq_poll(fds, n, timeout_ns);
	if (n == 1)
		return poll_one(fds, timeout_ns);
	for (;;) {
		count = look(fds, n);
		if (count || timeout_ns == VMQ_NOWAIT)
			return count ? count : VMQ_EAGAIN;
		if (timeout_ns > 0 && now_ns() - from >= (uint64_t)timeout_ns)
			return VMQ_ETIMEDOUT;
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_NS }, NULL);
	}
}

/* ---- the guest's memory ---------------------------------------------------------------- */

void __wrap_pattern(void *to, size_t len, uint32_t n)
{
	struct call c;
	uint64_t at;

	if (!call_begin_at(&c, to)) {
		__real_pattern(to, len, n);
		return;
	}
	at = call_room(&c, len);
	__real_pattern(call_bytes(&c, at), len, n);
	call_end(&c, CALL(&c, AGENT_COPY, (uintptr_t)to, at, len));
}

bool __wrap_matches(const void *from, size_t len, uint32_t n)
{
	struct call c;
	uint64_t at;

	if (!call_begin_at(&c, from))
		return __real_matches(from, len, n);
	at = call_room(&c, len);
	CALL(&c, AGENT_COPY, at, (uintptr_t)from, len);
	return call_end(&c, __real_matches(call_bytes(&c, at), len, n));
}

bool __wrap_zeros(const void *from, size_t len)
{
	struct call c;
	uint64_t at;

	if (!call_begin_at(&c, from))
		return __real_zeros(from, len);
	at = call_room(&c, len);
	memset(call_bytes(&c, at), 0xff, len);
	CALL(&c, AGENT_COPY, at, (uintptr_t)from, len);
	return call_end(&c, __real_zeros(call_bytes(&c, at), len));
}

void __wrap_fill(void *to, uint8_t byte, size_t len)
{
	struct call c;
	uint64_t at;

	if (!call_begin_at(&c, to)) {
		__real_fill(to, byte, len);
		return;
	}
	at = call_room(&c, len);
	memset(call_bytes(&c, at), byte, len);
	call_end(&c, CALL(&c, AGENT_COPY, (uintptr_t)to, at, len));
}

/* The guest's VMM hears of it, and the guest goes on. */
bool __wrap_write_faults(void *at)
{
	unsigned before;
	struct call c;

	if (!call_begin_at(&c, at))
		return __real_write_faults(at);
	before = call_faults(&c);
	CALL(&c, AGENT_POKE, (uintptr_t)at);
	return call_end(&c, call_faults(&c) != before);
}

/* A thread whose call is in a guest sleeps when that does. */
bool __wrap_thread_sleeps(int tid)
{
	uint64_t until = now_ns() + PATIENCE;
	int seen = 0;

	if (call_asleep(tid) < 0)
		return __real_thread_sleeps(tid);
	while (seen < 20 && now_ns() < until) {
		seen = call_asleep(tid) == 1 ? seen + 1 : 0;
		sched_yield();
	}
	return seen >= 20;
}
