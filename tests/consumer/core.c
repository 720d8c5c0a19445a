/* SPDX-License-Identifier: BSD-2-Clause */
/* core.c - a firmware's two ends of a channel, in static memory, with the core alone.
 * It has no libc: the two functions that the core wants are here. */
#include <vmq/core.h>

#define REGION_SIZE (64u << 10)

static uint8_t region[REGION_SIZE] __attribute__((aligned(VMQ_PAGE_SIZE)));
static struct vmq_chan ends[2];

void *memcpy(void *to, const void *from, size_t len)
{
	volatile uint8_t *t = to;
	const uint8_t *f = from;

	while (len--)
		*t++ = *f++;
	return to;
}

void *memset(void *to, int byte, size_t len)
{
	volatile uint8_t *t = to;

	while (len--)
		*t++ = (uint8_t)byte;
	return to;
}

static int attach(unsigned side, const struct vmq_geometry *geo)
{
	struct vmq_chan_config config;

	memset(&config, 0, sizeof(config));
	config.side = side;
	config.epoch = 1 + side;
	config.max_msg = 512;
	config.self.id = side;
	config.self.name[0] = (char)('a' + side);
	return vmq_chan_attach(&ends[side], region, geo, &config);
}

/* 0 if a word went from the one end to the other. */
int firmware(void)
{
	const uint32_t lane[2] = { VMQ_LANE_MIN, VMQ_LANE_MIN }, pool[2] = { 0, 0 };
	struct vmq_ident ident[2];
	struct vmq_geometry geo;
	struct vmq_record rec;
	uint32_t word = 42;

	memset(ident, 0, sizeof(ident));
	if (vmq_layout_plan(lane, pool, &geo) || geo.region_size > REGION_SIZE)
		return 1;
	vmq_layout_write(region, &geo, ident);
	if (vmq_layout_read(region, geo.region_size, &geo) || attach(0, &geo) || attach(1, &geo))
		return 2;
	for (unsigned step = 0; step < 6; step++)
		vmq_chan_progress(&ends[step & 1]);
	if (vmq_tx_put(&ends[0].tx, VMQ_KIND_MSG, &word, sizeof(word)))
		return 3;
	vmq_tx_kick_due(&ends[0].tx, VMQ_WHEN_AUTO);
	if (vmq_rx_peek(&ends[1].rx, &rec) != 1 || rec.len != sizeof(word))
		return 4;
	memcpy(&word, rec.data, sizeof(word));
	vmq_rx_next(&ends[1].rx);
	return word == 42 ? 0 : 5;
}
