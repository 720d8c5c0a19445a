/* SPDX-License-Identifier: BSD-2-Clause */
/* bell.h - a VM's two doorbells. */
#ifndef VMQ_COMMON_BELL_H
#define VMQ_COMMON_BELL_H

#include <stdatomic.h>

#include <vmq/vmq.h>

/* Shared by all who ring it: the last one closes it. With an env of the
 * application's there are no descriptors, only the bits and its wake(). */
struct vmq__bell {
	atomic_uint refs, rung;
	int fd[2]; /* eventfds for VMQ_KICK_DATA and VMQ_KICK_SPACE, or -1 */
	const struct vmq_env *env;
	struct vmq *q;
};

/* A new one, or one around two descriptors that were received. */
int vmq__bell_new(struct vmq__bell **bell, const struct vmq_env *env, struct vmq *q);
int vmq__bell_wrap(struct vmq__bell **bell, const int fd[2]);
void vmq__bell_put(struct vmq__bell *bell);
void vmq__bell_ring(struct vmq__bell *bell, unsigned what);
bool vmq__bell_drain(struct vmq__bell *bell, unsigned what);

#endif
