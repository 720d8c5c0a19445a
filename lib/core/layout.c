/* SPDX-License-Identifier: BSD-2-Clause */
/* layout.c - to plan, write and check a region's header. */
#include <string.h>

#include "lane.h"

static bool lane_size_ok(uint64_t size)
{
	return size >= VMQ_LANE_MIN && size <= VMQ_LANE_MAX && !(size & (size - 1));
}

static uint64_t ctl_size(uint32_t pages)
{
	uint64_t size = VMQ_CTL_PAGE_WORDS + (uint64_t)pages * sizeof(vmq_le32);

	return (size + VMQ_PAGE_SIZE - 1) & ~(uint64_t)(VMQ_PAGE_SIZE - 1);
}

int vmq_layout_plan(const uint32_t lane_size[2], const uint32_t pool_pages[2],
	struct vmq_geometry *geo)
{
	uint64_t off = VMQ_HEADER_SIZE;

	if (!lane_size_ok(lane_size[0]) || !lane_size_ok(lane_size[1]))
		return VMQ_EINVAL;
	if (pool_pages[0] > VMQ_POOL_MAX || pool_pages[1] > VMQ_POOL_MAX - pool_pages[0])
		return VMQ_EINVAL;
	memset(geo, 0, sizeof(*geo));
	geo->ctl_size = ctl_size(pool_pages[0] + pool_pages[1]);
	for (unsigned s = 0; s < 2; s++, off += geo->ctl_size)
		geo->ctl_off[s] = off;
	for (unsigned s = 0; s < 2; s++, off += lane_size[s - 1]) {
		geo->lane_off[s] = off;
		geo->lane_size[s] = lane_size[s];
	}
	for (unsigned s = 0; s < 2; s++) {
		geo->pool_off[s] = off;
		geo->pool_pages[s] = pool_pages[s];
		off += (uint64_t)pool_pages[s] << VMQ_PAGE_SHIFT;
	}
	if (pool_pages[0] + pool_pages[1])
		geo->features = VMQ_FEAT_PAGES;
	geo->region_size = off;
	return 0;
}

static void extent_write(struct vmq_layout_extent *e, uint64_t off, uint64_t size)
{
	e->off = vmq__le64(off);
	e->size = vmq__le64(size);
}

void vmq_layout_write(void *region, const struct vmq_geometry *geo,
	const struct vmq_ident ident[2])
{
	struct vmq_layout_header *h = region;

	memset(h, 0, sizeof(*h));
	h->major = vmq__le16(VMQ_LAYOUT_MAJOR);
	h->minor = vmq__le16(VMQ_LAYOUT_MINOR);
	h->header_size = vmq__le32(VMQ_HEADER_SIZE);
	h->features_offered = vmq__le64(geo->features);
	h->region_size = vmq__le64(geo->region_size);
	h->page_shift = vmq__le32(VMQ_PAGE_SHIFT);
	h->parts = vmq__le32(VMQ_PART_COUNT);
	for (unsigned s = 0; s < 2; s++) {
		extent_write(&h->part[VMQ_PART_CTL0 + s], geo->ctl_off[s], geo->ctl_size);
		extent_write(&h->part[VMQ_PART_LANE0 + s], geo->lane_off[s], geo->lane_size[s]);
		extent_write(&h->part[VMQ_PART_POOL0 + s], geo->pool_off[s],
			(uint64_t)geo->pool_pages[s] << VMQ_PAGE_SHIFT);
		h->ident[s].id = vmq__le32(ident[s].id);
		memcpy(h->ident[s].uuid, ident[s].uuid, sizeof(h->ident[s].uuid));
		memcpy(h->ident[s].name, ident[s].name, VMQ_NAME_MAX);
	}
	h->magic[1] = vmq__le32(VMQ_MAGIC_HI);
	/* Release: who reads the magic reads the rest. */
	vmq__store_release(&h->magic[0], VMQ_MAGIC_LO);
}

/* One entry of the (copied) table: inside the region, on a page, behind the
 * entries before it. */
static bool extent_read(const struct vmq_layout_header *h, unsigned part, uint64_t *floor,
	uint64_t limit, uint64_t *off, uint64_t *size)
{
	*off = vmq__le64(h->part[part].off);
	*size = vmq__le64(h->part[part].size);
	if (*off % VMQ_PAGE_SIZE || *size % VMQ_PAGE_SIZE || *off < *floor)
		return false;
	if (*off > limit || *size > limit - *off)
		return false;
	*floor = *off + *size;
	return true;
}

static bool table_read(const struct vmq_layout_header *h, uint64_t limit, struct vmq_geometry *geo)
{
	uint64_t floor = VMQ_HEADER_SIZE, size, ctl[2], pages = 0;

	for (unsigned s = 0; s < 2; s++)
		if (!extent_read(h, VMQ_PART_CTL0 + s, &floor, limit, &geo->ctl_off[s], &ctl[s]))
			return false;
	for (unsigned s = 0; s < 2; s++) {
		if (!extent_read(h, VMQ_PART_LANE0 + s, &floor, limit, &geo->lane_off[s], &size) ||
				!lane_size_ok(size))
			return false;
		geo->lane_size[s] = (uint32_t)size;
	}
	for (unsigned s = 0; s < 2; s++) {
		if (!extent_read(h, VMQ_PART_POOL0 + s, &floor, limit, &geo->pool_off[s], &size))
			return false;
		pages += size >> VMQ_PAGE_SHIFT;
		if (pages > VMQ_POOL_MAX)
			return false;
		geo->pool_pages[s] = (uint32_t)(size >> VMQ_PAGE_SHIFT);
	}
	geo->ctl_size = ctl[0];
	/* Runs may span both pools, so they are one piece. */
	if (geo->pool_off[1] != geo->pool_off[0] + ((uint64_t)geo->pool_pages[0] << VMQ_PAGE_SHIFT))
		return false;
	return ctl[0] == ctl[1] && ctl[0] >= ctl_size((uint32_t)pages);
}

int vmq_layout_read(const void *region, uint64_t size, struct vmq_geometry *geo)
{
	const struct vmq_layout_header *shared = region;
	struct vmq_layout_header h;

	memset(geo, 0, sizeof(*geo));
	if (size < VMQ_HEADER_SIZE || vmq__load_acquire(&shared->magic[0]) != VMQ_MAGIC_LO)
		return VMQ_EPROTO;
	memcpy(&h, region, offsetof(struct vmq_layout_header, ident));
	if (vmq__le32(h.magic[1]) != VMQ_MAGIC_HI)
		return VMQ_EPROTO;
	if (vmq__le16(h.major) != VMQ_LAYOUT_MAJOR)
		return VMQ_EVERSION;
	if (vmq__le64(h.features_required) & ~VMQ_FEAT_KNOWN)
		return VMQ_EVERSION;
	if (vmq__le32(h.header_size) != VMQ_HEADER_SIZE || vmq__le32(h.page_shift) != VMQ_PAGE_SHIFT ||
			vmq__le32(h.parts) < VMQ_PART_COUNT)
		return VMQ_EPROTO;
	geo->region_size = vmq__le64(h.region_size);
	geo->features = vmq__le64(h.features_offered) & VMQ_FEAT_KNOWN;
	if (geo->region_size > size || !table_read(&h, geo->region_size, geo))
		return VMQ_EPROTO;
	return 0;
}

void vmq_layout_ident_read(const void *region, unsigned side, struct vmq_ident *ident)
{
	const struct vmq_layout_header *h = region;
	struct vmq_layout_ident copy;

	memcpy(&copy, &h->ident[side & 1], sizeof(copy));
	ident->id = vmq__le32(copy.id);
	memcpy(ident->uuid, copy.uuid, sizeof(ident->uuid));
	memcpy(ident->name, copy.name, sizeof(ident->name));
	ident->name[VMQ_NAME_MAX] = 0;
}

uint32_t vmq_layout_gone(const void *region, unsigned side)
{
	const struct vmq_layout_header *h = region;

	return vmq__load_acquire(&h->gone[side & 1]);
}

void vmq_layout_set_gone(void *region, unsigned side, uint32_t reason)
{
	struct vmq_layout_header *h = region;

	vmq__store_release(&h->gone[side & 1], reason);
}
