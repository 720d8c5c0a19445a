/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * claim.c - to find a place in the directory.
 *
 * Nobody rules over it: who wants a slot exchanges its claim for the next number. A slot
 * is free if it was never used or its last life is gone; any other is left alone as long
 * as its heartbeat moves.
 */
#include <string.h>
#include <time.h>

#include "ivshmem.h"

#define LOOK_NS 2000000l /* between two looks */

/* What was seen of a slot since its claim last changed. */
struct seen {
	uint32_t claim, live, gone, heartbeat;
	bool moved; /* its heartbeat */
	uint64_t since;
	bool namesake;
};

struct seeker {
	struct ivshmem *iv;
	uint64_t now, until;
	struct seen seen[VMQ_IVSHMEM_SLOTS_MAX];
};

static void look(struct seeker *k, uint32_t i)
{
	const struct vmq_ivshmem_slot *s = vmq__dir_slot(&k->iv->dir, i);
	struct seen *seen = &k->seen[i];
	uint32_t claim = vmq__load_acquire(&s->claim), heartbeat = vmq__load(&s->heartbeat);
	char name[VMQ_NAME_MAX + 1];

	if (!seen->since || claim != seen->claim) {
		seen->since = k->now;
		seen->moved = false;
	} else if (heartbeat != seen->heartbeat) {
		seen->since = k->now;
		seen->moved = true;
	}
	seen->claim = claim;
	seen->heartbeat = heartbeat;
	seen->live = vmq__load_acquire(&s->live);
	seen->gone = vmq__load(&s->gone);
	memcpy(name, s->name, sizeof(name));
	seen->namesake = !memcmp(name, k->iv->who.name, strlen(k->iv->who.name) + 1);
}

static bool left(const struct seen *s)
{
	return s->claim && s->gone == s->claim;
}

static bool still(const struct seeker *k, const struct seen *s)
{
	return k->now - s->since >= vmq__ivshmem_ms(k->iv->dir.dead_ms);
}

static bool unused(const struct seeker *k, const struct seen *s)
{
	(void)k;
	return !s->claim;
}

static bool was_left(const struct seeker *k, const struct seen *s)
{
	(void)k;
	return left(s);
}

static bool to_be_had(const struct seeker *k, const struct seen *s)
{
	return !s->claim || left(s) || still(k, s);
}

/* The first slot, of the own name only or of any, that is so. */
static uint32_t first(const struct seeker *k, bool namesakes,
	bool (*is)(const struct seeker *, const struct seen *))
{
	for (uint32_t i = 0; i < k->iv->dir.slots; i++)
		if ((!namesakes || k->seen[i].namesake) && is(k, &k->seen[i]))
			return i;
	return IV_NONE;
}

/* Where the own name stands already: EEXIST, EAGAIN (who knows), 0: take *at, if that is
 * not IV_NONE. */
static int among_namesakes(const struct seeker *k, uint32_t *at)
{
	bool wait = false;

	for (uint32_t i = 0; i < k->iv->dir.slots; i++) {
		const struct seen *s = &k->seen[i];

		if (!s->namesake || to_be_had(k, s))
			continue;
		if (s->moved && s->live == s->claim)
			return VMQ_EEXIST;
		wait = true;
	}
	*at = first(k, true, to_be_had);
	return wait ? VMQ_EAGAIN : 0;
}

/* 0: take *at. EAGAIN: look again. */
static int choose(const struct seeker *k, uint32_t *at)
{
	int rc = among_namesakes(k, at);

	if (rc || *at != IV_NONE)
		return rc;
	*at = first(k, false, unused);
	if (*at == IV_NONE)
		*at = first(k, false, was_left);
	if (*at == IV_NONE)
		*at = first(k, false, to_be_had);
	if (*at != IV_NONE)
		return 0;
	for (uint32_t i = 0; i < k->iv->dir.slots; i++)
		if (!k->seen[i].moved)
			return VMQ_EAGAIN;
	return VMQ_ENOMEM;
}

/* What the life before said of channels is void, before anybody can take it for ours. */
static void cells_clear(const struct ivshmem *iv)
{
	for (uint32_t p = 0; p < iv->dir.slots; p++) {
		struct vmq_ivshmem_cell *cell = vmq__dir_cell(&iv->dir, iv->me, p);

		vmq__store(&cell->serial, 0);
		vmq__store(&cell->dropped, 0);
		for (unsigned h = 0; h < VMQ_IVSHMEM_HOLDS; h++)
			vmq__store(&cell->hold[h].count, 0);
	}
	vmq__fence();
}

/* Two of one name may have come at once: each has entered, then looks. The lower stays. */
static int enter(struct seeker *k)
{
	struct ivshmem *iv = k->iv;
	struct vmq__dir_who who;

	vmq__dir_enter(&iv->dir, iv->me, iv->claim, &iv->who);
	vmq__fence();
	if (vmq__dir_mine(&iv->dir, iv->me, iv->claim, &iv->who))
		return VMQ_EAGAIN;
	for (uint32_t i = 0; i < iv->dir.slots; i++) {
		if (i == iv->me || !vmq__dir_life(&iv->dir, i, &who) || strcmp(who.name, iv->who.name))
			continue;
		look(k, i);
		if (still(k, &k->seen[i]))
			continue;
		/* The higher may have looked before this one entered. */
		vmq__dir_leave(&iv->dir, iv->me, iv->claim);
		return i < iv->me ? VMQ_EEXIST : VMQ_EAGAIN;
	}
	return 0;
}

/* Who did not run for so long cannot say who else did: it looks as if for the first time. */
static void tell_time(struct seeker *k)
{
	uint64_t now = vmq__ivshmem_now(), gap = now - k->now;

	k->now = now;
	if (gap < vmq__ivshmem_ms(k->iv->dir.dead_ms) / 2 + 10 * LOOK_NS)
		return;
	memset(k->seen, 0, sizeof(k->seen));
	k->until += gap;
}

static int try_once(struct seeker *k)
{
	struct ivshmem *iv = k->iv;
	uint32_t at = IV_NONE;
	int rc;

	tell_time(k);
	for (uint32_t i = 0; i < iv->dir.slots; i++)
		look(k, i);
	rc = choose(k, &at);
	if (rc)
		return rc;
	iv->me = at;
	iv->claim = vmq__dir_claim(&iv->dir, at, k->seen[at].claim);
	if (!iv->claim)
		return VMQ_EAGAIN;
	/* Whoever waits for the slot sees that its claimer lives. */
	iv->heartbeat = vmq__load(&vmq__dir_slot(&iv->dir, at)->heartbeat) + 1;
	vmq__store(&vmq__dir_slot(&iv->dir, at)->heartbeat, iv->heartbeat);
	cells_clear(iv);
	rc = enter(k);
	if (rc)
		iv->claim = 0;
	return rc;
}

static int explain(struct ivshmem *iv, int rc)
{
	if (rc == VMQ_EEXIST)
		return iv->ops->fail(iv->port, rc, "there is a VM '%s' already", iv->who.name);
	return iv->ops->fail(iv->port, rc, "all %u places of the region are taken", iv->dir.slots);
}

int vmq__ivshmem_claim(struct ivshmem *iv)
{
	const struct timespec moment = { 0, LOOK_NS };
	struct seeker k = { .iv = iv, .now = vmq__ivshmem_now() };
	int rc;

	k.until = k.now + 2 * vmq__ivshmem_ms(iv->dir.dead_ms) + vmq__ivshmem_ms(1000);
	while ((rc = try_once(&k)) == VMQ_EAGAIN && k.now < k.until)
		nanosleep(&moment, NULL);
	if (rc == VMQ_EAGAIN)
		rc = VMQ_ENOMEM;
	return rc ? explain(iv, rc) : 0;
}
