/* SPDX-License-Identifier: BSD-2-Clause */
/* uri.c - addresses and options: what is wrong with one is said in words. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include <vmq/vmq.h>

#include "support.h"

#define N43 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq"
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

struct bad {
	char uri[1300];
	int code;
	char says[40];
};

static struct bad bads[] = {
	{ "", VMQ_EURI, "does not start with a transport" },
	{ "lab", VMQ_EURI, "does not start with a transport" },
	{ ":lab?name=a", VMQ_EURI, "does not start with a transport" },
	{ "a-transport-of-a-long-name:x?name=a", VMQ_EURI, "does not start with a transport" },
	{ "sim:lab", VMQ_EURI, "no name=" },
	{ "sim:lab?", VMQ_EURI, "no name=" },
	{ "sim:lab&name=a", VMQ_EURI, "settings come behind a '?'" },
	{ "sim:lab?name=a?lane=4096", VMQ_EURI, "name='a?lane=4096' is not a valid VM" },
	{ "sim:lab?name=", VMQ_EURI, "not a valid VM name" },
	{ "sim:lab?name", VMQ_EURI, "not a valid VM name" },
	{ "sim:lab?name=a/b", VMQ_EURI, "not a valid VM name" },
	{ "sim:lab?name=a\tb", VMQ_EURI, "not a valid VM name" },
	{ "sim:lab?name=" N43 "x", VMQ_EURI, "not a valid VM name" },
	{ "sim:lab?name=a&size=3", VMQ_EURI, "'size' is not a setting" },
	{ "sim:lab?name=a&=3", VMQ_EURI, "'' is not a setting" },
	{ "sim:lab?name=a&lane=", VMQ_EURI, "lane=''" },
	{ "sim:lab?name=a&lane=x", VMQ_EURI, "lane='x'" },
	{ "sim:lab?name=a&lane=-4096", VMQ_EURI, "lane='-4096'" },
	{ "sim:lab?name=a&lane= 4096", VMQ_EURI, "lane=' 4096'" },
	{ "sim:lab?name=a&lane=4096k", VMQ_EURI, "decimal, without a unit" },
	{ "sim:lab?name=a&max=4294967296", VMQ_EURI, "max='4294967296'" },
	{ "sim:lab?name=a&pages=99999999999999999999", VMQ_EURI, "pages=" },
	{ "sim:lab?name=a&topology=", VMQ_EURI, "topology=''" },
	{ "sim:lab?name=a&lane=5000", VMQ_EINVAL, "5000 bytes is not a power of two" },
	{ "sim:lab?name=a&lane=2048", VMQ_EINVAL, "not a power of two from" },
	{ "sim:lab?name=a&lane=2147483648", VMQ_EINVAL, "not a power of two from" },
	{ "sim:lab?name=a&pages=600000", VMQ_EINVAL, "a pool of 600000 pages" },
	{ "sim:lab?name=a&max=4000000000", VMQ_EINVAL, "over the limit" },
	{ "nosuch:lab?name=a", VMQ_ENOTSUP, "no transport 'nosuch'" },
	{ "nosuch:lab?name=a", VMQ_ENOTSUP, "nosuch.so" },
	{ "../sim:lab?name=a", VMQ_ENOTSUP, "no transport '../sim'" },
	{ "Sim:lab?name=a", VMQ_ENOTSUP, "small letters" },
	{ "sim:/run/lab?name=a", VMQ_EURI, "A hub's socket is sim:unix=PATH" },
	{ "sim:hub=lab?name=a", VMQ_EURI, "A hub's socket is sim:unix=PATH" },
	{ "sim:unix=?name=a", VMQ_EURI, "cannot be a socket's path" },
	{ "sim:unix=/" HUNDRED HUNDRED "?name=a", VMQ_EURI, "cannot be a socket's path" },
	{ "sim:unix=/nonexistent/hub?name=a", VMQ_ECONN, "no hub listens at /nonexistent/hub" },
	{ "sim:" HUNDRED HUNDRED HUNDRED "?name=a", VMQ_EURI, "longer than 255 bytes" },
	{ "sim:" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED,
		VMQ_EURI, "longer than 1023 bytes" },
};

ParameterizedTestParameters(uri, malformed)
{
	return cr_make_param_array(struct bad, bads, sizeof(bads) / sizeof(bads[0]));
}

ParameterizedTest(struct bad *bad, uri, malformed)
{
	char why[200] = "old", cut[8];
	struct vmq_options o = { .size = sizeof(o), .errmsg = why, .errlen = sizeof(why) };
	struct vmq *q = NULL;

	cr_expect_eq(vmq_open(bad->uri, &o, &q), bad->code, "%s", bad->uri);
	cr_expect_null(q);
	cr_expect(strstr(why, bad->says), "%s: says '%s'", bad->uri, why);
	cr_expect_null(strchr(why, '\n'));
	/* Without room for the message, or for all of it. */
	o.errmsg = cut;
	o.errlen = sizeof(cut);
	memset(cut, 'x', sizeof(cut));
	cr_expect_eq(vmq_open(bad->uri, &o, &q), bad->code);
	cr_expect_not_null(memchr(cut, 0, sizeof(cut)));
	cr_expect_eq(vmq_open(bad->uri, NULL, &q), bad->code);
}

Test(uri, null_arguments)
{
	struct vmq *q = NULL;

	cr_expect_eq(vmq_open(NULL, NULL, &q), VMQ_EURI);
	cr_expect_eq(vmq_open("sim:lab?name=a", NULL, NULL), VMQ_EINVAL);
}

static void refused(struct vmq_options o, int code)
{
	struct vmq *q = NULL;

	cr_expect_eq(vmq_open("sim:lab", &o, &q), code);
	cr_expect_null(q);
}

Test(uri, options)
{
	struct vmq_options good = { .size = sizeof(good), .name = "a" }, o;
	struct vmq_env env = { .size = sizeof(env) };

	o = good;
	o.size--;
	refused(o, VMQ_EINVAL);
	o.size = 0;
	refused(o, VMQ_EINVAL);
	o = good;
	o.flags = 1u << 9;
	refused(o, VMQ_EINVAL);
	o = good;
	o.name = "";
	refused(o, VMQ_EINVAL);
	o = good;
	o.name = NULL;
	refused(o, VMQ_EURI);
	o = good;
	o.lane_size = 4097;
	refused(o, VMQ_EINVAL);
	o = good;
	o.env = &env; /* without functions */
	refused(o, VMQ_EINVAL);
}

Test(uri, larger_options_of_a_later_version)
{
	struct {
		struct vmq_options o;
		uint64_t later;
	} big = { { .size = sizeof(big), .name = "a" }, 0 };
	struct vmq *q = NULL;
	int rc = vmq_open("sim:lab", &big.o, &q);

	/* Zero: may be understood, or refused; anything else: refused. */
	cr_expect(rc == 0 || rc == VMQ_EINVAL);
	if (!rc)
		vmq_close(q);
	big.later = 1;
	cr_expect_eq(vmq_open("sim:lab", &big.o, &q), VMQ_EINVAL);
}

/* What the address says wins over what the options say. */
Test(uri, address_wins)
{
	struct vmq_options o = { .size = sizeof(o), .name = "wrong", .max_msg = 100 };
	struct vmq_peer_info info = { .size = sizeof(info) };
	struct vmq *q = NULL;

	cr_assert_eq(vmq_open("sim:lab?name=" N43 "&max=200&lane=8192&pages=3", &o, &q), 0);
	cr_assert_eq(vmq_peer_info(q, (uint32_t)vmq_id(q), &info), 0);
	cr_expect_str_eq(info.name, N43);
	cr_expect_eq(info.max_msg, 200u);
	vmq_close(q);
	cr_assert_eq(vmq_open("sim:lab", &o, &q), 0);
	cr_assert_eq(vmq_peer_info(q, (uint32_t)vmq_id(q), &info), 0);
	cr_expect_str_eq(info.name, "wrong");
	cr_expect_eq(info.max_msg, 100u);
	vmq_close(q);
}

Test(uri, uuid)
{
	struct vmq_options o = { .size = sizeof(o), .name = "a", .uuid = (const uint8_t *)"0123456789abcdef" };
	struct vmq_peer_info info = { .size = sizeof(info) }, derived = info;
	struct vmq *q = NULL;

	cr_assert_eq(vmq_open("sim:lab", &o, &q), 0);
	vmq_peer_info(q, (uint32_t)vmq_id(q), &info);
	cr_expect_arr_eq(info.uuid, "0123456789abcdef", 16);
	vmq_close(q);
	o.uuid = NULL;
	cr_assert_eq(vmq_open("sim:lab", &o, &q), 0);
	vmq_peer_info(q, (uint32_t)vmq_id(q), &derived);
	cr_expect_neq(memcmp(derived.uuid, info.uuid, 16), 0);
	vmq_close(q);
	/* Derived from the name: the same each time. */
	cr_assert_eq(vmq_open("sim:lab", &o, &q), 0);
	vmq_peer_info(q, (uint32_t)vmq_id(q), &info);
	cr_expect_arr_eq(derived.uuid, info.uuid, 16);
	vmq_close(q);
}
