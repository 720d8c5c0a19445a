/* SPDX-License-Identifier: BSD-2-Clause */
/* name.c - names as nodes, and what peers write. */
#include <criterion/criterion.h>
#include <string.h>

#include <vmq/vmq.h>

#include "store.h"

static const char *node_of(const char *name)
{
	static char node[XEN_NODE_MAX];

	vmq__xen_node(name, node);
	return node;
}

static const char *name_of(const char *node)
{
	static char name[VMQ_NAME_MAX + 1];

	return vmq__xen_name(node, name) ? name : NULL;
}

Test(xen_name, nodes)
{
	cr_assert_str_eq(node_of("web-1_A"), "web-1_A");
	cr_assert_str_eq(node_of("a b@c"), "a@20b@40c");
	cr_assert_str_eq(node_of("\xc3\xa9"), "@c3@a9");
	cr_assert_str_eq(name_of("a@20b@40c"), "a b@c");
}

/* Each byte that a name may have, there and back; the longest name. */
Test(xen_name, there_and_back)
{
	char longest[VMQ_NAME_MAX + 1], name[2] = "";

	for (int c = 1; c < 256; c++) {
		name[0] = (char)c;
		if (c < 0x20 || c == 0x7f || strchr("/?&*", c))
			continue;
		cr_assert_str_eq(name_of(node_of(name)), name);
	}
	memset(longest, ' ', VMQ_NAME_MAX);
	longest[VMQ_NAME_MAX] = 0;
	cr_assert_eq(strlen(node_of(longest)), XEN_NODE_MAX - 1);
	cr_assert_str_eq(name_of(node_of(longest)), longest);
}

/* One way to write a name: any other would be a second record of it. */
Test(xen_name, no_other_way)
{
	static const char *const bad[] = { "", "a b", "a.b", "@", "@2", "@4", "@4x", "a@2", "@2G", "@2F", "@61",
		"@00", "a@00", "@2f", "@3f", "@26", "@0a", "@2a", "@7f", "\xc3" };
	char node[VMQ_NAME_MAX + 2];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_null(name_of(bad[i]), "'%s'", bad[i]);
	memset(node, 'a', sizeof(node));
	node[VMQ_NAME_MAX + 1] = 0;
	cr_assert_null(name_of(node));
	node[VMQ_NAME_MAX] = 0;
	cr_assert(name_of(node));
}

Test(xen_name, allowed)
{
	cr_assert(vmq__xen_allowed("*", "any"));
	cr_assert(vmq__xen_allowed("a b c", "a"));
	cr_assert(vmq__xen_allowed("a b c", "c"));
	cr_assert(vmq__xen_allowed("a *", "x"));
	cr_assert(vmq__xen_allowed("a@20b", "a b"));
	cr_assert_not(vmq__xen_allowed("", "a"));
	cr_assert_not(vmq__xen_allowed("ab", "a"));
	cr_assert_not(vmq__xen_allowed("a", "ab"));
	cr_assert_not(vmq__xen_allowed("ba a2", "a"));
	cr_assert_not(vmq__xen_allowed("**", "a"));
	cr_assert_not(vmq__xen_allowed("a b", "a b"));
}

#define UUID "000102030405060708090a0b0c0d0eff"
#define RECORD "1 42 00000000deadbeef 65536 16 " UUID

Test(xen_name, record_there_and_back)
{
	struct xen_record r = { .id = 42, .life = 0xdeadbeef, .lane_size = 65536, .pool_pages = 16 }, back = { 0 };
	char text[128];

	for (uint8_t i = 0; i < 16; i++)
		r.uuid[i] = i == 15 ? 0xff : i;
	cr_assert_eq(vmq__xen_record_text(&r, text, sizeof(text)), (int)strlen(RECORD));
	cr_assert_str_eq(text, RECORD);
	cr_assert(vmq__xen_record_parse(text, &back));
	cr_assert_arr_eq(&back, &r, sizeof(r));
	cr_assert_eq(vmq__xen_record_text(&r, text, (unsigned)strlen(RECORD)), VMQ_EMSGSIZE);
	/* Of a later minor version. */
	cr_assert(vmq__xen_record_parse(RECORD " 7 more words", &back));
	cr_assert(vmq__xen_record_parse("1 4095 ffffffffffffffff 4096 0 " UUID, &back));
}

Test(xen_name, bad_records)
{
	static const char *const bad[] = {
		"", "1", " " RECORD, "2 42 00000000deadbeef 65536 16 " UUID, "01 42 00000000deadbeef 65536 16 " UUID,
		"1 0 00000000deadbeef 65536 16 " UUID, "1 4096 00000000deadbeef 65536 16 " UUID,
		"1 -1 00000000deadbeef 65536 16 " UUID, "1 +42 00000000deadbeef 65536 16 " UUID,
		"1 042 00000000deadbeef 65536 16 " UUID, "1 0x2a 00000000deadbeef 65536 16 " UUID,
		"1 4294967338 00000000deadbeef 65536 16 " UUID, "1  42 00000000deadbeef 65536 16 " UUID,
		"1\t42 00000000deadbeef 65536 16 " UUID, "1 42 0000000000000000 65536 16 " UUID,
		"1 42 deadbeef 65536 16 " UUID, "1 42 00000000DEADBEEF 65536 16 " UUID,
		"1 42 000000000deadbeef 65536 16 " UUID, "1 42 00000000deadbeef 65535 16 " UUID,
		"1 42 00000000deadbeef 2048 16 " UUID, "1 42 00000000deadbeef 0 16 " UUID,
		"1 42 00000000deadbeef 2147483648 16 " UUID, "1 42 00000000deadbeef 65536 524289 " UUID,
		"1 42 00000000deadbeef 65536 99999999999999999999999 " UUID,
		"1 42 00000000deadbeef 65536 16 000102", "1 42 00000000deadbeef 65536 16 " UUID "0",
		"1 42 00000000deadbeef 65536 16", "1 42 00000000deadbeef 65536 16 ", "1 42 00000000deadbeef 65536 ",
	};
	struct xen_record r;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(vmq__xen_record_parse(bad[i], &r), "'%s'", bad[i]);
}

#define OFFER "1 00000000deadbeef 7 0 4294967295 3 4 5"

Test(xen_name, offer_there_and_back)
{
	struct xen_offer o = { .life = 0xdeadbeef, .serial = 7, .root = UINT32_MAX, .port = { 3, 4, 5 } }, back;
	char text[128];

	memset(&back, 0, sizeof(back));
	cr_assert_eq(vmq__xen_offer_text(&o, text, sizeof(text)), (int)strlen(OFFER));
	cr_assert_str_eq(text, OFFER);
	cr_assert(vmq__xen_offer_parse(text, &back));
	cr_assert_arr_eq(&back, &o, sizeof(o));
	cr_assert(vmq__xen_offer_parse(OFFER " later", &back));
	cr_assert_eq(back.port[2], 5);
}

/* Every prefix, but where a number is only shorter; and what is not written so. */
Test(xen_name, bad_offers)
{
	static const char *const bad[] = { "1 00000000deadbeef 0 0 1 3 4 5", "1 0000000000000000 7 0 1 3 4 5",
		"2 00000000deadbeef 7 0 1 3 4 5", "1 00000000deadbeef 7 0 4294967296 3 4 5",
		"1 00000000deadbeef 7 0 1 3 4 5x", "1 00000000deadbeef 7 00 1 3 4 5" };
	struct xen_offer o;
	char text[64];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(vmq__xen_offer_parse(bad[i], &o), "'%s'", bad[i]);
	for (unsigned len = 0; len < strlen(OFFER); len++) {
		memcpy(text, OFFER, len);
		text[len] = 0;
		cr_expect_not(vmq__xen_offer_parse(text, &o), "'%s'", text);
	}
}
