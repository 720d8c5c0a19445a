/* SPDX-License-Identifier: BSD-2-Clause */
/* station.c - peers on other machines: who runs them, and carries what they say. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "station.h"

#define MARK 0x7eu
#define ID_BITS 24

enum kind { HELLO = 1, ORDER, STEP, END, CLOSE };

extern const char __executable_start[], _end[];

static void handle(struct station *s, const struct station_frame *f);

/* ---- lines ------------------------------------------------------------------------- */

static bool write_all(int fd, const void *from, size_t len)
{
	const uint8_t *at = from;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* Guests know the way to the host only. */
static void route(struct station *s, const struct station_frame *f)
{
	struct station_link *l = &s->link[f->to];

	if (f->to == s->machine) {
		handle(s, f);
		return;
	}
	if (l->fd < 0)
		l = &s->link[STATION_HOST];
	if (l->fd < 0 || !write_all(l->fd, f, sizeof(*f)))
		s->broken = true;
}

static void line_in(struct station *s, struct station_link *l)
{
	struct station_frame f;
	ssize_t n = read(l->fd, l->bytes + l->have, sizeof(l->bytes) - l->have);

	if (n <= 0) {
		s->broken = true;
		return;
	}
	l->have += (size_t)n;
	if (l->have < sizeof(f))
		return;
	f = l->frame;
	l->have = 0;
	if (f.mark != MARK || f.to >= STATION_MACHINES)
		s->broken = true;
	else
		route(s, &f);
}

/* ---- channels ------------------------------------------------------------------------ */

static struct station_chan *find(struct station *s, uint32_t id, uint8_t side)
{
	for (unsigned i = 0; i < STATION_CHANS; i++)
		if (s->chan[i].fd >= 0 && s->chan[i].id == id && s->chan[i].side == side)
			return &s->chan[i];
	return NULL;
}

static struct station_chan *take(struct station *s, int fd)
{
	for (unsigned i = 0; i < STATION_CHANS; i++) {
		if (s->chan[i].fd >= 0)
			continue;
		s->chan[i] = (struct station_chan){ .fd = fd };
		return &s->chan[i];
	}
	close(fd);
	return NULL;
}

static void drop(struct station_chan *c)
{
	close(c->fd);
	*c = (struct station_chan){ .fd = -1 };
}

static struct station_frame frame_for(const struct station_chan *c, enum kind kind)
{
	return (struct station_frame){ .mark = MARK, .kind = (uint8_t)kind, .to = c->to,
		.side = !c->side, .chan = c->id };
}

/* The peer's last word: its process has closed its end, so it is ending. */
static void peer_ended(struct station *s, struct station_chan *c)
{
	struct station_frame f = frame_for(c, END);

	if (waitpid(c->pid, &f.status, 0) != c->pid)
		f.status = -1;
	drop(c);
	route(s, &f);
}

static void chan_in(struct station *s, struct station_chan *c)
{
	struct station_frame f = frame_for(c, STEP);
	ssize_t n = recv(c->fd, &f.step, sizeof(f.step), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n == sizeof(f.step)) {
		route(s, &f);
	} else if (c->side) {
		peer_ended(s, c);
	} else {
		f.kind = CLOSE;
		drop(c);
		route(s, &f);
	}
}

/* ---- peers ------------------------------------------------------------------------------ */

static const void *address(uint32_t at)
{
	return (const void *)(uintptr_t)at;
}

static bool own_address(uint32_t at)
{
	return at >= (uintptr_t)__executable_start && at < (uintptr_t)_end;
}

static pid_t run_peer(const struct station_order *o, int *fd)
{
	struct conf_peer p = { .name = address(o->name), .arg = o->arg ? address(o->arg) : NULL };
	const void *body = address(o->body);
	pid_t pid;

	memcpy(&p.body, &body, sizeof(body));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p.ctl))
		return -1;
	pid = fork();
	if (!pid)
		conf_peer_run(&p);
	close(p.ctl[1]);
	*fd = p.ctl[0];
	return pid;
}

static void order_in(struct station *s, const struct station_frame *f)
{
	struct station_chan *c, refused = { .id = f->chan, .side = 1, .to = (uint8_t)(f->chan >> ID_BITS) };
	struct station_frame end = frame_for(&refused, END);
	int fd = -1;
	pid_t pid = -1;

	if (own_address(f->order.body) && own_address(f->order.name) &&
	    (!f->order.arg || own_address(f->order.arg)) && refused.to < STATION_MACHINES)
		pid = run_peer(&f->order, &fd);
	c = pid > 0 ? take(s, fd) : NULL;
	if (!c) {
		fprintf(stderr, "station %u: cannot run a peer\n", s->machine);
		end.status = -1;
		route(s, &end);
		return;
	}
	*c = (struct station_chan){ .id = f->chan, .fd = fd, .pid = pid, .side = 1, .to = refused.to };
}

/* The test has asked for nothing yet on this connection. */
static void ask(struct station *s, struct station_chan *c)
{
	struct station_frame f = { .mark = MARK, .kind = ORDER, .side = 1 };

	if (recv(c->fd, &f.order, sizeof(f.order), 0) != sizeof(f.order) ||
	    f.order.machine >= STATION_MACHINES) {
		drop(c);
		return;
	}
	s->last = (s->last + 1) % (1u << ID_BITS);
	c->id = s->machine << ID_BITS | s->last;
	c->to = (uint8_t)f.order.machine;
	f.to = c->to;
	f.chan = c->id;
	route(s, &f);
}

/* ---- what comes ---------------------------------------------------------------------------- */

static void hello_in(struct station *s, const struct station_frame *f)
{
	if (f->chan >= STATION_MACHINES || f->sum != s->sum) {
		fprintf(stderr, "station %u: machine %u runs another program\n", s->machine, f->chan);
		s->broken = true;
		return;
	}
	s->here[f->chan] = true;
}

static void handle(struct station *s, const struct station_frame *f)
{
	struct station_chan *c = find(s, f->chan, f->side);

	if (f->kind == HELLO)
		hello_in(s, f);
	else if (f->kind == ORDER)
		order_in(s, f);
	else if (!c)
		return; /* one that has ended */
	else if (f->kind == STEP)
		send(c->fd, &f->step, sizeof(f->step), MSG_NOSIGNAL | MSG_DONTWAIT);
	else if (f->kind == CLOSE)
		kill(c->pid, SIGKILL);
	else if (f->kind == END) {
		send(c->fd, &f->status, sizeof(f->status), MSG_NOSIGNAL | MSG_DONTWAIT);
		drop(c);
	}
}

/* A number for the whole program's bytes. */
static uint64_t program_sum(void)
{
	uint64_t sum = 0xcbf29ce484222325u;
	FILE *f = fopen("/proc/self/exe", "re");
	int c;

	if (!f)
		abort();
	while ((c = getc(f)) != EOF)
		sum = (sum ^ (uint64_t)c) * 0x100000001b3u;
	fclose(f);
	return sum;
}

bool station_open(struct station *s, uint32_t machine, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	*s = (struct station){ .machine = machine, .sum = program_sum() };
	for (unsigned i = 0; i < STATION_MACHINES; i++)
		s->link[i].fd = -1;
	for (unsigned i = 0; i < STATION_CHANS; i++)
		s->chan[i].fd = -1;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	return s->listener >= 0 && !bind(s->listener, (struct sockaddr *)&at, sizeof(at)) &&
		!listen(s->listener, STATION_CHANS);
}

void station_link(struct station *s, uint32_t machine, int fd)
{
	s->link[machine] = (struct station_link){ .fd = fd };
}

void station_hello(struct station *s)
{
	struct station_frame f = { .mark = MARK, .kind = HELLO, .to = STATION_HOST, .chan = s->machine,
		.sum = s->sum };

	route(s, &f);
}

void station_watch(const struct station *s, struct pollfd fds[STATION_FDS])
{
	struct pollfd *p = fds;

	for (unsigned i = 0; i < STATION_MACHINES; i++)
		*p++ = (struct pollfd){ .fd = s->link[i].fd, .events = POLLIN };
	for (unsigned i = 0; i < STATION_CHANS; i++)
		*p++ = (struct pollfd){ .fd = s->chan[i].fd, .events = POLLIN };
	*p = (struct pollfd){ .fd = s->listener, .events = POLLIN };
}

/* What was said before a test asked for another peer is carried before that: so the
 * question whether a peer sleeps comes after what wakes it. */
void station_serve(struct station *s, const struct pollfd fds[STATION_FDS])
{
	const struct pollfd *chans = fds + STATION_MACHINES, *listener = chans + STATION_CHANS;
	int fd;

	for (unsigned i = 0; i < STATION_CHANS; i++)
		if (chans[i].revents && s->chan[i].fd == chans[i].fd && s->chan[i].id)
			chan_in(s, &s->chan[i]);
	for (unsigned i = 0; i < STATION_CHANS; i++)
		if (chans[i].revents && s->chan[i].fd == chans[i].fd && !s->chan[i].id)
			ask(s, &s->chan[i]);
	for (unsigned i = 0; i < STATION_MACHINES; i++)
		if (fds[i].revents)
			line_in(s, &s->link[i]);
	if (!listener->revents)
		return;
	fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		take(s, fd);
}
