/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostile.c - a domain that means harm. Each round is a process with an endpoint that has
 * channels and pages under way, and then writes over whatever it shares, through its own
 * mappings, and rings whatever it can, while it goes on sending. Other rounds lie in XenStore.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xen/xen.h>
#include <xen/evtchn.h>

#include "member.h"

#define MAPS 64
#define ROUND_MS 250u
#define HANG 20u          /* seconds for a round; who hangs in it is a victim of its own */
#define PORTS 128u        /* a domain of these tests has fewer */
#define FDS 64

struct region {
	uint32_t *at;
	size_t words;
};

struct villain {
	struct vmq *q;
	uint32_t peer[2];
	unsigned peers;
	struct region region[MAPS];
	unsigned regions;
	int bell[FDS];
	unsigned bells;
	uint64_t random;
};

static uint64_t draw(struct villain *v)
{
	v->random ^= v->random << 13;
	v->random ^= v->random >> 7;
	v->random ^= v->random << 17;
	return v->random;
}

/* ---- what there is to harm -------------------------------------------------------------------- */

/* All that this process shares and may write: what it granted, and what it was given. */
static void find_regions(struct villain *v)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512], mode[8];

	v->regions = 0;
	while (f && v->regions < MAPS && fgets(line, sizeof(line), f)) {
		if (!strstr(line, "/dev/xen/gnt") || sscanf(line, "%lx-%lx %7s", &start, &end, mode) != 3)
			continue;
		if (mode[1] == 'w')
			v->region[v->regions++] = (struct region){ (void *)start, (end - start) / 4 };
	}
	if (f)
		fclose(f);
}

static void find_bells(struct villain *v)
{
	char path[64], target[64];

	v->bells = 0;
	for (int fd = 0; fd < FDS; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = 0;
		if (!strcmp(target, "/dev/xen/evtchn"))
			v->bell[v->bells++] = fd;
	}
}

/* ---- harm -------------------------------------------------------------------------------------- */

static void shots(struct villain *v, unsigned count)
{
	for (unsigned i = 0; i < count && v->regions; i++) {
		struct region *r = &v->region[draw(v) % v->regions];

		__atomic_store_n(&r->at[draw(v) % r->words], (uint32_t)draw(v), __ATOMIC_RELAXED);
	}
}

/* Where the words are that count: the first ones of the root page, the control area, the lane. */
static void near_shots(struct villain *v, unsigned count)
{
	for (unsigned i = 0; i < count && v->regions; i++) {
		struct region *r = &v->region[draw(v) % v->regions];
		uint32_t *word = &r->at[draw(v) % (r->words < 1280 ? r->words : 1280)];

		__atomic_store_n(word, *word + 8 * (uint32_t)(draw(v) % 5) - 16, __ATOMIC_RELAXED);
	}
}

static void sweep(struct villain *v, uint32_t mask, uint32_t set)
{
	for (unsigned i = 0; i < v->regions; i++)
		for (size_t w = 0; w < v->region[i].words; w++)
			v->region[i].at[w] = ((uint32_t)draw(v) & mask) | set;
}

static void storm(struct villain *v, unsigned rounds)
{
	while (rounds--)
		for (unsigned i = 0; i < v->bells; i++)
			for (unsigned port = 1; port < PORTS; port++)
				ioctl(v->bell[i], IOCTL_EVTCHN_NOTIFY, &(struct ioctl_evtchn_notify){ port });
}

/* Sends and receives, however it looks by now. */
static void work(struct villain *v)
{
	static char buf[4096];
	struct vmq_page page;
	struct vmq_msg m;

	for (unsigned i = 0; i < v->peers; i++) {
		vmq_send(v->q, v->peer[i], buf, draw(v) % sizeof(buf), VMQ_SEND_NOW, VMQ_NOWAIT);
		if (!vmq_page_alloc(v->q, v->peer[i], sizeof(buf), &page, VMQ_NOWAIT))
			vmq_page_send(v->q, &page, 1 + draw(v) % 3, buf, 8, VMQ_SEND_AUTO, VMQ_NOWAIT);
	}
	for (unsigned i = 0; i < 16; i++)
		if (vmq_recv(v->q, buf, sizeof(buf), &m, VMQ_NOWAIT) >= 0 && m.flags & VMQ_MSG_PAGE && i % 2)
			vmq_page_free(v->q, &m.page);
}

static void harm(struct villain *v, unsigned kind)
{
	switch (kind % 6) {
	case 0: shots(v, 1); break;
	case 1: near_shots(v, 1); break;
	case 2: sweep(v, UINT32_MAX, 0); break;
	case 3: sweep(v, draw(v) % 2 ? 0 : 0x1ff, 0); break;
	case 4: sweep(v, 0, UINT32_MAX); break;
	default: storm(v, 4); break;
	}
}

static void meet(struct villain *v, const char *name)
{
	if (!vmq_peer(v->q, name, VMQ_MS(3000), &v->peer[v->peers]))
		v->peers++;
}

static int scribble(const char *address, const char *other, unsigned kind)
{
	static struct villain v;
	uint64_t end;

	alarm(HANG);
	v.random = (now_ms() + 1) * 0x9e3779b97f4a7c15u + kind;
	if (member_open(address, &v.q))
		return 1;
	meet(&v, CHIEF);
	meet(&v, other);
	for (unsigned i = 0; i < 20; i++, usleep(1000))
		work(&v);
	find_regions(&v);
	find_bells(&v);
	for (end = now_ms() + ROUND_MS; now_ms() < end; usleep(500)) {
		harm(&v, kind);
		work(&v);
	}
	say("hostile: kind %u, %u peers, %u regions, %u bells", kind % 6, v.peers, v.regions, v.bells);
	/* To go without a word is one more kind of harm. */
	if (kind % 2)
		kill(getpid(), SIGKILL);
	return vmq_close(v.q);
}

int hostile(const char *fabric, const char *other, const char *rounds)
{
	char address[128];
	int status;

	snprintf(address, sizeof(address), "xen:%s?name=" LIAR, fabric);
	for (unsigned i = 0; i < (unsigned)atoi(rounds); i++) {
		fflush(stdout);
		if (!fork())
			_exit(i % 4 == 3 ? lie(fabric, other, i / 4 * LIES) : scribble(address, other, i - i / 4));
		while (wait(&status) < 0)
			;
		if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
			say("hostile: round %u ended by signal %d", i, WTERMSIG(status));
	}
	say("hostile: peace");
	return talk(address);
}
