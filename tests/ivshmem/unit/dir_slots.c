/* SPDX-License-Identifier: BSD-2-Clause */
/* dir_slots.c - the directory's slots: claimed, entered, left, rung, overwritten. */
#define _DEFAULT_SOURCE
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "dir.h"

#define SIZE (1u << 20)
#define STEP VMQ_IVSHMEM_CLAIM_STEP

static uint8_t *region;
static struct vmq__dir d;
static struct vmq__dir_who who;

static void make(void)
{
	region = calloc(1, SIZE);
	cr_assert_not_null(region);
	cr_assert_eq(vmq__dir_write(region, SIZE, NULL), 0);
	cr_assert_eq(vmq__dir_read(region, SIZE, &d), 0);
	who = (struct vmq__dir_who){ .doorbell = 5, .vectors = 3, .lane_size = 4096,
		.pool_pages = 7, .uuid = { 1, 2, 3 }, .name = "alice" };
}

static void unmake(void)
{
	free(region);
}

TestSuite(ivshmem_slots, .init = make, .fini = unmake);

static uint32_t enter(uint32_t index)
{
	uint32_t claim = vmq__dir_claim(&d, index, vmq__dir_slot(&d, index)->claim);

	cr_assert_neq(claim, 0u);
	vmq__dir_enter(&d, index, claim, &who);
	return claim;
}

Test(ivshmem_slots, a_life_is_seen_from_enter_to_leave)
{
	struct vmq__dir_who seen;
	uint32_t claim;

	cr_expect_eq(vmq__dir_life(&d, 2, NULL), 0u);
	claim = vmq__dir_claim(&d, 2, 0);
	cr_assert_eq(claim, STEP);
	cr_expect_eq(vmq__dir_life(&d, 2, &seen), 0u, "claimed, but not yet there");
	vmq__dir_enter(&d, 2, claim, &who);
	cr_assert_eq(vmq__dir_life(&d, 2, &seen), claim);
	cr_expect_eq(memcmp(&seen, &who, sizeof(who)), 0);
	vmq__dir_leave(&d, 2, claim + 1);
	cr_expect_eq(vmq__dir_life(&d, 2, &seen), claim, "not who was asked to leave");
	vmq__dir_leave(&d, 2, claim);
	cr_expect_eq(vmq__dir_life(&d, 2, &seen), 0u);
	cr_expect_eq(vmq__dir_slot(&d, 2)->claim, STEP, "the number of the life stays");
	cr_expect_eq(vmq__dir_claim(&d, 2, STEP), 2 * STEP);
}

Test(ivshmem_slots, a_claim_goes_to_one_and_skips_zero)
{
	cr_expect_eq(vmq__dir_claim(&d, 0, 7), 0u, "not what stands there");
	cr_expect_eq(vmq__dir_claim(&d, 0, 0), STEP);
	cr_expect_eq(vmq__dir_claim(&d, 0, 0), 0u);
	vmq__dir_slot(&d, 0)->claim = 0u - STEP;
	cr_expect_eq(vmq__dir_claim(&d, 0, 0u - STEP), STEP);
}

Test(ivshmem_slots, an_old_line_does_not_hold_for_a_new_claim)
{
	enter(1);
	cr_assert_neq(vmq__dir_claim(&d, 1, STEP), 0u);
	cr_expect_eq(vmq__dir_life(&d, 1, NULL), 0u);
}

Test(ivshmem_slots, who_the_server_knows_to_be_gone_is_gone)
{
	uint32_t claim = enter(1);

	vmq__dir_slot(&d, 1)->gone = claim;
	cr_expect_eq(vmq__dir_life(&d, 1, NULL), 0u);
	cr_expect_eq(vmq__dir_mine(&d, 1, claim, &who), VMQ_EGONE);
	claim = enter(1);
	cr_expect_eq(vmq__dir_life(&d, 1, NULL), claim, "the next life is another");
}

Test(ivshmem_slots, lines_that_lie_are_no_lives)
{
	struct vmq__dir_who seen;
	struct vmq_ivshmem_slot *s = vmq__dir_slot(&d, 1), good;
#define LIE(what) do { \
		*s = good; \
		what; \
		cr_expect_eq(vmq__dir_life(&d, 1, &seen), 0u, #what); \
	} while (0)

	enter(1);
	good = *s;
	LIE(s->name[0] = 0);
	LIE(s->name[1] = '/');
	LIE(s->name[1] = '\n');
	LIE(strcpy(s->name, "*"));
	LIE(memset(s->name, 'x', sizeof(s->name)));
	LIE(s->lane_size = 0);
	LIE(s->lane_size = 4097);
	LIE(s->lane_size = 2048);
	LIE(s->lane_size = 1u << 31);
	LIE(s->pool_pages = VMQ_POOL_MAX / 2 + 1);
	LIE(s->pool_pages = UINT32_MAX);
#undef LIE
	*s = good;
	cr_expect_neq(vmq__dir_life(&d, 1, &seen), 0u);
}

Test(ivshmem_slots, what_may_follow_a_claim)
{
	cr_expect(vmq__dir_follows(0, 0));
	cr_expect(vmq__dir_follows(5, 5));
	cr_expect(vmq__dir_follows(5, 5 + STEP));
	cr_expect(vmq__dir_follows(5, 5 + 0xffff * STEP));
	cr_expect(vmq__dir_follows(0, STEP));
	cr_expect(vmq__dir_follows(0u - STEP, STEP), "0 is skipped");
	cr_expect_not(vmq__dir_follows(5, 5 - STEP));
	cr_expect_not(vmq__dir_follows(5, 5 + 0x10000 * STEP));
	cr_expect_not(vmq__dir_follows(5, 0), "never again unused");
	cr_expect_not(vmq__dir_follows(0u - STEP, 0));
	/* Any one byte of it, written over. */
	for (uint32_t byte = 1; byte < 256; byte++)
		for (int at = 0; at < 32; at += 8)
			cr_expect_not(vmq__dir_follows(STEP, STEP ^ byte << at));
}

Test(ivshmem_slots, the_owner_sees_what_happened_to_its_slot)
{
	struct vmq_ivshmem_slot *s = vmq__dir_slot(&d, 3), good;
	uint32_t claim = enter(3);
#define HIT(what, code) do { \
		*s = good; \
		what; \
		cr_expect_eq(vmq__dir_mine(&d, 3, claim, &who), code, #what); \
	} while (0)

	good = *s;
	HIT((void)0, 0);
	HIT(s->claim += STEP, VMQ_EGONE);
	HIT(s->claim++, VMQ_EPEER);
	HIT(s->claim = 0, VMQ_EPEER);
	HIT(s->claim ^= 0x5a5a5a5a, VMQ_EPEER);
	HIT(s->live = 0, VMQ_EPEER);
	HIT(s->doorbell++, VMQ_EPEER);
	HIT(s->vectors = 0, VMQ_EPEER);
	HIT(s->lane_size *= 2, VMQ_EPEER);
	HIT(s->pool_pages++, VMQ_EPEER);
	HIT(s->uuid[15] ^= 1, VMQ_EPEER);
	HIT(s->name[43] = 1, VMQ_EPEER);
	/* What others write, and its own heartbeat. */
	HIT(s->bell[1] = 9, 0);
	HIT(s->heartbeat++, 0);
	HIT(s->gone = claim - STEP, 0);
#undef HIT
}

Test(ivshmem_slots, a_rewired_slot_is_the_same_life)
{
	struct vmq__dir_who seen;
	uint32_t claim = enter(0);

	vmq__dir_rewire(&d, 0, 99, 1);
	cr_assert_eq(vmq__dir_life(&d, 0, &seen), claim);
	cr_expect_eq(seen.doorbell, 99u);
	cr_expect_eq(seen.vectors, 1u);
}

Test(ivshmem_slots, bells_ring_and_fall_silent)
{
	vmq__dir_ring(&d, 2, 1);
	cr_expect_not(vmq__dir_silence(&d, 2, 0));
	cr_expect_not(vmq__dir_silence(&d, 2, 2));
	cr_expect_not(vmq__dir_silence(&d, 1, 1));
	cr_expect(vmq__dir_silence(&d, 2, 1));
	cr_expect_not(vmq__dir_silence(&d, 2, 1));
	/* Of the life before nobody wants to hear. */
	vmq__dir_ring(&d, 2, 1);
	enter(2);
	cr_expect_not(vmq__dir_silence(&d, 2, 1));
}

/* ---- races ------------------------------------------------------------------------- */

#define CLAIMERS 4
#define CLAIMS 20000u

static pthread_barrier_t start;

static void *claimer(void *won)
{
	uint32_t n = 0, last = 0;

	pthread_barrier_wait(&start);
	while (last != CLAIMS * STEP) {
		uint32_t claim = vmq__dir_claim(&d, 0, last);

		n += claim != 0;
		last = claim ? claim : last + STEP;
	}
	*(uint32_t *)won = n;
	return NULL;
}

/* Each number of a claim goes to one of those who want it. */
Test(ivshmem_slots, claims_race)
{
	pthread_t thread[CLAIMERS];
	uint32_t won[CLAIMERS], all = 0;

	pthread_barrier_init(&start, NULL, CLAIMERS);
	for (int i = 0; i < CLAIMERS; i++)
		pthread_create(&thread[i], NULL, claimer, &won[i]);
	for (int i = 0; i < CLAIMERS; i++) {
		pthread_join(thread[i], NULL);
		all += won[i];
	}
	pthread_barrier_destroy(&start);
	cr_expect_eq(all, CLAIMS);
}
