/* SPDX-License-Identifier: BSD-2-Clause */
/* bell.c - eventfds that stand for a VM's interrupts. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"
#include "bell.h"
#include "loop.h"

static int alloc(struct vmq__bell **bell)
{
	struct vmq__bell *b = calloc(1, sizeof(*b));

	if (!b)
		return VMQ_ENOMEM;
	atomic_init(&b->refs, 1);
	b->fd[0] = b->fd[1] = -1;
	*bell = b;
	return 0;
}

/* Never 0: to a VMM that stands for none. */
static int event_new(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), copy;

	if (fd)
		return fd;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return copy;
}

int vmq__bell_new(struct vmq__bell **bell, const struct vmq_env *env, struct vmq *q)
{
	struct vmq__bell *b;
	int rc = alloc(&b);

	if (rc)
		return rc;
	b->env = env;
	b->q = q;
	for (int i = 0; i < 2 && !env; i++) {
		b->fd[i] = event_new();
		if (b->fd[i] < 0) {
			rc = vmq__errno(errno);
			vmq__bell_put(b);
			return rc;
		}
	}
	*bell = b;
	return 0;
}

int vmq__bell_wrap(struct vmq__bell **bell, const int fd[2])
{
	int rc = alloc(bell);

	if (rc)
		return rc;
	(*bell)->fd[0] = fd[0];
	(*bell)->fd[1] = fd[1];
	return 0;
}

void vmq__bell_put(struct vmq__bell *bell)
{
	if (!bell || atomic_fetch_sub_explicit(&bell->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (int i = 0; i < 2; i++)
		if (bell->fd[i] >= 0)
			close(bell->fd[i]);
	free(bell);
}

void vmq__bell_ring(struct vmq__bell *bell, unsigned what)
{
	if (bell->env) {
		atomic_fetch_or(&bell->rung, what);
		bell->env->wake(bell->env->ctx, bell->q);
		return;
	}
	for (int i = 0; i < 2; i++)
		if (what & 1u << i && bell->fd[i] >= 0)
			vmq__loop_ring(bell->fd[i]);
}

bool vmq__bell_drain(struct vmq__bell *bell, unsigned what)
{
	uint64_t count;

	if (bell->env)
		return atomic_fetch_and(&bell->rung, ~what) & what;
	return read(bell->fd[what == VMQ_KICK_SPACE], &count, sizeof(count)) == sizeof(count);
}
