/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * talk.c - numbered messages and pages to everybody, and a look that what comes is complete,
 * in order, and has the bytes that its number says. What members see they also tell the
 * chief, whose log shows it with dom0's time.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "member.h"

#define PEERS 16u         /* that were ever there */
#define BURST 16u
#define PACE_MS 50u       /* between bursts: other domains share the CPU, and have to boot */
#define SLEEP VMQ_MS(PACE_MS)
#define HANG 30u          /* seconds for one round of calls, each of which is bounded */
#define PAGES 4u          /* runs under way each way, of each peer */
#define RUN_MAX 4u        /* pages in a run */
#define EACH 8u           /* so many messages, and then one with pages */
#define SOME 100u         /* messages that show that there is traffic */
#define END_MS 20000u     /* for the last ones */
#define BYTES 400u
#define ASK_MS 100u

enum kind { DATA = 1, TELL, LAST };

struct head {
	uint32_t kind, len;  /* bytes that follow */
	uint32_t paged, pad;
	uint64_t number;
};

struct peer {
	char name[VMQ_NAME_MAX + 1];
	uint32_t id;
	bool used, there, settled, ended;
	uint64_t sent, received, pages_sent, pages_received;
	uint64_t heard, silence;                /* ms: last message; longest time without one */
	struct vmq_page lent[PAGES], held[PAGES];
	unsigned lends, helds;
};

struct talk {
	struct vmq *q;
	char name[VMQ_NAME_MAX + 1];
	struct peer peer[PEERS];
	unsigned wrong;                         /* gaps and poisons of who is no liar */
	uint64_t over;                          /* when the end begins; 0: not yet */
	uint64_t paced;
	bool last_sent;
	int liar_is;                            /* what vmq_peer() said of it last */
	uint64_t liar_asked;
};

static volatile sig_atomic_t told_to_end;

static void on_term(int sig)
{
	(void)sig;
	told_to_end = 1;
}

/* Of somebody called like this anything may come. */
static bool liar(const struct peer *p)
{
	return !strcmp(p->name, LIAR);
}

static bool is_chief(const struct talk *t)
{
	return !strcmp(t->name, CHIEF);
}

/* An id stays with its name. */
static struct peer *peer_of(struct talk *t, uint32_t id)
{
	struct peer *p = t->peer;

	while (p < t->peer + PEERS - 1 && p->used && p->id != id)
		p++;
	p->used = true;
	p->id = id;
	return p;
}

static bool send_to(struct talk *t, struct peer *p, enum kind kind, uint64_t number, const void *bytes, size_t len,
	int64_t wait)
{
	struct head h = { .kind = kind, .len = (uint32_t)len, .number = number };
	struct vmq_iovec iov[2] = { { &h, sizeof(h) }, { bytes, len } };

	return !vmq_sendv(t->q, p->id, iov, len ? 2 : 1, VMQ_SEND_AUTO, wait);
}

/* Into the own log, and into the chief's. */
static void tell(struct talk *t, const struct peer *about, const char *what)
{
	char line[160];

	snprintf(line, sizeof(line), "%s %s, %llu received, %llu pages, %llu sent, silence %llu ms", about->name, what,
		(unsigned long long)about->received, (unsigned long long)about->pages_received,
		(unsigned long long)about->sent, (unsigned long long)about->silence);
	say("%s: %s", t->name, line);
	for (uint32_t i = 0; i < PEERS && !is_chief(t); i++)
		if (t->peer[i].there && !strcmp(t->peer[i].name, CHIEF))
			send_to(t, &t->peer[i], TELL, 0, line, strlen(line), VMQ_MS(1000));
}

static void wrong(struct talk *t, const struct peer *p, const char *what)
{
	if (liar(p))
		return;
	t->wrong++;
	tell(t, p, what);
}

/* ---- news --------------------------------------------------------------------------------- */

static void joined(struct talk *t, struct peer *p, const char *name)
{
	*p = (struct peer){ .id = p->id, .used = true, .there = true, .heard = now_ms() };
	memcpy(p->name, name, sizeof(p->name));
	tell(t, p, "joined");
}

/* Lent pages come back when the borrower dies: free() is how that is seen. */
static void give_up(struct talk *t, struct peer *p)
{
	for (unsigned i = 0; i < p->lends; i++)
		vmq_page_free(t->q, &p->lent[i]);
	for (unsigned i = 0; i < p->helds; i++)
		vmq_page_free(t->q, &p->held[i]);
	p->lends = p->helds = 0;
}

static void left(struct talk *t, struct peer *p, const struct vmq_event *e)
{
	char what[100];

	p->there = false;
	give_up(t, p);
	if (e->type == VMQ_EVENT_POISON)
		snprintf(what, sizeof(what), "poisoned (%s)", vmq_poison_text(e->reason));
	else
		snprintf(what, sizeof(what), "%s", p->ended ? "ended" : "left");
	if (e->type == VMQ_EVENT_POISON && !liar(p))
		t->wrong++;
	tell(t, p, what);
}

static void news(struct talk *t)
{
	struct vmq_event e = { .size = sizeof(e) };

	while (!vmq_event(t->q, &e, VMQ_NOWAIT)) {
		if (e.type == VMQ_EVENT_JOIN)
			joined(t, peer_of(t, e.peer), e.name);
		else if (e.type == VMQ_EVENT_LEAVE || e.type == VMQ_EVENT_POISON)
			left(t, peer_of(t, e.peer), &e);
		else if (e.type == VMQ_EVENT_DOWN)
			t->over = 1;
	}
}

/* The chief asks for the liar now and then, as a service asks for who is to be there. */
static void ask_for_liar(struct talk *t)
{
	uint32_t peer;
	int rc;

	if (!is_chief(t) || now_ms() < t->liar_asked + ASK_MS)
		return;
	t->liar_asked = now_ms();
	rc = vmq_peer(t->q, LIAR, VMQ_NOWAIT, &peer);
	if (rc != t->liar_is && rc == VMQ_EPEER)
		say("%s: %s is refused", t->name, LIAR);
	t->liar_is = rc;
}

/* ---- out ---------------------------------------------------------------------------------- */

static bool send_page(struct talk *t, struct peer *p)
{
	enum vmq_page_mode mode = p->pages_sent % 2 ? VMQ_PAGE_LEND : VMQ_PAGE_MOVE;
	struct head h = { .kind = DATA, .paged = 1, .number = p->sent + 1 };
	size_t len = VMQ_PAGE_SIZE * (1 + h.number % RUN_MAX);
	struct vmq_page run;

	if (p->lends == PAGES) {
		vmq_page_free(t->q, &p->lent[0]);
		memmove(p->lent, p->lent + 1, sizeof(p->lent) - sizeof(p->lent[0]));
		p->lends--;
	}
	if (vmq_page_alloc(t->q, p->id, len, &run, VMQ_NOWAIT))
		return false;
	memset(run.addr, (int)(h.number & 0xff), len);
	if (vmq_page_send(t->q, &run, mode, &h, sizeof(h), VMQ_SEND_AUTO, VMQ_NOWAIT)) {
		vmq_page_free(t->q, &run);
		return false;
	}
	if (mode == VMQ_PAGE_LEND)
		p->lent[p->lends++] = run;
	p->pages_sent++;
	return true;
}

static bool send_one(struct talk *t, struct peer *p)
{
	uint8_t bytes[BYTES];
	uint64_t number = p->sent + 1;

	if (number % EACH == 0) {
		if (!send_page(t, p))
			return false;
	} else {
		memset(bytes, (int)(number & 0xff), sizeof(bytes));
		if (!send_to(t, p, DATA, number, bytes, (size_t)(number * 37 % BYTES), VMQ_NOWAIT))
			return false;
	}
	p->sent++;
	return true;
}

static void out(struct talk *t)
{
	if (now_ms() < t->paced + PACE_MS)
		return;
	t->paced = now_ms();
	for (uint32_t i = 0; i < PEERS && !t->over; i++)
		for (unsigned n = 0; n < BURST && t->peer[i].there && send_one(t, &t->peer[i]); n++)
			;
}

/* ---- in ----------------------------------------------------------------------------------- */

static bool all(const uint8_t *bytes, size_t len, uint64_t number)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != (number & 0xff))
			return false;
	return true;
}

static bool good_pages(const struct head *h, const struct vmq_msg *m)
{
	return m->flags & VMQ_MSG_PAGE && m->page.len == VMQ_PAGE_SIZE * (1 + h->number % RUN_MAX) &&
		all(m->page.addr, m->page.len, h->number);
}

/* Some are kept for a while, so that there are always some under way. */
static void hold(struct talk *t, struct peer *p, struct vmq_page *page)
{
	if (!p->there) {
		vmq_page_free(t->q, page);
		return;
	}
	if (p->helds == PAGES) {
		vmq_page_free(t->q, &p->held[0]);
		memmove(p->held, p->held + 1, sizeof(p->held) - sizeof(p->held[0]));
		p->helds--;
	}
	p->held[p->helds++] = *page;
}

static void count(struct talk *t, struct peer *p)
{
	uint64_t now = now_ms();

	p->silence = now - p->heard > p->silence ? now - p->heard : p->silence;
	p->heard = now;
	p->received++;
	if (!p->settled && p->received >= SOME && p->sent >= SOME && p->pages_received && p->pages_sent) {
		p->settled = true;
		tell(t, p, "settled");
	}
}

static void take_data(struct talk *t, struct peer *p, const struct head *h, const uint8_t *bytes, size_t len,
	struct vmq_msg *m)
{
	bool good = h->number == p->received + 1 && h->len == len && all(bytes, len, h->number);

	if (h->paged)
		good = good && good_pages(h, m);
	if (!good)
		wrong(t, p, "sent a wrong message");
	p->pages_received += h->paged;
	count(t, p);
}

static void take_last(struct talk *t, struct peer *p, const struct head *h)
{
	p->ended = true;
	if (h->number != p->received)
		wrong(t, p, "ended with a gap");
	if (!strcmp(p->name, CHIEF) && !t->over)
		t->over = now_ms();
}

static void take(struct talk *t, const uint8_t *buf, size_t len, struct vmq_msg *m)
{
	struct peer *p = peer_of(t, m->peer);
	struct head h = { 0 };

	if (!p->there)
		news(t);
	if (len >= sizeof(h)) {
		memcpy(&h, buf, sizeof(h));
		buf += sizeof(h);
		len -= sizeof(h);
	}
	if (h.kind == DATA)
		take_data(t, p, &h, buf, len, m);
	else if (h.kind == LAST)
		take_last(t, p, &h);
	else if (h.kind == TELL && !liar(p))
		say("%s: %.*s", p->name, (int)len, (const char *)buf);
	else
		wrong(t, p, "sent nonsense");
	if (m->flags & VMQ_MSG_PAGE)
		hold(t, p, &m->page);
}

static void in(struct talk *t)
{
	uint8_t buf[1024];
	struct vmq_msg m;
	int64_t n = 1;

	for (unsigned i = 0; i < 4 * BURST && n > 0; i++) {
		n = vmq_recv(t->q, buf, sizeof(buf), &m, i ? VMQ_NOWAIT : SLEEP);
		if (n > 0)
			take(t, buf, (size_t)n, &m);
	}
	if (n == VMQ_EGONE || n == VMQ_EPEER)
		news(t);
	/* Nobody but a liar sends what does not fit, and it would stand in the way for ever. */
	if (n == VMQ_EMSGSIZE && !vmq_peek(t->q, &m, VMQ_NOWAIT))
		vmq_release(t->q);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void last_words(struct talk *t)
{
	for (uint32_t i = 0; i < PEERS; i++)
		if (t->peer[i].there && !send_to(t, &t->peer[i], LAST, t->peer[i].sent, NULL, 0, VMQ_MS(5000)))
			wrong(t, &t->peer[i], "has no room for the last message");
	t->last_sent = true;
}

static bool somebody(const struct talk *t)
{
	for (uint32_t i = 0; i < PEERS; i++)
		if (t->peer[i].there && !liar(&t->peer[i]))
			return true;
	return false;
}

/* A member closes when it has said its last words; the chief when all have gone. */
static bool goes_on(struct talk *t)
{
	if (told_to_end && !t->over)
		t->over = now_ms();
	if (!t->over)
		return true;
	if (!t->last_sent)
		last_words(t);
	return is_chief(t) && somebody(t) && now_ms() < t->over + END_MS;
}

static int open_as(struct talk *t, const char *address)
{
	struct vmq_peer_info info = { .size = sizeof(info) };

	if (member_open(address, &t->q))
		return 1;
	if (vmq_peer_info(t->q, (uint32_t)vmq_id(t->q), &info))
		return 1;
	memcpy(t->name, info.name, sizeof(t->name));
	say("%s: id %u, caps %llx", t->name, info.id, (unsigned long long)vmq_caps(t->q));
	return 0;
}

int talk(const char *address)
{
	static struct talk t;

	signal(SIGTERM, on_term);
	if (open_as(&t, address))
		return 1;
	do {
		alarm(HANG);
		news(&t);
		out(&t);
		in(&t);
		ask_for_liar(&t);
	} while (goes_on(&t));
	if (is_chief(&t) && somebody(&t))
		t.wrong++;
	vmq_close(t.q);
	say("%s: over, %u wrong", t.name, t.wrong);
	return t.wrong ? 1 : 0;
}
