/* SPDX-License-Identifier: BSD-2-Clause */
/* sim.c - the transport table of the simulation: each call goes to the endpoint's
 * kind, threads of this process or a process of a hub. */
#include <string.h>

#include "sim.h"

static const struct vmq_transport *kind(void *state)
{
	return ((struct sim_state *)state)->kind;
}

static int sim_open(struct vmq_port *port, const struct vmq_port_ops *ops, struct vmq_open_args *args,
	void **state)
{
	if (!strncmp(args->address, "unix=", 5))
		return vmq__sim_client.open(port, ops, args, state);
	return vmq__sim_local.open(port, ops, args, state);
}

static void sim_close(void *state)
{
	kind(state)->close(state);
}

static uint64_t sim_caps(void *state)
{
	return kind(state)->caps(state);
}

static void sim_fds(void *state, int fds[VMQ_FDS])
{
	struct sim_state *s = state;

	fds[VMQ_FD_DATA] = s->bell->fd[0];
	fds[VMQ_FD_SPACE] = s->bell->fd[1];
	fds[VMQ_FD_CONTROL] = -1;
	if (s->kind->fds)
		s->kind->fds(state, fds);
}

static int sim_kick(void *state, void *chan, unsigned what, bool now)
{
	struct sim_state *s = state;

	if (chan)
		return s->kind->kick(state, chan, what, now);
	vmq__bell_ring(s->bell, what);
	return 0;
}

static void sim_exit(void *state, enum vmq_exit_reason reason, bool pending)
{
	struct sim_state *s = state;

	vmq__sim_fault_slow(&s->fault);
	s->kind->exit(state, reason, pending);
}

static bool sim_drain(void *state, unsigned what)
{
	return vmq__bell_drain(((struct sim_state *)state)->bell, what);
}

static int sim_news(void *state)
{
	return kind(state)->news(state);
}

static int sim_lookup(void *state, const char *name)
{
	return kind(state)->lookup(state, name);
}

static int sim_pages_map(void *state, void *chan, struct vmq_page *run, unsigned mode)
{
	return kind(state)->pages_map(state, chan, run, mode);
}

static int sim_pages_unmap(void *state, void *chan, const struct vmq_page *run)
{
	return kind(state)->pages_unmap(state, chan, run);
}

static void sim_detach(void *state, void *chan)
{
	kind(state)->detach(state, chan);
}

const struct vmq_transport vmq__sim_transport = {
	.abi = VMQ_TRANSPORT_ABI,
	.size = sizeof(struct vmq_transport),
	.name = "sim",
	.open = sim_open,
	.close = sim_close,
	.caps = sim_caps,
	.fds = sim_fds,
	.kick = sim_kick,
	.exit = sim_exit,
	.drain = sim_drain,
	.news = sim_news,
	.lookup = sim_lookup,
	.pages_map = sim_pages_map,
	.pages_unmap = sim_pages_unmap,
	.detach = sim_detach,
};
