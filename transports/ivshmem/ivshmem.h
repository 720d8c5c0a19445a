/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ivshmem.h - what the files of the transport share about an endpoint.
 *
 * Two sides: control, called by libvmq under the endpoint's lock, makes channels and ends
 * them; the watch thread shows that this process lives, looks at the shared words, and
 * tells control by `fresh` and the news bell. All shared words are hostile.
 */
#ifndef VMQ_IVSHMEM_STATE_H
#define VMQ_IVSHMEM_STATE_H

#include "device.h"
#include "dir.h"
#include "internal.h"

#define IV_NONE UINT32_MAX

/* An end of a channel, from when it is made or taken up until libvmq has done with it. */
struct iv_chan {
	struct iv_chan *next;
	uint32_t peer, life;      /* whose slot, and which life of it */
	uint32_t serial;
	uint32_t first, count;    /* pages of the region */
	uint32_t hold;            /* which of the own holds it is; IV_NONE: laid out here */
	unsigned side;
	uint8_t *base;
	struct vmq_geometry geo;
};

/* A slot as control sees it. */
struct iv_peer {
	struct iv_chan *cur;      /* the channel with the life that is there */
	uint32_t claim;           /* the newest that was seen */
	uint32_t bad;             /* a life that there is to be no channel with any more */
	uint32_t done;            /* serial of the offer that was taken up last */
	uint32_t chans;           /* that libvmq has not done with */
	uint32_t held;            /* bits: holds in use */
};

/* A slot as the watch thread sees it. */
struct iv_sight {
	uint64_t words;           /* vmq__ivshmem_words() at the last look */
	_Atomic uint64_t known;   /* ... when control last looked */
	uint32_t heartbeat;
	uint64_t since;           /* when its heartbeat last moved, ns */
	_Atomic uint32_t dead;    /* the life whose heartbeat stands still */
};

struct ivshmem {
	struct vmq_port *port;
	const struct vmq_port_ops *ops;
	struct vmq__ivdev *dev;
	struct vmq__dir dir;
	struct vmq__dir_who who;  /* the own slot's line; what rings it: with lock held */
	uint32_t me, claim;       /* claim 0: none */
	int bell[VMQ_FDS], stop;
	pthread_t thread;
	bool watched;
	pthread_mutex_t lock;

	/* control */
	struct iv_peer *peer;
	struct iv_chan *chans;    /* changed with lock held */
	uint32_t serial, epoch;   /* of the last channel */
	bool starved;             /* a peer waits until a channel is done with */
	bool lost_told, down;
	uint32_t arena, pages, each, share; /* the own arena: vmq__dir_arena() */
	struct vmq_ivshmem_extent *busy; /* room for all that may be in use of it */

	/* from the watch thread to control */
	atomic_bool fresh;        /* slots or cells have changed */
	atomic_bool lost;         /* the server */
	atomic_int end;           /* of the fabric for this endpoint: VMQ_EGONE, VMQ_EPEER */
	_Atomic uint64_t caps;
	/* the bell's eventfd was written for a word that is set */
	atomic_bool rung[VMQ_FDS];

	/* the watch thread's own */
	struct iv_sight *sight;
	uint32_t heartbeat;
	uint64_t beat_at, scanned, doubt, tick;
	bool late[VMQ_FDS];       /* the word was set at the last look, the eventfd not */
};

static inline uint64_t vmq__ivshmem_ms(uint32_t ms)
{
	return ms * 1000000ull;
}

/* May the own slot and cells be written? Not if they are another's, and not if the
 * directory was overwritten: everybody is to see that, and not a peer that leaves. */
static inline bool vmq__ivshmem_ours(const struct ivshmem *iv)
{
	return atomic_load(&iv->end) != VMQ_EPEER &&
		vmq__load(&vmq__dir_slot(&iv->dir, iv->me)->claim) == iv->claim;
}

/* claim.c: find a place in the directory, or read why there is none. Fills me and claim;
 * waits until it is known of a namesake, or of all in a full directory, who lives. */
int vmq__ivshmem_claim(struct ivshmem *iv);

/* arena.c: `count` pages of the own arena that nobody uses, for a channel with a peer, or
 * IV_NONE. vmq__ivshmem_quota: how many pages the peer's next channel may have. */
uint32_t vmq__ivshmem_gap(struct ivshmem *iv, uint32_t count);
uint32_t vmq__ivshmem_quota(const struct ivshmem *iv, uint32_t peer);

/* offer.c: make the channel with a peer's life, or take up the one that it made, if that
 * is possible yet. 0: it is there, or is not yet to be had; else the life is bad. */
int vmq__ivshmem_lay_out(struct ivshmem *iv, uint32_t peer, uint32_t life,
	const struct vmq__dir_who *who);
int vmq__ivshmem_take_up(struct ivshmem *iv, uint32_t peer, uint32_t life,
	const struct vmq__dir_who *who);

void vmq__ivshmem_let_go(struct ivshmem *iv, const struct iv_chan *c);

/* link.c: all that control goes by of a peer, in one number. */
uint64_t vmq__ivshmem_words(const struct ivshmem *iv, uint32_t peer);

/* Channels and their ends, as slots and cells say. */
void vmq__ivshmem_reconcile(struct ivshmem *iv);
void vmq__ivshmem_leave_all(struct ivshmem *iv, int reason);
int vmq__ivshmem_join(struct ivshmem *iv, struct iv_chan *c, const struct vmq__dir_who *who);
void vmq__ivshmem_detach(struct ivshmem *iv, struct iv_chan *c);
void vmq__ivshmem_ring(struct ivshmem *iv, uint32_t peer, unsigned kind);
/* Tell everybody who is there that the own slot has changed. */
void vmq__ivshmem_ring_all(struct ivshmem *iv);

/* ivshmem.c: have news() called. */
void vmq__ivshmem_stir(struct ivshmem *iv);

/* watch.c */
uint64_t vmq__ivshmem_now(void);
int vmq__ivshmem_watch(struct ivshmem *iv);
/* Is the directory still one, and the own slot still ours? Else iv->end says why not. */
bool vmq__ivshmem_sound(struct ivshmem *iv);
void vmq__ivshmem_unwatch(struct ivshmem *iv);

#endif
