/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c - a VM that is a process: its regions and doorbells come from a hub.
 *
 * The hub can't change this process's page tables, so the process does it itself,
 * as the hardware of the VM would: VMQ_CAP_ENFORCED is off.
 *
 * How it comes to the hub and goes is in client_open.c.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

static uint64_t client_caps(void *state)
{
	(void)state;
	return VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_UNMAP | VMQ_CAP_READONLY | VMQ_CAP_ISOLATED |
		VMQ_CAP_VOUCHED | VMQ_CAP_WAKE | VMQ_CAP_EXIT | VMQ_CAP_TICK;
}

static void client_fds(void *state, int fds[VMQ_FDS])
{
	struct client *c = state;

	fds[VMQ_FD_CONTROL] = c->down ? -1 : c->sock;
}

/* ---- exits -------------------------------------------------------------------------------- */

/* Tell the hub of an exit. Its queue is long; when it is full all the same, the VM
 * stands still as at any exit, but not for ever. */
int vmq__sim_client_tell_exit(struct client *c, struct sim_wire *m)
{
	struct pollfd p = { .fd = c->sock, .events = POLLOUT };
	int rc;

	m->version = SIM_WIRE_VERSION;
	m->type = SIM_EXIT;
	m->quiet = atomic_exchange_explicit(&c->quiet, 0, memory_order_relaxed);
	m->bypass = atomic_exchange_explicit(&c->bypass, 0, memory_order_relaxed);
	while ((rc = vmq__sim_wire_send(c->sock, m, NULL, 0)) == VMQ_EAGAIN)
		if (poll(&p, 1, 1000) <= 0)
			return VMQ_ECONN;
	return rc;
}

static int client_kick(void *state, void *chan, unsigned what, bool now)
{
	struct client *c = state;
	struct chan *ch = chan;
	struct sim_wire m = { .now = what, .id = ch->peer };

	if (now)
		return vmq__sim_client_tell_exit(c, &m);
	atomic_fetch_add_explicit(&c->bypass, 1, memory_order_relaxed);
	vmq__sim_fault_ring(&ch->fault, ch->bell, what);
	return 0;
}

static void client_exit(void *state, enum vmq_exit_reason reason, bool pending)
{
	struct client *c = state;
	struct sim_wire m = { .reason = (uint32_t)reason };

	/* With nothing to drain the hub need not be woken: it is told later. */
	if (pending)
		vmq__sim_client_tell_exit(c, &m);
	else
		atomic_fetch_add_explicit(&c->quiet, 1, memory_order_relaxed);
}

/* ---- news ------------------------------------------------------------------------------------ */

/* What the region's descriptor really is. */
static int region_size(int fd, uint64_t *size)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (fstat(fd, &st) || seals < 0 || !(seals & F_SEAL_SHRINK))
		return VMQ_EPROTO;
	*size = (uint64_t)st.st_size;
	return 0;
}

/* Check the header before its sizes are used to map the rest. */
static int region_open(struct chan *ch, int fd, unsigned side, uint64_t size)
{
	struct vmq_geometry geo;
	uint8_t header[VMQ_HEADER_SIZE];
	int rc;

	if (pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header))
		return VMQ_EPROTO;
	rc = vmq_layout_read(header, size, &geo);
	return rc ? rc : vmq__window_open(&ch->window, fd, &geo, side, NULL);
}

void vmq__sim_client_chan_free(struct chan *ch)
{
	vmq__window_close(ch->window);
	vmq__bell_put(ch->bell);
	free(ch);
}

static int chan_new(struct client *c, const struct sim_wire *m, int *fds, struct chan **out)
{
	struct chan *ch = calloc(1, sizeof(*ch));
	uint64_t size = 0;
	int rc;

	if (!ch)
		return VMQ_ENOMEM;
	ch->name = m->chan;
	ch->peer = m->id;
	vmq__sim_fault_init(&ch->fault, &m->faults, NULL);
	rc = m->side > 1 ? VMQ_EPROTO : region_size(fds[0], &size);
	if (!rc)
		rc = region_open(ch, fds[0], m->side, size);
	if (!rc)
		rc = vmq__bell_wrap(&ch->bell, fds + 1);
	if (rc) {
		vmq__window_close(ch->window);
		free(ch);
		return rc;
	}
	fds[1] = fds[2] = -1;
	ch->next = c->chans;
	c->chans = ch;
	*out = ch;
	return 0;
}

static void send_detach(struct client *c, uint64_t chan)
{
	struct sim_wire m = { .version = SIM_WIRE_VERSION, .type = SIM_DETACH, .chan = chan };

	vmq__sim_wire_send(c->sock, &m, NULL, 0);
}

static void client_detach(void *state, void *chan)
{
	struct client *c = state;
	struct chan *ch = chan, **at = &c->chans;

	while (*at && *at != ch)
		at = &(*at)->next;
	if (*at)
		*at = ch->next;
	send_detach(c, ch->name);
	vmq__sim_client_chan_free(ch);
}

static void remember(struct client *c, const char *name, int code)
{
	struct answer *a = &c->answers[c->answered++ % ANSWERS];

	strcpy(a->name, name);
	a->code = code;
}

static void joined(struct client *c, const struct sim_wire *m, int *fds, int got)
{
	struct vmq_transport_channel t = { .size = sizeof(t), .peer = m->id, .peer_name = m->name,
		.peer_uuid = m->uuid, .side = m->side, .epoch = m->epoch };
	struct chan *ch;
	int rc = got ? got : chan_new(c, m, fds, &ch);

	if (rc) {
		/* Who asks for this peer hears why it cannot be had. */
		remember(c, m->name, rc);
		send_detach(c, m->chan);
		return;
	}
	t.chan = ch;
	t.region = ch->window->base;
	t.region_size = ch->window->geo.region_size;
	t.pool = vmq__window_pool(ch->window);
	if (c->ops->join(c->port, &t))
		client_detach(c, ch);
}

static void left(struct client *c, const struct sim_wire *m)
{
	for (struct chan *ch = c->chans; ch; ch = ch->next)
		if (ch->name == m->chan) {
			c->ops->leave(c->port, ch, m->code);
			return;
		}
}

static void answered(struct client *c, const struct sim_wire *m)
{
	remember(c, m->name, m->code);
	if (!strcmp(c->asked, m->name))
		c->asked[0] = 0;
}

static int client_news(void *state)
{
	struct client *c = state;
	int fds[SIM_WIRE_FDS], rc = 0;
	struct sim_wire m;

	while (!c->down && (!(rc = vmq__sim_wire_recv(c->sock, &m, fds)) || rc == VMQ_EMFILE)) {
		if (m.type == SIM_JOIN)
			joined(c, &m, fds, rc);
		else if (m.type == SIM_LEAVE)
			left(c, &m);
		else if (m.type == SIM_ANSWER)
			answered(c, &m);
		vmq__sim_wire_close(fds);
	}
	if (c->down || rc == VMQ_EAGAIN)
		return 0;
	c->down = true;
	c->ops->down(c->port);
	return VMQ_ECONN;
}

/* Ask the hub, once for each name; what it says is remembered as long as it says
 * no, so that a later change of mind is heard. */
static int client_lookup(void *state, const char *name)
{
	struct client *c = state;
	struct sim_wire m = { .version = SIM_WIRE_VERSION, .type = SIM_LOOKUP };
	int rc;

	for (unsigned i = 0; i < ANSWERS; i++) {
		if (strcmp(c->answers[i].name, name))
			continue;
		c->answers[i].name[0] = 0;
		if (c->answers[i].code != VMQ_EAGAIN)
			return c->answers[i].code;
		return VMQ_EAGAIN;
	}
	if (!strcmp(c->asked, name))
		return VMQ_EAGAIN;
	strcpy(m.name, name);
	rc = vmq__sim_wire_send(c->sock, &m, NULL, 0);
	if (rc)
		return rc; /* VMQ_EAGAIN: the hub is behind, and is asked later */
	strcpy(c->asked, name);
	return VMQ_EAGAIN;
}

/* ---- pages -------------------------------------------------------------------------------------- */

static int set_run(struct chan *ch, const struct vmq_page *run, uint8_t state)
{
	int rc = vmq__window_set(ch->window, run->first, run->count, state);

	return rc < 0 ? rc : 0;
}

static int client_map(void *state, void *chan, struct vmq_page *run, unsigned mode)
{
	(void)state;
	return set_run(chan, run, mode == VMQ_PAGE_LEND ? WINDOW_READ : WINDOW_WRITE);
}

static int client_unmap(void *state, void *chan, const struct vmq_page *run)
{
	(void)state;
	return set_run(chan, run, WINDOW_ZERO);
}

const struct vmq_transport vmq__sim_client = {
	.open = vmq__sim_client_open,
	.close = vmq__sim_client_close,
	.caps = client_caps,
	.fds = client_fds,
	.kick = client_kick,
	.exit = client_exit,
	.news = client_news,
	.lookup = client_lookup,
	.pages_map = client_map,
	.pages_unmap = client_unmap,
	.detach = client_detach,
};
