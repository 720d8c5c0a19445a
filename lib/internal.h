/* SPDX-License-Identifier: BSD-2-Clause */
/* internal.h - what the files of libvmq share about an endpoint. */
#ifndef VMQ_INTERNAL_H
#define VMQ_INTERNAL_H

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <vmq/core.h>
#include <vmq/transport.h>

#include "core/atomic.h"
#include "name.h"
#include "probe.h"

#define VMQ__LIVE 0x564d5121u
#define VMQ__PEERS 4096u /* ids on a fabric */
#define VMQ__STREAM 32   /* messages without an answer that make a stream */
#define VMQ__DROWSY_NS 2000 /* longer than a store stays in a store buffer */
#define VMQ__HEAR 4095     /* messages sent without a look for news */
#define VMQ__QUANTUM 64  /* messages from one peer before the next's turn */

#define VMQ__LIKELY(x) __builtin_expect(!!(x), 1)
#define VMQ__UNLIKELY(x) __builtin_expect(!!(x), 0)

/* The message that is being looked at. */
struct vmq__staged {
	struct vmq__peer *peer;
	const void *data;
	uint32_t len;
	bool joined;               /* data stands in peer->join */
	bool peeked;
	bool page, mapped;
	struct vmq_page run;
};

/* One life of a peer: a channel, and what both halves know of it. */
struct vmq__peer {
	struct vmq_chan chan[2];   /* [1]: the receiving end of the self channel */
	struct vmq_chan *tx, *rx;  /* the ends that are sent on, received from */
	uint32_t id, epoch;
	void *cookie;              /* the transport's name for it; NULL: self */
	uint8_t *pool[2];          /* where page 0 lies, for tx and for rx */
	struct vmq__window *self[2]; /* of the self channel's two ends */
	struct vmq_page_entry *entries;
	struct vmq_geometry geo;
	char name[VMQ_NAME_MAX + 1];
	uint8_t uuid[16];
	uint32_t origin;           /* the transport's number for its machine */
	bool vouched;              /* the transport named it */
	bool up;                   /* identified: on the views */
	atomic_int gone;           /* 0 or why: VMQ_EGONE, VMQ_EACCES */
	atomic_uint refs;          /* control, tx view, rx view, each held page run */
	pthread_mutex_t pages_lock; /* page tables: S and R may both free */
	/* the sender's */
	uint32_t max_msg;
	bool starved;              /* had no room at the last send */
	uint32_t waiters;          /* senders that sleep until it has some */
	pthread_t busy_by;         /* with VMQ_OPEN_THREADSAFE: who is in the */
	bool busy;                 /* middle of a message on this lane */
	atomic_bool used;          /* self: something was sent to it */
	const vmq_le32 *gone_word; /* the VMM's, in the header */
	/* the receiver's */
	uint8_t *join;             /* max_msg bytes for fragments */
	uint32_t join_total, join_have;
	uint32_t looks;            /* that found the lane empty */
	struct vmq__staged held;   /* its pages are under way: the lane waits */
	bool finished;             /* its end was reported */
	struct vmq__peer *next;    /* all lives that still have references */
};

/* What is told of a peer, whatever became of its lives. */
struct vmq__story {
	struct vmq_peer_info info; /* size 0: never heard of */
	bool joined, left, poisoned; /* not yet fetched by vmq_event() */
	bool untold;               /* its end is not yet said by vmq_recv() */
	int reason;
};

struct vmq__txside {
	_Alignas(128) struct vmq__peer **table; /* by id */
	atomic_uint seen;          /* version of the peers that this view has */
	atomic_bool inside;        /* without THREADSAFE: the sender is in a call */
	bool relievable;           /* vmq__relieve() can look at that */
	atomic_bool lazy;          /* sent lazily since the last natural exit */
	atomic_bool sent;          /* anything, since the receiver last asked */
	struct vmq__peer *reserved;
	uint32_t reserved_len;
	uint32_t idle;             /* calls that found no room */
	uint32_t polls;            /* vmq_poll()s that sleep until there is some */
	uint64_t messages, bytes, kicks, immediate, natural, drains;
	uint64_t pages, page_bytes;
	pthread_mutex_t lock;
	pthread_cond_t passed;     /* a message in parts has ended; with lock */
};

struct vmq__rxside {
	_Alignas(128) struct vmq__peer **list;  /* count of them; one of lists */
	struct vmq__peer **lists[2];
	uint32_t count, cur, quantum;
	uint32_t seen;
	uint32_t relieved;         /* version in which the sender's view held nobody who has ended */
	struct vmq__staged msg;
	atomic_bool armed;         /* after an EAGAIN, for vmq_fd() */
	uint32_t idle;
	uint32_t streak;           /* messages since this end last sent */
	uint32_t sleepers;
	uint32_t told;             /* of whom the last VMQ_EGONE or VMQ_EPEER was */
	uint64_t messages, bytes, spurious, kicks_space, natural, drains;
	uint64_t pages, partial, poisons;
	pthread_mutex_t lock;
};

/* Those who sleep for the same doorbell: one of them polls it, the others wait for
 * that one. Whoever wakes tells the others, and all look again. */
struct vmq__sleeper {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool polling;
	uint64_t wakes;
	_Atomic uint64_t kicked;   /* doorbells found rung */
};

struct vmq {
	uint32_t magic;
	bool threadsafe, strict;
	const struct vmq_transport *ops;
	void *state;
	uint32_t id, max_msg;
	uint64_t spin_ns, lazy_ns;
	char name[VMQ_NAME_MAX + 1];
	uint8_t uuid[16];
	char *errmsg;              /* only while vmq_open() runs */
	size_t errlen;
	const struct vmq_env *env; /* NULL: the system */

	struct vmq__txside tx;
	struct vmq__rxside rx;

	/* control: who is there. Under lock, except version and down. */
	_Alignas(128) atomic_uint version;
	atomic_bool down;
	atomic_bool pending;       /* handshakes are under way */
	_Atomic uint64_t page_kicks; /* doorbells rung for returned pages */
	atomic_bool space_armed;   /* vmq_fd() is to tell of room */
	pthread_mutex_t lock;
	struct vmq__peer **peers;  /* by id: the newest life that is up */
	struct vmq__peer *lives;   /* all of them */
	struct vmq__story *stories; /* by id */
	_Atomic uint32_t id_limit; /* all ids that were met are below it */
	_Atomic uint32_t up;       /* peers that are there; changed under lock */
	uint64_t old_suppressed, old_stale; /* of lives that were freed */
	bool down_told;
	bool lost, lost_told;      /* the fabric's server */
	atomic_uint untold;        /* stories whose end vmq_recv() is to say */
	_Atomic uint64_t last_look; /* at the control side, ns */

	struct vmq__sleeper sleep[2]; /* receivers; senders */
	/* vmq_fd(), -1 until asked for; timerfd is there before epfd is */
	atomic_int epfd;
	int timerfd;
	struct vmq *closed_next;
};

/* vmq.c */
static inline bool vmq__live(const struct vmq *q)
{
	return VMQ__LIKELY(q && q->magic == VMQ__LIVE);
}

/* life.c */
struct vmq__peer *vmq__life_new(struct vmq *q, uint32_t id, uint32_t epoch,
	const struct vmq_geometry *geo);
void vmq__life_undo(struct vmq__peer *p);
void vmq__life_free(struct vmq *q, struct vmq__peer *p);
void vmq__peer_put_locked(struct vmq *q, struct vmq__peer *p);
int vmq__peers_init(struct vmq *q);
void vmq__peers_exit(struct vmq *q);

/* The views are out of date. */
static inline void vmq__changed(struct vmq *q)
{
	atomic_fetch_add_explicit(&q->version, 1, memory_order_release);
}

/* peers.c: the control side; story.c: what is told of it */
extern const struct vmq_port_ops vmq__port_ops;
int vmq__self_join(struct vmq *q, uint32_t lane_size, uint32_t pool_pages);
void vmq__news(struct vmq *q);
void vmq__tx_view(struct vmq *q);
void vmq__tx_view_locked(struct vmq *q); /* q->lock is held */
void vmq__rx_view(struct vmq *q);
void vmq__peer_put(struct vmq *q, struct vmq__peer *p);
static inline void vmq__peer_get(struct vmq__peer *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

void vmq__peer_poisoned(struct vmq *q, struct vmq__peer *p, enum vmq_poison reason);
int vmq__peer_tell(struct vmq *q, uint32_t *id);
void vmq__peer_finish(struct vmq *q, struct vmq__peer *p);
int vmq__peer_state(struct vmq *q, uint32_t id);
bool vmq__event_take(struct vmq *q, struct vmq_event *event, bool take);

/* relieve.c: the receiving half lets go of ended lives in the sending half's view */
void vmq__relieve_init(struct vmq *q);
void vmq__relieve(struct vmq *q);

/* Is the sender's view of the newest version? */
static inline bool vmq__tx_current(const struct vmq *q)
{
	return atomic_load_explicit(&q->version, memory_order_acquire) ==
		atomic_load_explicit(&q->tx.seen, memory_order_acquire);
}

/* The sender begins a call. vmq__relieve() has the fence that belongs between this and
 * vmq__tx_current(). */
static inline void vmq__tx_inside(struct vmq *q)
{
	atomic_store_explicit(&q->tx.inside, true, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

/* Release: what it did with its view comes before. */
static inline void vmq__tx_outside(struct vmq *q)
{
	atomic_store_explicit(&q->tx.inside, false, memory_order_release);
}

/* Is another thread in the middle of a message on this lane? Its end wakes those who
 * wait for tx.passed. */
static inline bool vmq__tx_busy(const struct vmq *q, const struct vmq__peer *p)
{
	return VMQ__UNLIKELY(q->threadsafe) && p->busy && !pthread_equal(p->busy_by, pthread_self());
}

static inline void vmq__tx_claim(struct vmq__peer *p)
{
	p->busy_by = pthread_self();
	p->busy = true;
}

/* This thread's message has ended, or never began. */
static inline void vmq__tx_let_go(struct vmq *q, struct vmq__peer *p)
{
	if (!p->busy || vmq__tx_busy(q, p))
		return;
	p->busy = false;
	if (q->threadsafe)
		pthread_cond_broadcast(&q->tx.passed);
}

/* Ring a peer's doorbell. */
static inline void vmq__kick(struct vmq *q, const struct vmq__peer *p, unsigned what, bool now)
{
	VMQ__PROBE4(kick, q->id, p->id, what, now);
	q->ops->kick(q->state, p->cookie, what, now);
}

/* A natural exit of this VM; lazy: it sent lazily since the last. */
static inline void vmq__exit(struct vmq *q, enum vmq_exit_reason reason, bool lazy)
{
	VMQ__PROBE3(exit, q->id, reason, lazy);
	q->ops->exit(q->state, reason, lazy);
}

/* error.c: structs that begin with `size`. A caller that was built with a later version may
 * have a larger one. What it hands in beyond what is known here must be 0, or it asks for
 * something that this version does not do; what it gets back there is 0. */
bool vmq__sized_in(const void *options, size_t known);
bool vmq__sized_out(void *info, size_t known);

/* wait.c */
uint64_t vmq__now(const struct vmq *q);
uint64_t vmq__deadline(const struct vmq *q, int64_t timeout_ns);
uint64_t vmq__sleep_ticket(struct vmq__sleeper *s);
void vmq__sleep(struct vmq *q, enum vmq_fd doorbell, uint64_t ticket, uint64_t deadline);
uint64_t vmq__until(const struct vmq *q, uint64_t deadline);
bool vmq__late(const struct vmq *q, uint64_t deadline);
uint64_t vmq__sleep_limit(const struct vmq *q, uint64_t deadline);
bool vmq__sleep_lead(struct vmq__sleeper *s);
void vmq__sleep_leave(struct vmq__sleeper *s, bool kicked);
int vmq__ppoll(struct vmq *q, struct pollfd *p, unsigned n, uint64_t until);
void vmq__idle(struct vmq *q, uint32_t *calls);
void vmq__look(struct vmq *q);
int vmq__timeout(int64_t timeout_ns);
int64_t vmq__left(const struct vmq *q, uint64_t deadline);

static inline void vmq__tx_counted(struct vmq *q, const struct vmq__peer *p, uint64_t messages,
	uint64_t bytes)
{
	uint64_t before = q->tx.messages;

	VMQ__PROBE4(send, q->id, p->id, messages, bytes);
	q->tx.messages += messages;
	q->tx.bytes += bytes;
	/* Who only sends must hear of peers too, or its hub takes it for dead. */
	if (VMQ__UNLIKELY((before ^ q->tx.messages) & ~(uint64_t)VMQ__HEAR))
		vmq__look(q);
}

/* recv.c */
bool vmq__rx_stage(struct vmq *q);
bool vmq__rx_ready(struct vmq *q);
int vmq__rx_await(struct vmq *q, int64_t timeout_ns);

/* idle.c: the receiver finds nothing */
void vmq__rx_drowse(struct vmq *q);
bool vmq__rx_arm(struct vmq *q);
void vmq__rx_wake(struct vmq *q);
bool vmq__rx_back(struct vmq *q);
void vmq__rx_disarm(struct vmq *q);
void vmq__rx_exit(struct vmq *q);
int vmq__rx_wait(struct vmq *q, int64_t timeout_ns);
void vmq__rx_lock(struct vmq *q);
void vmq__rx_unlock(struct vmq *q);

/* send.c */
void vmq__tx_enter(struct vmq *q);
void vmq__tx_leave(struct vmq *q);
int vmq__tx_begin(struct vmq *q, uint32_t peer, uint32_t flags, struct vmq__peer **p);
void vmq__tx_lock(struct vmq *q);
void vmq__tx_unlock(struct vmq *q);
void vmq__tx_end(struct vmq *q, struct vmq__peer *p);
/* What the VMM's word in a header, which is not 0, says of a peer. */
static inline int vmq__gone_code(uint32_t word)
{
	return word == (uint32_t)-VMQ_EACCES ? VMQ_EACCES : VMQ_EGONE;
}
/* Why nothing can be sent to this life of a peer, or 0. */
static inline int vmq__tx_refused(const struct vmq__peer *p)
{
	int gone = atomic_load_explicit(&p->gone, memory_order_relaxed);
	uint32_t word;

	if (VMQ__UNLIKELY(gone))
		return gone;
	word = vmq__load(p->gone_word);
	return VMQ__UNLIKELY(word) ? vmq__gone_code(word) : 0;
}
int vmq__tx_room(struct vmq *q, struct vmq__peer *p, uint32_t need, int64_t timeout_ns,
	uint64_t *deadline);
void vmq__tx_sleep(struct vmq *q, uint64_t ticket, uint64_t deadline);
void vmq__tx_ring(struct vmq *q, struct vmq__peer *p, uint32_t flags);
bool vmq__tx_ready(struct vmq *q);
bool vmq__tx_arm(struct vmq *q);
void vmq__tx_wake(struct vmq *q);
void vmq__tx_awake(const struct vmq *q, struct vmq__peer *p);

/* pages.c */
unsigned vmq__page_stage(struct vmq *q, struct vmq__peer *p, const struct vmq_record *rec);
int vmq__page_map(struct vmq *q);
void vmq__pages_leave(struct vmq__peer *p);

/* self.c */
int vmq__self_map(struct vmq *q, struct vmq__peer *p);
void vmq__self_unmap(struct vmq__peer *p);

/* registry.c */
/* NULL: there is none, and why gets ": " and a reason, or "". */
const struct vmq_transport *vmq__transport(const char *name, char *why, size_t len);
const struct vmq_transport *vmq__host(void);

/* uri.c */
struct vmq__uri {
	char transport[16], address[256], name[VMQ_NAME_MAX + 1], topology[256];
	uint32_t lane, pages, max, lazy_us, spin_us;
};
int vmq__uri_parse(const char *text, struct vmq__uri *uri, char *why, size_t len);

/* error.c */
int vmq__errno(int e);
int vmq__explain(char *buf, size_t len, int code, const char *format, va_list args);
void vmq__uuid_of(const char *name, uint8_t uuid[16]);

#endif
