/* SPDX-License-Identifier: BSD-2-Clause */
/* core_layout.c - planning, writing and checking a region's header. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core_fixture.h"

static int plan(uint32_t lane0, uint32_t lane1, uint32_t pool0, uint32_t pool1, struct vmq_geometry *geo)
{
	const uint32_t lanes[2] = { lane0, lane1 }, pools[2] = { pool0, pool1 };

	return vmq_layout_plan(lanes, pools, geo);
}

Test(layout, plan_refuses_bad_sizes)
{
	struct vmq_geometry geo;

	cr_expect_eq(plan(4095, 4096, 0, 0, &geo), VMQ_EINVAL);
	cr_expect_eq(plan(4096, 4097, 0, 0, &geo), VMQ_EINVAL);
	cr_expect_eq(plan(2048, 4096, 0, 0, &geo), VMQ_EINVAL);
	cr_expect_eq(plan(4096, 0, 0, 0, &geo), VMQ_EINVAL);
	cr_expect_eq(plan(4096, VMQ_LANE_MAX * 2, 0, 0, &geo), VMQ_EINVAL);
	cr_expect_eq(plan(12288, 4096, 0, 0, &geo), VMQ_EINVAL);
	cr_expect_eq(plan(4096, 4096, VMQ_POOL_MAX, 1, &geo), VMQ_EINVAL);
	cr_expect_eq(plan(4096, 4096, 1, 0xffffffffu, &geo), VMQ_EINVAL);
	cr_expect_eq(plan(4096, 4096, 0xffffffffu, 2, &geo), VMQ_EINVAL);
}

Test(layout, plan_takes_the_limits)
{
	struct vmq_geometry geo;

	cr_assert_eq(plan(VMQ_LANE_MIN, VMQ_LANE_MAX, VMQ_POOL_MAX - 1, 1, &geo), 0);
	cr_expect_eq(geo.features, VMQ_FEAT_PAGES);
	cr_expect_eq(geo.ctl_size, ((uint64_t)VMQ_POOL_MAX * 4 + 1024 + 4095) / 4096 * 4096);
	cr_expect_eq(geo.region_size, 4096 + 2 * geo.ctl_size + VMQ_LANE_MIN + VMQ_LANE_MAX +
		((uint64_t)VMQ_POOL_MAX << 12));
	cr_assert_eq(plan(4096, 4096, 0, 0, &geo), 0);
	cr_expect_eq(geo.features, 0u);
	cr_expect_eq(geo.region_size, 5u * 4096);
}

static void *written(struct vmq_geometry *geo)
{
	struct vmq_ident ident[2] = { { .id = 7, .name = "left" }, { .id = 8, .name = "right" } };
	void *region;

	memset(ident[1].uuid, 0x5a, sizeof(ident[1].uuid));
	cr_assert_eq(plan(4096, 16384, 3, 900, geo), 0);
	region = calloc(1, geo->region_size);
	cr_assert_not_null(region);
	vmq_layout_write(region, geo, ident);
	return region;
}

Test(layout, what_is_written_is_read)
{
	struct vmq_geometry planned, geo;
	struct vmq_ident ident;
	void *region = written(&planned);

	cr_assert_eq(vmq_layout_read(region, planned.region_size, &geo), 0);
	cr_expect_eq(memcmp(&planned, &geo, sizeof(geo)), 0);
	cr_assert_eq(vmq_layout_read(region, planned.region_size + 999, &geo), 0);
	cr_expect_eq(geo.region_size, planned.region_size);
	vmq_layout_ident_read(region, 0, &ident);
	cr_expect_eq(ident.id, 7u);
	cr_expect_str_eq(ident.name, "left");
	vmq_layout_ident_read(region, 1, &ident);
	cr_expect_eq(ident.id, 8u);
	cr_expect_str_eq(ident.name, "right");
	cr_expect_eq(ident.uuid[15], 0x5a);
	free(region);
}

Test(layout, ident_is_always_terminated)
{
	struct vmq_geometry geo;
	struct vmq_ident ident;
	struct vmq_layout_header *h = written(&geo);

	memset(h->ident[0].name, 'x', sizeof(h->ident[0].name));
	vmq_layout_ident_read(h, 0, &ident);
	cr_expect_eq(strlen(ident.name), VMQ_NAME_MAX);
	free(h);
}

/* A field of the header, a value that damages it, and what reading must say. */
struct damage {
	size_t off;
	unsigned bytes;
	uint64_t value;
	int said;
};

#define FIELD(field, value, said) \
	{ offsetof(struct vmq_layout_header, field), \
		sizeof(((struct vmq_layout_header *)0)->field), (value), (said) }
#define PART(n, field, value) \
	{ offsetof(struct vmq_layout_header, part[n].field), 8, (value), VMQ_EPROTO }

static const struct damage damages[] = {
	FIELD(magic[0], 0, VMQ_EPROTO),
	FIELD(magic[0], VMQ_MAGIC_LO ^ 1, VMQ_EPROTO),
	FIELD(magic[1], 0x0a1a0a0a, VMQ_EPROTO),
	FIELD(major, VMQ_LAYOUT_MAJOR + 1, VMQ_EVERSION),
	FIELD(major, 0, VMQ_EVERSION),
	FIELD(header_size, 0, VMQ_EPROTO),
	FIELD(header_size, 8192, VMQ_EPROTO),
	FIELD(features_required, 1ull << 1, VMQ_EVERSION),
	FIELD(features_required, 1ull << 63, VMQ_EVERSION),
	FIELD(region_size, 0, VMQ_EPROTO),
	FIELD(region_size, UINT64_MAX, VMQ_EPROTO),
	FIELD(page_shift, 11, VMQ_EPROTO),
	FIELD(page_shift, 12 + 64, VMQ_EPROTO),
	FIELD(parts, VMQ_PART_COUNT - 1, VMQ_EPROTO),
	FIELD(parts, 0, VMQ_EPROTO),
	PART(VMQ_PART_CTL0, off, 0), /* on the header */
	PART(VMQ_PART_CTL0, off, 4096 + 8),
	PART(VMQ_PART_CTL0, size, 4096), /* differs from the other, too small */
	PART(VMQ_PART_CTL1, off, 4096),
	PART(VMQ_PART_CTL1, size, 0),
	PART(VMQ_PART_CTL1, size, 12288),
	PART(VMQ_PART_LANE0, size, 12288), /* not a power of two */
	PART(VMQ_PART_LANE0, size, 2048),
	PART(VMQ_PART_LANE0, size, 1ull << 32),
	PART(VMQ_PART_LANE0, off, 0xfffffffffffff000ull),
	PART(VMQ_PART_LANE1, off, 4096),
	PART(VMQ_PART_LANE1, size, 1ull << 31),
	PART(VMQ_PART_LANE1, size, 0xfffffffffffff000ull),
	PART(VMQ_PART_POOL0, off, 1),
	PART(VMQ_PART_POOL0, size, 4095),
	PART(VMQ_PART_POOL0, size, 0xfffffffffffff000ull),
	PART(VMQ_PART_POOL1, off, 0xfffffffffffff000ull),
	PART(VMQ_PART_POOL1, size, 901ull << 12), /* past the region's end */
	PART(VMQ_PART_POOL1, size, 1ull << 63),
};

static void damage(void *region, const struct damage *d)
{
	for (unsigned i = 0; i < d->bytes; i++)
		((uint8_t *)region)[d->off + i] = (uint8_t)(d->value >> 8 * i);
}

Test(layout, every_damaged_field_is_refused)
{
	struct vmq_geometry planned, geo;

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		void *region = written(&planned);

		damage(region, &damages[i]);
		cr_expect_eq(vmq_layout_read(region, planned.region_size, &geo), damages[i].said,
			"damage %zu at offset %zu", i, damages[i].off);
		free(region);
	}
}

Test(layout, parts_must_not_overlap)
{
	struct vmq_geometry planned, geo;

	for (unsigned part = 1; part < VMQ_PART_COUNT; part++) {
		struct vmq_layout_header *h = written(&planned);

		memcpy(&h->part[part].off, &h->part[part - 1].off, 8);
		cr_expect_eq(vmq_layout_read(h, planned.region_size, &geo), VMQ_EPROTO, "part %u", part);
		free(h);
	}
}

Test(layout, control_areas_too_small_or_too_large_are_refused)
{
	struct vmq_geometry planned, geo;
	struct vmq_layout_header *h = written(&planned);

	damage(h, &(struct damage)PART(VMQ_PART_CTL0, size, 4096));
	damage(h, &(struct damage)PART(VMQ_PART_CTL1, size, 4096));
	cr_expect_eq(vmq_layout_read(h, planned.region_size, &geo), VMQ_EPROTO);
	damage(h, &(struct damage)PART(VMQ_PART_CTL0, size, 0xfffffffffffff000ull));
	damage(h, &(struct damage)PART(VMQ_PART_CTL1, size, 0xfffffffffffff000ull));
	cr_expect_eq(vmq_layout_read(h, planned.region_size, &geo), VMQ_EPROTO, "the sum wraps");
	free(h);
}

/* Runs of pages may span both pools. */
Test(layout, a_gap_between_the_pools_is_refused)
{
	struct vmq_geometry planned, geo;
	struct vmq_layout_header *h = written(&planned);

	damage(h, &(struct damage)PART(VMQ_PART_POOL0, size, 2ull << 12));
	cr_expect_eq(vmq_layout_read(h, planned.region_size, &geo), VMQ_EPROTO);
	free(h);
}

Test(layout, what_a_minor_version_adds_is_taken)
{
	struct vmq_geometry planned, geo;
	struct vmq_layout_header *h = written(&planned);

	damage(h, &(struct damage)FIELD(minor, 9, 0));
	damage(h, &(struct damage)FIELD(parts, VMQ_PART_COUNT + 1, 0));
	damage(h, &(struct damage)FIELD(features_offered, VMQ_FEAT_PAGES | 1ull << 40, 0));
	cr_assert_eq(vmq_layout_read(h, planned.region_size, &geo), 0);
	cr_expect_eq(geo.features, VMQ_FEAT_PAGES); /* what this core does not know is left out */
	damage(h, &(struct damage)FIELD(features_required, VMQ_FEAT_PAGES, 0));
	cr_expect_eq(vmq_layout_read(h, planned.region_size, &geo), 0);
	free(h);
}

Test(layout, gone_is_kept_for_each_side)
{
	struct vmq_geometry geo;
	void *region = written(&geo);

	cr_expect_eq(vmq_layout_gone(region, 0), 0u);
	vmq_layout_set_gone(region, 1, 3);
	cr_expect_eq(vmq_layout_gone(region, 0), 0u);
	cr_expect_eq(vmq_layout_gone(region, 1), 3u);
	vmq_layout_set_gone(region, 1, 0);
	cr_expect_eq(vmq_layout_gone(region, 1), 0u);
	free(region);
}
