/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dir.c - the directory in an ivshmem region: header, slots, cells, arenas.
 *
 * All of it is hostile ground: a number is loaded once, checked, and then used from the
 * private copy. docs/memory-order.md has the pairs.
 */
#include <string.h>

#include "core/atomic.h"
#include "dir.h"
#include "name.h"

#define LINE1 128u        /* the server's line of the header */
#define LINE1_END 256u
#define REGION_MAX (1ull << 42)
#define CHANNEL_MIN 5u    /* pages: header, two control areas, two lanes */
#define TIME_MAX 60000u   /* ms; an opener may wait for so long */
#define FOLLOWS_MAX 0xffffu /* lives of a slot between two looks at it */
#define STEP_INVERSE 0x0e8b2f51u /* STEP_INVERSE * VMQ_IVSHMEM_CLAIM_STEP == 1 */

/* ---- the header ---------------------------------------------------------------------- */

static bool size_ok(uint64_t size)
{
	return size >= VMQ_IVSHMEM_REGION_MIN && size <= REGION_MAX && !(size & (size - 1));
}

uint32_t vmq__dir_slots(uint64_t size)
{
	return size < 128u << 20 ? 4 : size < 256u << 20 ? 8 : 16;
}

static uint64_t whole(uint64_t bytes)
{
	return (bytes + VMQ_PAGE_SIZE - 1) & ~(uint64_t)(VMQ_PAGE_SIZE - 1);
}

static bool plan_ok(uint32_t slots, uint32_t beat_ms, uint32_t dead_ms)
{
	return slots >= VMQ_IVSHMEM_SLOTS_MIN && slots <= VMQ_IVSHMEM_SLOTS_MAX && beat_ms &&
		beat_ms <= dead_ms / 2 && dead_ms <= TIME_MAX;
}

/* The header that follows from a plan, without the server's line. */
static int make(uint64_t size, const struct vmq__dir_plan *plan, struct vmq_ivshmem_header *h)
{
	uint32_t slots = plan && plan->slots ? plan->slots : vmq__dir_slots(size);
	uint32_t beat = plan && plan->beat_ms ? plan->beat_ms : VMQ_IVSHMEM_BEAT_MS;
	uint32_t dead = plan && plan->dead_ms ? plan->dead_ms : VMQ_IVSHMEM_DEAD_MS;
	uint64_t cells_off, heap_off, arena;

	if (!size_ok(size) || !plan_ok(slots, beat, dead))
		return VMQ_EINVAL;
	cells_off = VMQ_IVSHMEM_HEADER + whole(slots * sizeof(struct vmq_ivshmem_slot));
	heap_off = cells_off + whole((uint64_t)slots * slots * sizeof(struct vmq_ivshmem_cell));
	if (heap_off >= size)
		return VMQ_EINVAL;
	arena = (size - heap_off) / slots & ~(uint64_t)(VMQ_PAGE_SIZE - 1);
	if (arena / VMQ_PAGE_SIZE < CHANNEL_MIN * (slots / 2))
		return VMQ_EINVAL;
	memset(h, 0, sizeof(*h));
	h->magic[0] = vmq__le32(VMQ_IVSHMEM_MAGIC_LO);
	h->magic[1] = vmq__le32(VMQ_IVSHMEM_MAGIC_HI);
	h->major = vmq__le16(VMQ_IVSHMEM_MAJOR);
	h->minor = vmq__le16(VMQ_IVSHMEM_MINOR);
	h->header_size = vmq__le32(VMQ_IVSHMEM_HEADER);
	h->region_size = vmq__le64(size);
	h->slots = vmq__le32(slots);
	h->slot_size = vmq__le32(sizeof(struct vmq_ivshmem_slot));
	h->cell_size = vmq__le32(sizeof(struct vmq_ivshmem_cell));
	h->beat_ms = vmq__le32(beat);
	h->dead_ms = vmq__le32(dead);
	h->slots_off = vmq__le64(VMQ_IVSHMEM_HEADER);
	h->cells_off = vmq__le64(cells_off);
	h->heap_off = vmq__le64(heap_off);
	h->arena_size = vmq__le64(arena);
	return 0;
}

int vmq__dir_write(void *region, uint64_t size, const struct vmq__dir_plan *plan)
{
	struct vmq_ivshmem_header h, *shared = region;
	int rc = make(size, plan, &h);

	if (rc)
		return rc;
	memcpy((uint8_t *)region + sizeof(h.magic[0]), (uint8_t *)&h + sizeof(h.magic[0]),
		LINE1 - sizeof(h.magic[0]));
	memcpy((uint8_t *)region + LINE1_END, (uint8_t *)&h + LINE1_END, sizeof(h) - LINE1_END);
	vmq__store_release(&shared->magic[0], VMQ_IVSHMEM_MAGIC_LO);
	return 0;
}

int vmq__dir_format(void *region, uint64_t size, const struct vmq__dir_plan *plan)
{
	struct vmq_ivshmem_header h, *shared = region;
	int rc = make(size, plan, &h);

	if (rc)
		return rc;
	vmq__store(&shared->magic[0], 0);
	vmq__fence();
	memset(region, 0, vmq__le64(h.heap_off));
	return vmq__dir_write(region, size, plan);
}

/* No magic yet: zeros, or the default header that is just being written? */
static int unwritten(const struct vmq_ivshmem_header *copy, uint64_t size)
{
	const uint8_t *has = (const uint8_t *)copy, *want;
	struct vmq_ivshmem_header h;

	if (make(size, NULL, &h))
		return VMQ_EINVAL;
	want = (const uint8_t *)&h;
	for (size_t i = sizeof(h.magic[0]); i < sizeof(h); i++)
		if (has[i] && has[i] != want[i])
			return VMQ_EPROTO;
	return VMQ_ENOENT;
}

static bool sizes_ok(const struct vmq__dir *d)
{
	uint64_t off = VMQ_IVSHMEM_HEADER;

	if ((d->slots_off | d->cells_off | d->heap_off | d->arena_size) % VMQ_PAGE_SIZE)
		return false;
	/* Each is below 2^42 once it was compared, so no sum wraps. */
	if (d->slots_off < off || d->slots_off > d->size)
		return false;
	off = d->slots_off + d->slots * sizeof(struct vmq_ivshmem_slot);
	if (d->cells_off < off || d->cells_off > d->size)
		return false;
	off = d->cells_off + (uint64_t)d->slots * d->slots * sizeof(struct vmq_ivshmem_cell);
	if (d->heap_off < off || d->heap_off > d->size)
		return false;
	return d->arena_size <= (d->size - d->heap_off) / d->slots &&
		d->arena_size / VMQ_PAGE_SIZE >= CHANNEL_MIN * (d->slots / 2);
}

int vmq__dir_read(void *region, uint64_t size, struct vmq__dir *dir)
{
	const struct vmq_ivshmem_header *shared = region;
	struct vmq_ivshmem_header *h = &dir->header;
	uint32_t magic;

	if (!size_ok(size))
		return VMQ_EINVAL;
	magic = vmq__load_acquire(&shared->magic[0]);
	memcpy(h, region, sizeof(*h));
	memset((uint8_t *)h + LINE1, 0, LINE1_END - LINE1);
	h->magic[0] = vmq__le32(magic);
	if (!magic)
		return unwritten(h, size);
	if (magic != VMQ_IVSHMEM_MAGIC_LO || vmq__le32(h->magic[1]) != VMQ_IVSHMEM_MAGIC_HI)
		return VMQ_EPROTO;
	if (vmq__le16(h->major) != VMQ_IVSHMEM_MAJOR || h->features_required)
		return VMQ_EVERSION;
	dir->region = region;
	dir->size = size;
	dir->slots = vmq__le32(h->slots);
	dir->beat_ms = vmq__le32(h->beat_ms);
	dir->dead_ms = vmq__le32(h->dead_ms);
	dir->slots_off = vmq__le64(h->slots_off);
	dir->cells_off = vmq__le64(h->cells_off);
	dir->heap_off = vmq__le64(h->heap_off);
	dir->arena_size = vmq__le64(h->arena_size);
	if (vmq__le32(h->header_size) != VMQ_IVSHMEM_HEADER || vmq__le64(h->region_size) != size ||
			vmq__le32(h->slot_size) != sizeof(struct vmq_ivshmem_slot) ||
			vmq__le32(h->cell_size) != sizeof(struct vmq_ivshmem_cell) ||
			!plan_ok(dir->slots, dir->beat_ms, dir->dead_ms) || !sizes_ok(dir))
		return VMQ_EPROTO;
	return 0;
}

bool vmq__dir_intact(const struct vmq__dir *dir)
{
	const uint8_t *was = (const uint8_t *)&dir->header;

	return !memcmp(dir->region, was, LINE1) &&
		!memcmp(dir->region + LINE1_END, was + LINE1_END, sizeof(dir->header) - LINE1_END);
}

struct vmq_ivshmem_header *vmq__dir_header(const struct vmq__dir *dir)
{
	return (struct vmq_ivshmem_header *)dir->region;
}

/* ---- slots ----------------------------------------------------------------------------- */

struct vmq_ivshmem_slot *vmq__dir_slot(const struct vmq__dir *dir, uint32_t index)
{
	return (struct vmq_ivshmem_slot *)(dir->region + dir->slots_off) + index;
}

/* A peer's copied line: a name that can be shown, sizes that can be planned with. */
static bool who_ok(struct vmq__dir_who *who)
{
	if (who->name[VMQ_NAME_MAX] || !vmq__name_ok(who->name))
		return false;
	return who->lane_size >= VMQ_LANE_MIN && who->lane_size <= VMQ_LANE_MAX &&
		!(who->lane_size & (who->lane_size - 1)) && who->pool_pages <= VMQ_POOL_MAX / 2;
}

static void who_copy(const struct vmq_ivshmem_slot *s, struct vmq__dir_who *who)
{
	who->doorbell = vmq__load(&s->doorbell);
	who->vectors = vmq__load(&s->vectors);
	who->lane_size = vmq__load(&s->lane_size);
	who->pool_pages = vmq__load(&s->pool_pages);
	memcpy(who->uuid, s->uuid, sizeof(who->uuid));
	memcpy(who->name, s->name, sizeof(who->name));
}

uint32_t vmq__dir_life(const struct vmq__dir *dir, uint32_t index, struct vmq__dir_who *who)
{
	const struct vmq_ivshmem_slot *s = vmq__dir_slot(dir, index);
	uint32_t live = vmq__load_acquire(&s->live);

	if (!live || vmq__load(&s->claim) != live || vmq__load_acquire(&s->gone) == live)
		return 0;
	if (!who)
		return live;
	who_copy(s, who);
	/* Another life that claims the slot meanwhile writes over the line. */
	vmq__fence();
	return vmq__load(&s->claim) == live && who_ok(who) ? live : 0;
}

bool vmq__dir_follows(uint32_t before, uint32_t now)
{
	return now == before || (now && (now - before) * STEP_INVERSE <= FOLLOWS_MAX);
}

_Static_assert((uint32_t)(STEP_INVERSE * VMQ_IVSHMEM_CLAIM_STEP) == 1, "inverse of the step");

uint32_t vmq__dir_claim(const struct vmq__dir *dir, uint32_t index, uint32_t expected)
{
	uint32_t next = expected + VMQ_IVSHMEM_CLAIM_STEP;

	next = next ? next : VMQ_IVSHMEM_CLAIM_STEP;

	return vmq__exchange(&vmq__dir_slot(dir, index)->claim, expected, next) ? next : 0;
}

void vmq__dir_rewire(const struct vmq__dir *dir, uint32_t index, uint32_t doorbell, uint32_t vectors)
{
	struct vmq_ivshmem_slot *s = vmq__dir_slot(dir, index);

	vmq__store(&s->doorbell, doorbell);
	vmq__store(&s->vectors, vectors);
}

void vmq__dir_enter(const struct vmq__dir *dir, uint32_t index, uint32_t claim,
	const struct vmq__dir_who *who)
{
	struct vmq_ivshmem_slot *s = vmq__dir_slot(dir, index);

	/* No reader may see the new line by the old life's words. */
	vmq__store(&s->live, 0);
	vmq__fence();
	vmq__dir_rewire(dir, index, who->doorbell, who->vectors);
	vmq__store(&s->lane_size, who->lane_size);
	vmq__store(&s->pool_pages, who->pool_pages);
	memcpy(s->uuid, who->uuid, sizeof(s->uuid));
	memcpy(s->name, who->name, sizeof(s->name));
	for (unsigned kind = 0; kind < 3; kind++)
		vmq__store(&s->bell[kind], 0);
	vmq__store_release(&s->live, claim);
}

void vmq__dir_leave(const struct vmq__dir *dir, uint32_t index, uint32_t claim)
{
	struct vmq_ivshmem_slot *s = vmq__dir_slot(dir, index);

	if (vmq__load(&s->claim) != claim)
		return;
	vmq__store_release(&s->live, 0);
	vmq__store_release(&s->gone, claim);
}

int vmq__dir_mine(const struct vmq__dir *dir, uint32_t index, uint32_t claim,
	const struct vmq__dir_who *who)
{
	const struct vmq_ivshmem_slot *s = vmq__dir_slot(dir, index);
	uint32_t now = vmq__load_acquire(&s->claim);
	struct vmq__dir_who is;

	if (now != claim)
		return vmq__dir_follows(claim, now) ? VMQ_EGONE : VMQ_EPEER;
	if (vmq__load(&s->gone) == claim)
		return VMQ_EGONE;
	who_copy(s, &is);
	if (vmq__load(&s->live) != claim || is.doorbell != who->doorbell || is.vectors != who->vectors ||
			is.lane_size != who->lane_size || is.pool_pages != who->pool_pages ||
			memcmp(is.uuid, who->uuid, sizeof(is.uuid)) ||
			memcmp(is.name, who->name, sizeof(is.name)))
		return vmq__load(&s->claim) == claim ? VMQ_EPEER : VMQ_EGONE;
	return 0;
}

void vmq__dir_ring(const struct vmq__dir *dir, uint32_t index, unsigned kind)
{
	vmq__fence();
	vmq__store(&vmq__dir_slot(dir, index)->bell[kind], 1);
}

bool vmq__dir_silence(const struct vmq__dir *dir, uint32_t index, unsigned kind)
{
	vmq_le32 *bell = &vmq__dir_slot(dir, index)->bell[kind];

	if (!vmq__load(bell))
		return false;
	vmq__store(bell, 0);
	vmq__fence();
	return true;
}

/* ---- cells and arenas --------------------------------------------------------------------- */

struct vmq_ivshmem_cell *vmq__dir_cell(const struct vmq__dir *dir, uint32_t writer, uint32_t peer)
{
	return (struct vmq_ivshmem_cell *)(dir->region + dir->cells_off) +
		(size_t)writer * dir->slots + peer;
}

uint32_t vmq__dir_layer(uint32_t a, uint32_t b)
{
	uint32_t low = a < b ? a : b, high = a < b ? b : a;

	return (a + b) & 1 ? low : high;
}

uint32_t vmq__dir_share(const struct vmq__dir *dir, uint32_t index)
{
	uint32_t peers = 0;

	for (uint32_t peer = 0; peer < dir->slots; peer++)
		peers += peer != index && vmq__dir_layer(index, peer) == index;
	return (uint32_t)(dir->arena_size >> VMQ_PAGE_SHIFT) / (peers ? peers : 1);
}

void vmq__dir_arena(const struct vmq__dir *dir, uint32_t index, uint32_t *first, uint32_t *count,
	uint32_t *each)
{
	uint32_t share = vmq__dir_share(dir, index);

	*first = (uint32_t)((dir->heap_off + index * dir->arena_size) >> VMQ_PAGE_SHIFT);
	*count = (uint32_t)(dir->arena_size >> VMQ_PAGE_SHIFT);
	*each = share / 2 >= CHANNEL_MIN ? share / 2 : share;
}
