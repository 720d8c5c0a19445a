/* SPDX-License-Identifier: BSD-2-Clause */
/* self.c - the memory of the channel to oneself: two windows on one region. */
#include <unistd.h>

#include "internal.h"
#include "region.h"

int vmq__self_map(struct vmq *q, struct vmq__peer *p)
{
	struct vmq_ident ident[2] = { { .id = q->id }, { .id = q->id } };
	int fd = vmq__region_create(&p->geo, ident), rc = 0;

	if (fd < 0)
		return fd;
	for (unsigned side = 0; side < 2 && !rc; side++) {
		rc = vmq__window_open(&p->self[side], fd, &p->geo, side, NULL);
		if (!rc)
			p->pool[side] = vmq__window_pool(p->self[side]);
	}
	close(fd);
	if (rc)
		vmq__self_unmap(p);
	return rc;
}

void vmq__self_unmap(struct vmq__peer *p)
{
	for (unsigned side = 0; side < 2; side++) {
		vmq__window_close(p->self[side]);
		p->self[side] = NULL;
	}
}
