/* SPDX-License-Identifier: BSD-2-Clause */
/* remote_guest.h - a guest that is an endpoint, as the files of remote.h know it. */
#ifndef KVM_REMOTE_GUEST_H
#define KVM_REMOTE_GUEST_H

#include <pthread.h>
#include <stdatomic.h>

#include <vmq/kvm.h>

#include "agent/agent.h"
#include "machine.h"

struct guest {
	struct machine machine;
	struct vmq_kvm *kvm;
	uint8_t *memory;         /* the block's */
	uint32_t block;          /* where its addresses begin; 0: it has ended */
	pthread_t thread;
	bool runs;
	bool there;              /* its endpoint is open */
	atomic_bool stop;
	atomic_uint faults;
	int done[AGENT_CALLS];   /* eventfds: the guest has done the call */
	int caller[AGENT_CALLS]; /* thread ids, of the last one to use the place */
	bool busy[AGENT_CALLS];
	struct guest *next;
};

/* Under lock: which guests there are, and their callers. */
extern pthread_mutex_t guests_lock;
extern struct guest *guests;

/* Boot one into its block, as a VM of the VMM. A VMQ_E... code. */
int guest_boot(struct guest *g, struct vmq_vmm *vmm, const char *name, uint32_t lane_size,
	uint32_t pool_pages);
/* Stop it and take all back. */
void guest_end(struct guest *g);

static inline struct agent_mail *guest_mail(const struct guest *g)
{
	return (struct agent_mail *)g->memory;
}

#endif
