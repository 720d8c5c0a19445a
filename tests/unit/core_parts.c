/* SPDX-License-Identifier: BSD-2-Clause */
/* core_parts.c - a channel whose parts lie apart, each end's read-only for the other. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core_fixture.h"

#define LANE 4096u
#define PAGES 4u

/* One end's mappings, for both sides. */
static struct vmq_parts map_parts(int fd, const struct vmq_geometry *geo, unsigned own)
{
	struct vmq_parts at;

	for (unsigned s = 0; s < 2; s++) {
		int prot = s == own ? PROT_READ | PROT_WRITE : PROT_READ;

		at.ctl[s] = mmap(NULL, geo->ctl_size, prot, MAP_SHARED, fd, (off_t)geo->ctl_off[s]);
		at.lane[s] = mmap(NULL, geo->lane_size[s], prot, MAP_SHARED, fd, (off_t)geo->lane_off[s]);
		cr_assert(at.ctl[s] != MAP_FAILED && at.lane[s] != MAP_FAILED);
	}
	return at;
}

static void unmap_parts(const struct vmq_parts *at, const struct vmq_geometry *geo)
{
	for (unsigned s = 0; s < 2; s++) {
		munmap(at->ctl[s], geo->ctl_size);
		munmap(at->lane[s], geo->lane_size[s]);
	}
}

/* Ends of which each has a header page of its own, and nothing behind it. */
static void attach(struct pair *p, struct vmq_parts at[2])
{
	for (unsigned s = 0; s < 2; s++) {
		struct vmq_chan_config config = { .side = s, .epoch = s + 1, .max_msg = 1000,
			.self = p->ident[s], .entries = p->entries[s], .parts = at[s] };
		void *header = mmap(NULL, VMQ_HEADER_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		cr_assert(header != MAP_FAILED);
		cr_assert_eq(vmq_chan_attach(&p->ch[s], header, &p->geo, &config), 0);
	}
	pair_connect(p);
}

Test(parts, messages_and_pages)
{
	struct vmq_pages run, got_run;
	enum vmq_page_mode mode;
	struct vmq_layout_page desc;
	struct vmq_parts at[2];
	struct pair p;
	int fd;

	pair_plan(&p, LANE, PAGES, 0);
	fd = memfd_create("parts", MFD_CLOEXEC);
	cr_assert(fd >= 0 && !ftruncate(fd, (off_t)p.geo.region_size));
	for (unsigned s = 0; s < 2; s++)
		at[s] = map_parts(fd, &p.geo, s);
	attach(&p, at);
	for (uint32_t n = 0; n < 3 * LANE / 64; n++) {
		cr_assert_eq(put(&p.ch[n & 1], n % 200, n), 0);
		cr_assert(got(&p.ch[!(n & 1)], n % 200, n));
		vmq_rx_release(&p.ch[!(n & 1)].rx);
	}
	cr_assert_eq(vmq_pages_alloc(&p.ch[0].pages, 2, &run), 0);
	cr_assert_eq(vmq_pages_give(&p.ch[0].pages, &run, VMQ_PAGE_LEND), 0);
	desc = (struct vmq_layout_page){ le(run.first), le(run.count), le(VMQ_PAGE_LEND), le(run.gen),
		le(5000), 0 };
	cr_assert_eq(vmq_pages_take(&p.ch[1].pages, &desc, &got_run, &mode), 0u);
	cr_expect_eq(mode, VMQ_PAGE_LEND);
	for (unsigned s = 0; s < 2; s++) {
		munmap((void *)(uintptr_t)p.ch[s].region, VMQ_HEADER_SIZE);
		unmap_parts(&at[s], &p.geo);
	}
	close(fd);
	pair_close(&p);
}

/* What a transport asks of an end's control areas wherever they are. */
Test(parts, who_is_to_be_kicked)
{
	struct pair p;

	pair_open(&p, LANE, 0, 0);
	cr_expect_eq(vmq_ctl_kick_due(ctl_of(&p, 0), ctl_of(&p, 1)), 0u);
	cr_assert_eq(drain(&p.ch[1]), 0);
	vmq_rx_arm(&p.ch[1].rx);
	cr_expect_eq(vmq_ctl_kick_due(ctl_of(&p, 0), ctl_of(&p, 1)), 0u, "nothing is there");
	cr_assert_eq(put(&p.ch[0], 10, 1), 0);
	vmq_tx_publish(&p.ch[0].tx);
	cr_expect_eq(vmq_ctl_kick_due(ctl_of(&p, 0), ctl_of(&p, 1)), VMQ_KICK_DATA);
	cr_expect_eq(vmq_ctl_kick_due(ctl_of(&p, 1), ctl_of(&p, 0)), 0u, "the other one is awake");
	cr_expect_eq(vmq_layout_kick_due(p.region, &p.geo, 0), VMQ_KICK_DATA);
	pair_close(&p);
}
