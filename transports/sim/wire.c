/* SPDX-License-Identifier: BSD-2-Clause */
/* wire.c - what a hub and the VMs' processes say to each other. */
#include "internal.h"
#include "sim.h"

_Static_assert(SIM_WIRE_FDS == PACKET_FDS, "descriptors of a packet");
/* The text is ended where it came from, whatever else may stand there. */
_Static_assert(sizeof(struct vmq_vmm_stats) < sizeof(((struct sim_wire *)0)->text), "counters leave its end");

int vmq__sim_wire_address(const char *path, void *sun, unsigned *len)
{
	return vmq__packet_address(path, sun, len);
}

int vmq__sim_wire_send(int sock, const struct sim_wire *msg, const int *fds, unsigned n)
{
	return vmq__packet_send(sock, msg, sizeof(*msg), fds, n);
}

void vmq__sim_wire_close(int fds[SIM_WIRE_FDS])
{
	vmq__packet_close(fds);
}

int vmq__sim_wire_recv(int sock, struct sim_wire *msg, int fds[SIM_WIRE_FDS])
{
	int rc = vmq__packet_recv(sock, msg, sizeof(*msg), SIM_WIRE_VERSION, fds);

	if (rc && rc != VMQ_EMFILE)
		return rc;
	msg->name[VMQ_NAME_MAX] = 0;
	msg->text[sizeof(msg->text) - 1] = 0;
	return rc;
}

bool vmq__sim_wire_trusted(int sock, int *pid)
{
	return vmq__packet_trusted(sock, pid);
}
