/* SPDX-License-Identifier: BSD-2-Clause */
/* remote_wrap.h - what remote_*.c have instead of the library's and of support.h's. For
 * each X in CMakeLists.txt's list the linker leads calls of X() to __wrap_X(), and of
 * __real_X() to X(). */
#ifndef KVM_REMOTE_WRAP_H
#define KVM_REMOTE_WRAP_H

#include "remote.h"
#include "support.h"

#define WRAP(type, name, parameters) \
	type __real_##name parameters; \
	type __wrap_##name parameters

WRAP(int, vmq_close, (struct vmq *q));
WRAP(int, vmq_peer, (struct vmq *q, const char *name, int64_t timeout_ns, uint32_t *peer));
WRAP(int, vmq_peer_info, (struct vmq *q, uint32_t peer, struct vmq_peer_info *info));
WRAP(int64_t, vmq_id, (struct vmq *q));
WRAP(uint64_t, vmq_caps, (struct vmq *q));
WRAP(int, vmq_stats, (struct vmq *q, struct vmq_stats *stats));
WRAP(int, vmq_event, (struct vmq *q, struct vmq_event *event, int64_t timeout_ns));
WRAP(int, vmq_fd, (struct vmq *q));
WRAP(int, vmq_send, (struct vmq *q, uint32_t peer, const void *data, size_t len, uint32_t flags,
	int64_t timeout_ns));
WRAP(int, vmq_sendv, (struct vmq *q, uint32_t peer, const struct vmq_iovec *iov, unsigned n,
	uint32_t flags, int64_t timeout_ns));
WRAP(int, vmq_send_batch, (struct vmq *q, uint32_t peer, const struct vmq_iovec *msgs, unsigned n,
	uint32_t flags, int64_t timeout_ns));
WRAP(int, vmq_broadcast, (struct vmq *q, const void *data, size_t len, uint32_t flags,
	int64_t timeout_ns));
WRAP(int, vmq_reserve, (struct vmq *q, uint32_t peer, size_t len, void **data, int64_t timeout_ns));
WRAP(int, vmq_commit, (struct vmq *q, size_t len, uint32_t flags));
WRAP(int, vmq_cancel, (struct vmq *q));
WRAP(int, vmq_flush, (struct vmq *q));
WRAP(int, vmq_yield, (struct vmq *q));
WRAP(int, vmq_page_alloc, (struct vmq *q, uint32_t peer, size_t len, struct vmq_page *page,
	int64_t timeout_ns));
WRAP(int, vmq_page_send, (struct vmq *q, struct vmq_page *page, enum vmq_page_mode mode,
	const void *data, size_t len, uint32_t flags, int64_t timeout_ns));
WRAP(int, vmq_page_free, (struct vmq *q, struct vmq_page *page));
WRAP(int64_t, vmq_recv, (struct vmq *q, void *buf, size_t cap, struct vmq_msg *msg,
	int64_t timeout_ns));
WRAP(int, vmq_recv_batch, (struct vmq *q, struct vmq_msg *msgs, unsigned n, int64_t timeout_ns));
WRAP(int, vmq_peek, (struct vmq *q, struct vmq_msg *msg, int64_t timeout_ns));
WRAP(int, vmq_release, (struct vmq *q));
WRAP(int, vmq_poll, (struct vmq_pollfd *fds, unsigned n, int64_t timeout_ns));

WRAP(void, pattern, (void *to, size_t len, uint32_t n));
WRAP(bool, matches, (const void *from, size_t len, uint32_t n));
WRAP(bool, zeros, (const void *from, size_t len));
WRAP(void, fill, (void *to, uint8_t byte, size_t len));
WRAP(bool, write_faults, (void *at));
WRAP(bool, thread_sleeps, (int tid));

#endif
