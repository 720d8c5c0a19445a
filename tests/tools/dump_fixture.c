/* SPDX-License-Identifier: BSD-2-Clause */
/* dump_fixture.c - regions to decode: for the tests of `vmq dump`. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dump_fixture.h"

const struct dump_options dump_all = { .records = 1000, .page_words = true };

static void page_send(struct vmq_chan *ch)
{
	struct vmq_layout_page desc = { .mode = le(VMQ_PAGE_LEND), .len = le(5000) };
	struct vmq_pages run;

	cr_assert_eq(vmq_pages_alloc(&ch->pages, 2, &run), 0);
	cr_assert_eq(vmq_pages_give(&ch->pages, &run, VMQ_PAGE_LEND), 0);
	desc.first = le(run.first);
	desc.count = le(run.count);
	desc.gen = le(run.gen);
	cr_assert_eq(vmq_tx_put(&ch->tx, VMQ_KIND_PAGE, &desc, sizeof(desc)), 0);
}

void region_open(struct pair *p)
{
	struct vmq_layout_frag frag = { .total = le(16), .offset = le(0) };

	pair_open(p, LANE, PAGES, START);
	vmq_rx_release(&p->ch[1].rx);
	cr_assert_eq(put(&p->ch[0], 11, 1), 0);
	cr_assert_eq(put(&p->ch[0], 0, 2), 0);
	cr_assert_eq(vmq_tx_put(&p->ch[0].tx, VMQ_KIND_FRAG, (uint8_t[16]){ 0 }, 16), 0);
	memcpy((void *)(uintptr_t)(p->ch[0].tx.lane + ((p->ch[0].tx.own - 64) & (LANE - 1)) + 8), &frag, sizeof(frag));
	page_send(&p->ch[0]);
	cr_assert_eq(put(&p->ch[0], 500, 3), 0);
	vmq_tx_space_arm(&p->ch[0].tx, 100);
	vmq_rx_arm(&p->ch[0].rx);
	vmq_tx_beat(&p->ch[0].tx, 7);
	vmq_rx_beat(&p->ch[0].rx);
}

int file_of(const void *bytes, size_t size, bool sealed)
{
	int fd = memfd_create("region", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	if (sealed)
		cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	return fd;
}

void decode(const void *bytes, size_t size, bool sealed, struct dump_channel *d)
{
	struct watch_mem m;

	cr_assert_eq(watch_mem_open(&m, file_of(bytes, size, sealed)), 0);
	cr_expect_eq(m.map != NULL, sealed);
	cr_assert_eq(dump_channel_read(&m, 0, m.size, &dump_all, d), 0);
	watch_mem_close(&m);
}
