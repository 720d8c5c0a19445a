/* SPDX-License-Identifier: BSD-2-Clause */
/* message.c - one message, many, or one in fragments, into a peer's lane. */
#include <string.h>

#include "core/lane_hot.h"
#include "cpu.h"
#include "internal.h"

#define IOV_LIMIT 1024u
#define OWN_LIMIT 4096u /* bytes of a batch that are fetched beforehand */

/* A message in pieces, and how far it was copied. */
struct cursor {
	const struct vmq_iovec *iov;
	unsigned n;
	size_t done; /* bytes of iov[0] */
};

static void gather(struct cursor *c, uint8_t *to, size_t len)
{
	while (len) {
		size_t part = c->iov->len - c->done;

		if (part > len)
			part = len;
		if (part)
			memcpy(to, (const uint8_t *)c->iov->base + c->done, part);
		to += part;
		len -= part;
		c->done += part;
		if (c->done == c->iov->len) {
			c->iov++;
			c->done = 0;
		}
	}
}

/* Put one whole message that fits a record; VMQ_EAGAIN if the lane is full. */
static int put(struct vmq *q, struct vmq__peer *p, const struct vmq_iovec *iov, unsigned n, size_t len)
{
	struct cursor c = { iov, n, 0 };
	uint8_t *to;

	if (vmq__tx_busy(q, p))
		return VMQ_EAGAIN;
	to = vmq_tx_reserve(&p->tx->tx, (uint32_t)len);
	if (!to)
		return VMQ_EAGAIN;
	gather(&c, to, len);
	vmq_tx_commit(&p->tx->tx, VMQ_KIND_MSG, 0, (uint32_t)len, true);
	vmq_tx_publish(&p->tx->tx);
	return 0;
}

static int send_whole(struct vmq *q, struct vmq__peer *p, const struct vmq_iovec *iov, unsigned n,
	size_t len, uint32_t flags, int64_t timeout_ns)
{
	uint64_t deadline = 0;
	int rc;

	while ((rc = put(q, p, iov, n, len)) == VMQ_EAGAIN) {
		rc = vmq__tx_room(q, p, (uint32_t)len, timeout_ns, &deadline);
		if (rc)
			return rc;
	}
	vmq__tx_ring(q, p, flags);
	return 0;
}

/* Where the next fragment goes; or why there is no room. Asked once for both: the thread that
 * receives may poison the channel at any time. */
static int fragment_room(struct vmq *q, struct vmq__peer *p, uint32_t part, uint8_t **to,
	int64_t timeout_ns, uint64_t *deadline)
{
	uint32_t len = (uint32_t)sizeof(struct vmq_layout_frag) + part;
	int rc = 0;

	while (!rc && (vmq__tx_busy(q, p) || !(*to = vmq_tx_reserve(&p->tx->tx, len))))
		rc = vmq__tx_room(q, p, len, timeout_ns, deadline);
	return rc;
}

static void put_fragment(struct vmq_tx *tx, uint8_t *to, struct cursor *c, uint32_t total, uint32_t at,
	uint32_t part)
{
	struct vmq_layout_frag frag = { vmq__le32(total), vmq__le32(at) };

	memcpy(to, &frag, sizeof(frag));
	gather(c, to + sizeof(frag), part);
	vmq_tx_commit(tx, VMQ_KIND_FRAG, 0, (uint32_t)sizeof(frag) + part, true);
	vmq_tx_publish(tx);
}

/* Without waiting, all fragments must find room at once. */
static int fragments_fit(struct vmq *q, struct vmq__peer *p, uint32_t total, uint32_t max)
{
	struct vmq_tx *tx = &p->tx->tx;
	uint32_t n = (total + max - 1) / max;
	uint64_t need = (uint64_t)total + (uint64_t)n * sizeof(struct vmq_layout_frag);
	uint64_t waste = tx->inline_max + 128u + (n + 2ull) * 80u;
	uint64_t deadline = 0;

	if (need + waste > tx->size)
		return VMQ_EMSGSIZE;
	if (!vmq__tx_busy(q, p) && vmq_tx_room(tx, n) >= need)
		return 0;
	return vmq__tx_room(q, p, max, VMQ_NOWAIT, &deadline);
}

static int send_fragments(struct vmq *q, struct vmq__peer *p, const struct vmq_iovec *iov, unsigned n,
	uint32_t total, uint32_t flags, int64_t timeout_ns)
{
	uint32_t max = p->tx->tx.inline_max - (uint32_t)sizeof(struct vmq_layout_frag), part;
	struct cursor c = { iov, n, 0 };
	uint64_t deadline = 0;
	uint8_t *to;
	int rc = 0;

	if (timeout_ns == VMQ_NOWAIT) {
		rc = fragments_fit(q, p, total, max);
		if (rc)
			return rc;
	}
	for (uint32_t at = 0; at < total && !rc; at += part) {
		part = total - at < max ? total - at : max;
		rc = fragment_room(q, p, part, &to, timeout_ns, &deadline);
		if (rc)
			break;
		vmq__tx_claim(p);
		put_fragment(&p->tx->tx, to, &c, total, at, part);
		vmq__tx_ring(q, p, flags);
	}
	vmq__tx_let_go(q, p);
	return rc;
}

static int send_iov(struct vmq *q, struct vmq__peer *p, const struct vmq_iovec *iov, unsigned n,
	size_t len, uint32_t flags, int64_t timeout_ns)
{
	int rc = VMQ_EMSGSIZE;

	if (len <= p->max_msg && len <= p->tx->tx.inline_max)
		rc = send_whole(q, p, iov, n, len, flags, timeout_ns);
	else if (len <= p->max_msg)
		rc = send_fragments(q, p, iov, n, (uint32_t)len, flags, timeout_ns);
	if (!rc)
		vmq__tx_counted(q, p, 1, len);
	return rc;
}

/* vmq__tx_ring() where the peer is awake. */
static inline void ring(struct vmq *q, struct vmq__peer *p, uint32_t flags)
{
	if (VMQ__LIKELY(flags == VMQ_SEND_AUTO && p->cookie && vmq__tx_peer_awake(&p->tx->tx)))
		atomic_store_explicit(&q->tx.sent, true, memory_order_relaxed);
	else
		vmq__tx_ring(q, p, flags);
}

/* vmq__tx_begin() where nothing is out of the ordinary and there is no lock; else
 * NULL. */
static inline struct vmq__peer *quick(struct vmq *q, uint32_t peer, uint32_t flags)
{
	struct vmq__peer *p;

	if (!vmq__live(q) || q->threadsafe || flags > VMQ_SEND_LAZY || peer >= VMQ__PEERS)
		return NULL;
	vmq__tx_inside(q);
	if (!vmq__tx_current(q))
		return NULL;
	p = q->tx.table[peer];
	return p && !vmq__tx_refused(p) ? p : NULL;
}

int vmq_send(struct vmq *q, uint32_t peer, const void *data, size_t len, uint32_t flags,
	int64_t timeout_ns)
{
	struct vmq__peer *p;
	struct vmq_tx *tx;
	int rc;

	p = quick(q, peer, flags);
	if (VMQ__UNLIKELY(!p)) {
		rc = vmq__tx_begin(q, peer, flags, &p);
		if (rc)
			return rc;
	}
	rc = 0;
	tx = &p->tx->tx;
	if (VMQ__UNLIKELY(!data && len)) {
		rc = VMQ_EINVAL;
	} else if (VMQ__LIKELY(len <= tx->inline_max && len <= p->max_msg && !vmq__tx_busy(q, p) &&
			!vmq__tx_put(tx, VMQ_KIND_MSG, data, (uint32_t)len))) {
		ring(q, p, flags);
		vmq__tx_counted(q, p, 1, len);
	} else {
		struct vmq_iovec iov = { data, len };

		rc = send_iov(q, p, &iov, 1, len, flags, timeout_ns);
	}
	if (VMQ__UNLIKELY(q->threadsafe))
		vmq__tx_end(q, p);
	else
		vmq__tx_outside(q);
	return rc;
}

/* Total length, or SIZE_MAX if the pieces make no sense. */
static size_t iov_total(const struct vmq_iovec *iov, unsigned n)
{
	size_t total = 0;

	if ((!iov && n) || n > IOV_LIMIT)
		return SIZE_MAX;
	for (unsigned i = 0; i < n; i++) {
		if ((!iov[i].base && iov[i].len) || iov[i].len > SIZE_MAX / 2 - total)
			return SIZE_MAX;
		total += iov[i].len;
	}
	return total;
}

int vmq_sendv(struct vmq *q, uint32_t peer, const struct vmq_iovec *iov, unsigned n, uint32_t flags,
	int64_t timeout_ns)
{
	size_t total = iov_total(iov, n);
	struct vmq__peer *p;
	int rc;

	rc = vmq__tx_begin(q, peer, flags, &p);
	if (rc)
		return rc;
	rc = total == SIZE_MAX ? VMQ_EINVAL : send_iov(q, p, iov, n, total, flags, timeout_ns);
	vmq__tx_end(q, p);
	return rc;
}

/* The lines that a batch will be written to, but for the first, on which the peer is
 * looking. Only so many stores can wait for their lines; asked for beforehand they do
 * not wait one behind the other. */
static void own_lines(const struct vmq_tx *tx, size_t bytes)
{
	if (bytes > OWN_LIMIT)
		bytes = OWN_LIMIT;
	for (uint32_t at = VMQ__CACHE_LINE; at < bytes; at += VMQ__CACHE_LINE)
		vmq__prefetch_write(tx->lane + ((tx->own + at) & tx->mask));
}

/* As many of n messages as fit, published together. */
static unsigned put_batch(struct vmq *q, struct vmq__peer *p, const struct vmq_iovec *m, unsigned n)
{
	struct vmq_tx *tx = &p->tx->tx;
	uint64_t bytes = 0;
	void *first = NULL;
	unsigned i;

	if (vmq__tx_busy(q, p))
		return 0;
	for (i = 0; i < n; i++) {
		void *to;

		to = vmq__tx_reserve(tx, (uint32_t)m[i].len);
		if (!to)
			break;
		/* The first record's line is the one that the peer looks at: it
		 * is written last, and so fetched once and not twice. */
		if (i)
			vmq__copy(to, m[i].base, m[i].len);
		else
			first = to;
		vmq__tx_commit(tx, VMQ_KIND_MSG, 0, (uint32_t)m[i].len, i + 1 == n);
		bytes += m[i].len;
	}
	if (first)
		vmq__copy(first, m[0].base, m[0].len);
	vmq__tx_publish(tx);
	if (i)
		vmq__tx_counted(q, p, i, bytes);
	return i;
}

/* *bytes: what the batch takes in the lane. */
static int batch_check(const struct vmq__peer *p, const struct vmq_iovec *msgs, unsigned n,
	size_t *bytes)
{
	*bytes = (size_t)n * VMQ_REC_HEADER;
	if (!n || !msgs)
		return VMQ_EINVAL;
	for (unsigned i = 0; i < n; i++) {
		if (!msgs[i].base && msgs[i].len)
			return VMQ_EINVAL;
		if (msgs[i].len > p->tx->tx.inline_max || msgs[i].len > p->max_msg)
			return VMQ_EMSGSIZE;
		*bytes += msgs[i].len;
	}
	return 0;
}

int vmq_send_batch(struct vmq *q, uint32_t peer, const struct vmq_iovec *msgs, unsigned n,
	uint32_t flags, int64_t timeout_ns)
{
	uint64_t deadline = 0;
	struct vmq__peer *p;
	unsigned done = 0;
	size_t bytes;
	int rc;

	rc = vmq__tx_begin(q, peer, flags, &p);
	if (rc)
		return rc;
	rc = batch_check(p, msgs, n, &bytes);
	if (!rc)
		own_lines(&p->tx->tx, bytes);
	while (!rc) {
		unsigned put = put_batch(q, p, msgs + done, n - done);

		/* Also before it waits for room: the peer may be asleep. */
		if (put)
			vmq__tx_ring(q, p, flags);
		done += put;
		if (done == n)
			break;
		rc = vmq__tx_room(q, p, (uint32_t)msgs[done].len, timeout_ns, &deadline);
	}
	vmq__tx_end(q, p);
	return done ? (int)done : rc;
}

/* Why nobody got it: of several reasons the one that may pass. Who has just gone is none. */
static int reason(int so_far, int rc, int64_t timeout_ns)
{
	if (rc == VMQ_EAGAIN || rc == VMQ_ETIMEDOUT)
		return vmq__timeout(timeout_ns);
	return so_far || rc != VMQ_EMSGSIZE ? so_far : rc;
}

int vmq_broadcast(struct vmq *q, const void *data, size_t len, uint32_t flags, int64_t timeout_ns)
{
	struct vmq_iovec iov = { data, len };
	int64_t left = timeout_ns;
	uint64_t deadline;
	int reached = 0, why = 0;

	if (!vmq__live(q))
		return VMQ_EBADF;
	if ((!data && len) || flags > VMQ_SEND_LAZY)
		return VMQ_EINVAL;
	deadline = vmq__deadline(q, timeout_ns);
	for (uint32_t id = 0; id < q->id_limit; id++) {
		struct vmq__peer *p;
		int rc;

		if (id == q->id || vmq__tx_begin(q, id, flags, &p))
			continue;
		rc = send_iov(q, p, &iov, 1, len, flags, left);
		vmq__tx_end(q, p);
		reached += !rc;
		why = reason(why, rc, timeout_ns);
		if (timeout_ns > 0)
			left = vmq__left(q, deadline);
	}
	return reached ? reached : why;
}
