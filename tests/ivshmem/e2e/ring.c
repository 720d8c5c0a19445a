/* SPDX-License-Identifier: BSD-2-Clause */
/* ring.c - numbered messages among all, and what is told to the judge. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"

#define BURST 16u
#define SLEEP VMQ_MS(2)

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Never 0. */
static uint32_t next_random(struct ring *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 17;
	r->random ^= r->random << 5;
	return r->random;
}

static bool is_judge(const struct ring *r)
{
	return !strcmp(r->name, RING_JUDGE);
}

struct ring_peer *ring_find(struct ring *r, const char *name)
{
	for (uint32_t i = 0; i < RING_IDS; i++)
		if (!strcmp(r->peers[i].name, name))
			return &r->peers[i];
	return NULL;
}

/* ---- to the judge ----------------------------------------------------------------------- */

static struct ring_peer *judge(struct ring *r)
{
	struct ring_peer *p = ring_find(r, RING_JUDGE);

	return p && p->there && p != &r->peers[r->id] ? p : NULL;
}

static bool to_judge(struct ring *r, const struct ring_message *m)
{
	struct ring_peer *p = judge(r);

	return p && !vmq_send(r->q, (uint32_t)(p - r->peers), m, sizeof(*m), VMQ_SEND_AUTO, VMQ_MS(1000));
}

static void tell(struct ring *r, enum ring_tale tale, uint32_t about, uint64_t number)
{
	struct ring_message m = { .kind = RING_TOLD, .tale = tale, .about = about, .number = number };

	printf("%s: %s %s, after %llu messages\n", r->name, r->peers[about].name,
		tale == RING_JOINED ? "joined" : tale == RING_LEFT ? "left" :
		tale == RING_POISONED ? "is poisoned" : "left a gap", (unsigned long long)number);
	fflush(stdout);
	to_judge(r, &m);
}

/* The book is put at the judge's disposal as soon as it is there. */
static void share_book(struct ring *r, uint32_t with)
{
	struct ring_message m = { .kind = RING_BOOK };

	if (r->has_book)
		vmq_page_free(r->q, &r->book);
	r->has_book = !vmq_page_alloc(r->q, with, sizeof(struct ring_book), &r->book, VMQ_MS(1000));
	if (!r->has_book) {
		printf("%s: no page for the judge\n", r->name);
		return;
	}
	memset(r->book.addr, 0, sizeof(struct ring_book));
	if (vmq_page_send(r->q, &r->book, VMQ_PAGE_SHARE, &m, sizeof(m), VMQ_SEND_AUTO, VMQ_MS(1000)))
		printf("%s: the judge got no book\n", r->name);
}

static void write_book(struct ring *r, uint32_t peer, uint64_t sent)
{
	if (r->has_book)
		__atomic_store_n(&((struct ring_book *)r->book.addr)->sent[peer], sent, __ATOMIC_RELEASE);
}

static void give_counts(struct ring *r)
{
	struct ring_message m = { .kind = RING_COUNTS };

	for (uint32_t i = 0; i < RING_IDS; i++) {
		m.sent[i] = r->peers[i].sent;
		m.received[i] = r->peers[i].received;
	}
	r->counted = to_judge(r, &m);
}

/* ---- news ----------------------------------------------------------------------------------- */

static void joined(struct ring *r, struct ring_peer *p, const struct vmq_event *e)
{
	memcpy(p->name, e->name, sizeof(p->name));
	p->there = true;
	p->out = next_random(r);
	p->sent = 0;
	p->joins++;
	if (!strcmp(p->name, RING_JUDGE))
		share_book(r, e->peer);
	else
		write_book(r, e->peer, 0);
	tell(r, RING_JOINED, e->peer, p->received);
}

/* Who left is told of when the last of its messages has been received: stream_ended(). */
static void left(struct ring *r, struct ring_peer *p, const struct vmq_event *e)
{
	p->there = false;
	p->leaves++;
	p->left_ns = clock_ns();
	if (e->type == VMQ_EVENT_POISON) {
		p->poisons++;
		r->poisons++;
		printf("%s: %s: %s\n", r->name, p->name, vmq_poison_text(e->reason));
		tell(r, RING_POISONED, e->peer, p->received);
	}
}

static void news(struct ring *r)
{
	struct vmq_event e = { .size = sizeof(e) };

	while (!vmq_event(r->q, &e, VMQ_NOWAIT)) {
		if (e.type == VMQ_EVENT_LOST) {
			printf("%s: the server is lost\n", r->name);
			r->lost++;
			r->lost_ns = clock_ns();
		} else if (e.type == VMQ_EVENT_BACK) {
			printf("%s: the server is back\n", r->name);
			r->back++;
			r->back_ns = clock_ns();
		} else if (e.type == VMQ_EVENT_DOWN) {
			r->down = true;
		} else if (e.peer < RING_IDS && e.peer != r->id) {
			if (e.type == VMQ_EVENT_JOIN)
				joined(r, &r->peers[e.peer], &e);
			else
				left(r, &r->peers[e.peer], &e);
		}
	}
}

/* ---- out --------------------------------------------------------------------------------------- */

static bool send_one(struct ring *r, uint32_t to)
{
	struct ring_peer *p = &r->peers[to];
	uint8_t buf[RING_HEAD + RING_BYTES];
	struct ring_message m = { .kind = RING_DATA, .stream = p->out, .number = p->sent + 1,
		.len = next_random(r) % RING_BYTES };

	memcpy(buf, &m, RING_HEAD);
	memset(buf + RING_HEAD, (int)(m.number & 0xff), m.len);
	if (vmq_send(r->q, to, buf, RING_HEAD + m.len, VMQ_SEND_AUTO, VMQ_NOWAIT))
		return false;
	p->sent++;
	write_book(r, to, p->sent);
	return true;
}

static void out(struct ring *r)
{
	for (uint32_t i = 0; i < RING_IDS && !r->quiet; i++)
		for (unsigned n = 0; n < BURST && r->peers[i].there && send_one(r, i); n++)
			;
}

/* ---- in --------------------------------------------------------------------------------------------- */

static bool good_bytes(const struct ring_message *m, const uint8_t *bytes, size_t len)
{
	if (m->len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != (m->number & 0xff))
			return false;
	return true;
}

static void data(struct ring *r, uint32_t from, const struct ring_message *m, const uint8_t *bytes,
	size_t len)
{
	struct ring_peer *p = &r->peers[from];

	if (m->stream != p->in && m->number == 1) {
		p->in = m->stream;
		p->received = 0;
	}
	if (m->stream != p->in || m->number != p->received + 1 || !good_bytes(m, bytes, len)) {
		printf("%s: %s sent number %llu, %u bytes, stream %08x, after %llu of stream %08x\n",
			r->name, p->name, (unsigned long long)m->number, m->len, m->stream,
			(unsigned long long)p->received, p->in);
		r->gaps++;
		tell(r, RING_GAP, from, p->received);
	}
	p->received = m->number;
}

/* vmq_recv() has come to the end of what a peer's life sent. */
static void stream_ended(struct ring *r, uint32_t peer)
{
	struct ring_peer *p = &r->peers[peer];

	p->ends++;
	if (p->has_page)
		p->book_before = *(struct ring_book *)p->page.addr;
	p->received_before = p->received;
	p->received = 0;
	p->in = 0;
	tell(r, RING_LEFT, peer, p->received_before);
}

static void told(struct ring_peer *p, const struct ring_message *m)
{
	if (m->about >= RING_IDS)
		return;
	if (m->tale == RING_LEFT) {
		p->told_left[m->about]++;
		p->told_received[m->about] = m->number;
		p->told_ns[m->about] = clock_ns();
	} else if (m->tale == RING_JOINED) {
		p->told_joined[m->about]++;
	}
}

/* SIGKILL comes from another process, at some point of this one's work. */
static void die(void)
{
	pid_t victim = getpid();

	if (fork())
		return;
	usleep(100000);
	kill(victim, SIGKILL);
	_exit(0);
}

static void take(struct ring *r, struct vmq_msg *msg, const struct ring_message *m)
{
	struct ring_peer *p = &r->peers[msg->peer];

	if (m->kind == RING_BOOK && is_judge(r) && msg->flags & VMQ_MSG_PAGE) {
		if (p->has_page)
			vmq_page_free(r->q, &p->page);
		p->page = msg->page;
		p->has_page = true;
	} else if (m->kind == RING_TOLD) {
		told(p, m);
	} else if (m->kind == RING_COUNTS) {
		p->counts = *m;
		p->has_counts = true;
	} else if (m->kind == RING_QUIET) {
		r->quiet = true;
		r->counted = false;
	} else if (m->kind == RING_DIE) {
		die();
	} else if (m->kind == RING_END) {
		r->end = true;
	}
}

static int64_t in_one(struct ring *r, int64_t wait)
{
	uint8_t buf[sizeof(struct ring_message) + RING_BYTES];
	struct ring_message m = { 0 };
	struct vmq_msg msg;
	int64_t n = vmq_recv(r->q, buf, sizeof(buf), &msg, wait);

	if ((n == VMQ_EGONE || n == VMQ_EPEER) && msg.peer < RING_IDS)
		stream_ended(r, msg.peer);
	if (n < (int64_t)RING_HEAD || msg.peer >= RING_IDS)
		return n;
	memcpy(&m, buf, (size_t)n < sizeof(m) ? (size_t)n : sizeof(m));
	if (m.kind == RING_DATA)
		data(r, msg.peer, &m, buf + RING_HEAD, (size_t)n - RING_HEAD);
	else
		take(r, &msg, &m);
	return n;
}

void ring_step(struct ring *r)
{
	int64_t n = 1;

	news(r);
	out(r);
	for (unsigned i = 0; i < RING_IDS * BURST && n > 0; i++)
		n = in_one(r, i ? VMQ_NOWAIT : SLEEP);
}

/* ---- a life ------------------------------------------------------------------------------------------- */

int ring_open(struct ring *r, const char *address)
{
	char why[200] = "";
	struct vmq_options o = { .size = sizeof(o), .errmsg = why, .errlen = sizeof(why) };
	struct vmq_peer_info info = { .size = sizeof(info) };
	int rc = vmq_open(address, &o, &r->q);

	if (rc) {
		printf("%s: %s: %s\n", address, vmq_errname(rc), why);
		return rc;
	}
	r->id = (uint32_t)vmq_id(r->q);
	if (vmq_peer_info(r->q, r->id, &info) || r->id >= RING_IDS) {
		vmq_close(r->q);
		return VMQ_EINVAL;
	}
	memcpy(r->name, info.name, sizeof(r->name));
	r->random = (uint32_t)clock_ns() | 1;
	printf("%s: id %u, caps %llx\n", r->name, r->id, (unsigned long long)vmq_caps(r->q));
	fflush(stdout);
	return 0;
}

void ring_close(struct ring *r)
{
	vmq_close(r->q);
}

bool ring_order(struct ring *r, const char *name, enum ring_kind order)
{
	struct ring_peer *p = ring_find(r, name);
	struct ring_message m = { .kind = order };

	return p && !vmq_send(r->q, (uint32_t)(p - r->peers), &m, sizeof(m), VMQ_SEND_AUTO, VMQ_MS(5000));
}

int ring_run(const char *address)
{
	struct ring r = { 0 };

	if (ring_open(&r, address))
		return 1;
	while (!r.end && !r.down) {
		ring_step(&r);
		if (r.quiet && !r.counted)
			give_counts(&r);
	}
	printf("%s: %s, %u gaps, %u poisons\n", r.name, r.down ? "down" : "ended", r.gaps, r.poisons);
	ring_close(&r);
	return r.gaps || r.poisons || r.down;
}
