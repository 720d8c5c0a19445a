/* SPDX-License-Identifier: BSD-2-Clause */
/* doorbell.c - eventfds that stand for a VM's interrupts. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"
#include "sim.h"

static int alloc(struct sim_bell **bell)
{
	struct sim_bell *b = calloc(1, sizeof(*b));

	if (!b)
		return VMQ_ENOMEM;
	atomic_init(&b->refs, 1);
	b->fd[0] = b->fd[1] = -1;
	*bell = b;
	return 0;
}

int vmq__sim_bell_new(struct sim_bell **bell, const struct vmq_env *env, struct vmq *q)
{
	struct sim_bell *b;
	int rc = alloc(&b);

	if (rc)
		return rc;
	b->env = env;
	b->q = q;
	for (int i = 0; i < 2 && !env; i++) {
		b->fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (b->fd[i] < 0) {
			rc = vmq__errno(errno);
			vmq__sim_bell_put(b);
			return rc;
		}
	}
	*bell = b;
	return 0;
}

int vmq__sim_bell_wrap(struct sim_bell **bell, const int fd[2])
{
	int rc = alloc(bell);

	if (rc)
		return rc;
	(*bell)->fd[0] = fd[0];
	(*bell)->fd[1] = fd[1];
	return 0;
}

void vmq__sim_bell_put(struct sim_bell *bell)
{
	if (!bell || atomic_fetch_sub_explicit(&bell->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (int i = 0; i < 2; i++)
		if (bell->fd[i] >= 0)
			close(bell->fd[i]);
	free(bell);
}

/* A full eventfd has long been rung: nothing is lost. */
static void ring_fd(int fd)
{
	uint64_t one = 1;

	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		errno = 0;
}

void vmq__sim_bell_ring(struct sim_bell *bell, unsigned what)
{
	if (bell->env) {
		atomic_fetch_or(&bell->rung, what);
		bell->env->wake(bell->env->ctx, bell->q);
		return;
	}
	for (int i = 0; i < 2; i++)
		if (what & 1u << i)
			ring_fd(bell->fd[i]);
}

bool vmq__sim_bell_drain(struct sim_bell *bell, unsigned what)
{
	uint64_t count;

	if (bell->env)
		return atomic_fetch_and(&bell->rung, ~what) & what;
	return read(bell->fd[what == VMQ_KICK_SPACE], &count, sizeof(count)) == sizeof(count);
}
