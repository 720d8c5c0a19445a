/* SPDX-License-Identifier: BSD-2-Clause */
/* core_fixture.c - two channels over one region, for the tests of the core. */
#include "core_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX (1u << 20)

uint32_t le(uint32_t v)
{
	const uint8_t b[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };

	memcpy(&v, b, sizeof(v));
	return v;
}

static void *zeroed(size_t size)
{
	void *p = aligned_alloc(VMQ_PAGE_SIZE, (size + VMQ_PAGE_SIZE - 1) & ~(size_t)(VMQ_PAGE_SIZE - 1));

	cr_assert_not_null(p);
	return memset(p, 0, size);
}

int pair_attach(struct pair *p, unsigned side, uint32_t epoch)
{
	struct vmq_chan_config config = {
		.side = side,
		.epoch = epoch,
		.start = p->start,
		.max_msg = MESSAGE_MAX + side,
		.strict = p->strict,
		.self = p->ident[side],
		.entries = p->entries[side],
	};

	return vmq_chan_attach(&p->ch[side], p->region, &p->geo, &config);
}

void pair_plan(struct pair *p, uint32_t lane, uint32_t pages, uint32_t start)
{
	const uint32_t lanes[2] = { lane, lane }, pools[2] = { pages, pages };
	struct vmq_ident ident[2] = { { .id = 100, .name = "alpha" }, { .id = 101, .name = "beta" } };
	struct vmq_geometry planned;

	memset(p, 0, sizeof(*p));
	p->lane = lane;
	p->pages = pages;
	p->start = start;
	cr_assert_eq(vmq_layout_plan(lanes, pools, &planned), 0);
	p->region = zeroed(planned.region_size);
	for (unsigned s = 0; s < 2; s++) {
		memset(ident[s].uuid, 0xa0 + (int)s, sizeof(ident[s].uuid));
		p->ident[s] = ident[s];
		if (pages)
			p->entries[s] = zeroed(2 * pages * sizeof(struct vmq_page_entry));
	}
	vmq_layout_write(p->region, &planned, ident);
	cr_assert_eq(vmq_layout_read(p->region, planned.region_size, &p->geo), 0);
	for (unsigned s = 0; s < 2; s++)
		cr_assert_eq(pair_attach(p, s, s + 1), 0);
}

void pair_connect(struct pair *p)
{
	for (int i = 0; i < 4; i++)
		cr_assert_geq(vmq_chan_progress(&p->ch[i & 1]), 0);
	cr_assert_eq(p->ch[0].state, VMQ_STATE_ESTABLISHED);
	cr_assert_eq(p->ch[1].state, VMQ_STATE_ESTABLISHED);
}

void pair_open(struct pair *p, uint32_t lane, uint32_t pages, uint32_t start)
{
	pair_plan(p, lane, pages, start);
	pair_connect(p);
}

void pair_close(struct pair *p)
{
	free(p->region);
	free(p->entries[0]);
	free(p->entries[1]);
}

void fill(void *to, uint32_t len, uint32_t n)
{
	uint8_t *b = to;

	for (uint32_t i = 0; i < len; i++)
		b[i] = (uint8_t)((n + 1) * 31 + i * 7 + (i >> 8));
}

bool filled(const void *from, uint32_t len, uint32_t n)
{
	const uint8_t *b = from;

	for (uint32_t i = 0; i < len; i++)
		if (b[i] != (uint8_t)((n + 1) * 31 + i * 7 + (i >> 8)))
			return false;
	return true;
}

int put(struct vmq_chan *ch, uint32_t len, uint32_t n)
{
	static uint8_t bytes[MESSAGE_MAX];

	cr_assert_leq(len, sizeof(bytes));
	fill(bytes, len, n);
	return vmq_tx_put(&ch->tx, VMQ_KIND_MSG, bytes, len);
}

bool got(struct vmq_chan *ch, uint32_t len, uint32_t n)
{
	struct vmq_record rec;
	bool ok;

	if (vmq_rx_peek(&ch->rx, &rec) != 1)
		return false;
	ok = rec.kind == VMQ_KIND_MSG && rec.len == len && filled(rec.data, len, n);
	vmq_rx_next(&ch->rx);
	return ok;
}

int drain(struct vmq_chan *ch)
{
	struct vmq_record rec;
	int n = 0, said;

	while ((said = vmq_rx_peek(&ch->rx, &rec)) == 1) {
		vmq_rx_next(&ch->rx);
		n++;
	}
	vmq_rx_release(&ch->rx);
	return said < 0 ? said : n;
}

struct vmq_layout_record *header_at(struct pair *p, unsigned side, uint32_t at)
{
	return (void *)(p->region + p->geo.lane_off[side] + (at & (p->geo.lane_size[side] - 1)));
}

struct vmq_layout_ctl *ctl_of(struct pair *p, unsigned side)
{
	return (void *)(p->region + p->geo.ctl_off[side]);
}
