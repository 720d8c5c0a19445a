/* SPDX-License-Identifier: BSD-2-Clause */
/* client.h - what the files of a hub's client share. */
#ifndef VMQ_SIM_CLIENT_H
#define VMQ_SIM_CLIENT_H

#include "internal.h"
#include "sim.h"

#define ANSWERS 16

/* A channel of this VM, and what the hub gave for it. */
struct chan {
	uint64_t name; /* the hub's */
	uint32_t peer;
	struct vmq__bell *bell;
	struct sim_fault fault; /* what goes wrong with kicks to this peer */
	struct vmq__window *window;
	struct chan *next;
};

/* What the hub said of a name. */
struct answer {
	char name[VMQ_NAME_MAX + 1];
	int code;
};

/* The VM that this process is. */
struct client {
	struct sim_state sim;
	struct vmq_port *port;
	const struct vmq_port_ops *ops;
	int sock;
	atomic_bool down; /* changed by news only */
	_Atomic uint64_t quiet, bypass; /* since the last exit that told the hub */
	struct chan *chans;
	struct answer answers[ANSWERS];
	unsigned answered;
	char asked[VMQ_NAME_MAX + 1];
};

/* ---- client_open.c: the VM's start and end ------------------------------------------ */

int vmq__sim_client_open(struct vmq_port *port, const struct vmq_port_ops *ops,
	struct vmq_open_args *args, void **state);
void vmq__sim_client_close(void *state);

/* ---- client.c ------------------------------------------------------------------------ */

/* Tell the hub of an exit, and of what it was not told yet. 0 or an error. */
int vmq__sim_client_tell_exit(struct client *c, struct sim_wire *m);
void vmq__sim_client_chan_free(struct chan *ch);

#endif
