/* SPDX-License-Identifier: BSD-2-Clause */
/* sim.h - what the files of the hosted simulation share. */
#ifndef VMQ_SIM_H
#define VMQ_SIM_H

#include <stdatomic.h>

#include <vmq/transport.h>
#include <vmq/vmm.h>

#include "bell.h"
#include "packet.h"
#include "region.h"

/* ---- fault.c: what goes wrong on purpose ---------------------------------------- */

struct sim_faults {
	double drop_kick, dup_kick; /* probabilities */
	uint32_t delay_kick_us;     /* each kick takes this long */
	uint32_t slow_us;           /* each natural exit takes this long */
	uint32_t kill_after_exits;  /* the VM dies at that exit; 0: never */
};

struct sim_fault {
	struct sim_faults set;
	const struct vmq_env *env;
	_Atomic uint64_t seed;
};

void vmq__sim_fault_init(struct sim_fault *f, const struct sim_faults *set, const struct vmq_env *env);
/* Ring, or not, or late, or twice. */
void vmq__sim_fault_ring(struct sim_fault *f, struct vmq__bell *bell, unsigned what);
void vmq__sim_fault_slow(struct sim_fault *f);

/* ---- topology.c ------------------------------------------------------------------ */

struct sim_vm {
	char name[VMQ_NAME_MAX + 1];
	uint8_t uuid[16];
	bool has_uuid;
	uint32_t lane, pages; /* 0: the default */
	struct sim_faults faults;
};

struct sim_rule {
	char a[VMQ_NAME_MAX + 1], b[VMQ_NAME_MAX + 1];
	bool allow;
};

struct sim_topology {
	bool open;   /* VMs that are not listed may join */
	bool closed; /* pairs that are not listed may not talk */
	uint32_t tick_us, lane, pages;
	struct sim_vm *vms;
	size_t vm_count;
	struct sim_rule *rules;
	size_t rule_count;
};

/* Read a topology file; NULL: everybody may join and talk. On failure `why` says
 * file, line and key. VMQ_ETOPOLOGY, VMQ_ENOMEM. */
int vmq__sim_topology_read(const char *path, struct sim_topology **topology, char *why, size_t len);
void vmq__sim_topology_free(struct sim_topology *topology);
const struct sim_vm *vmq__sim_topology_vm(const struct sim_topology *topology, const char *name);
/* Tell the VMM who may talk to whom. */
int vmq__sim_topology_apply(const struct sim_topology *topology, struct vmq_vmm *vmm);
/* Sizes for a VM: the topology's, else what was asked for. */
void vmq__sim_topology_sizes(const struct sim_topology *topology, const char *name, uint32_t *lane,
	uint32_t *pages);

/* topology_line.c: the line on which a value of a JSON text stands. A path is made
 * of object keys and of array indices in decimal. */
unsigned vmq__sim_json_line(const char *text, const char *const *path, unsigned depth);

/* ---- the two kinds of endpoints --------------------------------------------------- */

extern const struct vmq_transport vmq__sim_local;  /* threads of one process */
extern const struct vmq_transport vmq__sim_client; /* a process of a hub */

/* The start of both kinds' state. */
struct sim_state {
	const struct vmq_transport *kind;
	struct vmq__bell *bell;
	struct sim_fault fault;
};

/* ---- wire.c: what a hub and its clients say ---------------------------------------- */

#define SIM_WIRE_VERSION 2u
#define SIM_WIRE_FDS 3

enum sim_wire_type {
	SIM_HELLO = 1, /* client: version, name, uuid, lane, pages */
	SIM_WELCOME,   /* hub: id, lane, pages, faults; fds: its two doorbells */
	SIM_REFUSED,   /* hub: code, text */
	SIM_JOIN,      /* hub: chan, id, side, epoch, name, uuid; fds: region, doorbells */
	SIM_LEAVE,     /* hub: chan, code */
	SIM_DETACH,    /* client: chan */
	SIM_LOOKUP,    /* client: name */
	SIM_ANSWER,    /* hub: name, code */
	SIM_EXIT,      /* client: reason, or now (VMQ_KICK_*) and the peer's id */
	/* hub_watch.c: for who wants to see, and is no VM */
	SIM_WATCH,     /* watcher: side, id, epoch, name: behind what to go on; zeros first */
	SIM_VM,        /* hub: name, id, now (is it there?), stats */
	SIM_CHANNEL,   /* hub: chan, id, reason (the ids of side 0 and 1), epoch, code; fds:
	                * the region, only to be read */
	SIM_MORE,      /* hub: there is more; to be said back as SIM_WATCH */
	SIM_END,       /* hub: that was all; it hangs up */
};

/* One packet. Same machine, same build of the library: host byte order. */
struct sim_wire {
	uint32_t version, type;
	uint64_t chan;
	uint32_t id, side, epoch, lane, pages, reason, now;
	int32_t code;
	uint64_t quiet, bypass; /* exits with nothing to drain; kicks past the hub */
	struct sim_faults faults;
	uint8_t uuid[16];
	char name[VMQ_NAME_MAX + 1];
	union {
		char text[160];
		struct vmq_vmm_stats stats; /* SIM_VM */
	};
};

int vmq__sim_wire_address(const char *path, void *sun, unsigned *len);
/* Send one packet without waiting. 0 or an error (VMQ_EAGAIN: full). */
int vmq__sim_wire_send(int sock, const struct sim_wire *msg, const int *fds, unsigned n);
/* Receive one packet without waiting; fds[] gets what came along, -1 else. 0,
 * VMQ_EAGAIN, VMQ_EMFILE (the packet is there, its descriptors found no place),
 * VMQ_ECONN (closed), VMQ_EVERSION, VMQ_EPROTO. */
int vmq__sim_wire_recv(int sock, struct sim_wire *msg, int fds[SIM_WIRE_FDS]);
void vmq__sim_wire_close(int fds[SIM_WIRE_FDS]);
/* Is the process at the other end this user's, or root's? */
bool vmq__sim_wire_trusted(int sock, int *pid);

#endif
