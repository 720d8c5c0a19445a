/* SPDX-License-Identifier: BSD-2-Clause */
/* remote_send.c - vmq.h on a guest's endpoint: life, sending, pages. */
#include <string.h>

#include "remote_wrap.h"

int __wrap_vmq_close(struct vmq *q)
{
	struct call c;
	int rc;

	if (!call_begin(&c, q))
		return __real_vmq_close(call_real(q));
	rc = (int)call_end(&c, CALL(&c, AGENT_CLOSE, 0));
	remote_die(q); /* nothing is left to run in it */
	return rc;
}

int __wrap_vmq_peer(struct vmq *q, const char *name, int64_t timeout_ns, uint32_t *peer)
{
	struct call c;
	uint64_t id;
	int rc;

	if (!call_begin(&c, q))
		return __real_vmq_peer(call_real(q), name, timeout_ns, peer);
	id = call_put(&c, peer, sizeof(*peer));
	rc = (int)CALL(&c, AGENT_PEER, call_put(&c, name, strlen(name) + 1), (uint64_t)timeout_ns, id);
	call_fetch(&c, id, peer, sizeof(*peer));
	return (int)call_end(&c, rc);
}

int __wrap_vmq_peer_info(struct vmq *q, uint32_t peer, struct vmq_peer_info *info)
{
	struct call c;
	uint64_t at;
	int rc;

	if (!call_begin(&c, q))
		return __real_vmq_peer_info(call_real(q), peer, info);
	at = call_put(&c, info, sizeof(*info));
	rc = (int)CALL(&c, AGENT_PEER_INFO, peer, at);
	call_fetch(&c, at, info, sizeof(*info));
	return (int)call_end(&c, rc);
}

int64_t __wrap_vmq_id(struct vmq *q)
{
	struct call c;

	if (!call_begin(&c, q))
		return __real_vmq_id(call_real(q));
	return call_end(&c, CALL(&c, AGENT_ID, 0));
}

uint64_t __wrap_vmq_caps(struct vmq *q)
{
	struct call c;

	if (!call_begin(&c, q))
		return __real_vmq_caps(call_real(q));
	return (uint64_t)call_end(&c, CALL(&c, AGENT_CAPS, 0));
}

int __wrap_vmq_stats(struct vmq *q, struct vmq_stats *stats)
{
	struct call c;
	uint64_t at;
	int rc;

	if (!call_begin(&c, q))
		return __real_vmq_stats(call_real(q), stats);
	at = call_put(&c, stats, sizeof(*stats));
	rc = (int)CALL(&c, AGENT_STATS, at);
	call_fetch(&c, at, stats, sizeof(*stats));
	return (int)call_end(&c, rc);
}

int __wrap_vmq_fd(struct vmq *q)
{
	struct call c;

	if (!call_begin(&c, q))
		return __real_vmq_fd(call_real(q));
	return (int)call_end(&c, CALL(&c, AGENT_FD, 0));
}

/* ---- sending ----------------------------------------------------------------------- */

int __wrap_vmq_send(struct vmq *q, uint32_t peer, const void *data, size_t len, uint32_t flags,
	int64_t timeout_ns)
{
	struct call c;

	if (!call_begin(&c, q))
		return __real_vmq_send(call_real(q), peer, data, len, flags, timeout_ns);
	return (int)call_end(&c, CALL(&c, AGENT_SEND, peer, call_put(&c, data, len), len, flags,
		(uint64_t)timeout_ns));
}

/* Pieces, each of them where the guest has it. */
static uint64_t put_pieces(struct call *c, const struct vmq_iovec *iov, unsigned n)
{
	uint64_t at = call_put(c, iov, n * sizeof(*iov));
	struct vmq_iovec *there = call_bytes(c, at);

	for (unsigned i = 0; at && i < n; i++)
		there[i].base = (const void *)(uintptr_t)call_put(c, iov[i].base, iov[i].len);
	return at;
}

int __wrap_vmq_sendv(struct vmq *q, uint32_t peer, const struct vmq_iovec *iov, unsigned n,
	uint32_t flags, int64_t timeout_ns)
{
	struct call c;

	if (!call_begin(&c, q))
		return __real_vmq_sendv(call_real(q), peer, iov, n, flags, timeout_ns);
	return (int)call_end(&c, CALL(&c, AGENT_SENDV, peer, put_pieces(&c, iov, n), n, flags,
		(uint64_t)timeout_ns));
}

int __wrap_vmq_send_batch(struct vmq *q, uint32_t peer, const struct vmq_iovec *msgs, unsigned n,
	uint32_t flags, int64_t timeout_ns)
{
	struct call c;

	if (!call_begin(&c, q))
		return __real_vmq_send_batch(call_real(q), peer, msgs, n, flags, timeout_ns);
	return (int)call_end(&c, CALL(&c, AGENT_SEND_BATCH, peer, put_pieces(&c, msgs, n), n, flags,
		(uint64_t)timeout_ns));
}

int __wrap_vmq_broadcast(struct vmq *q, const void *data, size_t len, uint32_t flags, int64_t timeout_ns)
{
	struct call c;

	if (!call_begin(&c, q))
		return __real_vmq_broadcast(call_real(q), data, len, flags, timeout_ns);
	return (int)call_end(&c, CALL(&c, AGENT_BROADCAST, call_put(&c, data, len), len, flags,
		(uint64_t)timeout_ns));
}

int __wrap_vmq_reserve(struct vmq *q, uint32_t peer, size_t len, void **data, int64_t timeout_ns)
{
	struct call c;
	uint64_t at;
	int rc;

	if (!call_begin(&c, q))
		return __real_vmq_reserve(call_real(q), peer, len, data, timeout_ns);
	at = call_put(&c, data, sizeof(*data));
	rc = (int)CALL(&c, AGENT_RESERVE, peer, len, at, (uint64_t)timeout_ns);
	call_fetch(&c, at, data, sizeof(*data));
	return (int)call_end(&c, rc);
}

int __wrap_vmq_commit(struct vmq *q, size_t len, uint32_t flags)
{
	struct call c;

	if (!call_begin(&c, q))
		return __real_vmq_commit(call_real(q), len, flags);
	return (int)call_end(&c, CALL(&c, AGENT_COMMIT, len, flags));
}

int __wrap_vmq_cancel(struct vmq *q)
{
	struct call c;

	if (!call_begin(&c, q))
		return __real_vmq_cancel(call_real(q));
	return (int)call_end(&c, CALL(&c, AGENT_CANCEL, 0));
}

int __wrap_vmq_flush(struct vmq *q)
{
	struct call c;

	if (!call_begin(&c, q))
		return __real_vmq_flush(call_real(q));
	return (int)call_end(&c, CALL(&c, AGENT_FLUSH, 0));
}

int __wrap_vmq_yield(struct vmq *q)
{
	struct call c;

	if (!call_begin(&c, q))
		return __real_vmq_yield(call_real(q));
	return (int)call_end(&c, CALL(&c, AGENT_YIELD, 0));
}

/* ---- pages: their addresses are the guest's ------------------------------------------- */

int __wrap_vmq_page_alloc(struct vmq *q, uint32_t peer, size_t len, struct vmq_page *page,
	int64_t timeout_ns)
{
	struct call c;
	uint64_t at;
	int rc;

	if (!call_begin(&c, q))
		return __real_vmq_page_alloc(call_real(q), peer, len, page, timeout_ns);
	at = call_put(&c, page, sizeof(*page));
	rc = (int)CALL(&c, AGENT_PAGE_ALLOC, peer, len, at, (uint64_t)timeout_ns);
	call_fetch(&c, at, page, sizeof(*page));
	return (int)call_end(&c, rc);
}

int __wrap_vmq_page_send(struct vmq *q, struct vmq_page *page, enum vmq_page_mode mode,
	const void *data, size_t len, uint32_t flags, int64_t timeout_ns)
{
	struct call c;
	uint64_t at;
	int rc;

	if (!call_begin(&c, q))
		return __real_vmq_page_send(call_real(q), page, mode, data, len, flags, timeout_ns);
	at = call_put(&c, page, sizeof(*page));
	rc = (int)CALL(&c, AGENT_PAGE_SEND, at, (uint64_t)mode, call_put(&c, data, len), len, flags,
		(uint64_t)timeout_ns);
	call_fetch(&c, at, page, sizeof(*page));
	return (int)call_end(&c, rc);
}

int __wrap_vmq_page_free(struct vmq *q, struct vmq_page *page)
{
	struct call c;
	uint64_t at;
	int rc;

	if (!call_begin(&c, q))
		return __real_vmq_page_free(call_real(q), page);
	at = call_put(&c, page, sizeof(*page));
	rc = (int)CALL(&c, AGENT_PAGE_FREE, at);
	call_fetch(&c, at, page, sizeof(*page));
	return (int)call_end(&c, rc);
}
