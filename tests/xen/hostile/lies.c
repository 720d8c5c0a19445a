/* SPDX-License-Identifier: BSD-2-Clause */
/* lies.c - what a peer writes into XenStore is not so: each word of records, offers and
 * answers. It gets no channel, says why, others go on; and the truth heals it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fabric.h"

TestSuite(lies, .init = fabric_start, .fini = fabric_stop);

static struct vmq *a, *b, *c;
static uint32_t to_c;

/* b is the liar. */
static void open_all(uint32_t da, uint32_t db)
{
	a = fabric_vm(da, "a", NULL);
	c = fabric_vm(5, "c", NULL);
	to_c = both_meet(a, "c", c, "a");
	b = fabric_vm(db, "b", NULL);
}

static void close_all(void)
{
	vmq_close(a);
	vmq_close(b);
	vmq_close(c);
}

static bool others_go_on(void)
{
	return fabric_talk(a, to_c, c, (uint32_t)vmq_id(a));
}

/* A node's value with another word. */
static void replace(char *text, size_t size, const char *value, unsigned word, const char *with)
{
	size_t n = 0;

	for (unsigned w = 0; *value; w++) {
		size_t len = strcspn(value, " ");

		n += (size_t)(w == word ? snprintf(text + n, size - n, "%s%s", w ? " " : "", with) :
			snprintf(text + n, size - n, "%s%.*s", w ? " " : "", (int)len, value));
		value += len + (value[len] == ' ');
	}
}

/* ---- records ----------------------------------------------------------------------------- */

/* In place of a word; or of all (word NONE). */
#define NONE 99u
static const struct lie {
	unsigned word;
	const char *with;
} record_lies[] = {
	{ NONE, "" }, { NONE, "1" }, { NONE, " " }, { NONE, "1 2 3" }, { NONE, "\xff\xfe" },
	{ 0, "0" }, { 0, "2" }, { 0, "x" }, { 1, "0" }, { 1, "4096" }, { 1, "-1" }, { 1, "99999999999999999999" },
	{ 2, "0000000000000000" }, { 2, "1" }, { 2, "xyzxyzxyzxyzxyzx" }, { 3, "0" }, { 3, "4095" },
	{ 3, "2048" }, { 3, "12288" }, { 3, "4294967296" }, { 3, "2147483648" }, { 4, "4294967295" },
	{ 4, "-5" }, { 5, "1234" }, { 5, "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz" },
};

Test(lies, records)
{
	char truth[256], text[512];
	struct fabric_counts before;
	uint32_t id;

	open_all(1, 2);
	strcpy(truth, fake_store_value(fabric_record(2, "b")));
	fake_store_write(fabric_record(2, "b"), "");
	vmq_peer(a, "b", VMQ_MS(5), &id);
	fabric_count(&before);
	for (size_t i = 0; i < sizeof(record_lies) / sizeof(record_lies[0]); i++) {
		const struct lie *l = &record_lies[i];

		snprintf(text, sizeof(text), "%s", l->with);
		if (l->word != NONE)
			replace(text, sizeof(text), truth, l->word, l->with);
		fake_store_write(fabric_record(2, "b"), text);
		cr_expect_neq(vmq_peer(a, "b", VMQ_MS(5), &id), 0, "'%s'", text);
		cr_expect(others_go_on());
		cr_expect_eq(fake_xen_count(FAKE_GRANTS, 1), before.n[FAKE_GRANTS][1], "'%s'", text);
	}
	fake_store_write(fabric_record(2, "b"), truth);
	id = both_meet(a, "b", b, "a");
	cr_expect(fabric_talk(a, id, b, (uint32_t)vmq_id(a)));
	close_all();
}

/* Its id, or its name, is another's: who is there stays, and so does what it is called. */
Test(lies, somebody_elses)
{
	char truth[256], text[512], number[16];
	uint32_t id;

	open_all(1, 2);
	strcpy(truth, fake_store_value(fabric_record(2, "b")));
	for (int whose = 0; whose < 2; whose++) {
		snprintf(number, sizeof(number), "%u", whose ? (uint32_t)vmq_id(a) : to_c);
		replace(text, sizeof(text), truth, 1, number);
		fake_store_write(fabric_record(2, "b"), text);
		cr_expect_eq(vmq_peer(a, "b", PATIENCE, &id), VMQ_EEXIST);
		cr_expect(others_go_on());
	}
	replace(text, sizeof(text), truth, 2, "0123456789abcdef");
	fake_store_write(fabric_record(2, "c"), text);
	fake_store_write(fabric_record(2, "a"), text);
	cr_expect_eq(vmq_peer(a, "c", VMQ_MS(20), &id), 0);
	cr_expect_eq(id, to_c);
	cr_expect(others_go_on());
	fake_store_remove(fabric_record(2, "c"));
	fake_store_remove(fabric_record(2, "a"));
	fake_store_write(fabric_record(2, "b"), truth);
	id = both_meet(a, "b", b, "a");
	cr_expect(fabric_talk(a, id, b, (uint32_t)vmq_id(a)));
	close_all();
}

/* ---- offers ------------------------------------------------------------------------------- */

/* What comes of it: VMQ_EPEER, or VMQ_ETIMEDOUT if it may be for somebody else. */
static const struct offer_lie {
	unsigned word;
	const char *with;
	int code, answer; /* of side 0's offer, of side 1's answer; 0: not tried */
} offer_lies[] = {
	{ NONE, "", VMQ_EPEER, VMQ_EPEER }, { NONE, "1 2 3", VMQ_EPEER, VMQ_EPEER },
	{ 0, "2", VMQ_EPEER, VMQ_EPEER }, { 1, "0123456789abcdef", VMQ_ETIMEDOUT, VMQ_ETIMEDOUT },
	{ 1, "0", VMQ_EPEER, VMQ_EPEER }, { 2, "12345", VMQ_EPEER, VMQ_EPEER },
	{ 2, "-1", VMQ_EPEER, VMQ_EPEER }, { 3, "12345", VMQ_ETIMEDOUT, VMQ_ETIMEDOUT },
	{ 4, "0", VMQ_EPEER, VMQ_EPEER }, { 4, "4000000000", VMQ_EPEER, VMQ_EPEER },
	{ 4, "9", VMQ_EPEER, VMQ_EPEER }, { 4, "99999999999", VMQ_EPEER, VMQ_EPEER },
	{ 5, "0", VMQ_EPEER, 0 }, { 5, "4000000", VMQ_EPEER, 0 }, { 6, "x", VMQ_EPEER, VMQ_EPEER },
	{ 7, "4095", VMQ_EPEER, 0 }, { 7, "1", VMQ_EPEER, 0 },
};

static void tell_lies(const char *path, bool answer)
{
	char truth[256], text[512];
	struct fabric_counts before;
	uint32_t id;

	strcpy(truth, fake_store_value(path));
	cr_assert_gt(strlen(truth), 20u);
	fabric_count(&before);
	for (size_t i = 0; i < sizeof(offer_lies) / sizeof(offer_lies[0]); i++) {
		const struct offer_lie *l = &offer_lies[i];
		int code = answer ? l->answer : l->code;

		if (!code)
			continue;
		snprintf(text, sizeof(text), "%s", l->with);
		if (l->word != NONE)
			replace(text, sizeof(text), truth, l->word, l->with);
		fake_store_write(path, text);
		/* What failed before is forgotten. */
		fabric_xen(a)->peers->wait = 0;
		for (struct xen_peer *p = fabric_xen(a)->peers; p; p = p->next)
			p->wait = p->waited = 0, p->why = 0;
		cr_expect_eq(vmq_peer(a, "b", code == VMQ_EPEER ? PATIENCE : VMQ_MS(20), &id), code, "'%s'", text);
		cr_expect(others_go_on());
		cr_expect(fabric_same(&before), "'%s'", text);
	}
	fake_store_write(path, truth);
	id = both_meet(a, "b", b, "a");
	cr_expect(fabric_talk(a, id, b, (uint32_t)vmq_id(a)));
}

Test(lies, offers)
{
	uint32_t id;

	open_all(3, 2);
	cr_expect_neq(vmq_peer(b, "a", VMQ_NOWAIT, &id), 0);
	tell_lies(fabric_offer(2, "b", 3, "a"), false);
	close_all();
}

Test(lies, answers)
{
	uint32_t id;

	open_all(1, 2);
	cr_expect_neq(vmq_peer(a, "b", VMQ_NOWAIT, &id), 0);
	cr_expect_neq(vmq_peer(b, "a", VMQ_NOWAIT, &id), 0);
	tell_lies(fabric_offer(2, "b", 1, "a"), true);
	close_all();
}

/* An offer that is for another life of this endpoint is not taken up by the next one. */
Test(lies, offer_of_before)
{
	uint32_t id;

	open_all(3, 2);
	cr_expect_neq(vmq_peer(b, "a", VMQ_NOWAIT, &id), 0);
	fabric_kill(a);
	a = fabric_vm(3, "a", NULL);
	cr_expect_neq(vmq_peer(a, "b", VMQ_MS(5), &id), 0);
	for (struct xen_chan *ch = fabric_xen(a)->chans; ch; ch = ch->next)
		cr_expect_str_neq(ch->who.name, "b", "there was nothing to take up");
	both_meet(a, "b", b, "a");
	to_c = both_meet(a, "c", c, "a");
	cr_expect(others_go_on());
	close_all();
}

/* ---- of a channel that is there ----------------------------------------------------------- */

static void while_joined(const char *with, unsigned word, uint32_t type)
{
	struct vmq_event e = { .type = 0 };
	char truth[256], text[512];
	const char *path;
	uint32_t id;

	open_all(3, 2);
	both_meet(a, "b", b, "a");
	path = fabric_offer(2, "b", 3, "a");
	strcpy(truth, fake_store_value(path));
	if (!with) {
		fake_store_remove(path);
	} else {
		replace(text, sizeof(text), truth, word, with);
		fake_store_write(path, text);
	}
	do {
		cr_assert_neq(fabric_event(a, NULL, &e), 0u);
	} while (e.type != type);
	cr_expect(others_go_on());
	if (type == VMQ_EVENT_POISON) {
		cr_expect_eq(e.reason, VMQ_POISON_DIRECTORY);
		cr_expect_eq(vmq_peer(a, "b", PATIENCE, &id), VMQ_EPEER);
	}
	vmq_close(b);
	b = fabric_vm(2, "b", NULL);
	id = both_meet(a, "b", b, "a");
	cr_expect(fabric_talk(a, id, b, (uint32_t)vmq_id(a)));
	close_all();
	fabric_stop();
	fabric_start();
}

Test(lies, while_joined)
{
	while_joined(NULL, 0, VMQ_EVENT_LEAVE);
	while_joined("7", 2, VMQ_EVENT_LEAVE);
	while_joined("7", 3, VMQ_EVENT_LEAVE);
	while_joined("0123456789abcdef", 1, VMQ_EVENT_LEAVE);
	while_joined("nonsense", 2, VMQ_EVENT_POISON);
}
