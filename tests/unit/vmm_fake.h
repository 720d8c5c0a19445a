/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm_fake.h - VMs that are nothing but a window and three callbacks. */
#ifndef VMM_FAKE_H
#define VMM_FAKE_H

#include <vmq/core.h>
#include <vmq/vmm.h>

#define FAKE_LINKS 8u

/* A VM's end of one channel, with the core on it. */
struct fake_link {
	struct vmq_vmm_channel info;
	char peer_name[VMQ_NAME_MAX + 1];
	struct vmq_geometry geo;
	struct vmq_chan chan;
	struct vmq_page_entry *entries;
	int left; /* why its peer left */
};

struct fake {
	struct vmq_vm_config config;
	struct vmq_vm *vm;
	uint8_t *window;
	struct fake_link link[FAKE_LINKS];
	unsigned links, kicks, leaves;
	unsigned kicked_for;   /* VMQ_KICK_* of all kicks */
	int refuse;            /* what attach answers */
	bool bare;             /* do not put the core on new channels */
};

#define FAKE_WINDOW (16u << 20)

/* A VM with a window of `window` bytes (0: none), lanes of 4,096 bytes and pools of
 * `pages` pages; not added yet. */
void fake_init(struct fake *f, const char *name, size_t window, uint32_t pages);
int fake_add(struct vmq_vmm *vmm, struct fake *f);
/* Forget one end of a channel, or all of them: the VMM has ended them. */
void fake_forget(struct fake_link *l);
void fake_forget_all(struct fake *f);
/* After vmq_vmm_remove(), or without it: free what the fake has. */
void fake_free(struct fake *f);

struct fake_link *fake_to(struct fake *f, const char *peer);
/* Run the handshake between two VMs; true once both are established. */
bool fake_connect(struct fake *a, struct fake *b);
/* Where page p of a channel lies in the VM's window. */
uint8_t *fake_page(struct fake_link *l, uint32_t p);

#endif
