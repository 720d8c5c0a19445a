/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmq.h - the application's API: a message queue for each virtual machine.
 *
 *	struct vmq *q;
 *	uint32_t peer;
 *
 *	if (vmq_open("sim:lab?name=a", NULL, &q) == 0 &&
 *	    vmq_peer(q, "b", VMQ_FOREVER, &peer) == 0)
 *		vmq_send(q, peer, "hello", 5, VMQ_SEND_AUTO, VMQ_NOWAIT);
 *
 * Results: 0 or a count, or a negative VMQ_E... code (errors.h). Every function
 * takes a null or closed handle and answers VMQ_EBADF, refuses unknown flags with
 * VMQ_EINVAL, and after a failure has changed nothing that it does not name.
 *
 * Structs that begin with `size` grow from version to version: the caller sets it to
 * the sizeof of what it was built with. A struct that is larger than the library's own
 * is taken if the rest is 0, and filled with 0 there.
 *
 * Time: each call that may wait takes a timeout in nanoseconds, VMQ_NOWAIT (0)
 * or VMQ_FOREVER (negative). It returns VMQ_EAGAIN if it was not to wait, and
 * VMQ_ETIMEDOUT when the time is up. A signal, whatever its handler does, neither ends
 * a call nor gives it more time: who wants to end a wait from outside waits in portions,
 * or with vmq_fd() in a loop of its own. vmq_open() has limits of its own.
 *
 * Threads: of one endpoint, one thread may call the sending functions (marked S)
 * while another calls the receiving ones (R). The rest (A) may be called by
 * either. More than one sender or receiver need VMQ_OPEN_THREADSAFE. vmq_close()
 * wants every other call on the handle finished: nothing ends a call that waits but
 * what it waits for, or its time. Different endpoints are independent of each other.
 * Functions without a handle may be called by any thread; none here may be called from
 * a signal handler. After fork() an endpoint is the parent's: the child leaves it
 * alone, and does not close it.
 */
#ifndef VMQ_VMQ_H
#define VMQ_VMQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmq/errors.h>
#include <vmq/layout.h>
#include <vmq/version.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VMQ_API __attribute__((visibility("default")))
#else
#define VMQ_API
#endif

/* An endpoint: one VM's place on the fabric, its queue and its peers. */
struct vmq;
struct vmq_transport;

#define VMQ_NOWAIT ((int64_t)0)
#define VMQ_FOREVER ((int64_t)-1)
#define VMQ_US(n) ((int64_t)(n) * 1000)
#define VMQ_MS(n) ((int64_t)(n) * 1000000)

/* ---- open, close ---------------------------------------------------------- */

/*
 * Where time, waiting and randomness come from, for a simulator or a runtime of
 * its own. Every field is needed. All of a fabric's endpoints should use the same.
 * Threads: each function may be called by several threads at once, wait() also for one
 * endpoint (its sender and its receiver): wake() then ends both. wake() is called with
 * locks held, and may be before vmq_open() has returned q: it calls nothing of this
 * library.
 */
struct vmq_env {
	size_t size; /* sizeof(struct vmq_env) */
	void *ctx;
	/* Monotonic nanoseconds. */
	uint64_t (*now)(void *ctx);
	/* Sleep until wake(q) or until now() reaches the deadline (UINT64_MAX:
	 * none). May return early. q is the endpoint that sleeps; NULL: several
	 * do, and any wake() counts. */
	void (*wait)(void *ctx, struct vmq *q, uint64_t deadline);
	/* q's doorbell rang: end its wait(), or the next one if it isn't in one.
	 * Called by whoever rings, on any thread. */
	void (*wake)(void *ctx, struct vmq *q);
	uint64_t (*random)(void *ctx);
};

#define VMQ_OPEN_THREADSAFE (1u << 0) /* several senders, several receivers */
#define VMQ_OPEN_STRICT (1u << 1)     /* a full fence for each message: exact
                                       * wake-ups without timers, a factor of
                                       * four slower */

/* Everything but size may be 0: the default named here is used then. For lane_size
 * and pool_pages a topology has the last word, whatever stands here. */
struct vmq_options {
	size_t size;          /* sizeof(struct vmq_options) */
	const char *name;     /* this VM's name, 1 to VMQ_NAME_MAX bytes, not "*", no
	                       * '/', '?', '&' or control characters; the
	                       * address's name= wins */
	uint32_t flags;       /* VMQ_OPEN_* */
	uint32_t lane_size;   /* bytes of each lane of this queue, power of two;
	                       * 262,144 */
	uint32_t pool_pages;  /* pages that may be under way to each peer; 256 */
	uint32_t max_msg;     /* largest message this queue takes, bytes; 1 MiB, at
	                       * most 1 GiB. The size of the buffer that a server
	                       * receives into is a good choice */
	uint32_t lazy_max_us; /* a lazy message is noticed after this, at the
	                       * latest, by a receiver that sleeps; 10,000 */
	uint32_t spin_us;     /* a waiting call looks for this long before it
	                       * sleeps; 50. VMQ_SPIN_NONE: sleep at once, as with
	                       * an env */
	const uint8_t *uuid;  /* 16 bytes; else derived from the name */
	const char *topology; /* path of a JSON topology (in-process fabric); the
	                       * first opener's counts */
	const struct vmq_env *env; /* must outlive the endpoint; the system's */
	char *errmsg;         /* a line that says what was wrong, for people */
	size_t errlen;        /* bytes of errmsg, with the NUL */
	const struct vmq_transport *transport; /* the one that the address names, of a
	                       * program that has it itself (transport.h) and need not
	                       * find it as a plugin; NULL */
};
#define VMQ_SPIN_NONE UINT32_MAX
#define VMQ_NO_PAGES UINT32_MAX /* pool_pages: no pool at all */

/*
 * Open an endpoint at an address:
 *	sim:FABRIC?name=NAME     in this process; VMs are threads
 *	sim:unix=PATH?name=NAME  a hub's socket; VMs are processes
 *	kvm:unix=PATH?name=NAME  a VMM's bridge (vmm.h); VMs are its guests and its
 *	                         own endpoints, but not others that came like this
 *	ivshmem:unix=PATH?name=NAME  a host program at an ivshmem server's socket
 *	ivshmem:file=PATH?name=NAME  a host program at the file of ivshmem-plain devices
 *	ivshmem:?name=NAME       a guest: its first ivshmem device, or the one at
 *	                         ivshmem:0000:00:04.0
 *	xen:FABRIC?name=NAME     a domain on Xen, dom0 or another, which the toolstack made a
 *	                         member of the fabric (vmq-xen-fabric)
 * `&key=value` adds lane=, pages=, max=, lazy_us=, spin_us= and topology=, which
 * win over the options. options may be NULL. Waits for the answer of the hub, VMM
 * or server, at most 5 s, which nothing shortens (one that is there and well answers at
 * once; one that is not is found at once); with ivshmem, also for a namesake that may be
 * dead to show no sign of life. An ivshmem endpoint has a thread of the library's, a xen one
 * libxenstore's; others have none. (A)
 *
 * On success *q is the endpoint, to be given to vmq_close(). Errors: VMQ_EURI,
 * VMQ_EINVAL (options), VMQ_ETOPOLOGY, VMQ_ENOENT (the topology has no such VM; with
 * xen, this domain is no member of the fabric), VMQ_EEXIST (the name is in use; with
 * kvm: its id, which is made from the name, may be, too), VMQ_ECONN (no hub, VMM or
 * server there, or it does not answer), VMQ_EACCES (it is another user's, this user may
 * not reach it, or may not have the name), VMQ_EVERSION (a hub, VMM, server or region of
 * another version, or a VMM where a hub should be, or the other way round), VMQ_EPROTO
 * (that is no hub, VMM or server, or the region holds something else), VMQ_EBUSY (another
 * process has the device), VMQ_ENOTSUP (no such transport, or none with an env of one's
 * own), VMQ_ENOMEM (with ivshmem, no place in the region), VMQ_EMSGSIZE (no room for a
 * channel with each peer that is there), VMQ_EMFILE, VMQ_ESYS. options->errmsg says more.
 */
VMQ_API int vmq_open(const char *uri, const struct vmq_options *options, struct vmq **q);

/* Leave the fabric: peers still get what was sent, then see this VM leave. All
 * pages and pointers of the endpoint end here. With xen it waits for peers to unmap
 * what they share, at most half a second in all. A null or closed handle is left
 * alone: VMQ_EBADF. */
VMQ_API int vmq_close(struct vmq *q);

/* ---- peers ---------------------------------------------------------------- */

/*
 * Wait for the peer called `name` to be on the fabric and identified; *peer is
 * its id, which stays the same when it comes back after a restart. Its own name
 * gives the endpoint itself. (A)
 * VMQ_EACCES (the topology refuses the pair), VMQ_ENOENT (no such VM in the
 * topology), VMQ_EAGAIN, VMQ_ETIMEDOUT, VMQ_ECONN (the fabric is gone), VMQ_EPEER (it
 * broke the protocol), VMQ_EINVAL. VMQ_ENOMEM, VMQ_EMFILE, VMQ_ESYS, VMQ_EPROTO,
 * VMQ_EVERSION, VMQ_EEXIST: it is there, but no channel to it can be set up here (with
 * VMQ_EEXIST: it has a name or an id that another has). With xen, and from a program at
 * kvm:unix=, a pair that is refused cannot be told from one that is yet to come.
 */
VMQ_API int vmq_peer(struct vmq *q, const char *name, int64_t timeout_ns, uint32_t *peer);

struct vmq_peer_info {
	size_t size;          /* set by the caller: sizeof(struct vmq_peer_info) */
	uint32_t id;
	uint32_t epoch;       /* of this life of the peer */
	uint32_t max_msg;     /* largest message it takes, bytes */
	int32_t state;        /* 0 there, VMQ_EGONE, VMQ_EACCES, VMQ_EPEER */
	int32_t poison;       /* enum vmq_poison, when state is VMQ_EPEER */
	uint8_t uuid[16];
	char name[VMQ_NAME_MAX + 1];
	uint32_t origin;      /* what the transport knows the peer's machine by: xen, its
	                       * domid; else 0 */
};

/* What is known of a peer. VMQ_ENOENT, VMQ_EINVAL. (A) */
VMQ_API int vmq_peer_info(struct vmq *q, uint32_t peer, struct vmq_peer_info *info);

/* The endpoint's own id on the fabric. Returns the id, which is 1 or more. (A) */
VMQ_API int64_t vmq_id(struct vmq *q);

enum vmq_event_type {
	VMQ_EVENT_JOIN = 1,   /* a peer is there and identified */
	VMQ_EVENT_LEAVE = 2,  /* a peer has gone; reason: VMQ_EGONE or VMQ_EACCES */
	VMQ_EVENT_POISON = 3, /* a channel is poisoned; reason: enum vmq_poison */
	VMQ_EVENT_DOWN = 4,   /* the fabric has gone, and with it every peer; reason:
	                       * VMQ_ECONN */
	VMQ_EVENT_LOST = 5,   /* the fabric's server has gone: peers that are there stay,
	                       * new ones cannot be rung; it is being looked for */
	VMQ_EVENT_BACK = 6,   /* ... and is back */
};

struct vmq_event {
	size_t size; /* set by the caller: sizeof(struct vmq_event) */
	uint32_t type;  /* enum vmq_event_type */
	uint32_t peer;  /* whose news it is; not set by DOWN, LOST and BACK */
	int32_t reason; /* as the type says, else 0 */
	char name[VMQ_NAME_MAX + 1]; /* the peer's; "" with DOWN, LOST and BACK */
};

/*
 * The next piece of news about peers. A peer's LEAVE comes after its last
 * message was received. News is kept for each peer, not queued without end: a
 * peer that left and came back while nobody asked gives one LEAVE and one JOIN.
 * VMQ_EAGAIN, VMQ_ETIMEDOUT, VMQ_EINVAL. (R)
 */
VMQ_API int vmq_event(struct vmq *q, struct vmq_event *event, int64_t timeout_ns);

/* ---- send ----------------------------------------------------------------- */

/* When the peer is to process the message. Order is kept whatever is asked. */
#define VMQ_SEND_AUTO 0u /* ring its doorbell if it sleeps (default) */
#define VMQ_SEND_NOW 1u  /* an immediate exit: the VMM sees to it now */
#define VMQ_SEND_LAZY 2u /* no exit: at a natural one, or when the peer looks */

/*
 * Place a copy of data (len bytes, 0 and more) in the peer's queue. flags is one of
 * VMQ_SEND_*. Waits up to timeout_ns for room. No allocation; no system call unless it
 * rings or waits. (S)
 *
 * A message over the lane's inline limit (a quarter of the lane) goes in
 * fragments. One that does not fit into an empty lane needs a timeout, because
 * its parts enter as the peer takes others out; if the time runs out in between,
 * the peer never sees any of it.
 *
 * 0; VMQ_EAGAIN or VMQ_ETIMEDOUT (full); VMQ_EMSGSIZE (over what the peer takes,
 * see vmq_peer_info, or over an empty lane and VMQ_NOWAIT); VMQ_ENOENT; VMQ_EGONE;
 * VMQ_EACCES (the pair has been refused since); VMQ_EPEER; VMQ_EINVAL.
 */
VMQ_API int vmq_send(struct vmq *q, uint32_t peer, const void *data, size_t len,
	uint32_t flags, int64_t timeout_ns);

struct vmq_iovec {
	const void *base;
	size_t len; /* bytes */
};

/* vmq_send() for a message in n pieces (at most 1,024). Errors as vmq_send(). (S) */
VMQ_API int vmq_sendv(struct vmq *q, uint32_t peer, const struct vmq_iovec *iov, unsigned n,
	uint32_t flags, int64_t timeout_ns);

/* Send n messages, published and rung for together. Each must be within the
 * inline limit. Returns how many were placed, from the first on (fewer than n:
 * the lane filled up or the time ran out), or an error as vmq_send() if none was. (S) */
VMQ_API int vmq_send_batch(struct vmq *q, uint32_t peer, const struct vmq_iovec *msgs,
	unsigned n, uint32_t flags, int64_t timeout_ns);

/* Place the message in the queue of each peer that is there (not in the own).
 * Whoever had no room in time, or takes none so large, is left out. Returns how many
 * got it; 0: nobody is there. VMQ_EAGAIN or VMQ_ETIMEDOUT: nobody had room;
 * VMQ_EMSGSIZE: as vmq_send(), for each of them; VMQ_EINVAL. (S) */
VMQ_API int vmq_broadcast(struct vmq *q, const void *data, size_t len, uint32_t flags,
	int64_t timeout_ns);

/*
 * Build a message in place: *data points to len bytes (within the inline limit)
 * in the peer's queue, to be filled, then vmq_commit() or vmq_cancel(). Nothing else may
 * be sent to that peer in between; a second vmq_reserve() drops the first. With
 * VMQ_OPEN_THREADSAFE, other threads that send to the peer meanwhile find it full,
 * and their vmq_reserve() gives VMQ_EBUSY. VMQ_EBUSY; VMQ_EMSGSIZE (over the inline
 * limit); as vmq_send(). (S)
 */
VMQ_API int vmq_reserve(struct vmq *q, uint32_t peer, size_t len, void **data,
	int64_t timeout_ns);

/* Send what vmq_reserve() gave, cut to len bytes. VMQ_EINVAL: nothing reserved,
 * or len is larger, or flags; VMQ_EGONE, VMQ_EACCES, VMQ_EPEER: and the reservation is
 * over. (S) */
VMQ_API int vmq_commit(struct vmq *q, size_t len, uint32_t flags);

/* Drop what vmq_reserve() gave: nothing is sent. VMQ_EINVAL: nothing is reserved, or by
 * another thread. (S) */
VMQ_API int vmq_cancel(struct vmq *q);

/* Ring for every lazy message that a sleeping peer has not seen. Returns how many
 * doorbells were rung. (S) */
VMQ_API int vmq_flush(struct vmq *q);

/* A natural exit of this VM: the VMM drains what was sent lazily. (S) */
VMQ_API int vmq_yield(struct vmq *q);

/* ---- pages ---------------------------------------------------------------- */

/* A run of whole pages in this VM's address space. The handle may be copied; a
 * stale one is refused (VMQ_ESTALE), never followed. */
struct vmq_page {
	void *addr;     /* page-aligned */
	size_t len;     /* bytes in use when received, bytes asked for when allocated */
	uint32_t peer;  /* the other end */
	uint32_t first, count, gen; /* the library's */
	uint32_t mode;  /* enum vmq_page_mode as received, 0 if allocated here */
	uint32_t epoch; /* the library's */
};

/*
 * Take pages for len bytes (contiguous) out of the pool shared with the peer.
 * Waits up to timeout_ns for pages to return. Their bytes are not cleared.
 * VMQ_ENOMEM (none free, and VMQ_NOWAIT), VMQ_ETIMEDOUT, VMQ_EMSGSIZE (larger than
 * the pool), VMQ_ENOTSUP (no pool), VMQ_ENOENT, VMQ_EGONE, VMQ_EACCES, VMQ_EPEER,
 * VMQ_EINVAL, VMQ_ESYS (they cannot be mapped). (S)
 */
VMQ_API int vmq_page_alloc(struct vmq *q, uint32_t peer, size_t len, struct vmq_page *page,
	int64_t timeout_ns);

/*
 * Send pages with a message: page->len bytes of them are in use, and data (len
 * bytes, within the inline limit) goes along. The receiver finds both in one
 * message.
 *	VMQ_PAGE_MOVE   the receiver owns them now. The handle is stale, and the
 *	                addresses read as zero pages where the transport can do that
 *	                (VMQ_CAP_UNMAP), until the peer gives the pages back. Sent
 *	                lazily with VMQ_CAP_ENFORCED, that is so once the VMM has
 *	                looked.
 *	VMQ_PAGE_LEND   the receiver may read them until it frees them; this end
 *	                still holds them and frees them too, before or after; they
 *	                are in the pool again when both have.
 *	VMQ_PAGE_SHARE  as LEND, and both may write.
 * On failure nothing has changed hands. Errors as vmq_send(); VMQ_EMSGSIZE also: page->len
 * is more than the pages have, or data is over the limit; VMQ_ESTALE (not this end's to
 * give); VMQ_ENOTSUP, VMQ_ENOMEM, VMQ_ESYS (MOVE cannot take them out of here). (S)
 */
VMQ_API int vmq_page_send(struct vmq *q, struct vmq_page *page, enum vmq_page_mode mode,
	const void *data, size_t len, uint32_t flags, int64_t timeout_ns);

/* Give pages up: own ones go back to their pool (lent ones once the borrower has
 * freed them too), received ones to the peer. page->addr is void afterwards.
 * VMQ_ESTALE (double free, moved away, of an earlier life), VMQ_EINVAL (no page). (A) */
VMQ_API int vmq_page_free(struct vmq *q, struct vmq_page *page);

/* ---- receive -------------------------------------------------------------- */

#define VMQ_MSG_PAGE (1u << 0) /* page is filled in: free it when done */

/* A received message, or room for one. Its layout is part of the ABI. */
struct vmq_msg {
	void *data;      /* in: buffer. vmq_peek(): out, in the queue */
	size_t cap;      /* in: bytes of the buffer */
	size_t len;      /* out: bytes of the message */
	uint32_t peer;   /* out: who sent it, by the transport's word (VMQ_CAP_VOUCHED) */
	uint32_t flags;  /* out: VMQ_MSG_* */
	struct vmq_page page;
	uint64_t reserved[2];
};

/*
 * Take the next message out of the queue, from whichever peer, and copy it to
 * buf (cap bytes). msg may be NULL; otherwise its outputs are filled, and data
 * and cap are set to buf and cap. Pages that came along are mapped; with a NULL
 * msg they are freed at once. No allocation; no system call unless it waits or
 * maps. (R)
 *
 * Returns the message's length. VMQ_EMSGSIZE: longer than cap; it stays in the
 * queue and msg->len says its size. VMQ_EGONE, VMQ_EACCES or VMQ_EPEER: said once
 * for a peer (msg->peer) that left, was refused, or was poisoned, after its last
 * message; go on calling.
 * A message whose pages another VMM has yet to take from their sender is not there
 * before they are; other peers' are.
 * VMQ_EAGAIN, VMQ_ETIMEDOUT; VMQ_ECONN once the hub is gone and all is received;
 * VMQ_ENOMEM, VMQ_ESYS (pages could not be mapped; the message stays); VMQ_EINVAL.
 */
VMQ_API int64_t vmq_recv(struct vmq *q, void *buf, size_t cap, struct vmq_msg *msg,
	int64_t timeout_ns);

/* Take up to n messages into msgs[].data (cap bytes each). Returns how many (1
 * and more), or an error as vmq_recv() if there was none: then msgs[0] says more.
 * A message too long for its buffer ends the batch before it. (R) */
VMQ_API int vmq_recv_batch(struct vmq *q, struct vmq_msg *msgs, unsigned n, int64_t timeout_ns);

/* Look at the next message without copying or taking it: msg->data and msg->len
 * are valid until vmq_release(). The peer can still change the bytes in the
 * queue: copy what must not change between a check and its use. Peeking again
 * shows the same message. For one receiver: another's vmq_recv() would take it.
 * Returns 0 or an error as vmq_recv(). (R) */
VMQ_API int vmq_peek(struct vmq *q, struct vmq_msg *msg, int64_t timeout_ns);

/* Take the message that vmq_peek() showed. VMQ_EINVAL: there is none. (R) */
VMQ_API int vmq_release(struct vmq *q);

/* ---- wait for many -------------------------------------------------------- */

#define VMQ_POLL_IN (1u << 0)    /* vmq_recv() would give something */
#define VMQ_POLL_OUT (1u << 1)   /* no lane is known to be full, or one that was has
                                  * room again; makes vmq_poll() a sending call
                                  * too (S) */
#define VMQ_POLL_EVENT (1u << 2) /* vmq_event() would give something */
#define VMQ_POLL_ERR (1u << 3)   /* closed handle; only in revents */
#define VMQ_POLL_LIMIT 1024u

struct vmq_pollfd {
	struct vmq *q;
	uint32_t events;  /* in: VMQ_POLL_* that are waited for */
	uint32_t revents; /* out: VMQ_POLL_* that there are */
};

/* Wait until one of n endpoints (at most VMQ_POLL_LIMIT) has one of its events.
 * Returns how many have; VMQ_EAGAIN or VMQ_ETIMEDOUT if none; VMQ_EINVAL. (R of
 * each endpoint) */
VMQ_API int vmq_poll(struct vmq_pollfd *fds, unsigned n, int64_t timeout_ns);

/*
 * A file descriptor for poll, epoll or an event loop, one for the endpoint's
 * life; do not read or close it. It is readable when the doorbell rang. Use it
 * so: call vmq_recv() without waiting until it gives VMQ_EAGAIN, then vmq_event()
 * likewise if events matter; from then on, and only then, the next message, the next
 * piece of news, or room in a lane that refused a message makes it readable.
 * Returns the descriptor. VMQ_ENOTSUP with an env of one's own, VMQ_EMFILE, VMQ_ENOMEM,
 * VMQ_ESYS. (A)
 */
VMQ_API int vmq_fd(struct vmq *q);

/* ---- what it does, what it did -------------------------------------------- */

#define VMQ_CAP_PAGES (1ull << 0)    /* page hand-over */
#define VMQ_CAP_REMAP (1ull << 1)    /* by changing page tables, not by copying */
#define VMQ_CAP_UNMAP (1ull << 2)    /* MOVE takes the pages out of the sender */
#define VMQ_CAP_READONLY (1ull << 3) /* LEND is mapped read-only */
#define VMQ_CAP_ISOLATED (1ull << 4) /* no third VM has a mapping of a channel */
#define VMQ_CAP_VOUCHED (1ull << 5)  /* the transport vouches for who is who */
#define VMQ_CAP_WAKE (1ull << 6)     /* doorbells wake; else polled */
#define VMQ_CAP_EXIT (1ull << 7)     /* NOW leaves the VM: to its VMM or hypervisor */
#define VMQ_CAP_TICK (1ull << 8)     /* the VMM drains lazy messages by timer */
#define VMQ_CAP_ENFORCED (1ull << 9) /* page mappings are the VMM's work, out of
                                      * the VM's reach */

/* What the endpoint's transport can do. Returns VMQ_CAP_* bits; 0 for a bad handle. (A) */
VMQ_API uint64_t vmq_caps(struct vmq *q);

/* Counted since vmq_open(), over all peers. */
struct vmq_stats {
	size_t size; /* set by the caller: sizeof(struct vmq_stats) */
	uint64_t sent, sent_bytes, received, received_bytes;
	uint64_t kicks_sent;       /* doorbells rung for messages */
	uint64_t kicks_suppressed; /* not needed, or lazy */
	uint64_t kicks_space;      /* doorbells rung for room, or pages, that are back */
	uint64_t kicks_received;   /* own doorbell found rung */
	uint64_t wakes_spurious;   /* of those, with nothing to do */
	uint64_t exits_immediate;  /* NOW, to others */
	uint64_t exits_natural;    /* own waits for messages or room, and vmq_yield() */
	uint64_t drains;           /* of those, with lazy messages to drain */
	uint64_t pages_sent, pages_received; /* pages handed over */
	uint64_t page_bytes_sent;  /* in use in them: bytes that were not copied */
	uint64_t stale;            /* records of an old epoch that were dropped */
	uint64_t partial;          /* messages whose sender gave up half-way */
	uint64_t poisons;
	uint64_t peers;            /* there now, without oneself */
};

/* Copy the counters. VMQ_EINVAL (no stats, or of a smaller size). (A; without
 * VMQ_OPEN_THREADSAFE, what the other thread counts meanwhile may be behind, and on a
 * machine of 32 bits wrong where it passes 2^32) */
VMQ_API int vmq_stats(struct vmq *q, struct vmq_stats *stats);

/* A code's text, in English, static. Any number gets one. */
VMQ_API const char *vmq_strerror(int code);

/* A code's name, "VMQ_EAGAIN", static; "VMQ_E?" for an unknown one. */
VMQ_API const char *vmq_errname(int code);

/* A poison reason's text (enum vmq_poison), static. */
VMQ_API const char *vmq_poison_text(int reason);

/* The linked library's version, "0.1.0", static. */
VMQ_API const char *vmq_version(void);

#ifdef __cplusplus
}
#endif
#endif
