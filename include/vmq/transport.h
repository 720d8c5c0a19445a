/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * transport.h - the plugin ABI: what a backend gives libvmq, and what it gets.
 *
 * A transport brings regions, doorbells and news about peers. It never touches an
 * index or a record: those are the core's, above it. It is one `const` table of
 * functions.
 *
 * Threads: libvmq calls open, news, lookup and detach under the endpoint's lock;
 * close, and the detach calls before it, when no other call is under way. The rest
 * may be called by a sending and a receiving thread at once.
 */
#ifndef VMQ_TRANSPORT_H
#define VMQ_TRANSPORT_H

#include <vmq/vmm.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VMQ_TRANSPORT_ABI 1u

/* What an endpoint sleeps on. */
enum vmq_fd {
	VMQ_FD_DATA,    /* doorbell: messages */
	VMQ_FD_SPACE,   /* doorbell: room; may be the same as VMQ_FD_DATA only if
	                 * draining the one leaves the other rung */
	VMQ_FD_CONTROL, /* news */
	VMQ_FDS,
};

struct vmq_geometry;
struct vmq_parts;
struct vmq_port; /* an endpoint, as its transport sees it */

/* A channel that has come up. */
struct vmq_transport_channel {
	size_t size;
	void *chan;              /* the transport's own name for it */
	uint32_t peer;           /* id, vouched for by the transport */
	const char *peer_name;   /* NULL if the transport cannot know */
	const uint8_t *peer_uuid;
	unsigned side;           /* 0 or 1 */
	uint32_t epoch;          /* non-zero, new */
	void *region;            /* mapped: header, control areas and lanes */
	uint64_t region_size;    /* bytes of the whole region, as the transport
	                          * itself measured it */
	void *pool;              /* where the first page of pool 0 belongs, or NULL */
	const struct vmq_geometry *geo; /* as the transport read it, where peers can
	                          * write to the header after that; else NULL */
	const struct vmq_parts *parts; /* where control areas and lanes are, if not all
	                          * of them in the region; else NULL */
	uint32_t origin;         /* what the transport knows the peer's machine by, or 0 */
};

/* What a transport calls, only from within its own functions (news, open). */
struct vmq_port_ops {
	size_t size;
	/* A peer has a channel with us. Negative: refused, it was not kept. */
	int (*join)(struct vmq_port *port, const struct vmq_transport_channel *channel);
	/* Its peer has gone; reason: VMQ_EGONE, VMQ_EACCES, or VMQ_EPEER if what the
	 * transport itself shares with peers was overwritten (VMQ_POISON_DIRECTORY).
	 * libvmq calls detach when it is done with the region. */
	void (*leave)(struct vmq_port *port, void *chan, int reason);
	/* The fabric itself is lost. */
	void (*down)(struct vmq_port *port);
	/* Put a line for people into the opener's errmsg; returns code. */
	int (*fail)(struct vmq_port *port, int code, const char *format, ...);
	/* The fabric's server has gone (false), while channels go on, or is back. */
	void (*server)(struct vmq_port *port, bool there);
};

/* What vmq_open() was asked for, defaults filled in. */
struct vmq_open_args {
	size_t size;
	const char *address; /* behind "name:", before "?" */
	const char *name;
	const uint8_t *uuid; /* 16 bytes */
	uint32_t lane_size, pool_pages, max_msg;
	uint32_t id;         /* out: own id */
	const char *topology;
	const struct vmq_env *env; /* NULL: the system's */
	struct vmq *q;       /* for env->wake */
	struct vmq_vmm *vmm; /* where to be a VM, for vmq_vmm_open(); else NULL */
};

struct vmq_transport {
	uint32_t abi; /* VMQ_TRANSPORT_ABI */
	uint32_t size;
	const char *name;
	/* Join the fabric. Sets *state and args->id. */
	int (*open)(struct vmq_port *port, const struct vmq_port_ops *ops,
		struct vmq_open_args *args, void **state);
	/* Leave it. All channels were detached. */
	void (*close)(void *state);
	uint64_t (*caps)(void *state);
	/* Descriptors to sleep on, by VMQ_FD_*; -1 for none. */
	void (*fds)(void *state, int fds[VMQ_FDS]);
	/* Ring a doorbell of a channel's peer (chan NULL: the own): VMQ_KICK_DATA or VMQ_KICK_SPACE.
	 * now: as an immediate exit. Returns 0 or an error, which libvmq takes for a
	 * kick that was lost. */
	int (*kick)(void *state, void *chan, unsigned what, bool now);
	/* A natural exit of this VM; pending: it sent lazily since the last. */
	void (*exit)(void *state, enum vmq_exit_reason reason, bool pending);
	/* Silence an own doorbell (VMQ_KICK_*). True if it had rung. Called before
	 * the lanes are looked at, never after. */
	bool (*drain)(void *state, unsigned what);
	/* Handle what happened to the fabric: calls join, leave, down. Never
	 * blocks. What goes wrong with one peer is lookup's to say. */
	int (*news)(void *state);
	/* May we talk to the VM of that name? 0: it is there or may come; VMQ_EAGAIN:
	 * asked, the answer comes with news; else why not. */
	int (*lookup)(void *state, const char *name);
	/* Put pages that were received (or taken back) into the own window, as the
	 * mode says (0: own again), or take moved ones out. map may say VMQ_EAGAIN:
	 * they are under way, and the own doorbells ring when they are there; VMQ_EPEER:
	 * they are not what their sender says; and it may put another address into
	 * run->addr. */
	int (*pages_map)(void *state, void *chan, struct vmq_page *run, unsigned mode);
	int (*pages_unmap)(void *state, void *chan, const struct vmq_page *run);
	/* libvmq is done with a channel, whose peer may be gone or not. */
	void (*detach)(void *state, void *chan);
};

#ifdef __cplusplus
}
#endif
#endif
