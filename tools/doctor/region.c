/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * region.c - the doctor looks at an ivshmem region: its size, how fast it is, the
 * directory in it, and who is there. It writes nothing, and works on copies: of a file
 * that somebody makes shorter nothing is left to load from.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vmq/vmq.h>

#include "core/atomic.h"
#include "dir.h"
#include "doctor.h"

#define WATCH_MS 2500u /* the longest time to wait for a heartbeat */
#define NAP_NS 20000000
#define LOADS 512u
#define ROUNDS 8u
#define LINE 64u
#define SLOW_NS 100 /* for a load: no cache can be at work */

bool doctor_size(struct doctor *d, uint64_t size)
{
	if (size >= VMQ_IVSHMEM_REGION_MIN && !(size & (size - 1)))
		return true;
	doctor_say(d, DOCTOR_FAIL, "a region of %llu bytes: it must be a power of two, at least %u KiB",
		(unsigned long long)size, VMQ_IVSHMEM_REGION_MIN >> 10);
	return false;
}

/* ---- copies ----------------------------------------------------------------------------- */

static bool copy(const struct doctor_region *r, uint64_t off, void *to, size_t len)
{
	uint8_t *bytes = to;

	if (off > r->size || len > r->size - off)
		return false;
	if (r->fd >= 0)
		return pread(r->fd, to, len, (off_t)off) == (ssize_t)len;
	for (size_t i = 0; i < len; i++)
		bytes[i] = r->map[off + i];
	return true;
}

/* The header; then all slots, in a block that the directory takes for its region. */
static int copy_dir(const struct doctor_region *r, struct vmq__dir *dir, uint64_t *slots_off)
{
	_Alignas(struct vmq_ivshmem_header) static uint8_t header[VMQ_IVSHMEM_HEADER];
	size_t len;
	int rc;

	if (!copy(r, 0, header, sizeof(header)))
		return VMQ_ESYS;
	rc = vmq__dir_read(header, r->size, dir);
	if (rc)
		return rc;
	len = dir->slots * sizeof(struct vmq_ivshmem_slot);
	*slots_off = dir->slots_off;
	dir->region = malloc(len);
	dir->slots_off = 0;
	if (!dir->region)
		return VMQ_ENOMEM;
	return copy(r, *slots_off, dir->region, len) ? 0 : VMQ_ESYS;
}

/* ---- who is there -------------------------------------------------------------------------- */

struct beats {
	uint32_t life[VMQ_IVSHMEM_SLOTS_MAX];
	uint32_t first[VMQ_IVSHMEM_SLOTS_MAX];
	bool moved[VMQ_IVSHMEM_SLOTS_MAX];
	unsigned lives, still;
};

static void take_lives(const struct vmq__dir *dir, struct beats *b)
{
	for (uint32_t i = 0; i < dir->slots; i++) {
		b->life[i] = vmq__dir_life(dir, i, NULL);
		b->first[i] = vmq__load(&vmq__dir_slot(dir, i)->heartbeat);
		b->lives += b->life[i] != 0;
	}
	b->still = b->lives;
}

static void take_beats(const struct doctor_region *r, const struct vmq__dir *dir, uint64_t slots_off,
	struct beats *b)
{
	for (uint32_t i = 0; i < dir->slots; i++) {
		uint64_t off = slots_off + i * sizeof(struct vmq_ivshmem_slot) +
			offsetof(struct vmq_ivshmem_slot, heartbeat);
		vmq_le32 word;

		if (!b->life[i] || b->moved[i] || !copy(r, off, &word, sizeof(word)))
			continue;
		b->moved[i] = vmq__load(&word) != b->first[i];
		b->still -= b->moved[i];
	}
}

/* How long it has watched, in ms. */
static unsigned watch(const struct doctor_region *r, const struct vmq__dir *dir, uint64_t slots_off,
	struct beats *b)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	uint64_t start = doctor_now_ms(), most = dir->dead_ms < WATCH_MS ? dir->dead_ms : WATCH_MS;

	take_lives(dir, b);
	while (b->still && doctor_now_ms() - start < most) {
		nanosleep(&nap, NULL);
		take_beats(r, dir, slots_off, b);
	}
	return (unsigned)(doctor_now_ms() - start);
}

static void say_slot(struct doctor *d, const struct vmq__dir *dir, uint32_t i, const struct beats *b,
	unsigned watched)
{
	struct vmq__dir_who who;

	if (!b->life[i])
		return;
	if (!vmq__dir_life(dir, i, &who))
		doctor_say(d, DOCTOR_WARN, "place %u is damaged: what stands there is no endpoint", i + 1);
	else if (b->moved[i])
		doctor_say(d, DOCTOR_OK, "place %u: %s, alive (%u doorbells)", i + 1, who.name, who.vectors);
	else
		doctor_say(d, DOCTOR_NOTE, "place %u: %s, no heartbeat for %u ms: it is dead, or its machine "
			"stands still",
			i + 1, who.name, watched);
}

static void say_slots(struct doctor *d, const struct doctor_region *r, const struct vmq__dir *dir,
	uint64_t slots_off)
{
	struct beats b = { 0 };
	unsigned watched = watch(r, dir, slots_off, &b);

	doctor_say(d, DOCTOR_OK, "libvmq's directory: %u of %u places taken", b.lives, dir->slots);
	for (uint32_t i = 0; i < dir->slots; i++)
		say_slot(d, dir, i, &b, watched);
	if (b.lives == dir->slots && !b.still)
		doctor_say(d, DOCTOR_WARN, "all places are taken by the living: nobody else can come");
}

static void say_none(struct doctor *d, int rc)
{
	if (rc == VMQ_ENOENT) {
		doctor_say(d, DOCTOR_OK, "no directory yet: the first endpoint lays it out");
	} else if (rc == VMQ_EVERSION) {
		doctor_say(d, DOCTOR_FAIL, "the directory is of another version of libvmq");
	} else if (rc == VMQ_EPROTO) {
		doctor_say(d, DOCTOR_FAIL, "the region holds something else than libvmq's directory, or it "
			"is damaged; when nobody uses it, lay it out anew, on the host:");
		doctor_command(d, "vmq ivshmem-server --format --file REGION SOCKET");
	} else {
		doctor_say(d, DOCTOR_FAIL, "the region cannot be read: %s", vmq_strerror(rc));
	}
}

void doctor_region(struct doctor *d, const struct doctor_region *r)
{
	struct vmq__dir dir = { 0 };
	uint64_t slots_off = 0;
	int rc = copy_dir(r, &dir, &slots_off);

	if (rc)
		say_none(d, rc);
	else
		say_slots(d, r, &dir, slots_off);
	if (slots_off)
		free(dir.region);
}

/* ---- speed ------------------------------------------------------------------------------------ */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Of one load, in ns: of several rounds the best, as others disturb. */
static unsigned long load_ns(const volatile uint8_t *at)
{
	uint64_t best = UINT64_MAX;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t start = now_ns(), took;

		for (unsigned i = 0; i < LOADS; i++)
			(void)*(const volatile uint32_t *)(at + i * LINE);
		took = now_ns() - start;
		best = took < best ? took : best;
	}
	return (unsigned long)(best / LOADS);
}

void doctor_speed_says(struct doctor *d, unsigned long there, unsigned long here)
{
	if (there >= SLOW_NS && there > 10 * here) {
		doctor_say(d, DOCTOR_WARN, "the region is slow: %lu ns for each load, own memory %lu ns. It "
			"is mapped without the processor's caches; every message will pay", there, here);
		return;
	}
	doctor_say(d, DOCTOR_OK, "loads from the region take %lu ns, from own memory %lu ns", there, here);
}

void doctor_speed(struct doctor *d, const struct doctor_region *r)
{
	static uint8_t own[LOADS * LINE];

	memset(own, 1, sizeof(own));
	doctor_speed_says(d, load_ns(r->map), load_ns(own));
}
