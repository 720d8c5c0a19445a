/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm.h - what the files of the VMM side share. */
#ifndef VMQ_LIB_VMM_H
#define VMQ_LIB_VMM_H

#include <pthread.h>

#include <vmq/core.h>
#include <vmq/vmm.h>

#include "region.h"

#define VMM_IDS 4096u

/* What the VMM knows of a page, whatever the VMs say. */
struct vmm_page {
	uint32_t gen;
	uint8_t owner; /* side */
	uint8_t out;   /* LEND or SHARE: the other side has it too */
};

struct vmq_vmm_link {
	struct vmm_channel *channel;
	struct vmq_vm *vm;       /* NULL once it was detached */
	bool ended;              /* the peer was told */
	struct vmq__window *window;
	size_t window_off;
	struct vmq_vmm_link *next; /* of the same VM */
	uint8_t side;
};

struct vmm_channel {
	struct vmq_vmm *vmm;
	struct vmq_geometry geo;
	uint8_t *meta;           /* header and control areas */
	int fd;
	uint32_t seq[2];         /* page words looked at up to here */
	bool revoked;            /* the pair was refused */
	struct vmq_vmm_link link[2];
	struct vmm_page page[];
};

struct vmq_vm {
	struct vmq_vmm *vmm;
	struct vmq_vm_config config;
	struct vmq_ident ident;
	struct vmq_vmm_link *links;
	struct vmq_vmm_stats stats;
	bool halted;
	struct vmq_vm *next;
};

struct vmm_name {
	char name[VMQ_NAME_MAX + 1];
	struct vmq_vm *vm; /* NULL: gone */
	uint64_t left;     /* when: the order of leaving */
};

struct vmm_rule {
	char a[VMQ_NAME_MAX + 1], b[VMQ_NAME_MAX + 1];
	bool allow;
	struct vmm_rule *next; /* the newest comes first */
};

struct vmq_vmm {
	pthread_mutex_t lock;
	uint32_t flags, epoch;
	uint64_t departures;
	struct vmq_vm *vms;
	struct vmm_rule *rules;
	struct vmm_name *names; /* by id; 0 is nobody */
	uint32_t names_used;
};

/* vmm_link.c: channels, under the lock */
int vmq__vmm_connect(struct vmq_vm *a, struct vmq_vm *b);
void vmq__vmm_end(struct vmq_vmm_link *link);
void vmq__vmm_detach(struct vmq_vmm_link *link);
void vmq__vmm_revoke(struct vmm_channel *ch);

/* vmm_page.c, under the lock */
int vmq__vmm_pages(struct vmm_channel *ch, uint32_t first, uint32_t count);

/* The VM at the other end, if it is there. */
static inline struct vmq_vm *vmq__vmm_peer(const struct vmq_vmm_link *link)
{
	const struct vmq_vmm_link *other = &link->channel->link[!link->side];

	return other->ended ? NULL : other->vm;
}

#endif
