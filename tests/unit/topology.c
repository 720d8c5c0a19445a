/* SPDX-License-Identifier: BSD-2-Clause */
/* topology.c - a bad topology names file, line and key; a good one applies. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

struct bad {
	char json[300];
	unsigned line;
	char says[60];
};

static struct bad bads[] = {
	{ "", 1, "" },
	{ "{", 1, "" },
	{ "{\n\t\"vms\": [\n\t\t{ \"name\": \"a\", }\n\t]\n}", 3, "" },
	{ "{\n \"open\": true,\n \"open\": true\n}", 3, "" },
	{ "[]", 1, "the topology must be an object" },
	{ "{\n\n \"vm\": [] }", 3, "vm: unknown key" },
	{ "{ \"vms\":\n {} }", 1, "vms: must be a list" },
	{ "{ \"vms\": [\n {\"name\": \"a\"},\n 7 ] }", 3, "a VM must be an object" },
	{ "{ \"vms\": [\n {} ] }", 2, "name: must be a VM name" },
	{ "{ \"vms\": [\n {\n \"name\": 7 } ] }", 3, "name: must be a VM name" },
	{ "{ \"vms\": [ {\n \"name\": \"a/b\" } ] }", 2, "name: must be a VM name" },
	{ "{ \"vms\": [ {\"name\": \"a\"},\n {\"name\": \"b\"},\n {\"name\": \"a\"} ] }", 3,
		"name: two VMs of one name" },
	{ "{ \"vms\": [ {\"name\": \"a\",\n \"cpus\": 2} ] }", 2, "cpus: unknown key" },
	{ "{ \"vms\": [ {\"name\": \"a\",\n \"lane\": 5000} ] }", 2, "lane: must be a power of two" },
	{ "{ \"vms\": [ {\"name\": \"a\",\n \"lane\": 2048} ] }", 2, "lane: must be a power of two" },
	{ "{\n \"lane\": 3000000000 }", 2, "lane: must be a whole number from 0 to" },
	{ "{\n \"lane\": -4096 }", 2, "lane: must be a whole number from 0 to" },
	{ "{\n \"pages\": 1.5 }", 2, "pages: must be a whole number from 0 to" },
	{ "{\n \"pages\": \"8\" }", 2, "pages: must be a whole number from 0 to" },
	{ "{\n\n\n \"tick_us\": true }", 4, "tick_us: must be a whole number" },
	{ "{ \"open\":\n 1 }", 1, "open: must be true or false" },
	{ "{ \"vms\": [ {\"name\": \"a\",\n \"uuid\": \"12\"} ] }", 2, "uuid: must be a UUID" },
	{ "{ \"vms\": [ {\"name\": \"a\",\n \"uuid\": 12} ] }", 2, "uuid: must be a UUID" },
	{ "{ \"vms\": [ {\"name\": \"a\", \"uuid\":"
	  "\"0123456789abcdef0123456789abcdeg\"} ] }", 1, "uuid: must be a UUID" },
	{ "{ \"vms\": [ {\"name\": \"a\", \"uuid\":"
	  "\"0123456789abcdef0123456789abcdef00\"} ] }", 1, "uuid: must be a UUID" },
	{ "{ \"vms\": [ {\"name\": \"a\", \"uuid\":\"-\"} ] }", 1, "uuid: must be a UUID" },
	{ "{ \"vms\": [ {\"name\": \"a\",\n \"faults\": 1} ] }", 2, "faults: must be an object" },
	{ "{ \"vms\": [ {\"name\": \"a\", \"faults\": {\n\"lose\": 1}} ] }", 2, "lose: unknown key" },
	{ "{ \"vms\": [ {\"name\": \"a\", \"faults\": {\n\"drop_kick\": 2}} ] }", 2,
		"drop_kick: must be a probability" },
	{ "{ \"vms\": [ {\"name\": \"a\", \"faults\": {\n\"slow_us\": -1}} ] }", 2,
		"slow_us: must be a whole number" },
	{ "{ \"allow\":\n true }", 1, "allow: must be a list of pairs" },
	{ "{ \"allow\": [\n [\"a\"] ] }", 2, "a pair must be two VM names" },
	{ "{ \"allow\": [ [\"a\", \"b\"],\n [\"a\", 7] ] }", 2, "a pair must be two VM names" },
	{ "{ \"vms\": [ {\"name\": \"a\"} ],\n \"refuse\": [ [\"*\", \"a\"],\n\n [\"a\", \"z\"] ] }", 4,
		"a pair names a VM that is not in \"vms\"" },
};

static char dir[64], file[128];

static void make_dir(void)
{
	scratch_make(dir, sizeof(dir));
}

static void remove_dir(void)
{
	scratch_remove(dir);
}

TestSuite(topology, .init = make_dir, .fini = remove_dir);

static int open_with(const char *vm, struct vmq **q, char *why, size_t len)
{
	struct vmq_options o = { .size = sizeof(o), .name = vm, .topology = file, .errmsg = why,
		.errlen = len };

	return vmq_open("sim:topology-test", &o, q);
}

static int hub_with(char *why, size_t len, struct vmq_hub **hub)
{
	char path[128];
	struct vmq_hub_options o = { .size = sizeof(o), .path = path, .topology = file, .errmsg = why,
		.errlen = len };

	snprintf(path, sizeof(path), "%s/hub", dir);
	return vmq_hub_open(&o, hub);
}

ParameterizedTestParameters(topology, bad)
{
	return cr_make_param_array(struct bad, bads, sizeof(bads) / sizeof(bads[0]));
}

ParameterizedTest(struct bad *bad, topology, bad)
{
	char why[300] = "", place[200];
	struct vmq_hub *hub = NULL;
	struct vmq *q = NULL;

	scratch_file(dir, "bad.json", bad->json, file, sizeof(file));
	snprintf(place, sizeof(place), "%s:%u: %s", file, bad->line, bad->says);
	cr_expect_eq(open_with("a", &q, why, sizeof(why)), VMQ_ETOPOLOGY);
	cr_expect_null(q);
	cr_expect(!strncmp(why, place, strlen(place)), "%s\ngives  %s\nwanted %s", bad->json, why, place);
	cr_expect_eq(hub_with(why, sizeof(why), &hub), VMQ_ETOPOLOGY);
	cr_expect_null(hub);
	cr_expect(!strncmp(why, place, strlen(place)), "%s", why);
}

Test(topology, no_such_file)
{
	char why[300] = "";
	struct vmq *q = NULL;

	snprintf(file, sizeof(file), "%s/none.json", dir);
	cr_expect_eq(open_with("a", &q, why, sizeof(why)), VMQ_ETOPOLOGY);
	cr_expect(strstr(why, "none.json: No such file"), "%s", why);
	snprintf(file, sizeof(file), "%s", dir); /* a folder */
	cr_expect_eq(open_with("a", &q, why, sizeof(why)), VMQ_ETOPOLOGY);
}

static struct vmq *vm(const char *name)
{
	struct vmq *q = NULL;
	char why[300] = "";

	cr_assert_eq(open_with(name, &q, why, sizeof(why)), 0, "%s: %s", name, why);
	return q;
}

static int meets(struct vmq *q, const char *name)
{
	uint32_t id;

	return vmq_peer(q, name, VMQ_NOWAIT, &id);
}

/* Handshakes take some steps of both. */
static int met(struct vmq *q, const char *own, struct vmq *other, const char *name)
{
	int rc = VMQ_EAGAIN;

	for (int i = 0; i < 10 && rc == VMQ_EAGAIN; i++) {
		meets(other, own);
		rc = meets(q, name);
	}
	return rc;
}

Test(topology, listed_vms_only)
{
	struct vmq *a, *other = NULL;
	char why[300] = "";

	scratch_file(dir, "t.json", "{\"vms\": [{\"name\": \"a\"}, {\"name\": \"b\"}]}", file, sizeof(file));
	a = vm("a");
	cr_expect_eq(open_with("c", &other, why, sizeof(why)), VMQ_ENOENT);
	cr_expect(strstr(why, "the topology has no VM 'c'"), "%s", why);
	cr_expect_eq(meets(a, "b"), VMQ_EAGAIN);
	cr_expect_eq(meets(a, "c"), VMQ_ENOENT);
	other = vm("b");
	cr_expect_eq(met(a, "a", other, "b"), 0);
	vmq_close(a);
	vmq_close(other);
}

Test(topology, open_to_others)
{
	struct vmq *a, *c;

	scratch_file(dir, "t.json", "{\"open\": true, \"vms\": [{\"name\": \"a\"}]}", file, sizeof(file));
	a = vm("a");
	c = vm("c");
	cr_expect_eq(met(a, "a", c, "c"), 0);
	vmq_close(a);
	vmq_close(c);
}

static void pairs(const char *json, bool ab, bool ac, bool bc)
{
	struct vmq *a, *b, *c;

	scratch_file(dir, "t.json", json, file, sizeof(file));
	a = vm("a");
	b = vm("b");
	c = vm("c");
	cr_expect_eq(met(a, "a", b, "b"), ab ? 0 : VMQ_EACCES, "%s", json);
	cr_expect_eq(met(b, "b", a, "a"), ab ? 0 : VMQ_EACCES, "%s", json);
	cr_expect_eq(met(a, "a", c, "c"), ac ? 0 : VMQ_EACCES, "%s", json);
	cr_expect_eq(met(c, "c", b, "b"), bc ? 0 : VMQ_EACCES, "%s", json);
	vmq_close(a);
	vmq_close(b);
	vmq_close(c);
}

Test(topology, allow_and_refuse)
{
	pairs("{}", true, true, true);
	pairs("{\"allow\": [[\"a\", \"b\"]]}", true, false, false);
	pairs("{\"allow\": []}", false, false, false);
	pairs("{\"allow\": [[\"*\", \"b\"]]}", true, false, true);
	pairs("{\"refuse\": [[\"b\", \"a\"]]}", false, true, true);
	pairs("{\"refuse\": [[\"c\", \"*\"]]}", true, false, false);
	pairs("{\"allow\": [[\"*\", \"*\"]], \"refuse\": [[\"b\", \"c\"]]}", true, true, false);
}

Test(topology, sizes)
{
	static const char json[] = "{\"lane\": 8192, \"pages\": 2, \"vms\": [{\"name\": \"a\"},"
		"{\"name\": \"b\", \"lane\": 65536, \"pages\": 5}, {\"name\": \"c\", \"pages\": 0}]}";
	struct vmq *a, *b, *c;
	struct vmq_page page;
	uint32_t id;
	void *room;

	scratch_file(dir, "t.json", json, file, sizeof(file));
	a = vm("a");
	b = vm("b");
	c = vm("c");
	cr_assert_eq(met(a, "a", b, "b"), 0);
	cr_assert_eq(met(c, "c", b, "b"), 0);
	/* A lane is the receiver's: b's are larger. */
	vmq_peer(a, "b", VMQ_NOWAIT, &id);
	cr_expect_eq(vmq_reserve(a, id, 16000, &room, VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_page_alloc(a, id, 2 * 4096, &page, VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_page_alloc(a, id, 3 * 4096, &page, VMQ_NOWAIT), VMQ_EMSGSIZE);
	vmq_peer(b, "a", VMQ_NOWAIT, &id);
	cr_expect_eq(vmq_reserve(b, id, 2048, &room, VMQ_NOWAIT), VMQ_EMSGSIZE);
	cr_expect_eq(vmq_page_alloc(b, id, 5 * 4096, &page, VMQ_NOWAIT), 0);
	vmq_peer(c, "b", VMQ_NOWAIT, &id);
	cr_expect_eq(vmq_page_alloc(c, id, 1, &page, VMQ_NOWAIT), VMQ_ENOTSUP);
	vmq_close(a);
	vmq_close(b);
	vmq_close(c);
}

Test(topology, uuid)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	struct vmq *a, *b;
	uint32_t id;

	scratch_file(dir, "t.json", "{\"vms\": [{\"name\": \"a\"}, {\"name\": \"b\","
		"\"uuid\": \"00112233-4455-6677-8899-aabbccddeeff\"}]}", file, sizeof(file));
	a = vm("a");
	b = vm("b");
	cr_assert_eq(met(a, "a", b, "b"), 0);
	vmq_peer(a, "b", VMQ_NOWAIT, &id);
	cr_assert_eq(vmq_peer_info(a, id, &info), 0);
	cr_expect_arr_eq(info.uuid, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
	vmq_close(a);
	vmq_close(b);
}
