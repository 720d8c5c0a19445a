/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch.c - the thread that shows that this process lives, and looks at shared memory.
 *
 * Nobody else can: the device tells of no deaths, guests without interrupts and hosts at a
 * file get no doorbells, and any doorbell may be lost. It calls nothing of libvmq's; what
 * it finds makes the news bell ring.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "ivshmem.h"
#include "loop.h"

#define SCAN_NS 10000000ull   /* between two looks at slots and cells */
#define TICK_NS 50000000ull   /* ... at bells that interrupts tell of */
#define POLL_MIN_NS 100000ull /* ... at those that nothing tells of: right after one rang */
#define POLL_MAX_NS 1000000ull /* ... and when it has been quiet */
#define LAST_BEATS 3u
#define DOUBT_NS 1000000000ull /* how long interrupts are not relied on after a lost one */

uint64_t vmq__ivshmem_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- slots and cells ----------------------------------------------------------------- */

/* True: there is something for control to do. */
static bool look_at_peer(struct ivshmem *iv, uint32_t peer, uint64_t now)
{
	uint32_t heartbeat = vmq__load(&vmq__dir_slot(&iv->dir, peer)->heartbeat), life = 0;
	uint64_t words = vmq__ivshmem_words(iv, peer);
	struct iv_sight *see = &iv->sight[peer];

	if (words != see->words || heartbeat != see->heartbeat)
		see->since = now;
	else if (now - see->since >= vmq__ivshmem_ms(iv->dir.dead_ms))
		life = vmq__dir_life(&iv->dir, peer, NULL);
	see->words = words;
	see->heartbeat = heartbeat;
	return atomic_exchange(&see->dead, life) != life || words != atomic_load(&see->known);
}

static void scan(struct ivshmem *iv, uint64_t now)
{
	/* Who did not run for so long cannot say who else did. */
	bool slept = now - iv->scanned > vmq__ivshmem_ms(iv->dir.dead_ms) / 2;
	bool changed = false;

	iv->scanned = now;
	for (uint32_t p = 0; p < iv->dir.slots; p++) {
		if (p == iv->me)
			continue;
		if (slept)
			iv->sight[p].since = now;
		changed |= look_at_peer(iv, p, now);
	}
	if (changed && !atomic_load(&iv->fresh))
		vmq__ivshmem_stir(iv);
}

bool vmq__ivshmem_sound(struct ivshmem *iv)
{
	int none = 0, end;

	pthread_mutex_lock(&iv->lock);
	end = vmq__dir_intact(&iv->dir) ? vmq__dir_mine(&iv->dir, iv->me, iv->claim, &iv->who) : VMQ_EPEER;
	pthread_mutex_unlock(&iv->lock);
	if (end && atomic_compare_exchange_strong(&iv->end, &none, end))
		vmq__ivshmem_stir(iv);
	return !atomic_load(&iv->end);
}

static void beat(struct ivshmem *iv, uint64_t now)
{
	vmq__store(&vmq__dir_slot(&iv->dir, iv->me)->heartbeat, ++iv->heartbeat);
	iv->beat_at = now + vmq__ivshmem_ms(iv->dir.beat_ms);
}

/* ---- bells ----------------------------------------------------------------------------- */

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* A bell word that is set, and the eventfd was not written for it. */
static void rung(struct ivshmem *iv, unsigned kind, uint64_t now)
{
	bool told = kind < iv->who.vectors;

	if (told && readable(iv->dev->fd[kind])) {
		iv->late[kind] = false;
		return;
	}
	/* An interrupt may be under way. */
	if (told && !iv->late[kind]) {
		iv->late[kind] = true;
		return;
	}
	if (told)
		iv->doubt = now + DOUBT_NS;
	iv->late[kind] = false;
	atomic_store(&iv->rung[kind], true);
	vmq__loop_ring(iv->bell[kind]);
}

static void look_at_bells(struct ivshmem *iv, uint64_t now)
{
	const struct vmq_ivshmem_slot *s = vmq__dir_slot(&iv->dir, iv->me);
	bool quiet = true, late = false;

	for (unsigned kind = 0; kind < VMQ_FDS; kind++) {
		if (!vmq__load(&s->bell[kind]) || atomic_load(&iv->rung[kind])) {
			iv->late[kind] = false;
			continue;
		}
		rung(iv, kind, now);
		quiet = false;
		late |= iv->late[kind];
	}
	iv->tick = quiet ? iv->tick * 2 : POLL_MIN_NS;
	if (iv->tick > POLL_MAX_NS)
		iv->tick = POLL_MAX_NS;
	if (late)
		iv->tick = POLL_MAX_NS;
	else if (iv->who.vectors >= VMQ_FDS && now >= iv->doubt)
		iv->tick = TICK_NS;
}

/* ---- the device ------------------------------------------------------------------------- */

/* Where the own interrupts come from now. */
static void rewire(struct ivshmem *iv)
{
	pthread_mutex_lock(&iv->lock);
	iv->who.doorbell = iv->dev->doorbell;
	iv->who.vectors = iv->dev->vectors;
	if (vmq__ivshmem_ours(iv))
		vmq__dir_rewire(&iv->dir, iv->me, iv->who.doorbell, iv->who.vectors);
	pthread_mutex_unlock(&iv->lock);
	atomic_store(&iv->caps, VMQ_CAP_PAGES | iv->dev->caps);
}

/* The server says that a peer is gone. Ours has marked the slot as well; of another one an
 * id may be somebody's who is not meant, so that a few beats are left to show that. */
static void told_gone(void *ctx, uint32_t doorbell)
{
	struct ivshmem *iv = ctx;
	uint64_t now = vmq__ivshmem_now(), dead = vmq__ivshmem_ms(iv->dir.dead_ms);
	uint64_t left = vmq__ivshmem_ms(LAST_BEATS * iv->dir.beat_ms);

	for (uint32_t p = 0; p < iv->dir.slots && left < dead; p++) {
		if (p == iv->me || vmq__load(&vmq__dir_slot(&iv->dir, p)->doorbell) != doorbell)
			continue;
		/* Beats from before that do not count. */
		if (look_at_peer(iv, p, now))
			vmq__ivshmem_stir(iv);
		if (now - iv->sight[p].since < dead - left)
			iv->sight[p].since = now - (dead - left);
	}
}

static void service(struct ivshmem *iv)
{
	unsigned found = iv->dev->ops->service(iv->dev);
	int none = 0;

	if (!found)
		return;
	if (found & IVDEV_BACK)
		rewire(iv);
	if (found & IVDEV_OTHER)
		atomic_compare_exchange_strong(&iv->end, &none, VMQ_EGONE);
	if (found & (IVDEV_LOST | IVDEV_BACK))
		atomic_store(&iv->lost, !(found & IVDEV_BACK));
	vmq__ivshmem_stir(iv);
}

/* ---- the thread -------------------------------------------------------------------------- */

/* Until the next look is due. False: the end. */
static bool wait(struct ivshmem *iv, bool over)
{
	struct pollfd p[2] = {
		{ .fd = iv->stop, .events = POLLIN },
		{ .fd = over ? -1 : iv->dev->news, .events = POLLIN },
	};
	uint64_t now = vmq__ivshmem_now(), beat_in = iv->beat_at > now ? iv->beat_at - now : 0;
	uint64_t left = iv->tick < beat_in ? iv->tick : beat_in;
	struct timespec t = { (time_t)(left / 1000000000u), (long)(left % 1000000000u) };

	if (ppoll(p, 2, over ? NULL : &t, NULL) <= 0)
		return true;
	if (p[1].revents)
		service(iv);
	return !p[0].revents;
}

static void *run(void *arg)
{
	struct ivshmem *iv = arg;
	bool over = false;

	while (wait(iv, over)) {
		uint64_t now = vmq__ivshmem_now();

		/* The slot may be another's: it must not seem to be alive. */
		over = atomic_load(&iv->end);
		if (over)
			continue;
		if (now - iv->scanned >= SCAN_NS) {
			vmq__ivshmem_sound(iv);
			scan(iv, now);
		}
		if (now >= iv->beat_at && !atomic_load(&iv->end))
			beat(iv, now);
		look_at_bells(iv, now);
	}
	return NULL;
}

int vmq__ivshmem_watch(struct ivshmem *iv)
{
	uint64_t now = vmq__ivshmem_now();
	sigset_t all, old;
	int e;

	iv->tick = POLL_MIN_NS;
	iv->scanned = now;
	for (uint32_t p = 0; p < iv->dir.slots; p++)
		if (p != iv->me)
			look_at_peer(iv, p, now);
	beat(iv, now);
	iv->dev->gone = told_gone;
	iv->dev->ctx = iv;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	e = pthread_create(&iv->thread, NULL, run, iv);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	iv->watched = !e;
	return e == EAGAIN ? VMQ_ENOMEM : e ? VMQ_ESYS : 0;
}

void vmq__ivshmem_unwatch(struct ivshmem *iv)
{
	if (!iv->watched)
		return;
	vmq__loop_ring(iv->stop);
	pthread_join(iv->thread, NULL);
	iv->watched = false;
}
