/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm.h - the VMM side: what a hypervisor embeds to give its VMs queues.
 *
 * The VMM makes a channel for each pair of VMs that may talk, lays it into their
 * windows of memory, rings their doorbells, moves pages between them and counts
 * exits. Nothing here knows what a VM is: it has a name, a window and a kick
 * callback. A VMM calls
 *
 *	vmq_vmm_doorbell()  when a VM left for the queue's sake (immediate exit)
 *	vmq_vmm_exit()      when it left for another reason (natural exit)
 *
 * and each drains what the VM sent lazily.
 *
 * Results and time as in vmq.h. Threads: every function may be called by any
 * thread; a struct vmq_vmm has one lock. Callbacks run under it and must not call
 * back into the same VMM. What ends a handle (vmq_vmm_destroy(), vmq_vmm_remove(),
 * vmq_vmm_detach()) wants every other call with that handle finished.
 */
#ifndef VMQ_VMM_H
#define VMQ_VMM_H

#include <vmq/vmq.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmq_vmm;
struct vmq_vm;
struct vmq_vmm_link; /* a VM's end of one channel */

#define VMQ_VMM_CLOSED (1u << 0) /* pairs are refused unless vmq_vmm_allow() */

struct vmq_vmm_options {
	size_t size;    /* sizeof(struct vmq_vmm_options) */
	uint32_t flags; /* VMQ_VMM_* */
	uint64_t seed;  /* epochs start here; 0: from the system */
	uint32_t first_id; /* ids of its VMs count up from here, 1 to 4,095; 0: 1.
	                 * VMMs that are bridged need ranges that don't meet */
};

/* Make a VMM without VMs. options may be NULL. VMQ_EINVAL, VMQ_ENOMEM, VMQ_ESYS (the
 * system has no random number for the seed). */
VMQ_API int vmq_vmm_create(const struct vmq_vmm_options *options, struct vmq_vmm **vmm);

/* Remove all VMs, then the VMM. VMQ_EBUSY (its bridge is open: close that first),
 * VMQ_EBADF for NULL. */
VMQ_API int vmq_vmm_destroy(struct vmq_vmm *vmm);

/* A channel as one of its two VMs is to see it. */
struct vmq_vmm_channel {
	size_t size;
	struct vmq_vmm_link *link; /* until `leave`, then vmq_vmm_detach() it */
	uint32_t id;               /* the VM's own id */
	uint32_t peer;             /* the other VM's id */
	const char *peer_name;     /* valid during the call only: copy it */
	const uint8_t *peer_uuid;  /* 16 bytes, the same */
	uint32_t side;             /* 0 or 1 */
	uint32_t epoch;            /* for struct vmq_chan_config */
	int fd;                    /* sealed memfd of the region; the VMM's, dup it */
	uint64_t region_size;      /* bytes */
	void *region;              /* where it lies in the VM's window; NULL if the
	                            * VM has none */
	int doorbell[2];           /* the peer's, see struct vmq_vm_config: whoever
	                            * writes to it rings the peer past the VMM; -1:
	                            * none. Valid during the call only: dup it */
};

struct vmq_vm_config {
	size_t size;         /* sizeof(struct vmq_vm_config) */
	const char *name;    /* 1 to VMQ_NAME_MAX bytes, unique among those there */
	const uint8_t *uuid; /* 16 bytes; NULL: derived from the name */
	uint32_t lane_size;  /* bytes of each lane that this VM receives on, power
	                      * of two; 0: 262,144 */
	uint32_t pool_pages; /* pages of the pool it has with each peer; 0: 256;
	                      * VMQ_NO_PAGES: none */
	void *window;        /* the VM's memory as the VMM has it mapped: channels
	                      * are laid into it from its start. Page-aligned. NULL:
	                      * the VM maps channels itself (attach has the fd) */
	size_t window_size;  /* bytes */
	int doorbell[2];     /* eventfds that ring the VM for VMQ_KICK_DATA and for
	                      * VMQ_KICK_SPACE (may be the same): peers' doorbells
	                      * lead straight there. The caller's, and open until
	                      * the VM is removed. Both, or 0: none; then the VM
	                      * has no peers over a bridge */
	void *ctx;           /* handed to the callbacks */
	/* Ring the VM's doorbell (inject an interrupt), for what: VMQ_KICK_DATA,
	 * VMQ_KICK_SPACE or both. One doorbell may serve for both. May be NULL if
	 * there are eventfds above, which are written then. */
	void (*kick)(void *ctx, unsigned what);
	/* A channel to a peer is there. Negative: the VM cannot have it; while it is
	 * being added, vmq_vmm_add() fails with that number. */
	int (*attach)(void *ctx, const struct vmq_vmm_channel *channel);
	/* The peer of this channel is gone: VMQ_EGONE, or VMQ_EACCES if the pair was
	 * refused. What the peer sent can still be received. Detach when done. */
	void (*leave)(void *ctx, struct vmq_vmm_link *link, int reason);
};

/*
 * Add a VM: makes a channel with each VM that is there and allowed, and calls
 * attach on both. A VM of the same name that was removed had the same id; the new
 * one has a new epoch. Errors: VMQ_EBADF, VMQ_EINVAL, VMQ_EEXIST (name in use),
 * VMQ_ENOMEM (also: 4,095 VMs are there), VMQ_EMFILE, VMQ_ESYS; VMQ_EMSGSIZE (the window
 * is too small for a channel with each); what its own `attach` says.
 */
VMQ_API int vmq_vmm_add(struct vmq_vmm *vmm, const struct vmq_vm_config *config,
	struct vmq_vm **vm);

/* Remove a VM, dead or alive: its peers get `leave`, its window is free again
 * (left as fresh zero pages). Its links end; do not detach them. VMQ_EBADF. */
VMQ_API int vmq_vmm_remove(struct vmq_vm *vm);

/* The VM's power is cut: its channels end as if it were removed, but the handle
 * stays, and the name stays taken, until vmq_vmm_remove(). VMQ_EBADF. */
VMQ_API int vmq_vmm_halt(struct vmq_vm *vm);

/* The VM is done with a channel, whose peer may have left or not: its place in the
 * window is free again, and the link is void. VMQ_EBADF for NULL. */
VMQ_API int vmq_vmm_detach(struct vmq_vmm_link *link);

/* A VM's id on the fabric; 0 for NULL. */
VMQ_API uint32_t vmq_vmm_id(const struct vmq_vm *vm);

/*
 * Let the two VMs of these names talk, or not. Names may be of VMs that are not
 * there yet; "*" stands for every VM. The last word on a pair counts. Refusing a pair
 * that is connected ends its channel: both get `leave`. VMQ_EINVAL, VMQ_ENOMEM,
 * VMQ_EBADF.
 */
VMQ_API int vmq_vmm_allow(struct vmq_vmm *vmm, const char *a, const char *b);
VMQ_API int vmq_vmm_refuse(struct vmq_vmm *vmm, const char *a, const char *b);

/* May vm talk to the VM of that name? Returns 0: yes, and it is there; VMQ_EAGAIN (once
 * it comes), VMQ_EACCES, VMQ_EINVAL (no name), VMQ_EBADF. */
VMQ_API int vmq_vmm_lookup(struct vmq_vm *vm, const char *name);

/* Why a VM left for the VMM without meaning the queue. */
enum vmq_exit_reason {
	VMQ_EXIT_TIMER,   /* its time slice or a timer tick */
	VMQ_EXIT_WAIT,    /* it halts, or waits */
	VMQ_EXIT_YIELD,   /* it said so */
	VMQ_EXIT_IO,      /* a device access, a page fault, an interrupt window */
	VMQ_EXIT_REASONS,
};

/* A natural exit of the VM. Drains it: page hand-overs take effect, and each peer
 * that sleeps through a message or room gets its kick. Returns the number of
 * kicks. VMQ_EBADF, VMQ_EINVAL. */
VMQ_API int vmq_vmm_exit(struct vmq_vm *vm, enum vmq_exit_reason reason);

/* An immediate exit: the VM rang for that peer, for `what` (VMQ_KICK_*). Kicks the
 * peer, and drains as vmq_vmm_exit() does. Returns the number of kicks; VMQ_ENOENT if it has no
 * channel there, and it was an exit all the same. VMQ_EINVAL, VMQ_EBADF. */
VMQ_API int vmq_vmm_doorbell(struct vmq_vm *vm, uint32_t peer, unsigned what);

/* Ring the peer's doorbell without an exit: for a VM whose doorbells lead straight
 * to its peers, as an ioeventfd bound to an irqfd does. Only counted: kicks that
 * such a doorbell carried out by itself. VMQ_EINVAL (what), VMQ_EBADF. */
VMQ_API int vmq_vmm_bypass(struct vmq_vmm_link *link, unsigned what);
VMQ_API void vmq_vmm_count_bypass(struct vmq_vm *vm, uint64_t kicks);

/*
 * Make the mappings of both windows of a channel agree with what the VMs handed
 * over to each other (records are claims; the VMM has its own table): MOVE takes
 * pages out of the one window, where fresh zero pages appear, and puts them into
 * the other; LEND maps them read-only, SHARE for both. A VM that received pages
 * calls this, by a hypercall of the VMM's making, before it touches them; it also
 * happens at every exit. Returns the number of pages whose mapping changed;
 * VMQ_ENOTSUP (a VM without a window), VMQ_ENOMEM (and nothing has changed for the
 * pages that are left), VMQ_EPEER (a VM claims a page that is not its own: the
 * claim is ignored; what else was due has been done), VMQ_EAGAIN (the VMM at the
 * other end of a bridge has yet to take pages out of its VM's window: it was told
 * to, and this VM is kicked when it has). Looks at `count` pages from
 * `first` on; with 0, 0 at all of them, if anything was said since. VMQ_EINVAL,
 * VMQ_EBADF.
 */
VMQ_API int vmq_vmm_pages(struct vmq_vmm_link *link, uint32_t first, uint32_t count);

/*
 * Is the VM still listening? For VMs that a doorbell interrupts; call it now and
 * then. If a heartbeat of the VM moved since the last call, or nobody has a channel
 * with it: 0. Else its doorbell is rung, and once nothing has moved for limit_ns
 * since the first ring without an answer (monotonic clock), the VM is halted as by
 * vmq_vmm_halt(). VMQ_EGONE (that, now and from then on), VMQ_EINVAL (limit_ns < 1),
 * VMQ_EBADF.
 */
VMQ_API int vmq_vmm_watch(struct vmq_vm *vm, int64_t limit_ns);

/* An endpoint of this process on the VMM: the host's own queue, to talk with the
 * VMs. Like vmq_open(), with the name in options, which are needed; close it before
 * the VMM is destroyed. VMQ_EBADF, VMQ_EINVAL; VMQ_ENOTSUP (a library without the
 * sim and the kvm transport); as vmq_vmm_add(). */
VMQ_API int vmq_vmm_open(struct vmq_vmm *vmm, const struct vmq_options *options, struct vmq **q);

struct vmq_vmm_stats {
	size_t size;                /* set by the caller */
	uint64_t exits_immediate;
	uint64_t exits_natural[4];  /* by enum vmq_exit_reason */
	uint64_t drains;            /* natural exits that had something to drain */
	uint64_t kicks;             /* carried out for this VM as the sender */
	uint64_t bypass;            /* went past the VMM */
	uint64_t pages_moved, pages_lent, pages_shared, pages_returned;
	uint64_t page_refused;      /* claims that were ignored */
	uint64_t peers;             /* channels now */
};

/* Counters of one VM. VMQ_EBADF; VMQ_EINVAL (no stats, or of a smaller size). */
VMQ_API int vmq_vmm_stats(struct vmq_vm *vm, struct vmq_vmm_stats *stats);

/* ---- bridges: VMs of several VMM processes ---------------------------------- */

/*
 * A bridge joins the VMs of this VMM with those of others on the same machine. Each
 * pair of VMMs shares one UNIX socket (SOCK_SEQPACKET, of one user: SO_PEERCRED),
 * over which regions and doorbells travel as descriptors. No message passes through
 * it. Both VMMs must allow a pair. Each changes the mappings of its own VMs, and
 * puts a page into a window only after the other has taken it out of its own.
 *
 * VMs have one name and one id for all. A VM whose name or id another VMM has in use
 * for one of its own is left out there, and the log says so.
 *
 * When a VMM dies, its VMs leave: the kernel closes the socket. It may come back,
 * and its VMs do under the same names, with new epochs. A bridge that was told to
 * connect goes on trying. Two VMMs that call each other keep one connection, and one
 * that calls itself keeps none.
 *
 * What a VM of one VMM gave to one of another just before it left is still taken out
 * of its window first. Pages of a VM whose VMM died are its peer's at once.
 *
 * Threads: as struct vmq_vmm; vmq_bridge_run() by one thread at a time.
 */
struct vmq_bridge;

struct vmq_bridge_options {
	size_t size;          /* sizeof(struct vmq_bridge_options) */
	const char *path;     /* of a socket to listen on; an old one that nobody
	                       * serves is replaced; mode 0600. NULL: do not listen */
	uint32_t retry_ms;    /* between attempts to connect; 0: 100 */
	/* Tells what happens, one line without newline each. May be NULL. Not under
	 * the VMM's lock. */
	void (*log)(void *ctx, const char *line);
	void *ctx;
	char *errmsg;         /* a line for people when vmq_bridge_open() fails */
	size_t errlen;
};

/* Give a VMM its bridge, which listens at once. VMQ_EINVAL, VMQ_EBADF, VMQ_EEXIST
 * (somebody listens there, or it is no socket), VMQ_ESYS, VMQ_EMFILE, VMQ_ENOMEM, VMQ_EBUSY
 * (this VMM has a bridge). */
VMQ_API int vmq_bridge_open(struct vmq_vmm *vmm, const struct vmq_bridge_options *options,
	struct vmq_bridge **bridge);

/* Stay connected with the VMM that listens at path, from the next run on, whether it
 * is there yet or not. VMQ_EINVAL, VMQ_ENOMEM, VMQ_EBADF. */
VMQ_API int vmq_bridge_connect(struct vmq_bridge *bridge, const char *path);

/* A file descriptor for poll, epoll or an event loop: readable when vmq_bridge_run() has
 * something to do. Returns the descriptor, which is the bridge's. VMQ_EBADF. */
VMQ_API int vmq_bridge_fd(struct vmq_bridge *bridge);

/* Serve the bridge for timeout_ns (whole milliseconds of it), or until vmq_bridge_stop():
 * then it returns 0. With VMQ_NOWAIT: what there is to do now, then VMQ_EAGAIN.
 * VMQ_EAGAIN, VMQ_ETIMEDOUT, VMQ_ESYS, VMQ_EBADF. */
VMQ_API int vmq_bridge_run(struct vmq_bridge *bridge, int64_t timeout_ns);

/* Make vmq_bridge_run() return. Any thread, and from a signal handler. */
VMQ_API void vmq_bridge_stop(struct vmq_bridge *bridge);

/* End the bridge: the other VMMs' VMs leave; the socket is removed. Not while another
 * thread uses it. VMQ_EBADF. */
VMQ_API int vmq_bridge_close(struct vmq_bridge *bridge);

/*
 * ---- the hub: a VMM of the hosted simulation, for VMs that are processes ---
 *
 * Threads: vmq_hub_run() by one thread at a time, everything else but vmq_hub_close()
 * by any. `log` is called by the thread that serves, and may ask (vmq_hub_next(),
 * vmq_hub_stats()), kill and stop.
 */

struct vmq_hub;

struct vmq_hub_options {
	size_t size;          /* sizeof(struct vmq_hub_options) */
	const char *path;     /* of the socket to listen on; an old socket that
	                       * nobody serves is replaced; mode 0600 */
	const char *topology; /* path of a JSON topology, or NULL: any VM of this
	                       * user may join and talk to any other */
	uint32_t tick_us;     /* each VM's timer exit; 0: the topology's, else
	                       * 10,000 */
	/* Tells what happens, one line without newline each. May be NULL. */
	void (*log)(void *ctx, const char *line);
	void *ctx;
	char *errmsg;         /* a line for people when vmq_hub_open() fails */
	size_t errlen;
};

/* Make a hub, and listen at its path. VMQ_EINVAL, VMQ_ETOPOLOGY, VMQ_EEXIST (a hub serves
 * that path, or it is no socket), VMQ_ESYS, VMQ_EMFILE, VMQ_ENOMEM; VMQ_ENOTSUP (a library
 * without the sim transport). */
VMQ_API int vmq_hub_open(const struct vmq_hub_options *options, struct vmq_hub **hub);

/* Serve the hub's VMs for timeout_ns (whole milliseconds of it), or until vmq_hub_stop():
 * then it returns 0. One thread at a time. VMQ_EAGAIN (with VMQ_NOWAIT), VMQ_ETIMEDOUT,
 * VMQ_ESYS, VMQ_EBADF. */
VMQ_API int vmq_hub_run(struct vmq_hub *hub, int64_t timeout_ns);

/* Make vmq_hub_run() return. Any thread, and from a signal handler. */
VMQ_API void vmq_hub_stop(struct vmq_hub *hub);

/* End a hub: all VMs lose the fabric; the socket is removed. Not while another thread
 * uses it. VMQ_EBADF. */
VMQ_API int vmq_hub_close(struct vmq_hub *hub);

/* Go through the VMs that are or were there, in the order of strcmp(): the one that
 * follows `name`, which is overwritten, and in *there (may be NULL) whether it is there
 * now. Begin with "". VMs that come or go on the way disturb nobody else's turn. The
 * 4,095 that left last are known. VMQ_ENOENT: there are no more; VMQ_EINVAL (no name, or
 * none that ends in time), VMQ_EBADF. */
VMQ_API int vmq_hub_next(struct vmq_hub *hub, char name[VMQ_NAME_MAX + 1], bool *there);

/* Counters of the VM of that name, also after it left: then of its latest life.
 * VMQ_ENOENT; VMQ_EINVAL (no stats, or of a smaller size), VMQ_EBADF. */
VMQ_API int vmq_hub_stats(struct vmq_hub *hub, const char *name, struct vmq_vmm_stats *stats);

/* End a VM as a power cut would: SIGKILL to its process. VMQ_ENOENT, VMQ_EINVAL (no
 * name), VMQ_ESYS, VMQ_EBADF. */
VMQ_API int vmq_hub_kill(struct vmq_hub *hub, const char *name);

#ifdef __cplusplus
}
#endif
#endif
