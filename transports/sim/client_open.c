/* SPDX-License-Identifier: BSD-2-Clause */
/* client_open.c - how a VM that is a process comes to its hub, and how it goes. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "loop.h"
#include "packet.h"

#define ANSWER_NS VMQ_MS(5000) /* for all of it */

/* Where too many others want to be let in, there is nothing to wait on: try again until the
 * deadline. 0 or errno; EAGAIN: the time is up. */
static int dial(const struct client *c, const struct sockaddr_un *a, unsigned len, uint64_t until)
{
	const struct timespec moment = { 0, 10000000 };

	while (connect(c->sock, (const struct sockaddr *)a, len)) {
		if ((errno != EAGAIN && errno != EINTR) || !vmq__loop_left(until))
			return errno;
		nanosleep(&moment, NULL);
	}
	return 0;
}

static int silent(const struct client *c, const char *path)
{
	return c->ops->fail(c->port, VMQ_ECONN, "the hub at %s does not answer", path);
}

static int connect_hub(struct client *c, const char *path, uint64_t until)
{
	struct sockaddr_un a;
	unsigned len;
	char text[300];
	int rc = vmq__sim_wire_address(path, &a, &len);

	if (rc)
		return c->ops->fail(c->port, VMQ_EURI, "'%.120s' cannot be a socket's path: that has 1 to %u "
			"bytes", path, PACKET_PATH_MAX);
	c->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->sock < 0)
		return vmq__errno(errno);
	rc = dial(c, &a, len, until);
	if (rc == EAGAIN || rc == EINTR)
		return silent(c, path);
	if (rc) {
		rc = vmq__packet_unreached("no hub listens at", path, rc, text, sizeof(text));
		return c->ops->fail(c->port, rc, "%s", text);
	}
	if (!vmq__sim_wire_trusted(c->sock, NULL))
		return c->ops->fail(c->port, VMQ_EACCES, "the hub at %s is another user's", path);
	return 0;
}

static int say_hello(struct client *c, const struct vmq_open_args *args)
{
	struct sim_wire m = { .version = SIM_WIRE_VERSION, .type = SIM_HELLO,
		.lane = args->lane_size, .pages = args->pool_pages };

	strcpy(m.name, args->name);
	memcpy(m.uuid, args->uuid, sizeof(m.uuid));
	return vmq__sim_wire_send(c->sock, &m, NULL, 0);
}

static int welcomed(struct client *c, struct vmq_open_args *args, const struct sim_wire *m, int *fds)
{
	int rc;

	if (m->type == SIM_REFUSED)
		return c->ops->fail(c->port, m->code < 0 ? m->code : VMQ_EPROTO, "%s", m->text);
	if (m->type != SIM_WELCOME || fds[0] < 0 || fds[1] < 0)
		return VMQ_EPROTO;
	rc = vmq__bell_wrap(&c->sim.bell, fds);
	if (rc)
		return rc;
	fds[0] = fds[1] = -1;
	args->id = m->id;
	args->lane_size = m->lane;
	args->pool_pages = m->pages;
	vmq__sim_fault_init(&c->sim.fault, &m->faults, NULL);
	return 0;
}

static int hung_up(const struct client *c, const char *path)
{
	if (vmq__packet_foreign(c->sock))
		return c->ops->fail(c->port, VMQ_EACCES, "the hub at %s is another user's: it hung up", path);
	return c->ops->fail(c->port, VMQ_ECONN, "the hub at %s hung up", path);
}

static int wait_welcome(struct client *c, struct vmq_open_args *args, const char *path, uint64_t until)
{
	struct pollfd p = { .fd = c->sock, .events = POLLIN };
	int fds[SIM_WIRE_FDS], rc;
	struct sim_wire m;

	do {
		rc = poll(&p, 1, vmq__loop_left(until));
	} while (rc < 0 && errno == EINTR);
	if (rc <= 0)
		return silent(c, path);
	rc = vmq__sim_wire_recv(c->sock, &m, fds);
	if (rc == VMQ_EVERSION)
		return c->ops->fail(c->port, rc, "who listens at %s speaks another version, or is no hub: a "
			"VMM's socket is for kvm:unix=", path);
	if (rc == VMQ_EPROTO)
		return c->ops->fail(c->port, rc, "who listens at %s is no hub", path);
	if (rc == VMQ_ECONN || rc == VMQ_EAGAIN)
		return hung_up(c, path);
	if (rc)
		return rc;
	rc = welcomed(c, args, &m, fds);
	vmq__sim_wire_close(fds);
	return rc;
}

/* The VM halts: its last exit. The hub also hears what it was not told yet. */
static void last_exit(struct client *c)
{
	struct sim_wire m = { .reason = VMQ_EXIT_WAIT };

	if (c->sim.bell && !c->down)
		vmq__sim_client_tell_exit(c, &m);
}

void vmq__sim_client_close(void *state)
{
	struct client *c = state;

	last_exit(c);
	while (c->chans) {
		struct chan *ch = c->chans;

		c->chans = ch->next;
		vmq__sim_client_chan_free(ch);
	}
	if (c->sock >= 0)
		close(c->sock);
	vmq__bell_put(c->sim.bell);
	free(c);
}

int vmq__sim_client_open(struct vmq_port *port, const struct vmq_port_ops *ops,
	struct vmq_open_args *args, void **state)
{
	const char *path = args->address + strlen("unix=");
	uint64_t until = vmq__loop_deadline(ANSWER_NS);
	struct client *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return VMQ_ENOMEM;
	c->sim.kind = &vmq__sim_client;
	c->port = port;
	c->ops = ops;
	c->sock = -1;
	if (args->env)
		rc = ops->fail(port, VMQ_ENOTSUP, "processes wait for the system: no env of one's own");
	else if (args->topology)
		rc = ops->fail(port, VMQ_EINVAL, "the topology of processes is the hub's");
	else
		rc = connect_hub(c, path, until);
	/* Who has hung up by now is found so below. */
	if (!rc && say_hello(c, args) == VMQ_EAGAIN)
		rc = silent(c, path);
	if (!rc)
		rc = wait_welcome(c, args, path, until);
	if (rc)
		vmq__sim_client_close(c);
	else
		*state = c;
	return rc;
}
