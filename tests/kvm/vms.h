/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vms.h - virtual machines for tests: a VMM with the endpoint "host" and up to
 * VMS_GUESTS probe guests (probe.h), each with a thread that is its vCPU.
 *
 * Everything that waits gives up after PATIENCE and fails the test.
 */
#ifndef TESTS_KVM_VMS_H
#define TESTS_KVM_VMS_H

#include <pthread.h>
#include <stdatomic.h>

#include <vmq/kvm.h>

#include "machine.h"
#include "probe.h"
#include "support.h"

#define VMS_GUESTS 6
#define VMS_LANE (64u << 10)
#define VMS_POOL 16u
#define VMS_WINDOW_SIZE (4u << 20)
#define VMS_PORT 0x510u
#define VMS_ADDRESS 0xd0000000u /* for doorbells that are memory: nothing else is there */

struct vms_guest {
	char name[VMQ_NAME_MAX + 1];
	struct vmq_kvm *kvm;     /* NULL: it is not there */
	struct machine machine;
	bool remote;             /* of another VMM: only name, id and messages are here */
	pthread_t thread;
	atomic_int tid;
	atomic_bool stop;
	atomic_int ended;        /* the exit reason that was the last, or 0 */
	_Atomic uint64_t faults, fault_address;
	uint32_t id;
	/* what the host heard of it */
	uint32_t sent, got, bad; /* messages that are no commands and replies */
	uint32_t pages;
	struct vmq_page page;    /* the last that came */
	int lost;                /* what vmq_recv() said of it: VMQ_EGONE, VMQ_EPEER */
	bool answered;
	struct probe_reply reply;
};

extern struct vmq_vmm *vmm;
extern struct vmq *host;
extern struct vms_guest guests[VMS_GUESTS];

/* For TestSuite(): the VMM and its host, without guests; and the end of everything. */
void vms_start(void);
void vms_stop(void);

/* What a guest of that name gets by default, but for vm_fd. */
struct vmq_kvm_config vms_config(const char *name);
/* A guest starts to run; vms_boot(): by default, and until the host has heard it;
 * vms_boot_silent(): it never looks for its queue. */
struct vms_guest *vms_boot_as(struct vmq_kvm_config config);
struct vms_guest *vms_boot_silent(const char *name);
struct vms_guest *vms_boot(const char *name);
/* A probe guest of a VMM that is bridged, once the host has heard it. */
struct vms_guest *vms_remote(const char *name);
/* Its vCPU runs no more; and its queue and the machine are gone, too. */
void vms_halt(struct vms_guest *g);
void vms_kill(struct vms_guest *g);
/* Its vCPU returns from KVM_RUN, as a timer would have it. */
void vms_interrupt(struct vms_guest *g);

/* DO(SEND, .peer = "b", .n = 3): a command */
#define DO(...) (&(struct probe_command){ .magic = PROBE_MAGIC, .op = PROBE_##__VA_ARGS__ })
void vms_tell(struct vms_guest *g, const struct probe_command *c);
struct probe_reply vms_answer(struct vms_guest *g, uint32_t op);
struct probe_reply vms_ask(struct vms_guest *g, const struct probe_command *c);
/* The same, with a peer whose name is no literal. */
struct probe_reply vms_ask_of(struct vms_guest *g, const char *peer, const struct probe_command *c);
/* COUNT, from BEGUN on: vms_answer() is the rest. */
void vms_count(struct vms_guest *g, const char *peer, uint32_t n, bool awake);

/* The host takes what is there, and never arms: it is awake. True: there was something. */
bool vms_look(void);
/* Look, and let others run, while the condition holds. */
#define VMS_WHILE(condition) \
	do { \
		uint64_t until_ = now_ns() + PATIENCE; \
		while (condition) { \
			cr_assert_lt(now_ns(), until_, "no end of: %s", #condition); \
			vms_rest(); \
		} \
	} while (0)
void vms_rest(void);

/* Wait until the guest has a channel with the peer that is up. */
void vms_connected(struct vms_guest *g, const char *peer);
/* Two guests, or a guest and the host, exchange n messages each way, rightly. */
void vms_chat(struct vms_guest *a, struct vms_guest *b, uint32_t n);
void vms_chat_host(struct vms_guest *g, uint32_t n);

/* What stands in a guest's window of its channel with a peer: its slot, the slot's
 * number, and the guest's own control area. */
const struct vmq_boot_slot *vms_slot(const struct vms_guest *g, const char *peer);
uint32_t vms_slot_number(const struct vms_guest *g, const char *peer);
const struct vmq_layout_ctl *vms_ctl(const struct vms_guest *g, const char *peer);
/* It has asked to be rung for the peer's next message; and wait until it has and halts,
 * after all interrupts that were on their way. */
bool vms_armed(const struct vms_guest *g, const char *peer);
void vms_asleep(const struct vms_guest *g, const char *peer);

struct vmq_vmm_stats vms_stats(const struct vms_guest *g);
struct vmq_kvm_stats vms_kvm_stats(const struct vms_guest *g);

#endif
