/* SPDX-License-Identifier: BSD-2-Clause */
/* hub.h - what the files of the hub share. */
#ifndef VMQ_SIM_HUB_H
#define VMQ_SIM_HUB_H

#include <pthread.h>

#include "internal.h"
#include "sim.h"

/* One connection: a VM once it has said its name. */
struct hub_vm {
	struct vmq_hub *hub;
	int sock, pid;
	char name[VMQ_NAME_MAX + 1];
	struct vmq_vm *vm;       /* NULL: nameless yet */
	struct vmq__bell *bell;
	struct sim_faults faults;
	struct hub_link *links;
	uint64_t exits, quiet;
	uint32_t lane, pages;    /* as it was welcomed with */
	bool welcomed;
	bool broken;             /* to be dropped: it does not read */
	bool watches;            /* no VM: it wants to see what there is */
	uint64_t idle_us;        /* since a watcher asked for more */
	struct hub_vm *next;
};

/* The last counters of a VM that left. */
struct hub_tomb {
	char name[VMQ_NAME_MAX + 1];
	struct vmq_vmm_stats stats;
	struct hub_tomb *next;
};

struct vmq_hub {
	pthread_mutex_t lock;    /* all below; not held while the hub waits */
	struct vmq_vmm *vmm;
	struct sim_topology *topology;
	uint32_t tick_us;
	int sock, epfd, stopfd, tickfd;
	char path[108];
	void (*log)(void *ctx, const char *line);
	void *ctx;
	struct hub_vm *vms, *dropped;
	struct hub_tomb *tombs;  /* the latest first */
	uint64_t links_made;
};

__attribute__((format(printf, 2, 3))) void vmq__hub_log(struct vmq_hub *hub, const char *format, ...);
int vmq__hub_watch(struct vmq_hub *hub, int fd, void *what);

int vmq__hub_vm_new(struct vmq_hub *hub, int sock, int pid);
void vmq__hub_vm_serve(struct hub_vm *vm);
void vmq__hub_vm_exit(struct hub_vm *vm, enum vmq_exit_reason reason);
/* The VM's end; `why` is for the log. Its memory stays until vmq__hub_vm_reap(). */
void vmq__hub_vm_drop(struct hub_vm *vm, const char *why);
void vmq__hub_vm_reap(struct vmq_hub *hub);
/* Tell a connection. What does not get through breaks it. */
int vmq__hub_vm_tell(struct hub_vm *vm, const struct sim_wire *m, const int *fds, unsigned n);

/* hub_ask.c: keep the counters of a VM that leaves, under its name; and the name that
 * follows in alphabetical order, as vmq_hub_next(). */
void vmq__hub_bury(struct hub_vm *vm);
void vmq__hub_forget(struct vmq_hub *hub, unsigned keep); /* all but the latest `keep` */
int vmq__hub_next(const struct vmq_hub *hub, char *name, bool *there);

/* hub_watch.c: answer a SIM_WATCH; time passes for a watcher that does not ask on. */
void vmq__hub_watched(struct hub_vm *watcher, const struct sim_wire *from);
void vmq__hub_watch_idle(struct hub_vm *watcher, uint64_t us);

#endif
