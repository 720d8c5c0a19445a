/* SPDX-License-Identifier: BSD-2-Clause */
/* cycles.c - one who comes and goes, and one who stays. */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "member.h"

#define WAIT VMQ_MS(20000)
#define END_MS 5000u
#define LEN (2 * VMQ_PAGE_SIZE)

static volatile sig_atomic_t told_to_end;

static void on_term(int sig)
{
	(void)sig;
	told_to_end = 1;
}

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Of grants, on either side. */
static unsigned count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, "/dev/xen/gnt") != NULL;
	if (f)
		fclose(f);
	return n;
}

/* A page there, and the same bytes back as a message. */
static int exchange(struct vmq *q, uint32_t peer, uint32_t number)
{
	struct vmq_page page;
	uint32_t answer = 0;
	int64_t rc = vmq_page_alloc(q, peer, LEN, &page, WAIT);

	if (rc)
		return (int)rc;
	memcpy((uint8_t *)page.addr + LEN - sizeof(number), &number, sizeof(number));
	rc = vmq_page_send(q, &page, VMQ_PAGE_LEND, &number, sizeof(number), VMQ_SEND_AUTO, WAIT);
	if (rc)
		return (int)rc;
	rc = vmq_recv(q, &answer, sizeof(answer), NULL, WAIT);
	vmq_page_free(q, &page);
	return rc == sizeof(answer) && answer == number ? 0 : rc < 0 ? (int)rc : VMQ_EPROTO;
}

static int cycle(const char *address, uint32_t number)
{
	uint32_t peer;
	struct vmq *q;
	int rc = member_open(address, &q);

	if (rc)
		return rc;
	rc = vmq_peer(q, CHIEF, WAIT, &peer);
	if (!rc)
		rc = exchange(q, peer, number);
	vmq_close(q);
	return rc;
}

int cycles(const char *address, const char *count)
{
	uint32_t n = (uint32_t)atoi(count), i = 0;
	unsigned fds = 0, maps = 0;
	uint64_t start = now_ms();
	int rc = 0;

	/* The first cycle may leave behind what libraries keep. */
	for (; i < n && !rc; i++) {
		rc = cycle(address, i + 1);
		if (!i)
			fds = count_fds(), maps = count_maps();
	}
	say("cycles: %u in %llu ms, %s; fds %u, then %u; mappings %u, then %u", i,
		(unsigned long long)(now_ms() - start), rc ? vmq_errname(rc) : "all well", fds, count_fds(),
		maps, count_maps());
	return rc || fds != count_fds() || maps != count_maps() ? 1 : 0;
}

/* ---- who stays ------------------------------------------------------------------------------- */

static bool answer(struct vmq *q, const struct vmq_msg *m, uint32_t number)
{
	uint32_t inside = 0;

	if (!(m->flags & VMQ_MSG_PAGE) || m->page.len != LEN)
		return false;
	memcpy(&inside, (uint8_t *)m->page.addr + LEN - sizeof(inside), sizeof(inside));
	if (inside != number)
		return false;
	return !vmq_send(q, m->peer, &number, sizeof(number), VMQ_SEND_AUTO, WAIT);
}

/* What an endpoint holds of this process. */
struct held {
	unsigned fds, maps;
};

static struct held held(void)
{
	return (struct held){ count_fds(), count_maps() };
}

static bool same(const struct held *h)
{
	struct held now = held();

	return now.fds == h->fds && now.maps == h->maps;
}

static void serve(struct vmq *q, unsigned *served, unsigned *bad)
{
	struct vmq_event e = { .size = sizeof(e) };
	uint32_t number;
	struct vmq_msg m;
	int64_t n = vmq_recv(q, &number, sizeof(number), &m, VMQ_MS(100));

	if (n == sizeof(number)) {
		*bad += !answer(q, &m, number);
		++*served;
	}
	if (n >= 0 && m.flags & VMQ_MSG_PAGE)
		vmq_page_free(q, &m.page);
	while (!vmq_event(q, &e, VMQ_NOWAIT))
		*bad += e.type == VMQ_EVENT_POISON;
}

int echo(const char *address)
{
	unsigned served = 0, bad = 0;
	struct held before;
	uint64_t end = 0;
	struct vmq *q;

	signal(SIGTERM, on_term);
	if (member_open(address, &q))
		return 1;
	before = held();
	say("echo: ready");
	while (!end || (now_ms() < end && !same(&before))) {
		serve(q, &served, &bad);
		if (told_to_end && !end)
			end = now_ms() + END_MS;
	}
	say("echo: %u served, %u bad; fds %u, then %u; mappings %u, then %u", served, bad, before.fds, count_fds(),
		before.maps, count_maps());
	bad += !same(&before);
	vmq_close(q);
	return bad ? 1 : 0;
}
