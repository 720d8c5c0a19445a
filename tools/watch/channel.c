/* SPDX-License-Identifier: BSD-2-Clause */
/* channel.c - one channel: its header, and what both ends say in their control areas. */
#include <string.h>

#include "core/atomic.h"
#include "watch.h"

#define TRIES 16 /* both ends go on while they are read */

static int read_header(const struct watch_mem *m, uint64_t off, uint64_t size, struct watch_channel *ch)
{
	_Alignas(struct vmq_layout_header) uint8_t header[VMQ_HEADER_SIZE];
	const struct vmq_layout_header *h = (const void *)header;
	int rc = size < sizeof(header) ? VMQ_EPROTO : watch_mem_read(m, off, header, sizeof(header));

	if (!rc)
		rc = vmq_layout_read(header, size, &ch->geo);
	for (unsigned s = 0; !rc && s < 2; s++) {
		vmq_layout_ident_read(header, s, &ch->end[s].ident);
		ch->end[s].bad_name = !watch_text(ch->end[s].ident.name, h->ident[s].name,
			sizeof(h->ident[s].name));
		ch->end[s].gone = vmq_layout_gone(header, s);
	}
	return rc;
}

static void take(struct watch_end *e, const struct vmq_layout_ctl *c)
{
	e->state = vmq__le32(c->state);
	e->epoch = vmq__le32(c->epoch);
	e->peer_epoch = vmq__le32(c->peer_epoch);
	e->start = vmq__le32(c->start);
	e->max_msg = vmq__le32(c->max_msg);
	e->poison = vmq__le32(c->poison);
	e->heartbeat = vmq__le32(c->heartbeat);
	e->prod = vmq__le32(c->prod);
	e->arm = vmq__le32(c->arm);
	e->space_arm = vmq__le32(c->space_arm);
	e->page_seq = vmq__le32(c->page_seq);
	e->sent = vmq__le64(c->sent);
	e->sent_bytes = vmq__le64(c->sent_bytes);
	e->received = vmq__le64(c->received);
	e->received_bytes = vmq__le64(c->received_bytes);
	e->kicks = vmq__le64(c->kicks);
}

/* Where the lanes are read up to comes first: what was written follows it. */
int watch_ends_read(const struct watch_mem *m, struct watch_channel *ch)
{
	struct vmq_layout_ctl ctl;
	uint32_t cons[2][2];
	int rc = 0;

	for (unsigned s = 0; !rc && s < 2; s++)
		rc = watch_mem_read(m, ch->off + ch->geo.ctl_off[s] + offsetof(struct vmq_layout_ctl, cons),
			cons[s], sizeof(cons[s]));
	for (unsigned s = 0; !rc && s < 2; s++) {
		rc = watch_mem_read(m, ch->off + ch->geo.ctl_off[s], &ctl, sizeof(ctl));
		if (rc)
			break;
		take(&ch->end[s], &ctl);
		ch->end[s].cons = vmq__le32(cons[s][0]);
	}
	return rc;
}

int watch_channel_read(const struct watch_mem *m, uint64_t off, uint64_t size, struct watch_channel *ch)
{
	uint32_t depth;

	ch->off = off;
	ch->code = read_header(m, off, size, ch);
	for (int i = 0; !ch->code && i < TRIES; i++) {
		ch->code = watch_ends_read(m, ch);
		if (watch_depth(ch, 0, &depth) && watch_depth(ch, 1, &depth))
			break;
	}
	return ch->code;
}

/* Has the reader of side `from`'s lane seen the session that it is in? */
static bool heard(const struct watch_channel *ch, unsigned from)
{
	const struct watch_end *to = &ch->end[!from];

	return to->state >= VMQ_STATE_ESTABLISHED && to->state <= VMQ_STATE_POISONED &&
		to->peer_epoch == ch->end[from].epoch;
}

uint64_t watch_messages(const struct watch_channel *ch, unsigned from)
{
	uint64_t sent = ch->end[from].sent, received = ch->end[!from].received;

	return heard(ch, from) && received > sent ? received : sent;
}

uint64_t watch_bytes(const struct watch_channel *ch, unsigned from)
{
	uint64_t sent = ch->end[from].sent_bytes, received = ch->end[!from].received_bytes;

	return heard(ch, from) && received > sent ? received : sent;
}

bool watch_depth(const struct watch_channel *ch, unsigned from, uint32_t *depth)
{
	const struct watch_end *e = &ch->end[from];

	*depth = 0;
	if (e->state == VMQ_STATE_NONE)
		return true;
	*depth = e->prod - (heard(ch, from) ? ch->end[!from].cons : e->start);
	return *depth <= ch->geo.lane_size[from] && !(*depth % VMQ_REC_ALIGN);
}
