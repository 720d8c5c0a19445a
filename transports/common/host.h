/* SPDX-License-Identifier: BSD-2-Clause */
/* host.h - an endpoint of this process that is a VM of a VMM in the same process. */
#ifndef VMQ_COMMON_HOST_H
#define VMQ_COMMON_HOST_H

#include <pthread.h>
#include <stdatomic.h>

#include <vmq/transport.h>

#include "bell.h"

struct vmq__host_chan;

/* Zero-fill it; the functions below are those of struct vmq_transport. */
struct vmq__host {
	struct vmq_port *port;
	const struct vmq_port_ops *ops;
	struct vmq__bell *bell;
	struct vmq_vm *vm;
	void *window;
	size_t window_size;
	pthread_mutex_t lock;         /* of what the VMM's callbacks change */
	struct vmq__host_chan *chans;
	atomic_bool fresh;            /* something came or left */
	/* How a peer's kick gets to the bell. NULL: straight, and through its
	 * eventfds from other processes too. */
	void (*ring)(void *ctx, unsigned what);
	void *ctx;
};

/* Bell and window; then to be a VM: peers may come from there on. */
int vmq__host_init(struct vmq__host *h, struct vmq_port *port, const struct vmq_port_ops *ops,
	const struct vmq_open_args *args);
int vmq__host_add(struct vmq__host *h, struct vmq_vmm *vmm, struct vmq_open_args *args);
/* Undo both, as far as they went. */
void vmq__host_exit(struct vmq__host *h);

void vmq__host_fds(const struct vmq__host *h, int fds[VMQ_FDS]);
/* Straight to the peer, as an ioeventfd does; or by an immediate exit. */
int vmq__host_bypass(void *chan, unsigned what);
int vmq__host_doorbell(struct vmq__host *h, void *chan, unsigned what);
void vmq__host_news(struct vmq__host *h);
/* There is news: make the endpoint ask for it. */
void vmq__host_notice(struct vmq__host *h);
int vmq__host_lookup(struct vmq__host *h, const char *name);
int vmq__host_map(void *chan, const struct vmq_page *run);
int vmq__host_unmap(void *chan, const struct vmq_page *run);
void vmq__host_detach(struct vmq__host *h, void *chan);

/* The transport of vmq_vmm_open(). */
extern const struct vmq_transport vmq__host_transport;

#endif
