/* SPDX-License-Identifier: BSD-2-Clause */
/* xen_carry.c - the same bytes by libxenvchan, by libvmq's lanes, and by its pages. */
#include <string.h>

#include "xen.h"

/* Every byte is looked at, as an application would. */
static void look(const void *from, uint32_t size)
{
	const uint64_t *words = from;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < size / 8; i++)
		sum += words[i];
	__asm__ volatile("" ::"r"(sum));
}

/* In its usual mode: blocking. What fits into a ring goes as one message, and the rest as a
 * stream. */
static void vchan_send(struct xen_end *e, uint32_t size)
{
	if (size <= XEN_RING && libxenvchan_send(e->v, e->out, size) != (int)size)
		xen_fail("libxenvchan_send", VMQ_ESYS);
	for (uint32_t done = size <= XEN_RING ? size : 0; done < size;) {
		int n = libxenvchan_write(e->v, e->out + done, size - done);

		if (n <= 0)
			xen_fail("libxenvchan_write", VMQ_ESYS);
		done += (uint32_t)n;
	}
}

static void vchan_recv(struct xen_end *e, uint32_t size)
{
	if (size <= XEN_RING && libxenvchan_recv(e->v, e->in, size) != (int)size)
		xen_fail("libxenvchan_recv", VMQ_ESYS);
	for (uint32_t done = size <= XEN_RING ? size : 0; done < size;) {
		int n = libxenvchan_read(e->v, e->in + done, size - done);

		if (n <= 0)
			xen_fail("libxenvchan_read", VMQ_ESYS);
		done += (uint32_t)n;
	}
}

static void pages_send(struct xen_end *e, uint32_t size, enum vmq_page_mode mode)
{
	struct vmq_page page;

	xen_check("vmq_page_alloc", vmq_page_alloc(e->q, e->peer, size, &page, VMQ_FOREVER));
	memset(page.addr, (int)size, size);
	xen_check("vmq_page_send", vmq_page_send(e->q, &page, mode, NULL, 0, VMQ_SEND_AUTO, VMQ_FOREVER));
	if (mode != VMQ_PAGE_MOVE)
		xen_check("vmq_page_free", vmq_page_free(e->q, &page));
}

static void pages_recv(struct xen_end *e)
{
	struct vmq_msg m;

	xen_check("vmq_recv", vmq_recv(e->q, e->in, 0, &m, VMQ_FOREVER));
	look(m.page.addr, (uint32_t)m.page.len);
	xen_check("vmq_page_free", vmq_page_free(e->q, &m.page));
}

static void batch_send(struct xen_end *e, uint32_t size)
{
	struct vmq_iovec msg[XEN_BATCH_LEN];

	memset(e->out, (int)size, XEN_BATCH_LEN * size);
	for (unsigned i = 0; i < XEN_BATCH_LEN; i++)
		msg[i] = (struct vmq_iovec){ e->out + i * size, size };
	for (unsigned done = 0; done < XEN_BATCH_LEN;) {
		int n = vmq_send_batch(e->q, e->peer, msg + done, XEN_BATCH_LEN - done, VMQ_SEND_AUTO, VMQ_FOREVER);

		xen_check("vmq_send_batch", n);
		done += (unsigned)n;
	}
}

static void batch_recv(struct xen_end *e, uint32_t size)
{
	struct vmq_msg msg[XEN_BATCH_LEN];

	for (unsigned i = 0; i < XEN_BATCH_LEN; i++)
		msg[i] = (struct vmq_msg){ .data = e->in + i * size, .cap = size };
	for (unsigned done = 0; done < XEN_BATCH_LEN;) {
		int n = vmq_recv_batch(e->q, msg + done, XEN_BATCH_LEN - done, VMQ_FOREVER);

		xen_check("vmq_recv_batch", n);
		done += (unsigned)n;
	}
	look(e->in, XEN_BATCH_LEN * size);
}

void xen_send(struct xen_end *e, const struct xen_order *o, uint32_t size)
{
	if (o->carrier == XEN_LEND || o->carrier == XEN_MOVE) {
		pages_send(e, size, o->carrier == XEN_LEND ? VMQ_PAGE_LEND : VMQ_PAGE_MOVE);
		return;
	}
	if (o->carrier == XEN_BATCH) {
		batch_send(e, size);
		return;
	}
	memset(e->out, (int)size, size);
	if (o->carrier == XEN_VCHAN)
		vchan_send(e, size);
	else
		xen_check("vmq_send", vmq_send(e->q, e->peer, e->out, size, VMQ_SEND_AUTO, VMQ_FOREVER));
}

void xen_recv(struct xen_end *e, const struct xen_order *o, uint32_t size)
{
	if (o->carrier == XEN_LEND || o->carrier == XEN_MOVE) {
		pages_recv(e);
		return;
	}
	if (o->carrier == XEN_BATCH) {
		batch_recv(e, size);
		return;
	}
	if (o->carrier == XEN_VCHAN)
		vchan_recv(e, size);
	else
		xen_check("vmq_recv", vmq_recv(e->q, e->in, XEN_BIG, NULL, VMQ_FOREVER));
	look(e->in, size);
}
