/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm.h - what the files of the VMM side share. */
#ifndef VMQ_LIB_VMM_H
#define VMQ_LIB_VMM_H

#include <pthread.h>

#include <vmq/core.h>
#include <vmq/vmm.h>

#include "region.h"

#define VMM_IDS 4096u
#define NO_SIDE 2u

/* What the VMM knows of a page, whatever the VMs say. */
struct vmm_page {
	uint32_t gen;
	uint32_t told; /* what the ledger was told last; see vmm_page.c */
	uint8_t owner; /* side */
	uint8_t out;   /* LEND or SHARE: the other side has it too */
};

struct vmq_vmm_link {
	struct vmm_channel *channel;
	struct vmq_vm *vm;       /* NULL once it was detached */
	bool shown;              /* its VM knows of it */
	bool ended;              /* the peer was told */
	struct vmq__window *window;
	size_t window_off;
	uint32_t beat;           /* the VM's heartbeat when it was last watched */
	struct vmq_vmm_link *next; /* of the same VM */
	uint8_t side;
};

/* What a channel that leads over a bridge has besides. The VM on this side of the
 * bridge is the near one, the other the far one. */
struct vmm_span {
	uint64_t number;         /* what both VMMs call it on their connection */
	vmq_le32 *ledger;        /* NULL: no bridge. A word for each side and page */
	int fd;                  /* of the ledger */
	uint8_t far;             /* the far VM's side; NO_SIDE: none */
	bool lost;               /* the far VMM has died */
	bool asked, again;       /* a SYNC is under way; one more is wanted */
	uint32_t changes, asked_at; /* of pages, in all and when it was asked */
};

struct vmm_channel {
	struct vmq_vmm *vmm;
	struct vmq_geometry geo;
	uint8_t *meta;           /* header and control areas */
	int fd;
	uint32_t epoch;
	uint32_t seq[2];         /* page words looked at up to here */
	bool revoked;            /* the pair was refused */
	struct vmm_span span;
	struct vmq_vmm_link link[2];
	struct vmm_page page[];
};

struct vmq_vm {
	struct vmq_vmm *vmm;
	struct vmq_vm_config config;
	struct vmq_ident ident;
	struct vmq_vmm_link *links;
	struct vmq_vmm_stats stats;
	uint64_t life;           /* which of all VMs that were ever added this is */
	uint64_t quiet_since;    /* ns; 0: it is heard of, or not watched */
	struct bridge_far *far;  /* behind a bridge: the connection; else NULL */
	uint64_t far_life;       /* its life over there */
	bool halted;
	struct vmq_vm *next;
};

struct vmm_name {
	char name[VMQ_NAME_MAX + 1];
	struct vmq_vm *vm; /* NULL: gone */
	uint64_t left;     /* when: the order of leaving */
	bool far;          /* its id was given by another VMM */
};

struct vmm_rule {
	char a[VMQ_NAME_MAX + 1], b[VMQ_NAME_MAX + 1];
	bool allow;
	struct vmm_rule *next; /* the newest comes first */
};

struct vmq_vmm {
	pthread_mutex_t lock;
	uint32_t flags, epoch;
	uint64_t departures, arrivals;
	struct vmq_vm *vms;
	struct vmm_rule *rules;
	struct vmm_name *names; /* by id; 0 is nobody */
	uint32_t first_id, next_id, names_end;
	struct vmq_bridge *bridge;
};

/* Everything from here on: under the lock. */

/* vmm.c */
void vmq__vmm_unlink(struct vmq_vm *vm);
bool vmq__vmm_sizes_ok(const struct vmq_vm_config *c);
void vmq__vmm_halt(struct vmq_vm *vm);

/* vmm_names.c: who has which id, and who may talk to whom */
uint32_t vmq__vmm_name_id(const struct vmq_vmm *vmm, const char *name);
int vmq__vmm_name_take(struct vmq_vmm *vmm, struct vmq_vm *vm);
/* For a VM whose id another VMM gave: VMQ_EEXIST if the name or the id is taken. */
int vmq__vmm_name_claim(struct vmq_vmm *vmm, struct vmq_vm *vm, uint32_t id);
void vmq__vmm_name_leave(struct vmq_vmm *vmm, const struct vmq_vm *vm);
bool vmq__vmm_allowed(const struct vmq_vmm *vmm, const char *a, const char *b);
bool vmq__vmm_connected(const struct vmq_vm *a, const struct vmq_vm *b);

/* vmm_link.c: channels */
int vmq__vmm_connect(struct vmq_vm *a, struct vmq_vm *b);
void vmq__vmm_end(struct vmq_vmm_link *link);
void vmq__vmm_detach(struct vmq_vmm_link *link);
void vmq__vmm_revoke(struct vmm_channel *ch);
int vmq__channel_open(struct vmq_vm *const vm[2], struct vmm_channel **out);
void vmq__channel_undo(struct vmm_channel *ch);
int vmq__channel_alloc(struct vmq_vm *const vm[2], struct vmm_channel **out);
int vmq__channel_map(struct vmm_channel *ch);
void vmq__channel_free(struct vmm_channel *ch);
uint64_t vmq__ledger_size(const struct vmm_channel *ch);
int vmq__link_open(struct vmm_channel *ch, unsigned side, struct vmq_vm *vm);
int vmq__link_attach(struct vmq_vmm_link *link);

/* vmm_page.c. sync: without asking the VMM at the other end of a bridge. */
int vmq__vmm_sync(struct vmm_channel *ch, uint32_t first, uint32_t count);
int vmq__vmm_pages(struct vmm_channel *ch, uint32_t first, uint32_t count);

/* vmm_exit.c */
void vmq__vmm_kick(const struct vmq_vm *vm, unsigned what);

/* vmm_far.c, vmm_span.c: what other VMMs are told */
void vmq__far_announce(const struct vmq_vm *vm);
void vmq__far_withdraw(const struct vmq_vm *vm);
int vmq__far_connect(struct vmq_vm *near, struct vmq_vm *far);
void vmq__far_leave(struct vmm_channel *ch, int reason);
void vmq__far_ask(struct vmm_channel *ch);

/* The VM at the other end, if it is there. */
static inline struct vmq_vm *vmq__vmm_peer(const struct vmq_vmm_link *link)
{
	const struct vmq_vmm_link *other = &link->channel->link[!link->side];

	return other->ended ? NULL : other->vm;
}

/* Can it be rung by who is not this VMM? */
static inline bool vmq__vmm_rings(const struct vmq_vm *vm)
{
	return vm->config.doorbell[0] > 0;
}

#endif
