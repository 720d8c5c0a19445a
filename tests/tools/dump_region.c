/* SPDX-License-Identifier: BSD-2-Clause */
/* dump_region.c - `vmq dump` says what stands in a region, and what is wrong with it. */
#include <criterion/criterion.h>
#include <string.h>

#include "dump_fixture.h"

/* ---- what is there is said -------------------------------------------------------------------- */

Test(dump, a_good_region)
{
	struct dump_channel d;
	struct pair p;

	region_open(&p);
	for (unsigned sealed = 0; sealed < 2; sealed++) {
		decode(p.region, p.geo.region_size, sealed, &d);
		cr_assert_eq(d.ch.code, 0);
		cr_expect_eq(d.wrongs.count, 0u, "%s", d.wrongs.text[0]);
		cr_expect_eq(d.lane[0].from, START + 128);
		cr_expect_eq(d.lane[0].depth, p.ch[0].tx.own - START - 128);
		cr_expect_eq(d.lane[0].total, 6u);
		cr_expect_eq(d.lane[0].kinds[VMQ_KIND_MSG], 3u);
		cr_expect_eq(d.lane[0].kinds[VMQ_KIND_FRAG], 1u);
		cr_expect_eq(d.lane[0].kinds[VMQ_KIND_PAGE], 1u);
		cr_expect_eq(d.lane[0].kinds[VMQ_KIND_PAD], 1u);
		cr_expect_eq(d.lane[0].old, 0u);
		cr_expect_eq(d.lane[0].records[0].len, 11u);
		cr_expect(filled(d.lane[0].records[0].head, 11, 1));
		cr_expect_eq(d.ops[0][VMQ_PAGE_LEND], 2u);
		cr_expect_eq(d.page_count, 2u);
		cr_expect_eq(d.ch.end[0].kicks, 7u);
		cr_expect_eq(watch_messages(&d.ch, 0), 5u);
		dump_channel_free(&d);
	}
	pair_close(&p);
}

/* What one side has taken and not yet said so is the other's word. */
Test(dump, messages_are_what_either_end_says)
{
	struct dump_channel d;
	struct pair p;

	region_open(&p);
	cr_assert(got(&p.ch[1], 11, 1));
	cr_assert(got(&p.ch[1], 0, 2));
	vmq_rx_beat(&p.ch[1].rx);
	vmq_rx_release(&p.ch[1].rx);
	ctl_of(&p, 0)->sent = 0;
	ctl_of(&p, 0)->sent_bytes = 0;
	decode(p.region, p.geo.region_size, false, &d);
	cr_expect_eq(watch_messages(&d.ch, 0), 2u);
	cr_expect_eq(watch_bytes(&d.ch, 0), 11u);
	cr_expect_eq(d.lane[0].total, 4u);
	dump_channel_free(&d);
	/* Of another session it is worth nothing. */
	ctl_of(&p, 1)->peer_epoch = le(77);
	decode(p.region, p.geo.region_size, false, &d);
	cr_expect_eq(watch_messages(&d.ch, 0), 0u);
	dump_channel_free(&d);
	pair_close(&p);
}

/* ---- each damage has a name ----------------------------------------------------------------------- */

struct damage {
	const char *says;
	uint32_t off;    /* in the region */
	uint32_t value;
};

#define HEADER(field, value, says) { says, offsetof(struct vmq_layout_header, field), value }
#define CTL(side, field, value, says) \
	{ says, 0x1000 * (side + 1) + offsetof(struct vmq_layout_ctl, field), value }
/* The first record in flight is at 0xd80, the fragment at 0xe00, the pages at 0xe40, the
 * padding at 0xe80 of side 0's lane. */
#define RECORD(at, value, says) { says, 0x3000 + (at), value }
#define WORD(span, kind, flags) VMQ_REC_WORD(span, kind, flags, 3)

static const struct damage damages[] = {
	HEADER(magic[0], 1, "no region begins like this"),
	HEADER(major, 2, "version 2.0 of the format is not known"),
	HEADER(features_required, 6, "features are required that are not known: 0x6"),
	HEADER(header_size, 1, "the header's size is 1"),
	HEADER(region_size, 1u << 30, "but there are"),
	HEADER(page_shift, 13, "pages of 2^13 bytes"),
	HEADER(parts, 5, "its table has 5 parts"),
	HEADER(part[VMQ_PART_LANE0].size, 0x3000, "lane 0 has 12288 bytes"),
	HEADER(part[VMQ_PART_LANE1].off, 0x1000, "lane 1 lies on what stands before it"),
	HEADER(part[VMQ_PART_CTL1].off, 0x2004, "control area 1 is not of whole pages"),
	HEADER(part[VMQ_PART_POOL1].size, 0x7ffff000, "pool 1 leaves the region"),
	HEADER(part[VMQ_PART_POOL0].size, 0x2000, "its parts do not fit together"),
	HEADER(ident[1].name[0], 0x0affffff, "side 1: its name is no text that ends"),
	CTL(0, state, 6, "side 0: there is no state 6"),
	CTL(1, state, VMQ_STATE_POISONED, "side 1: it is poisoned without a reason"),
	CTL(1, epoch, 0, "side 1: it has attached without an epoch"),
	CTL(1, poison, 99, "side 1: there is no reason 99 for poison"),
	CTL(0, arm, 3, "side 0: arm word 0x3 has no state"),
	CTL(0, space_arm, VMQ_ARM_DROWSY, "side 0: arm word for room 0x1 has no state"),
	CTL(0, prod, 0x204, "an index is no multiple of 8"),
	CTL(0, prod, 0x80000000, "is no part of 4096 bytes"),
	CTL(1, cons, 0x40000, "is no part of 4096 bytes"),
	{ "page 1: word 0x7 says nothing", 0x1000 + VMQ_CTL_PAGE_WORDS + 4, 7 },
	RECORD(0xd80, 0, "nothing is published there"),
	RECORD(0xd80, WORD(0x2000, VMQ_KIND_MSG, 0), "its span of 8192 bytes leaves the lane"),
	RECORD(0xd84, 5000, "5000 bytes are more than its span holds"),
	RECORD(0xd80, WORD(64, 9, 0), "there is no kind 9"),
	RECORD(0xd80, WORD(64, VMQ_KIND_MSG, 5), "flags 0x5, which no version has"),
	RECORD(0xd80, WORD(64, VMQ_KIND_PAD, 0), "padding that is not at the lane's end"),
	RECORD(0xd80, WORD(64, VMQ_KIND_HELLO, 0), "a HELLO that is not the session's first record"),
	RECORD(0xd80, WORD(64, VMQ_KIND_PAGE, 0), "pages without a descriptor"),
	RECORD(0xdc0, WORD(64, VMQ_KIND_FRAG, 0), "a fragment without a head"),
	RECORD(0xe80, WORD(448, VMQ_KIND_MSG, 0), "its span of 448 bytes leaves the lane"),
	RECORD(0xe08, 3, "a fragment that leaves its message"),
	RECORD(0xe48, 5, "pages 5 and on, 2 of them, of 6"),
	RECORD(0xe4c, 0, "pages 0 and on, 0 of them, of 6"),
	RECORD(0xe50, 4, "pages handed over in no known mode"),
	RECORD(0xe54, 1u << 29, "pages of a generation that cannot be"),
	RECORD(0xe58, 8193, "more bytes in use than its pages have"),
};

static bool said(const struct dump_channel *d, const char *text)
{
	for (uint64_t i = 0; i < d->wrongs.count && i < DUMP_WRONGS; i++)
		if (strstr(d->wrongs.text[i], text))
			return true;
	return false;
}

Test(dump, every_damage_is_named)
{
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		uint32_t value = le(damages[i].value);
		struct dump_channel d;
		struct pair p;

		region_open(&p);
		memcpy(p.region + damages[i].off, &value, damages[i].off == 8 ? 2 : 4);
		decode(p.region, p.geo.region_size, false, &d);
		cr_expect(said(&d, damages[i].says), "damage %zu: %s: first said: %s", i, damages[i].says,
			d.wrongs.count ? d.wrongs.text[0] : "nothing");
		dump_channel_free(&d);
		pair_close(&p);
	}
}

/* An old session's record is counted, and what is inside is its own affair. */
Test(dump, old_records)
{
	uint32_t word = le(VMQ_REC_WORD(64, 9, 5, 77));
	struct dump_channel d;
	struct pair p;

	region_open(&p);
	memcpy(p.region + 0x3d80, &word, sizeof(word));
	decode(p.region, p.geo.region_size, false, &d);
	cr_expect_eq(d.wrongs.count, 0u);
	cr_expect_eq(d.lane[0].old, 1u);
	dump_channel_free(&d);
	pair_close(&p);
}

/* What is wrong is said so often and no more; what is left out is counted. */
Test(dump, many_wrongs)
{
	struct dump_channel d;
	struct pair p;

	pair_open(&p, LANE, 200, START);
	memset(p.region + 0x1000 + VMQ_CTL_PAGE_WORDS, 0xff, 400 * 4);
	decode(p.region, p.geo.region_size, false, &d);
	cr_expect_eq(d.wrongs.count, 400u);
	cr_expect_not_null(d.wrongs.text[DUMP_WRONGS - 1]);
	dump_channel_free(&d);
	pair_close(&p);
}

/* ---- text -------------------------------------------------------------------------------------------- */

Test(dump, hostile_names)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{ "b\303\252ta", "b\303\252ta" }, { "a\033[2Jb", "a?[2Jb" }, { "\302\233", "??" }, { "x\n", "x?" },
		{ "\377\376", "??" }, { "\355\240\200", "???" }, { "\300\257", "??" }, { "\342\200\256x", "???x" },
		{ "\360\237\230\200", "\360\237\230\200" }, { "\364\220\200\200", "????" }, { "a\342\202", "a??" },
		{ "\340\200\257", "???" }, { "\360\200\200\257", "????" },
	};
	char to[64], full[8] = { 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool good = watch_text(to, cases[i].from, strlen(cases[i].from) + 1);

		cr_expect_str_eq(to, cases[i].to, "case %zu: %s", i, to);
		cr_expect_eq(good, !strcmp(cases[i].from, cases[i].to));
	}
	cr_expect(!watch_text(to, full, sizeof(full)), "it does not end");
	cr_expect_str_eq(to, "abcdefg");
}
