/* SPDX-License-Identifier: BSD-2-Clause */
/* dir.c - the directory's header: written, read, refused. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "dir.h"

#define SIZE (1u << 20)

static uint8_t *region;

static void make(void)
{
	region = calloc(1, SIZE);
	cr_assert_not_null(region);
}

static void unmake(void)
{
	free(region);
}

TestSuite(ivshmem_dir, .init = make, .fini = unmake);

static int reading(void)
{
	struct vmq__dir d;

	return vmq__dir_read(region, SIZE, &d);
}

static struct vmq_ivshmem_header *header(void)
{
	return (struct vmq_ivshmem_header *)region;
}

Test(ivshmem_dir, sizes_that_no_region_has_are_refused)
{
	const uint64_t bad[] = { 0, 4096, VMQ_IVSHMEM_REGION_MIN / 2, VMQ_IVSHMEM_REGION_MIN + 4096,
		SIZE - 1, 3ull << 20, 1ull << 63, UINT64_MAX };
	struct vmq__dir d;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect_eq(vmq__dir_write(region, bad[i], NULL), VMQ_EINVAL, "%zu", i);
		cr_expect_eq(vmq__dir_read(region, bad[i], &d), VMQ_EINVAL, "%zu", i);
	}
}

Test(ivshmem_dir, what_is_written_is_read)
{
	struct vmq__dir d;

	cr_assert_eq(vmq__dir_read(region, SIZE, &d), VMQ_ENOENT);
	cr_assert_eq(vmq__dir_write(region, SIZE, NULL), 0);
	cr_assert_eq(vmq__dir_read(region, SIZE, &d), 0);
	cr_expect_eq(d.size, SIZE);
	cr_expect_eq(d.slots, 4u);
	cr_expect_eq(d.beat_ms, VMQ_IVSHMEM_BEAT_MS);
	cr_expect_eq(d.dead_ms, VMQ_IVSHMEM_DEAD_MS);
	cr_expect_eq(d.slots_off, 4096u);
	cr_expect_eq(d.cells_off, 8192u);
	cr_expect_eq(d.heap_off, 12288u);
	cr_expect_eq(d.arena_size, (SIZE - 12288u) / 4 / 4096 * 4096);
	cr_expect_eq((uint8_t *)vmq__dir_slot(&d, 3), region + 4096 + 3 * 512);
	cr_expect_eq((uint8_t *)vmq__dir_cell(&d, 2, 3), region + 8192 + (2 * 4 + 3) * 128);
}

Test(ivshmem_dir, the_size_says_how_many_slots)
{
	cr_expect_eq(vmq__dir_slots(VMQ_IVSHMEM_REGION_MIN), 4u);
	cr_expect_eq(vmq__dir_slots(64u << 20), 4u);
	cr_expect_eq(vmq__dir_slots(128u << 20), 8u);
	cr_expect_eq(vmq__dir_slots(256u << 20), 16u);
	cr_expect_eq(vmq__dir_slots(1ull << 40), 16u);
}

Test(ivshmem_dir, a_plan_is_kept)
{
	struct vmq__dir d;

	cr_assert_eq(vmq__dir_write(region, SIZE, &(struct vmq__dir_plan){ 2, 10, 200 }), 0);
	cr_assert_eq(vmq__dir_read(region, SIZE, &d), 0);
	cr_expect_eq(d.slots, 2u);
	cr_expect_eq(d.beat_ms, 10u);
	cr_expect_eq(d.dead_ms, 200u);
}

Test(ivshmem_dir, plans_that_cannot_work_are_refused)
{
	const struct vmq__dir_plan bad[] = { { 1, 0, 0 }, { 257, 0, 0 }, { 256, 0, 0 }, { 64, 0, 0 },
		{ 0, 150, 200 }, { 0, 100, 60001 }, { 0, UINT32_MAX, UINT32_MAX } };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(vmq__dir_write(region, SIZE, &bad[i]), VMQ_EINVAL, "%zu", i);
	cr_expect_eq(reading(), VMQ_ENOENT);
}

/* Every plan that is taken leaves each pair of slots a channel. */
Test(ivshmem_dir, the_smallest_region_is_enough)
{
	struct vmq__dir d;

	cr_assert_eq(vmq__dir_write(region, VMQ_IVSHMEM_REGION_MIN, NULL), 0);
	cr_assert_eq(vmq__dir_read(region, VMQ_IVSHMEM_REGION_MIN, &d), 0);
	for (uint32_t s = 0; s < d.slots; s++) {
		uint32_t first, count, each;

		vmq__dir_arena(&d, s, &first, &count, &each);
		cr_expect_geq(each, 5u);
		cr_expect_leq((first + count) * 4096ull, VMQ_IVSHMEM_REGION_MIN);
	}
}

Test(ivshmem_dir, arenas_do_not_overlap_and_shares_fit)
{
	for (uint32_t slots = 2; slots <= 9; slots++) {
		struct vmq__dir d;
		uint32_t end;

		memset(region, 0, 4096);
		cr_assert_eq(vmq__dir_write(region, SIZE, &(struct vmq__dir_plan){ .slots = slots }), 0);
		cr_assert_eq(vmq__dir_read(region, SIZE, &d), 0);
		end = (uint32_t)(d.heap_off / 4096);
		for (uint32_t s = 0; s < slots; s++) {
			uint32_t first, count, each, peers = 0;

			for (uint32_t p = 0; p < slots; p++)
				peers += p != s && vmq__dir_layer(s, p) == s;
			vmq__dir_arena(&d, s, &first, &count, &each);
			cr_expect_geq(first, end);
			cr_expect_leq(peers * each, count);
			end = first + count;
		}
		cr_expect_leq(end, SIZE / 4096);
	}
}

Test(ivshmem_dir, each_pair_has_one_layer)
{
	for (uint32_t a = 0; a < 16; a++)
		for (uint32_t b = 0; b < 16; b++)
			if (a != b)
				cr_expect_eq(vmq__dir_layer(a, b),
					(a + b) % 2 ? (a < b ? a : b) : a < b ? b : a);
}

Test(ivshmem_dir, something_else_is_left_alone)
{
	memset(region, 0x5a, SIZE);
	cr_expect_eq(reading(), VMQ_EPROTO);
	memset(region, 0, SIZE);
	/* Without a magic, but not empty. */
	region[100] = 1;
	cr_expect_eq(reading(), VMQ_EPROTO);
	/* The first bytes are a PNG's. */
	memcpy(region, "\x89PNG\r\n\x1a\n", 8);
	cr_expect_eq(reading(), VMQ_EPROTO);
}

Test(ivshmem_dir, a_writer_that_died_half_way_is_followed)
{
	struct vmq__dir d;

	cr_assert_eq(vmq__dir_write(region, SIZE, NULL), 0);
	memset(region, 0, 4);
	cr_expect_eq(reading(), VMQ_ENOENT);
	memset(region + 40, 0, 24);
	cr_expect_eq(reading(), VMQ_ENOENT);
	cr_expect_eq(vmq__dir_write(region, SIZE, NULL), 0);
	cr_expect_eq(vmq__dir_read(region, SIZE, &d), 0);
}

Test(ivshmem_dir, other_versions_are_told_apart)
{
	cr_assert_eq(vmq__dir_write(region, SIZE, NULL), 0);
	header()->minor++;
	cr_expect_eq(reading(), 0);
	header()->major++;
	cr_expect_eq(reading(), VMQ_EVERSION);
	header()->major--;
	header()->features_offered = ~0ull;
	cr_expect_eq(reading(), 0);
	header()->features_required = 1;
	cr_expect_eq(reading(), VMQ_EVERSION);
}

/* A header that lies is refused before anything is taken from where it points. */
Test(ivshmem_dir, each_number_is_checked)
{
	struct vmq_ivshmem_header good;
#define LIE(field, value) do { \
		*header() = good; \
		header()->field = (value); \
		cr_expect_eq(reading(), VMQ_EPROTO, #field " = " #value); \
	} while (0)

	cr_assert_eq(vmq__dir_write(region, SIZE, NULL), 0);
	good = *header();
	LIE(magic[1], 7);
	LIE(header_size, 4095);
	LIE(region_size, SIZE * 2);
	LIE(region_size, SIZE / 2);
	LIE(slots, 0);
	LIE(slots, 1);
	LIE(slots, 257);
	LIE(slots, UINT32_MAX);
	LIE(slots, 100); /* no room for their cells */
	LIE(slot_size, 511);
	LIE(cell_size, 64);
	LIE(beat_ms, 0);
	LIE(beat_ms, 5000);
	LIE(dead_ms, UINT32_MAX);
	LIE(slots_off, 0);
	LIE(slots_off, 4097);
	LIE(slots_off, SIZE);
	LIE(slots_off, 0ull - 4096);
	LIE(cells_off, 4096);
	LIE(cells_off, 8192 + 128);
	LIE(cells_off, SIZE - 1024);
	LIE(cells_off, 0ull - 4096);
	LIE(heap_off, 8192);
	LIE(heap_off, SIZE);
	LIE(heap_off, SIZE + 4096);
	LIE(heap_off, 0ull - 4096);
	LIE(arena_size, 0);
	LIE(arena_size, 4096);
	LIE(arena_size, SIZE / 4);
	LIE(arena_size, 0ull - 4096);
#undef LIE
	*header() = good;
	cr_expect_eq(reading(), 0);
}

Test(ivshmem_dir, noise_is_never_taken)
{
	unsigned taken = 0;

	srand(4);
	for (unsigned round = 0; round < 2000; round++) {
		struct vmq__dir d;

		cr_assert_eq(vmq__dir_write(region, SIZE, NULL), 0);
		for (unsigned n = 0; n < 4; n++)
			region[rand() % 96] = (uint8_t)rand();
		if (!vmq__dir_read(region, SIZE, &d)) {
			taken++;
			cr_expect_leq(d.heap_off + d.slots * d.arena_size, SIZE);
		}
		memset(region, 0, 4096);
	}
	cr_expect_lt(taken, 400u);
}

Test(ivshmem_dir, an_overwritten_header_is_seen)
{
	struct vmq__dir d;

	cr_assert_eq(vmq__dir_write(region, SIZE, NULL), 0);
	cr_assert_eq(vmq__dir_read(region, SIZE, &d), 0);
	for (unsigned i = 0; i < 4096; i++) {
		region[i] ^= 1;
		/* Line 1 is the server's, and changes. */
		cr_expect_eq(vmq__dir_intact(&d), i >= 128 && i < 256, "byte %u", i);
		region[i] ^= 1;
	}
	cr_expect(vmq__dir_intact(&d));
}

Test(ivshmem_dir, the_servers_line_stays)
{
	cr_assert_eq(vmq__dir_write(region, SIZE, NULL), 0);
	header()->server_life = 3;
	header()->next_id = 77;
	cr_assert_eq(vmq__dir_write(region, SIZE, NULL), 0);
	cr_expect_eq(header()->server_life, 3u);
	cr_expect_eq(header()->next_id, 77u);
}

Test(ivshmem_dir, format_empties_slots_and_cells)
{
	struct vmq__dir d;

	memset(region, 0x5a, SIZE);
	cr_assert_eq(vmq__dir_format(region, SIZE, NULL), 0);
	cr_assert_eq(vmq__dir_read(region, SIZE, &d), 0);
	for (uint64_t i = d.slots_off; i < d.heap_off; i++)
		cr_assert_eq(region[i], 0);
	cr_expect_eq(header()->server_life, 0u);
	cr_expect_eq(region[d.heap_off], 0x5a);
}
