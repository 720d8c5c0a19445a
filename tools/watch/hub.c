/* SPDX-License-Identifier: BSD-2-Clause */
/* hub.c - a hub of the simulation is asked what there is: transports/sim/hub_watch.c answers. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common.h"
#include "sim.h"
#include "watch.h"

#define PATIENCE_NS VMQ_MS(5000) /* for one packet */
#define THINGS_MAX 20000000u     /* VMs and channels together: more than a hub can have */

static int dial(struct watch_source *src, int *out)
{
	struct sockaddr_un a;
	unsigned len;
	int s;

	if (vmq__sim_wire_address(src->path, &a, &len))
		return watch_why(src, VMQ_EURI, "'%.120s' cannot be a socket's path", src->path);
	s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (s < 0)
		return watch_why(src, VMQ_ESYS, "no socket: %s", strerror(errno));
	*out = s;
	if (connect(s, (struct sockaddr *)&a, len))
		return watch_why(src, errno == EACCES ? VMQ_EACCES : VMQ_ECONN, "no hub listens at %s: %s",
			src->path, strerror(errno));
	if (!vmq__sim_wire_trusted(s, NULL))
		return watch_why(src, VMQ_EACCES, "the hub at %s is another user's", src->path);
	return 0;
}

static int hung_up(struct watch_source *src)
{
	return watch_why(src, VMQ_ECONN, "the hub at %s hung up: has it ended, or is it another user's or of "
		"another version?", src->path);
}

static int next_packet(struct watch_source *src, int sock, struct sim_wire *m, int *fds)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	uint64_t deadline = tool_deadline(PATIENCE_NS);
	int rc;

	for (;;) {
		rc = vmq__sim_wire_recv(sock, m, fds);
		if (rc != VMQ_EAGAIN)
			break;
		if (tool_poll(&p, 1, deadline) < 0)
			return watch_why(src, VMQ_ECONN, "stopped by a signal");
		if (!tool_left(deadline, VMQ_MS(1000)))
			return watch_why(src, VMQ_ETIMEDOUT, "the hub at %s does not answer", src->path);
	}
	if (rc == VMQ_ECONN)
		return hung_up(src);
	if (rc == VMQ_EVERSION)
		return watch_why(src, rc, "the hub at %s is of another version of libvmq", src->path);
	return rc == VMQ_EMFILE ? 0 : rc;
}

static int add_vm(struct watch_snapshot *s, const struct sim_wire *m)
{
	struct watch_vm *vm = watch_add_vm(s);

	if (!vm)
		return VMQ_ENOMEM;
	watch_text(vm->name, m->name, sizeof(m->name));
	vm->there = m->now;
	vm->id = m->id;
	vm->counted = true;
	vm->stats = m->stats;
	return 0;
}

/* A channel that has ended, or that cannot be read, is shown as such. */
static int add_channel(struct watch_snapshot *s, const struct sim_wire *m, int *fds)
{
	struct watch_channel *ch = watch_add_channel(s);
	struct watch_mem mem;

	if (!ch)
		return VMQ_ENOMEM;
	ch->key = m->epoch;
	ch->vouched[0] = m->id;
	ch->vouched[1] = m->reason;
	ch->code = m->code < 0 ? m->code : VMQ_EMFILE;
	if (fds[0] < 0)
		return 0;
	ch->code = watch_mem_open(&mem, fds[0]);
	fds[0] = -1;
	if (!ch->code)
		watch_channel_read(&mem, 0, mem.size, ch);
	watch_mem_close(&mem);
	return 0;
}

static int take(struct watch_source *src, struct watch_snapshot *s, int sock, struct sim_wire *m, int *fds)
{
	switch (m->type) {
	case SIM_VM:
		return add_vm(s, m);
	case SIM_CHANNEL:
		return add_channel(s, m, fds);
	case SIM_MORE:
		m->type = SIM_WATCH;
		return vmq__sim_wire_send(sock, m, NULL, 0) ? hung_up(src) : 0;
	case SIM_REFUSED:
		return watch_why(src, m->code < 0 ? m->code : VMQ_EPROTO, "the hub at %s refused: %.100s",
			src->path, m->text);
	default:
		return watch_why(src, VMQ_EPROTO, "what listens at %s is no hub", src->path);
	}
}

static int look(struct watch_source *src, struct watch_snapshot *s, int sock)
{
	struct sim_wire m = { .version = SIM_WIRE_VERSION, .type = SIM_WATCH };
	int fds[SIM_WIRE_FDS], rc = vmq__sim_wire_send(sock, &m, NULL, 0);

	if (rc)
		return hung_up(src);
	while (!rc) {
		rc = next_packet(src, sock, &m, fds);
		if (rc)
			return rc;
		if (m.type == SIM_END)
			return 0;
		rc = take(src, s, sock, &m, fds);
		vmq__sim_wire_close(fds);
		if (s->vm_count + s->channel_count > THINGS_MAX)
			rc = VMQ_EPROTO;
	}
	return rc;
}

int watch_hub_look(struct watch_source *src, struct watch_snapshot *s)
{
	int sock = -1, rc = dial(src, &sock);

	s->kind = WATCH_HUB;
	if (!rc)
		rc = look(src, s, sock);
	if (sock >= 0)
		close(sock);
	watch_name_ends(s);
	return rc;
}

int watch_hub_probe(struct watch_source *src)
{
	int sock = -1, rc = dial(src, &sock);

	if (sock >= 0)
		close(sock);
	return rc;
}
