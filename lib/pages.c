/* SPDX-License-Identifier: BSD-2-Clause */
/* pages.c - pages as the application has them: allocate, send, receive, free. */
#include <string.h>

#include "core/atomic.h"
#include "internal.h"
#include "region.h"

/* ---- mappings -------------------------------------------------------------- */

/* The self channel has no transport: its two windows are here. */
static int self_set(struct vmq__peer *p, const struct vmq_page *run, uint8_t state)
{
	int rc = vmq__window_set(p->self[run->mode != 0], run->first, run->count, state);

	return rc < 0 ? rc : 0;
}

static int map(struct vmq *q, struct vmq__peer *p, struct vmq_page *run)
{
	if (p->cookie)
		return q->ops->pages_map(q->state, p->cookie, run, run->mode);
	return self_set(p, run, run->mode == VMQ_PAGE_LEND ? WINDOW_READ : WINDOW_WRITE);
}

static int unmap(struct vmq *q, struct vmq__peer *p, const struct vmq_page *run)
{
	if (p->cookie)
		return q->ops->pages_unmap(q->state, p->cookie, run);
	return self_set(p, run, WINDOW_ZERO);
}

/* A run that was allocated here is of the sending end, others of the receiving. */
static struct vmq_page_table *table_of(struct vmq__peer *p, const struct vmq_page *page)
{
	return page->mode ? &p->rx->pages : &p->tx->pages;
}

static void *address(const struct vmq__peer *p, const struct vmq_page *page)
{
	return p->pool[page->mode != 0] + ((size_t)page->first << VMQ_PAGE_SHIFT);
}

static struct vmq_pages run_of(const struct vmq_page *page)
{
	return (struct vmq_pages){ page->first, page->count, page->gen };
}

/* ---- allocate and send ----------------------------------------------------- */

static int alloc_once(struct vmq *q, struct vmq__peer *p, size_t len, struct vmq_page *page)
{
	struct vmq_pages run;
	bool returned;
	int rc;

	pthread_mutex_lock(&p->pages_lock);
	rc = vmq_pages_alloc(&p->tx->pages, (uint32_t)((len + VMQ_PAGE_SIZE - 1) >> VMQ_PAGE_SHIFT), &run);
	pthread_mutex_unlock(&p->pages_lock);
	if (rc)
		return rc;
	*page = (struct vmq_page){
		.len = len, .peer = p->id, .first = run.first, .count = run.count,
		.gen = run.gen, .epoch = p->epoch,
	};
	page->addr = address(p, page);
	rc = map(q, p, page);
	if (rc) {
		pthread_mutex_lock(&p->pages_lock);
		vmq_pages_free(&p->tx->pages, &run, &returned);
		pthread_mutex_unlock(&p->pages_lock);
		/* On their way back to the pool: none free yet. */
		return rc == VMQ_EAGAIN ? VMQ_ENOMEM : rc;
	}
	vmq__peer_get(p);
	return 0;
}

static int alloc_check(const struct vmq__peer *p, size_t len)
{
	const struct vmq_page_table *t = &p->tx->pages;

	if (t->home == t->home_end)
		return VMQ_ENOTSUP;
	if (!len)
		return VMQ_EINVAL;
	return len > (size_t)(t->home_end - t->home) << VMQ_PAGE_SHIFT ? VMQ_EMSGSIZE : 0;
}

/* Sleep until the peer returns a page; it rings for an armed end. */
static int alloc_wait(struct vmq *q, struct vmq__peer *p, size_t len, struct vmq_page *page,
	uint64_t deadline)
{
	uint64_t ticket = vmq__sleep_ticket(&q->sleep[VMQ_FD_SPACE]);
	int rc;

	/* Who waits for room has armed already, and is not to be rung for pages only. */
	if (!p->waiters++ && !(q->tx.polls && p->starved))
		vmq_tx_page_arm(&p->tx->tx);
	rc = alloc_once(q, p, len, page);
	if (rc == VMQ_ENOMEM)
		vmq__tx_sleep(q, ticket, deadline);
	p->waiters--;
	vmq__tx_awake(q, p);
	return rc;
}

int vmq_page_alloc(struct vmq *q, uint32_t peer, size_t len, struct vmq_page *page,
	int64_t timeout_ns)
{
	struct vmq__peer *p;
	uint64_t deadline;
	int rc;

	rc = vmq__tx_begin(q, peer, 0, &p);
	if (rc)
		return rc;
	rc = page ? alloc_check(p, len) : VMQ_EINVAL;
	if (!rc)
		rc = alloc_once(q, p, len, page);
	if (rc == VMQ_ENOMEM && timeout_ns != VMQ_NOWAIT) {
		deadline = vmq__deadline(q, timeout_ns);
		while (rc == VMQ_ENOMEM && !(rc = vmq__tx_refused(p))) {
			rc = vmq__now(q) < deadline ? alloc_wait(q, p, len, page, deadline) : VMQ_ETIMEDOUT;
		}
	}
	vmq__tx_end(q, p);
	return rc;
}

static void describe(struct vmq_layout_page *desc, const struct vmq_pages *run, size_t len,
	enum vmq_page_mode mode)
{
	desc->first = vmq__le32(run->first);
	desc->count = vmq__le32(run->count);
	desc->mode = vmq__le32((uint32_t)mode);
	desc->gen = vmq__le32(run->gen);
	desc->len = vmq__le32((uint32_t)len);
	desc->reserved = 0;
}

/* Hand over in the table, then in the mappings. The record has its room. */
static int give(struct vmq *q, struct vmq__peer *p, struct vmq_page *page, enum vmq_page_mode mode,
	uint32_t flags, struct vmq_pages *run)
{
	struct vmq_page_table *t = table_of(p, page);
	bool vmm_maps = q->ops->caps(q->state) & VMQ_CAP_ENFORCED;
	int rc;

	*run = run_of(page);
	pthread_mutex_lock(&p->pages_lock);
	rc = t == &p->tx->pages || p->cookie ? vmq_pages_give(t, run, mode) : VMQ_ESTALE;
	pthread_mutex_unlock(&p->pages_lock);
	if (rc || mode != VMQ_PAGE_MOVE)
		return rc;
	/* Lazily sent, the page goes when the VMM next looks. */
	if (vmm_maps && flags == VMQ_SEND_LAZY && p->cookie)
		return 0;
	rc = unmap(q, p, page);
	if (!rc)
		return 0;
	pthread_mutex_lock(&p->pages_lock);
	vmq_pages_ungive(t, run);
	pthread_mutex_unlock(&p->pages_lock);
	page->gen = run->gen;
	return rc;
}

static int page_send(struct vmq *q, struct vmq__peer *p, struct vmq_page *page,
	enum vmq_page_mode mode, const void *data, size_t len, uint32_t flags)
{
	struct vmq_layout_page desc;
	uint32_t need = (uint32_t)(sizeof(desc) + len);
	struct vmq_tx *tx = &p->tx->tx;
	uint8_t *to = vmq__tx_busy(q, p) ? NULL : vmq_tx_reserve(tx, need);
	struct vmq_pages run;
	int rc;

	if (!to)
		return VMQ_EAGAIN;
	rc = give(q, p, page, mode, flags, &run);
	if (rc)
		return rc;
	describe(&desc, &run, page->len, mode);
	memcpy(to, &desc, sizeof(desc));
	if (len)
		memcpy(to + sizeof(desc), data, len);
	vmq_tx_commit(tx, VMQ_KIND_PAGE, 0, need, true);
	vmq_tx_publish(tx);
	vmq__tx_ring(q, p, flags);
	page->gen = run.gen;
	vmq__tx_counted(q, p, 1, len);
	VMQ__PROBE5(page_send, q->id, p->id, run.first, run.count, mode);
	q->tx.pages += run.count;
	q->tx.page_bytes += page->len;
	return 0;
}

static int send_check(const struct vmq__peer *p, const struct vmq_page *page,
	enum vmq_page_mode mode, const void *data, size_t len)
{
	if (!page || (len && !data) || mode < VMQ_PAGE_MOVE || mode > VMQ_PAGE_SHARE)
		return VMQ_EINVAL;
	if (page->epoch != p->epoch)
		return VMQ_ESTALE;
	if (page->len > (size_t)page->count << VMQ_PAGE_SHIFT || page->len > UINT32_MAX)
		return VMQ_EMSGSIZE;
	if (len > p->max_msg || len > p->tx->tx.inline_max - sizeof(struct vmq_layout_page))
		return VMQ_EMSGSIZE;
	return 0;
}

int vmq_page_send(struct vmq *q, struct vmq_page *page, enum vmq_page_mode mode, const void *data,
	size_t len, uint32_t flags, int64_t timeout_ns)
{
	uint64_t deadline = 0;
	struct vmq__peer *p;
	bool gave_up;
	int rc;

	rc = vmq__tx_begin(q, page ? page->peer : 0, flags, &p);
	if (rc)
		return page || rc == VMQ_EBADF ? rc : VMQ_EINVAL;
	rc = send_check(p, page, mode, data, len);
	while (!rc) {
		rc = page_send(q, p, page, mode, data, len, flags);
		if (rc != VMQ_EAGAIN)
			break;
		rc = vmq__tx_room(q, p, (uint32_t)(sizeof(struct vmq_layout_page) + len), timeout_ns,
			&deadline);
	}
	gave_up = !rc && mode == VMQ_PAGE_MOVE;
	vmq__tx_end(q, p);
	if (gave_up)
		vmq__peer_put(q, p); /* the hold of the handle, stale now */
	return rc;
}

/* ---- receive and free ------------------------------------------------------ */

/* A page record: take it into the table. Returns a reason to poison, or 0. */
unsigned vmq__page_stage(struct vmq *q, struct vmq__peer *p, const struct vmq_record *rec)
{
	struct vmq__staged *m = &q->rx.msg;
	struct vmq_layout_page desc;
	enum vmq_page_mode mode;
	struct vmq_pages run;
	unsigned bad;

	if (rec->len < sizeof(desc) || !p->entries)
		return VMQ_POISON_PAGE_RANGE;
	memcpy(&desc, rec->data, sizeof(desc));
	pthread_mutex_lock(&p->pages_lock);
	bad = vmq_pages_take(&p->rx->pages, &desc, &run, &mode);
	pthread_mutex_unlock(&p->pages_lock);
	if (bad)
		return bad;
	m->data = (const uint8_t *)rec->data + sizeof(desc);
	m->len = rec->len - (uint32_t)sizeof(desc);
	m->page = true;
	m->mapped = false;
	m->run = (struct vmq_page){
		.len = vmq__le32(desc.len), .peer = p->id, .first = run.first, .count = run.count,
		.gen = run.gen, .mode = mode, .epoch = p->epoch,
	};
	m->run.addr = address(p, &m->run);
	vmq__peer_get(p);
	return 0;
}

static void page_came(struct vmq *q, const struct vmq__staged *m)
{
	VMQ__PROBE5(page_receive, q->id, m->peer->id, m->run.first, m->run.count, m->run.mode);
	q->rx.pages += m->run.count;
}

int vmq__page_map(struct vmq *q)
{
	struct vmq__staged *m = &q->rx.msg;
	int rc = m->mapped ? 0 : map(q, m->peer, &m->run);

	if (rc)
		return rc;
	if (!m->mapped)
		page_came(q, m);
	m->mapped = true;
	return 0;
}

/* The life of a peer that a handle belongs to, held, or NULL. */
static struct vmq__peer *owner(struct vmq *q, const struct vmq_page *page)
{
	struct vmq__peer *p;

	pthread_mutex_lock(&q->lock);
	for (p = q->lives; p && (p->id != page->peer || p->epoch != page->epoch); p = p->next)
		;
	if (p)
		vmq__peer_get(p);
	pthread_mutex_unlock(&q->lock);
	return p;
}

static int page_free(struct vmq *q, struct vmq__peer *p, struct vmq_page *page)
{
	struct vmq_page_table *t = table_of(p, page);
	struct vmq_pages run = run_of(page);
	bool returned = false;
	int rc = VMQ_ESTALE;

	pthread_mutex_lock(&p->pages_lock);
	if (t->entry)
		rc = vmq_pages_free(t, &run, &returned);
	/* Still locked: the peer may send the pages anew at once, and another thread that
	 * receives them is to map them after this. */
	if (returned)
		unmap(q, p, page);
	pthread_mutex_unlock(&p->pages_lock);
	if (rc)
		return rc;
	VMQ__PROBE4(page_free, q->id, p->id, page->first, page->count);
	if (returned && vmq_rx_page_kick_due(&p->rx->rx)) {
		atomic_fetch_add_explicit(&q->page_kicks, 1, memory_order_relaxed);
		vmq__kick(q, p, VMQ_KICK_SPACE, false);
	}
	page->addr = NULL;
	return 0;
}

int vmq_page_free(struct vmq *q, struct vmq_page *page)
{
	struct vmq__peer *p;
	int rc;

	if (!vmq__live(q))
		return VMQ_EBADF;
	if (!page)
		return VMQ_EINVAL;
	p = owner(q, page);
	if (!p)
		return VMQ_ESTALE;
	rc = page_free(q, p, page);
	if (!rc)
		vmq__peer_put(q, p); /* the handle's */
	vmq__peer_put(q, p);
	return rc;
}

/* Its peer is dead: what was lent to it is ours again. */
void vmq__pages_leave(struct vmq__peer *p)
{
	pthread_mutex_lock(&p->pages_lock);
	vmq_pages_reclaim(&p->tx->pages);
	pthread_mutex_unlock(&p->pages_lock);
}
