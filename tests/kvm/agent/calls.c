/* SPDX-License-Identifier: BSD-2-Clause */
/* calls.c - from the first instruction on: the guest does the host's calls on its
 * endpoint. */
#include <string.h>

#include "rt.h"

static struct vmq *endpoint;

#define POINTER(n) ((void *)a[n])

/* One function for each call; `a` are its arguments behind the endpoint. */
#define CALL(name, expression) \
	static int64_t name(const uint64_t *a) \
	{ \
		(void)a; \
		return (int64_t)(expression); \
	}

static int64_t do_open(const uint64_t *a)
{
	struct vmq_options o = { .size = sizeof(o), .flags = (uint32_t)a[1], .env = &agent_env,
		.errmsg = POINTER(2), .errlen = a[3] };

	return vmq_open(POINTER(0), &o, &endpoint);
}

static int64_t do_poke(const uint64_t *a)
{
	*(volatile char *)a[0] = 1;
	return 0;
}

static int64_t do_poll(const uint64_t *a)
{
	struct vmq_pollfd *fd = POINTER(0);

	fd->q = endpoint;
	return vmq_poll(fd, 1, (int64_t)a[1]);
}

CALL(do_close, vmq_close(endpoint))
CALL(do_copy, (memcpy(POINTER(0), POINTER(1), a[2]), 0))
CALL(do_peer, vmq_peer(endpoint, POINTER(0), (int64_t)a[1], POINTER(2)))
CALL(do_peer_info, vmq_peer_info(endpoint, (uint32_t)a[0], POINTER(1)))
CALL(do_id, vmq_id(endpoint))
CALL(do_caps, vmq_caps(endpoint))
CALL(do_stats, vmq_stats(endpoint, POINTER(0)))
CALL(do_event, vmq_event(endpoint, POINTER(0), (int64_t)a[1]))
CALL(do_fd, vmq_fd(endpoint))
CALL(do_send, vmq_send(endpoint, (uint32_t)a[0], POINTER(1), a[2], (uint32_t)a[3], (int64_t)a[4]))
CALL(do_sendv, vmq_sendv(endpoint, (uint32_t)a[0], POINTER(1), (unsigned)a[2], (uint32_t)a[3], (int64_t)a[4]))
CALL(do_send_batch,
	vmq_send_batch(endpoint, (uint32_t)a[0], POINTER(1), (unsigned)a[2], (uint32_t)a[3], (int64_t)a[4]))
CALL(do_broadcast, vmq_broadcast(endpoint, POINTER(0), a[1], (uint32_t)a[2], (int64_t)a[3]))
CALL(do_reserve, vmq_reserve(endpoint, (uint32_t)a[0], a[1], POINTER(2), (int64_t)a[3]))
CALL(do_commit, vmq_commit(endpoint, a[0], (uint32_t)a[1]))
CALL(do_cancel, vmq_cancel(endpoint))
CALL(do_flush, vmq_flush(endpoint))
CALL(do_yield, vmq_yield(endpoint))
CALL(do_page_alloc, vmq_page_alloc(endpoint, (uint32_t)a[0], a[1], POINTER(2), (int64_t)a[3]))
CALL(do_page_send, vmq_page_send(endpoint, POINTER(0), (enum vmq_page_mode)a[1], POINTER(2), a[3],
	(uint32_t)a[4], (int64_t)a[5]))
CALL(do_page_free, vmq_page_free(endpoint, POINTER(0)))
CALL(do_recv, vmq_recv(endpoint, POINTER(0), a[1], POINTER(2), (int64_t)a[3]))
CALL(do_recv_batch, vmq_recv_batch(endpoint, POINTER(0), (unsigned)a[1], (int64_t)a[2]))
CALL(do_peek, vmq_peek(endpoint, POINTER(0), (int64_t)a[1]))
CALL(do_release, vmq_release(endpoint))

static int64_t (*const calls[AGENT_OPS])(const uint64_t *a) = {
	[AGENT_OPEN] = do_open, [AGENT_CLOSE] = do_close, [AGENT_COPY] = do_copy, [AGENT_POKE] = do_poke,
	[AGENT_PEER] = do_peer, [AGENT_PEER_INFO] = do_peer_info, [AGENT_ID] = do_id,
	[AGENT_CAPS] = do_caps, [AGENT_STATS] = do_stats, [AGENT_EVENT] = do_event, [AGENT_FD] = do_fd,
	[AGENT_SEND] = do_send, [AGENT_SENDV] = do_sendv, [AGENT_SEND_BATCH] = do_send_batch,
	[AGENT_BROADCAST] = do_broadcast, [AGENT_RESERVE] = do_reserve, [AGENT_COMMIT] = do_commit,
	[AGENT_CANCEL] = do_cancel, [AGENT_FLUSH] = do_flush, [AGENT_YIELD] = do_yield,
	[AGENT_PAGE_ALLOC] = do_page_alloc, [AGENT_PAGE_SEND] = do_page_send,
	[AGENT_PAGE_FREE] = do_page_free, [AGENT_RECV] = do_recv,
	[AGENT_RECV_BATCH] = do_recv_batch, [AGENT_PEEK] = do_peek, [AGENT_RELEASE] = do_release,
	[AGENT_POLL] = do_poll,
};

void calls_do(struct agent_call *call)
{
	call->result = calls[call->op](call->arg);
}

/* `block`: where its addresses begin. What is said here goes out through the calls. */
__attribute__((section(".text.start"), noreturn)) void _start(uintptr_t block)
{
	mail = (struct agent_mail *)block;
	heap_init(block + AGENT_HEAP, block + AGENT_MEMORY);
	window_start(block + AGENT_VIEWS);
	cpu_start();
	if (transport_start((void *)(block + AGENT_WINDOW)))
		__builtin_trap();
	tasks_run();
}
