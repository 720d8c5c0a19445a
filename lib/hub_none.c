/* SPDX-License-Identifier: BSD-2-Clause */
/* hub_none.c - the hub of a library that was built without the simulation: the same
 * symbols, so that programs link, and an honest answer. */
#include <stdio.h>

#include "internal.h"

int vmq_hub_open(const struct vmq_hub_options *o, struct vmq_hub **hub)
{
	if (!o || !hub || !vmq__sized_in(o, sizeof(*o)) || !o->path)
		return VMQ_EINVAL;
	if (o->errmsg && o->errlen)
		snprintf(o->errmsg, o->errlen, "this library was built without the sim transport");
	return VMQ_ENOTSUP;
}

int vmq_hub_run(struct vmq_hub *hub, int64_t timeout_ns)
{
	(void)hub;
	(void)timeout_ns;
	return VMQ_EBADF;
}

void vmq_hub_stop(struct vmq_hub *hub)
{
	(void)hub;
}

int vmq_hub_close(struct vmq_hub *hub)
{
	(void)hub;
	return VMQ_EBADF;
}

int vmq_hub_next(struct vmq_hub *hub, char name[VMQ_NAME_MAX + 1], bool *there)
{
	(void)hub;
	(void)name;
	(void)there;
	return VMQ_EBADF;
}

int vmq_hub_stats(struct vmq_hub *hub, const char *name, struct vmq_vmm_stats *stats)
{
	(void)hub;
	(void)name;
	(void)stats;
	return VMQ_EBADF;
}

int vmq_hub_kill(struct vmq_hub *hub, const char *name)
{
	(void)hub;
	(void)name;
	return VMQ_EBADF;
}
