/* SPDX-License-Identifier: BSD-2-Clause */
/* transport.c - a transport that the program itself has, in place of a plugin. */
#include <criterion/criterion.h>
#include <string.h>

#include <vmq/transport.h>

#define ID 7u

static struct {
	unsigned opened, closed;
	char address[32], name[32];
} seen;

static int own_open(struct vmq_port *port, const struct vmq_port_ops *ops, struct vmq_open_args *args,
	void **state)
{
	if (!strcmp(args->address, "nowhere"))
		return ops->fail(port, VMQ_ECONN, "there is nothing at %s", args->address);
	seen.opened++;
	strncpy(seen.address, args->address, sizeof(seen.address) - 1);
	strncpy(seen.name, args->name, sizeof(seen.name) - 1);
	args->id = ID;
	*state = &seen;
	return 0;
}

static void own_close(void *state)
{
	cr_expect_eq(state, &seen);
	seen.closed++;
}

static uint64_t own_caps(void *state)
{
	(void)state;
	return VMQ_CAP_VOUCHED;
}

static void own_fds(void *state, int fds[VMQ_FDS])
{
	(void)state;
	for (unsigned k = 0; k < VMQ_FDS; k++)
		fds[k] = -1;
}

static int own_kick(void *state, void *chan, unsigned what, bool now)
{
	(void)state;
	(void)chan;
	(void)what;
	(void)now;
	return 0;
}

static void own_exit(void *state, enum vmq_exit_reason reason, bool pending)
{
	(void)state;
	(void)reason;
	(void)pending;
}

static bool own_drain(void *state, unsigned what)
{
	(void)state;
	(void)what;
	return false;
}

static int own_news(void *state)
{
	(void)state;
	return 0;
}

static const struct vmq_transport own = {
	.abi = VMQ_TRANSPORT_ABI,
	.size = sizeof(struct vmq_transport),
	.name = "own",
	.open = own_open,
	.close = own_close,
	.caps = own_caps,
	.fds = own_fds,
	.kick = own_kick,
	.exit = own_exit,
	.drain = own_drain,
	.news = own_news,
};

static int try(const char *uri, const struct vmq_transport *t, char why[100])
{
	struct vmq_options o = { .size = sizeof(o), .transport = t, .errmsg = why, .errlen = 100 };
	struct vmq *q = NULL;
	int rc = vmq_open(uri, &o, &q);

	cr_expect_eq(!rc, !!q);
	if (q)
		cr_expect_eq(vmq_close(q), 0);
	return rc;
}

Test(transport, is_the_one_that_is_given)
{
	struct vmq_options o = { .size = sizeof(o), .transport = &own };
	char why[100], buf[8];
	struct vmq *q;

	cr_assert_eq(vmq_open("own:somewhere?name=a", &o, &q), 0);
	cr_expect_eq(vmq_id(q), (int64_t)ID);
	cr_expect_eq(vmq_caps(q), VMQ_CAP_VOUCHED);
	cr_expect_str_eq(seen.address, "somewhere");
	cr_expect_str_eq(seen.name, "a");
	cr_expect_eq(vmq_send(q, ID, "self", 4, VMQ_SEND_AUTO, VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_recv(q, buf, sizeof(buf), NULL, VMQ_NOWAIT), 4);
	cr_expect_eq(vmq_close(q), 0);
	cr_expect_eq(seen.opened, 1u);
	cr_expect_eq(seen.closed, 1u);
	cr_expect_eq(try("own:nowhere?name=a", &own, why), VMQ_ECONN);
	cr_expect_str_eq(why, "there is nothing at nowhere");
	/* Nobody else finds it by its name. */
	cr_expect_eq(try("own:somewhere?name=a", NULL, why), VMQ_ENOTSUP);
}

Test(transport, is_refused)
{
	struct vmq_transport t = own;
	char why[100];

	cr_expect_eq(try("other:somewhere?name=a", &own, why), VMQ_EINVAL);
	cr_expect_str_eq(why, "the transport in the options is 'own', and the address's 'other'");
	cr_expect_eq(try("sim:somewhere?name=a", &own, why), VMQ_EINVAL);
	t.abi++;
	cr_expect_eq(try("own:somewhere?name=a", &t, why), VMQ_EINVAL);
	cr_expect(strstr(why, "another version"), "%s", why);
	t = own;
	t.size -= sizeof(void *);
	cr_expect_eq(try("own:somewhere?name=a", &t, why), VMQ_EINVAL);
	t = own;
	t.size += sizeof(void *);
	cr_expect_eq(try("own:somewhere?name=a", &t, why), VMQ_EINVAL);
	t = own;
	t.name = NULL;
	cr_expect_eq(try("own:somewhere?name=a", &t, why), VMQ_EINVAL);
	cr_expect_eq(seen.opened, 0u);
}

Test(transport, is_not_for_a_vmm)
{
	struct vmq_options o = { .size = sizeof(o), .name = "a", .transport = &own };
	struct vmq_vmm *vmm;
	struct vmq *q = NULL;

	cr_assert_eq(vmq_vmm_create(NULL, &vmm), 0);
	cr_expect_eq(vmq_vmm_open(vmm, &o, &q), VMQ_EINVAL);
	cr_expect_null(q);
	vmq_vmm_destroy(vmm);
}
