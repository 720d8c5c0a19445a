/* SPDX-License-Identifier: BSD-2-Clause */
/* dump_noise.c - `vmq dump`, `stats` and `top` on channels and directories that are damaged at
 * random: none does harm. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dir.h"
#include "dump_fixture.h"
#include "stats.h"
#include "top.h"

#define ROUNDS 6000

/* ---- noise -------------------------------------------------------------------------------------------- */

static uint64_t seed = 88172645463325252ull;

static uint32_t dice(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16) % n;
}

/* Words that hurt more often than others. */
static void damage(uint8_t *bytes, const uint32_t (*hot)[2], unsigned areas)
{
	static const uint32_t odd[] = { 0, 1, 7, 8, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8, 4096 };

	for (unsigned flips = 1 + dice(8); flips; flips--) {
		const uint32_t *area = hot[dice(areas)];
		uint32_t at = area[0] + dice(area[1] / 4) * 4, value = odd[dice(9)];

		if (dice(2))
			bytes[at + dice(4)] ^= (uint8_t)(1u << dice(8));
		else
			memcpy(bytes + at, &value, sizeof(value));
	}
}

static void show_all(struct watch_snapshot *s)
{
	struct top_rates r;

	stats_json(s, stdout);
	stats_prometheus(s, stdout);
	top_sort(s);
	cr_assert_eq(top_rate(dice(2) ? s : NULL, s, &r), 0);
	top_show(&(struct top_view){ .to = stdout, .path = "x", .width = 1 + dice(200), .height = dice(30),
		.screen = dice(2), .colour = dice(2) }, s, &r);
	top_rate_free(&r);
	watch_free(s);
}

static void read_channel(struct watch_mem *m)
{
	struct watch_snapshot s = { .kind = WATCH_CHANNEL };
	struct dump_channel d;

	cr_assert_eq(dump_channel_read(m, 0, m->size, &dump_all, &d), 0);
	cr_expect(d.ch.code == 0 || d.wrongs.count, "it is no region, and nothing is wrong");
	dump_channel_text(&d, &dump_all);
	dump_channel_json(&d, &dump_all);
	dump_channel_free(&d);
	watch_channel_read(m, 0, m->size, watch_add_channel(&s));
	show_all(&s);
}

/* No program must crash on, hang in, or believe, what stands there. */
Test(dump_noise, noise_in_a_channel, .timeout = 300)
{
	static const uint32_t hot[][2] = { { 0, 0x90 }, { 0xc0, 0x80 }, { 0x180, 8 }, { 0x1000, 0x1c }, { 0x1080, 4 },
		{ 0x1100, 4 }, { 0x1180, 4 }, { 0x1200, 4 }, { 0x1280, 0x28 }, { 0x1400, 0x20 }, { 0x2000, 0x1c },
		{ 0x2100, 4 }, { 0x2080, 4 }, { 0x3000, 0x240 }, { 0x3d00, 0x200 }, { 0x3d80, 0x110 } };
	uint8_t *bytes;
	struct pair p;

	cr_assert_not_null(freopen("/dev/null", "w", stdout));
	region_open(&p);
	bytes = malloc(p.geo.region_size);
	for (int i = 0; i < ROUNDS; i++) {
		size_t size = dice(20) ? p.geo.region_size : 1 + dice((uint32_t)p.geo.region_size);
		struct watch_mem m;

		memcpy(bytes, p.region, p.geo.region_size);
		damage(bytes, hot, sizeof(hot) / sizeof(hot[0]));
		cr_assert_eq(watch_mem_open(&m, file_of(bytes, size, i % 2)), 0);
		read_channel(&m);
		watch_mem_close(&m);
	}
	free(bytes);
	pair_close(&p);
}

/* ---- an ivshmem region ------------------------------------------------------------------------------- */

#define REGION (1u << 20)

/* Two places that are taken, one that was; and the channel that place 1 offers to place 2. */
static uint8_t *directory(struct pair *p)
{
	const struct vmq__dir_who who = { .doorbell = 5, .vectors = 3, .lane_size = LANE, .pool_pages = PAGES };
	static const char *const names[] = { "alpha", "beta", "gone" };
	uint8_t *bytes = aligned_alloc(4096, REGION);
	uint32_t claim[3], first, count, each, from = vmq__dir_layer(0, 1);
	struct vmq_ivshmem_cell *cell;
	struct vmq__dir dir;

	memset(bytes, 0, REGION);
	cr_assert_eq(vmq__dir_format(bytes, REGION, NULL), 0);
	cr_assert_eq(vmq__dir_read(bytes, REGION, &dir), 0);
	for (uint32_t i = 0; i < 3; i++) {
		struct vmq__dir_who w = who;

		strcpy(w.name, names[i]);
		claim[i] = vmq__dir_claim(&dir, i, 0);
		vmq__dir_enter(&dir, i, claim[i], &w);
	}
	vmq__dir_leave(&dir, 2, claim[2]);
	vmq__dir_arena(&dir, from, &first, &count, &each);
	cr_assert_leq(p->geo.region_size >> 12, each);
	memcpy(bytes + ((size_t)first << 12), p->region, p->geo.region_size);
	cell = vmq__dir_cell(&dir, from, !from);
	cell->claim = le(claim[from]);
	cell->peer_claim = le(claim[!from]);
	cell->offer.first = le(first);
	cell->offer.count = le((uint32_t)(p->geo.region_size >> 12));
	cell->serial = le(9);
	return bytes;
}

static void read_dir(struct watch_mem *m, const char **state, uint64_t *wrongs, size_t *offers)
{
	struct dump_dir *d = calloc(1, sizeof(*d));

	cr_assert_eq(dump_dir_read(m, &dump_all, d), 0);
	if (state)
		memcpy(state, (const char *[]){ d->slot[0].state, d->slot[1].state, d->slot[2].state,
			d->slot[3].state }, 4 * sizeof(*state));
	if (wrongs)
		*wrongs = d->wrongs.count + (d->offer_count ? d->offers[0].channel.wrongs.count : 0);
	if (offers)
		*offers = d->offer_count;
	dump_dir_text(d, &dump_all);
	dump_dir_json(d, &dump_all);
	dump_dir_free(d);
	free(d);
}

Test(dump_noise, a_directory)
{
	const char *state[4];
	struct watch_snapshot s = { 0 };
	struct watch_mem m;
	uint64_t wrongs;
	size_t offers;
	struct pair p;
	uint8_t *bytes;

	cr_assert_not_null(freopen("/dev/null", "w", stdout));
	region_open(&p);
	bytes = directory(&p);
	cr_assert_eq(watch_mem_open(&m, file_of(bytes, REGION, false)), 0);
	cr_expect(watch_ivshmem_is(&m));
	read_dir(&m, state, &wrongs, &offers);
	cr_expect_str_eq(state[0], "live");
	cr_expect_str_eq(state[1], "live");
	cr_expect_str_eq(state[2], "free");
	cr_expect_str_eq(state[3], "free");
	cr_expect_eq(wrongs, 0u);
	cr_expect_eq(offers, 1u);
	cr_assert_eq(watch_ivshmem_look(&m, &s), 0);
	cr_expect_eq(s.vm_count, 2u);
	cr_expect_str_eq(s.vms[1].name, "beta");
	cr_assert_eq(s.channel_count, 1u);
	cr_expect_eq(s.channels[0].code, 0);
	cr_expect_str_eq(s.channels[0].end[0].ident.name, "alpha");
	cr_expect_eq(watch_messages(&s.channels[0], 0), 5u);
	watch_free(&s);
	watch_mem_close(&m);
	free(bytes);
	pair_close(&p);
}

Test(dump_noise, noise_in_a_directory, .timeout = 300)
{
	static const uint32_t hot[][2] = { { 0, 0x88 }, { 0x1000, 0x60 }, { 0x1200, 0x60 }, { 0x1180, 4 },
		{ 0x1380, 4 }, { 0x2000, 0x200 }, { 0x2000, 0x800 }, { 0x3000, 0x90 }, { 0x4000, 0x1c },
		{ 0x6d80, 0x110 } };
	uint8_t *bytes, *good;
	struct pair p;

	cr_assert_not_null(freopen("/dev/null", "w", stdout));
	region_open(&p);
	good = directory(&p);
	bytes = malloc(REGION);
	for (int i = 0; i < ROUNDS / 3; i++) {
		size_t size = dice(30) ? REGION : 1 + dice(REGION);
		struct watch_snapshot s = { 0 };
		struct watch_mem m;

		memcpy(bytes, good, REGION);
		damage(bytes, hot, sizeof(hot) / sizeof(hot[0]));
		cr_assert_eq(watch_mem_open(&m, file_of(bytes, size, i % 2)), 0);
		if (size >= VMQ_IVSHMEM_HEADER) {
			read_dir(&m, NULL, NULL, NULL);
			watch_ivshmem_look(&m, &s);
			show_all(&s);
		}
		watch_mem_close(&m);
	}
	free(bytes);
	free(good);
	pair_close(&p);
}
