/* SPDX-License-Identifier: BSD-2-Clause */
/* stage.h - what recv.c needs of stage.c beside vmq__rx_stage(). */
#ifndef VMQ_STAGE_H
#define VMQ_STAGE_H

#include "core/lane_hot.h"
#include "internal.h"

/* Take a record in. Positive: a message is staged, or (2) waits for its pages; 0: it was a
 * part of one; negative: the reason to poison. */
int vmq__stage_record(struct vmq *q, struct vmq__peer *p, const struct vmq_record *rec);

/* What came of that: is a message staged now? A poisoned lane keeps its first reason. */
bool vmq__stage_result(struct vmq *q, struct vmq__peer *p, int n);

/* The transport says that there are no such pages as the staged message's: it is staged no
 * more. The reason to poison, negative. */
int vmq__stage_pageless(struct vmq *q);

void vmq__stage_kick_space(struct vmq *q, struct vmq__peer *p);

/* The record is done with. */
static inline void vmq__stage_done(struct vmq *q, struct vmq__peer *p)
{
	if (VMQ__UNLIKELY(vmq__rx_next(&p->rx->rx) & VMQ_RX_KICK))
		vmq__stage_kick_space(q, p);
}

#endif
