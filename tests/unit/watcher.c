/* SPDX-License-Identifier: BSD-2-Clause */
/* watcher.c - a hub with VMs, who talks to it, and who watches it: for tests that speak the hub's
 * protocol. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "watcher.h"

struct hub_proc hub;
struct vmq *vms[VMS];

struct vmq *vm(const char *name)
{
	char uri[200];
	struct vmq *q = NULL;
	int rc;

	snprintf(uri, sizeof(uri), "sim:unix=%s?name=%s&lazy_us=60000000", hub.path, name);
	do {
		rc = vmq_open(uri, NULL, &q);
	} while (rc == VMQ_EEXIST); /* its last life is not yet buried */
	cr_assert_eq(rc, 0);
	return q;
}

void watched_start(void)
{
	cr_assert(hub_start(&hub, NULL, 0));
}

void watched_stop(void)
{
	for (unsigned i = 0; i < VMS; i++)
		vmq_close(vms[i]);
	cr_expect(hub_stop(&hub), "the hub came to harm");
}

void join_all(void)
{
	char name[16];

	for (unsigned i = 0; i < VMS; i++) {
		snprintf(name, sizeof(name), "vm%u", i);
		vms[i] = vm(name);
	}
}

/* ---- a watcher --------------------------------------------------------------------------- */

int attach(void)
{
	struct sockaddr_un sun;
	unsigned len;
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	vmq__sim_wire_address(hub.path, &sun, &len);
	cr_assert_eq(connect(s, (struct sockaddr *)&sun, len), 0);
	return s;
}

int say(int s, uint32_t type)
{
	struct sim_wire m = { .version = SIM_WIRE_VERSION, .type = type };

	return vmq__sim_wire_send(s, &m, NULL, 0);
}

int hear(int s, struct sim_wire *m, int *fds)
{
	struct pollfd p = { .fd = s, .events = POLLIN };

	cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1);
	return vmq__sim_wire_recv(s, m, fds);
}

bool note(struct seen *w, int s, struct sim_wire *m, int *fds)
{
	if (m->type == SIM_VM) {
		cr_assert_lt(w->vms, VMS + 8u);
		w->vm[w->vms++] = *m;
	} else if (m->type == SIM_CHANNEL) {
		cr_assert_lt(w->channels, (unsigned)VMS * VMS);
		cr_expect_geq(fds[0], 0);
		w->channel[w->channels++] = *m;
		if (w->fd < 0) {
			w->fd = fds[0];
			fds[0] = -1;
		}
	} else if (m->type == SIM_MORE) {
		m->type = SIM_WATCH;
		cr_assert_eq(vmq__sim_wire_send(s, m, NULL, 0), 0);
	} else {
		cr_assert_eq(m->type, (uint32_t)SIM_END);
		return false;
	}
	return true;
}

struct seen *tour(void)
{
	struct seen *w = calloc(1, sizeof(*w));
	int fds[SIM_WIRE_FDS], s = attach();
	struct sim_wire m;
	bool more = true;

	w->fd = -1;
	cr_assert_eq(say(s, SIM_WATCH), 0);
	while (more) {
		cr_assert_eq(hear(s, &m, fds), 0);
		more = note(w, s, &m, fds);
		vmq__sim_wire_close(fds);
	}
	say(s, SIM_WATCH); /* too late */
	cr_expect_eq(hear(s, &m, fds), VMQ_ECONN, "it hangs up after the end");
	close(s);
	return w;
}

void done(struct seen *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}
