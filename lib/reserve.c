/* SPDX-License-Identifier: BSD-2-Clause */
/* reserve.c - a message that is built in place. */
#include "internal.h"

static int reserve_in(struct vmq *q, struct vmq__peer *p, size_t len, void **data, int64_t timeout_ns)
{
	uint64_t deadline = 0;
	int rc;

	if (!data)
		return VMQ_EINVAL;
	if (len > p->max_msg || len > p->tx->tx.inline_max)
		return VMQ_EMSGSIZE;
	while (vmq__tx_busy(q, p) || !(*data = vmq_tx_reserve(&p->tx->tx, (uint32_t)len))) {
		rc = vmq__tx_room(q, p, (uint32_t)len, timeout_ns, &deadline);
		if (rc)
			return rc;
	}
	return 0;
}

static void unreserve(struct vmq *q)
{
	struct vmq__peer *p = q->tx.reserved;

	if (!p)
		return;
	q->tx.reserved = NULL;
	vmq__tx_let_go(q, p);
	vmq__peer_put(q, p);
}

int vmq_reserve(struct vmq *q, uint32_t peer, size_t len, void **data, int64_t timeout_ns)
{
	struct vmq__peer *p;
	int rc;

	rc = vmq__tx_begin(q, peer, 0, &p);
	if (rc)
		return rc;
	if (q->tx.reserved && vmq__tx_busy(q, q->tx.reserved)) {
		vmq__tx_end(q, p);
		return VMQ_EBUSY;
	}
	unreserve(q);
	rc = reserve_in(q, p, len, data, timeout_ns);
	/* While it waited, another thread may have begun one. */
	if (!rc && q->tx.reserved)
		rc = VMQ_EBUSY;
	if (!rc) {
		q->tx.reserved = p;
		q->tx.reserved_len = (uint32_t)len;
		vmq__peer_get(p);
		vmq__tx_claim(p);
	}
	vmq__tx_end(q, p);
	return rc;
}

/* To whom the calling thread has a reservation, or NULL. */
static struct vmq__peer *mine(struct vmq *q)
{
	struct vmq__peer *p = q->tx.reserved;

	return p && !vmq__tx_busy(q, p) ? p : NULL;
}

static int commit(struct vmq *q, size_t len, uint32_t flags)
{
	struct vmq__peer *p = mine(q);
	int rc;

	if (!p || len > q->tx.reserved_len)
		return VMQ_EINVAL;
	rc = vmq__tx_refused(p);
	if (!rc) {
		vmq_tx_commit(&p->tx->tx, VMQ_KIND_MSG, 0, (uint32_t)len, true);
		vmq_tx_publish(&p->tx->tx);
		vmq__tx_ring(q, p, flags);
		vmq__tx_counted(q, p, 1, len);
	}
	unreserve(q);
	return rc;
}

/* Its own channel is always there: a way to the lock and the checks. */
static int begin(struct vmq *q, uint32_t flags, struct vmq__peer **self)
{
	return vmq__live(q) ? vmq__tx_begin(q, q->id, flags, self) : VMQ_EBADF;
}

int vmq_commit(struct vmq *q, size_t len, uint32_t flags)
{
	struct vmq__peer *self;
	int rc = begin(q, flags, &self);

	if (rc)
		return rc;
	rc = commit(q, len, flags);
	vmq__tx_end(q, self);
	return rc;
}

int vmq_cancel(struct vmq *q)
{
	struct vmq__peer *self;
	int rc = begin(q, 0, &self);

	if (rc)
		return rc;
	rc = mine(q) ? 0 : VMQ_EINVAL;
	if (!rc)
		unreserve(q);
	vmq__tx_end(q, self);
	return rc;
}
