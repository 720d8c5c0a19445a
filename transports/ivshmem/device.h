/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.h - a way to an ivshmem region and to the doorbells of those who map it.
 *
 *	unix=PATH      device_server.c  a host program at a server's socket
 *	file=PATH      device_file.c    a host program at a file; no doorbells
 *	"" or BDF      device_pci.c     a guest: through vfio-pci, or through sysfs, which
 *	                                can ring but not be rung
 *
 * The endpoint brings an eventfd for each kind of doorbell (VMQ_FD_*): `bell`. Whatever
 * interrupt a device can take comes out at fd[kind], which stays the same descriptor for
 * the device's life and is also readable when bell[kind] is rung: it is bell[kind] itself
 * where the device's interrupts ring that, else a set of descriptors around it.
 *
 * Threads: ring and drain may be called by any thread, service by the watch thread only,
 * close when none of the others is under way. doorbell, vectors and caps change in
 * service() only.
 */
#ifndef VMQ_IVSHMEM_DEVICE_H
#define VMQ_IVSHMEM_DEVICE_H

#include <vmq/ivshmem.h>
#include <vmq/transport.h>

struct vmq__ivdev;

/* What service() found out. */
#define IVDEV_LOST (1u << 0)  /* the server has gone; channels go on */
#define IVDEV_BACK (1u << 1)  /* there again, or it had more to say: doorbell, vectors and
                               * caps may be others */
#define IVDEV_OTHER (1u << 2) /* there again, with another region: this fabric has ended */

struct vmq__ivdev_ops {
	void (*close)(struct vmq__ivdev *d);
	/* Interrupt a peer. Unknown peers and vectors are ignored, as the device does. */
	void (*ring)(struct vmq__ivdev *d, uint32_t doorbell, uint32_t vector);
	/* Silence what fd[kind] stands for, never waiting. True if it had rung. */
	bool (*drain)(struct vmq__ivdev *d, unsigned kind);
	/* Handle what the server says, look for a lost one. Never waits. IVDEV_* bits. */
	unsigned (*service)(struct vmq__ivdev *d);
};

struct vmq__ivdev {
	const struct vmq__ivdev_ops *ops;
	void *region;          /* mapped, for the device's life */
	uint64_t size;         /* bytes of it, as the system says, not the region */
	uint64_t caps;         /* of VMQ_CAP_WAKE and VMQ_CAP_EXIT, what it can do */
	uint32_t doorbell;     /* own id, or VMQ_IVSHMEM_NOBODY */
	uint32_t vectors;      /* that wake this end, at most VMQ_FDS; 0: polled */
	int bell[VMQ_FDS];     /* the endpoint's eventfds; not the device's to close */
	int fd[VMQ_FDS];       /* to sleep on */
	int news;              /* readable when service() has work; -1: never */
	/* The endpoint's, or NULL: the server says that who has this id is gone. Called
	 * from service(). */
	void (*gone)(void *ctx, uint32_t doorbell);
	void *ctx;
};

/* Says what was wrong, for people; returns code. */
struct vmq__ivdev_why {
	int (*fail)(void *ctx, int code, const char *format, ...);
	void *ctx;
};

/*
 * Open the device at an address as above, with bell[]. Waits for a server at most 5 s.
 * Errors as vmq_open(): VMQ_EURI, VMQ_ECONN (no server, no device, no file), VMQ_EACCES,
 * VMQ_EPROTO (who listens there is no ivshmem server), VMQ_EVERSION, VMQ_EBUSY (the
 * device is in use), VMQ_ENOMEM, VMQ_EMFILE, VMQ_ESYS.
 */
int vmq__ivdev_open(const char *address, const int bell[VMQ_FDS], const struct vmq__ivdev_why *why,
	struct vmq__ivdev **d);

/* device_server.c, device_file.c, device_pci.c: the same for one kind. */
int vmq__ivdev_server(const char *path, const int bell[VMQ_FDS], const struct vmq__ivdev_why *why,
	struct vmq__ivdev **d);
int vmq__ivdev_file(const char *path, const int bell[VMQ_FDS], const struct vmq__ivdev_why *why,
	struct vmq__ivdev **d);
int vmq__ivdev_pci(const char *bdf, const int bell[VMQ_FDS], const struct vmq__ivdev_why *why,
	struct vmq__ivdev **d);

#endif
