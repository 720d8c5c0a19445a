/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * boot.h - what a guest finds at the start of its window: the boot-information
 * area. It tells a guest without any other driver where its queue is.
 *
 *	window + 0          struct vmq_boot
 *	window + slot_off   `slots` times struct vmq_boot_slot
 *	then                regions of channels, each where its slot says
 *
 * Only the VMM writes the area; the guest has it read-only. Numbers are
 * little-endian. The guest learns the window's address as its platform has it: a
 * register at boot, a table of the firmware, a fixed address.
 *
 * Two registers of 32 bits, written only, are the guest's way out:
 *
 *	doorbell + 0  ring: VMQ_BOOT_RING(slot, what). May stay in the host's kernel
 *	doorbell + 4  command: VMQ_BOOT_COMMAND(slot, op). Always leaves to the VMM
 */
#ifndef VMQ_BOOT_H
#define VMQ_BOOT_H

#include <vmq/layout.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The first eight bytes: 89 'V' 'M' 'Q' 'b' 'o' 'o' 't'. */
#define VMQ_BOOT_MAGIC_LO 0x514d5689u
#define VMQ_BOOT_MAGIC_HI 0x746f6f62u
#define VMQ_BOOT_MAJOR 1u
#define VMQ_BOOT_MINOR 0u

enum vmq_boot_bus {
	VMQ_BOOT_PORT = 1,   /* registers are x86 I/O ports: OUT of 32 bits */
	VMQ_BOOT_MEMORY = 2, /* ... or guest-physical addresses */
};

struct vmq_boot {
	vmq_le32 magic[2];
	vmq_le16 major, minor;  /* a minor version only adds */
	vmq_le32 size;          /* bytes of this struct */
	vmq_le32 id;            /* the VM's own id on the fabric */
	vmq_le32 vector;        /* of the interrupt that is its doorbell */
	vmq_le64 window;        /* guest-physical address of this area */
	vmq_le64 window_size;   /* bytes, with this area */
	vmq_le64 doorbell;      /* address of the first register */
	vmq_le32 bus;           /* enum vmq_boot_bus */
	vmq_le32 slots;         /* number of slots */
	vmq_le32 slot_off;      /* bytes from the window's start to slot 0 */
	vmq_le32 slot_size;     /* bytes from one slot to the next */
	vmq_le32 seq;           /* goes up when a slot changed: the interrupt tells */
	vmq_le32 reserved0;
	uint8_t uuid[16];
	char name[VMQ_NAME_MAX + 1]; /* NUL-terminated */
	uint8_t reserved1[124];
};

/* A slot is free, then there, then left; the guest's DETACH frees it. */
enum vmq_boot_state {
	VMQ_BOOT_FREE,
	VMQ_BOOT_THERE, /* a channel to a peer: attach */
	VMQ_BOOT_LEFT,  /* its peer is gone: read what is left, then DETACH */
};

struct vmq_boot_slot {
	vmq_le32 state;   /* enum vmq_boot_state; written last */
	vmq_le32 reason;  /* why it left: the number of a VMQ_E... code without its
	                   * sign */
	vmq_le32 peer;    /* the peer's id */
	vmq_le32 side;    /* 0 or 1: the guest's side of the region */
	vmq_le32 epoch;   /* for struct vmq_chan_config; another one for each life */
	vmq_le32 result;  /* of the last VMQ_BOOT_PAGES: pages changed, or a negative
	                   * VMQ_E... code */
	vmq_le64 offset;  /* bytes from the window's start to the region */
	vmq_le64 size;    /* bytes of the region */
	uint8_t uuid[16]; /* the peer's */
	char name[VMQ_NAME_MAX + 1];
	uint8_t reserved[28];
};

/* What to write to the doorbell register; space: 0 rings for a message, 1 for room
 * or pages. */
#define VMQ_BOOT_RING(slot, space) ((uint32_t)(slot) << 1 | ((space) ? 1u : 0u))

/* ... and to the command register. */
#define VMQ_BOOT_COMMAND(arg, op) ((uint32_t)(arg) << 8 | (uint32_t)(op))
#define VMQ_BOOT_OP(command) ((command) & 0xffu)
#define VMQ_BOOT_ARG(command) ((command) >> 8)

enum vmq_boot_op {
	VMQ_BOOT_EXIT = 1,   /* a natural exit; arg: 0 timer, 1 wait, 2 yield, 3 I/O */
	VMQ_BOOT_PAGES = 2,  /* arg: slot. Make the mappings of its pages agree with
	                      * what was handed over; the slot's result says more */
	VMQ_BOOT_DETACH = 3, /* arg: slot. Done with it: its region may go */
};

VMQ_OFFSET_IS(vmq_boot, major, 8);
VMQ_OFFSET_IS(vmq_boot, size, 12);
VMQ_OFFSET_IS(vmq_boot, id, 16);
VMQ_OFFSET_IS(vmq_boot, vector, 20);
VMQ_OFFSET_IS(vmq_boot, window, 24);
VMQ_OFFSET_IS(vmq_boot, window_size, 32);
VMQ_OFFSET_IS(vmq_boot, doorbell, 40);
VMQ_OFFSET_IS(vmq_boot, bus, 48);
VMQ_OFFSET_IS(vmq_boot, slots, 52);
VMQ_OFFSET_IS(vmq_boot, slot_off, 56);
VMQ_OFFSET_IS(vmq_boot, slot_size, 60);
VMQ_OFFSET_IS(vmq_boot, seq, 64);
VMQ_OFFSET_IS(vmq_boot, uuid, 72);
VMQ_OFFSET_IS(vmq_boot, name, 88);
VMQ_STATIC_ASSERT(sizeof(struct vmq_boot) == 256, "boot size");
VMQ_OFFSET_IS(vmq_boot_slot, reason, 4);
VMQ_OFFSET_IS(vmq_boot_slot, peer, 8);
VMQ_OFFSET_IS(vmq_boot_slot, side, 12);
VMQ_OFFSET_IS(vmq_boot_slot, epoch, 16);
VMQ_OFFSET_IS(vmq_boot_slot, result, 20);
VMQ_OFFSET_IS(vmq_boot_slot, offset, 24);
VMQ_OFFSET_IS(vmq_boot_slot, size, 32);
VMQ_OFFSET_IS(vmq_boot_slot, uuid, 40);
VMQ_OFFSET_IS(vmq_boot_slot, name, 56);
VMQ_STATIC_ASSERT(sizeof(struct vmq_boot_slot) == 128, "slot size");

#ifdef __cplusplus
}
#endif
#endif
