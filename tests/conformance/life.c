/* SPDX-License-Identifier: BSD-2-Clause */
/* life.c - endpoints come, say who they are, hear of each other, and leave. */
#include <criterion/criterion.h>
#include <string.h>

#include "conformance.h"

TestSuite(life, .init = conf_start, .fini = conf_stop);

Test(life, open_and_close)
{
	struct vmq *q = conf_vm("a", NULL);
	int64_t id = vmq_id(q);

	cr_expect_gt(id, 0);
	cr_expect_eq(vmq_close(q), 0);
	cr_expect_eq(vmq_close(q), VMQ_EBADF);
	cr_expect_eq(vmq_id(q), VMQ_EBADF);
	/* The same name again, at once: the same id. */
	for (int i = 0; i < 20; i++) {
		q = NULL;
		while (conf_open("a", NULL, 0, &q) == VMQ_EEXIST)
			; /* another process may hear of the end a little later */
		cr_assert(q);
		cr_expect_eq(vmq_id(q), id);
		cr_assert_eq(vmq_close(q), 0);
	}
}

Test(life, caps_are_exact)
{
	struct vmq *q = conf_vm("a", NULL);

	cr_expect_eq(vmq_caps(q), conf_fabric.caps, "0x%llx", (unsigned long long)vmq_caps(q));
	vmq_close(q);
}

Test(life, own_name)
{
	struct vmq *q = conf_vm("a", NULL);
	uint32_t id = 0;

	cr_assert_eq(vmq_peer(q, "a", VMQ_NOWAIT, &id), 0);
	cr_expect_eq(id, vmq_id(q));
	vmq_close(q);
}

Test(life, one_name_once)
{
	struct vmq *q = conf_vm("a", NULL), *other = NULL;

	cr_expect_eq(conf_open("a", NULL, 0, &other), VMQ_EEXIST);
	cr_expect_null(other);
	vmq_close(q);
}

Test(life, unknown_peer)
{
	struct vmq *q = conf_vm("a", NULL);
	uint32_t id = 77;

	cr_expect_eq(vmq_peer(q, "nobody", VMQ_NOWAIT, &id), VMQ_EAGAIN);
	cr_expect_eq(vmq_peer(q, "nobody", VMQ_MS(20), &id), VMQ_ETIMEDOUT);
	cr_expect_eq(id, 77u);
	cr_expect_eq(vmq_send(q, 4000, "x", 1, 0, VMQ_NOWAIT), VMQ_ENOENT);
	cr_expect_eq(vmq_send(q, UINT32_MAX, "x", 1, 0, VMQ_NOWAIT), VMQ_ENOENT);
	vmq_close(q);
}

Test(life, peer_by_name)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	struct vmq *a = conf_vm("a", "max=5000");
	struct conf_peer b;
	uint32_t id;

	conf_spawn(&b, "b", echo, "max=7000");
	id = conf_meet(a, "b");
	cr_assert(id);
	cr_assert_neq(id, vmq_id(a));
	cr_assert_eq(vmq_peer_info(a, id, &info), 0);
	cr_expect_str_eq(info.name, "b");
	cr_expect_eq(info.id, id);
	cr_expect_eq(info.max_msg, 7000u);
	cr_expect_eq(info.state, 0);
	cr_expect_neq(info.epoch, 0u);
	cr_expect_eq(conf_stats(a).peers, 1u);
	vmq_close(a);
	conf_join(&b);
}

/* ---- events -------------------------------------------------------------------- */

static struct vmq_event next_event(struct vmq *q, uint32_t type)
{
	struct vmq_event e = { .size = sizeof(e) };

	cr_assert_eq(vmq_event(q, &e, PATIENCE), 0);
	cr_assert_eq(e.type, type, "event %u instead of %u", e.type, type);
	return e;
}

static void visit(struct conf_peer *me)
{
	struct vmq *q = peer_vm(me, NULL);
	uint32_t a = conf_meet(q, "a");

	need(a);
	need(vmq_send(q, a, me->name, strlen(me->name), 0, PATIENCE) == 0);
	peer_tell(me, (uint64_t)vmq_id(q));
	peer_hear(me);
	need(vmq_close(q) == 0);
}

Test(life, join_and_leave_events)
{
	struct vmq_event e = { .size = sizeof(e) };
	struct vmq *a = conf_vm("a", NULL);
	struct vmq_msg msg;
	struct conf_peer b;
	uint64_t id;
	char buf[8];

	cr_expect_eq(vmq_event(a, &e, VMQ_NOWAIT), VMQ_EAGAIN);
	conf_spawn(&b, "b", visit, NULL);
	e = next_event(a, VMQ_EVENT_JOIN);
	id = conf_hear(&b);
	cr_expect_eq(e.peer, id);
	cr_expect_str_eq(e.name, "b");
	cr_expect_eq(vmq_event(a, &e, VMQ_NOWAIT), VMQ_EAGAIN, "news is told once");
	conf_tell(&b, 0);
	conf_join(&b);
	/* It has gone, but its message comes before the news of that. */
	cr_expect_eq(vmq_event(a, &e, VMQ_MS(50)), VMQ_ETIMEDOUT);
	cr_assert_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), 1);
	cr_expect_eq(buf[0], 'b');
	e = next_event(a, VMQ_EVENT_LEAVE);
	cr_expect_eq(e.peer, id);
	cr_expect_eq(e.reason, VMQ_EGONE);
	vmq_close(a);
}

Test(life, left_and_back_is_one_leave_and_one_join)
{
	struct vmq_event e = { .size = sizeof(e) };
	struct vmq *a = conf_vm("a", NULL);
	struct vmq_msg msg;
	struct conf_peer b;
	char buf[8];

	for (int i = 0; i < 2; i++) {
		conf_spawn(&b, "b", visit, NULL);
		cr_assert_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), 1);
		conf_hear(&b);
		if (!i) {
			conf_tell(&b, 0);
			conf_join(&b);
			cr_assert_eq(vmq_recv(a, buf, sizeof(buf), &msg, PATIENCE), VMQ_EGONE);
		}
	}
	next_event(a, VMQ_EVENT_LEAVE);
	next_event(a, VMQ_EVENT_JOIN);
	cr_expect_eq(vmq_event(a, &e, VMQ_NOWAIT), VMQ_EAGAIN);
	conf_tell(&b, 0);
	conf_join(&b);
	vmq_close(a);
}
