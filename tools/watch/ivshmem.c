/* SPDX-License-Identifier: BSD-2-Clause */
/* ivshmem.c - a whole ivshmem region: who has a slot of its directory, and the channels that
 * they offer each other. docs/ivshmem-directory.md has what stands where. */
#include <stdlib.h>
#include <string.h>

#include "core/atomic.h"
#include "dir.h"
#include "watch.h"

bool watch_ivshmem_is(const struct watch_mem *m)
{
	vmq_le32 magic[2] = { 0, 0 };

	return !watch_mem_read(m, 0, magic, sizeof(magic)) && vmq__le32(magic[0]) == VMQ_IVSHMEM_MAGIC_LO &&
		vmq__le32(magic[1]) == VMQ_IVSHMEM_MAGIC_HI;
}

/* The header, the slots and the cells, as private memory that the directory is read from. */
static int copy(const struct watch_mem *m, struct vmq__dir *dir)
{
	_Alignas(struct vmq_ivshmem_header) uint8_t header[VMQ_IVSHMEM_HEADER];
	int rc = watch_mem_read(m, 0, header, sizeof(header));
	size_t len;

	if (!rc)
		rc = vmq__dir_read(header, m->size, dir);
	dir->region = NULL;
	if (rc)
		return rc;
	/* At most 256 slots: 8.5 MiB; but what lies between them is anybody's choice. */
	len = dir->slots * sizeof(struct vmq_ivshmem_slot);
	dir->region = malloc(len + (size_t)dir->slots * dir->slots * sizeof(struct vmq_ivshmem_cell));
	if (!dir->region)
		return VMQ_ENOMEM;
	rc = watch_mem_read(m, dir->slots_off, dir->region, len);
	if (!rc)
		rc = watch_mem_read(m, dir->cells_off, dir->region + len,
			(size_t)dir->slots * dir->slots * sizeof(struct vmq_ivshmem_cell));
	dir->slots_off = 0;
	dir->cells_off = len;
	return rc;
}

static int add_slot(struct watch_snapshot *s, const struct vmq__dir *dir, uint32_t i)
{
	struct vmq__dir_who who;
	uint32_t life = vmq__dir_life(dir, i, &who);
	struct watch_vm *vm;

	if (!life)
		return 0;
	vm = watch_add_vm(s);
	if (!vm)
		return VMQ_ENOMEM;
	watch_text(vm->name, who.name, sizeof(who.name));
	vm->id = i + 1;
	vm->there = true;
	vm->life = life;
	vm->heartbeat = vmq__load(&vmq__dir_slot(dir, i)->heartbeat);
	return 0;
}

/* What one slot offers to another: it must lie in the offerer's arena. */
static int add_offer(const struct watch_mem *m, struct watch_snapshot *s, const struct vmq__dir *dir,
	uint32_t from, uint32_t to)
{
	const struct vmq_ivshmem_cell *cell = vmq__dir_cell(dir, from, to);
	uint32_t serial = vmq__load(&cell->serial), first = vmq__load(&cell->offer.first);
	uint32_t count = vmq__load(&cell->offer.count), arena, pages, each;
	struct watch_channel *ch;

	if (from == to || !serial || vmq__dir_layer(from, to) != from)
		return 0;
	ch = watch_add_channel(s);
	if (!ch)
		return VMQ_ENOMEM;
	vmq__dir_arena(dir, from, &arena, &pages, &each);
	ch->key = (uint64_t)(from * dir->slots + to) << 32 | serial;
	ch->off = (uint64_t)first << VMQ_PAGE_SHIFT;
	ch->vouched[0] = (from < to ? from : to) + 1;
	ch->vouched[1] = (from < to ? to : from) + 1;
	ch->code = VMQ_EPROTO;
	if (first >= arena && count <= pages && first - arena <= pages - count)
		watch_channel_read(m, ch->off, (uint64_t)count << VMQ_PAGE_SHIFT, ch);
	return 0;
}

int watch_ivshmem_look(const struct watch_mem *m, struct watch_snapshot *s)
{
	struct vmq__dir dir = { 0 };
	int rc = copy(m, &dir);

	s->kind = WATCH_IVSHMEM;
	for (uint32_t i = 0; !rc && i < dir.slots; i++)
		rc = add_slot(s, &dir, i);
	for (uint32_t i = 0; !rc && i < dir.slots * dir.slots; i++)
		rc = add_offer(m, s, &dir, i / dir.slots, i % dir.slots);
	free(dir.region);
	watch_name_ends(s);
	return rc;
}
