/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_hub.c - a hub that is silent, hangs up or lies: a client of it gets a defined
 * error, or goes on without that peer. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_hub_server.h"

TestSuite(fake_hub, .init = fake_start, .fini = fake_stop);

static void refused(fake_script *s, int code)
{
	struct vmq *q = NULL;
	int fds = count_fds(), maps = count_maps();

	cr_expect_eq(fake_open(s, &q), code, "%s", fake_why);
	cr_expect_null(q);
	cr_expect_neq(fake_why[0], 0);
	if (fake_conn >= 0)
		close(fake_conn);
	fake_conn = -1;
	cr_expect_eq(count_fds(), fds);
	cr_expect_leq(count_maps(), maps + 4);
}

/* ---- opening ---------------------------------------------------------------------- */

static void silent(void)
{
}

static void hangs_up(void)
{
	close(accept4(fake_listener, NULL, NULL, SOCK_CLOEXEC));
}

static void hangs_up_later(void)
{
	fake_accept();
	close(fake_conn);
	fake_conn = -1;
}

static void short_packet(void)
{
	uint32_t version = SIM_WIRE_VERSION;

	fake_accept();
	send(fake_conn, &version, sizeof(version), 0);
}

static void long_packet(void)
{
	char bytes[4096] = { SIM_WIRE_VERSION };

	fake_accept();
	send(fake_conn, bytes, sizeof(bytes), 0);
}

static void other_version(void)
{
	struct sim_wire m = fake_packet(SIM_WELCOME);

	fake_accept();
	m.version = 99;
	vmq__sim_wire_send(fake_conn, &m, NULL, 0);
}

static void no_doorbells(void)
{
	struct sim_wire m = fake_packet(SIM_WELCOME);

	fake_accept();
	vmq__sim_wire_send(fake_conn, &m, NULL, 0);
}

static void something_else(void)
{
	struct sim_wire m = fake_packet(SIM_EXIT);

	fake_accept();
	vmq__sim_wire_send(fake_conn, &m, NULL, 0);
}

static void refuses_without_reason(void)
{
	struct sim_wire m = fake_packet(SIM_REFUSED);

	fake_accept();
	m.code = 7;
	memset(m.text, 'x', sizeof(m.text)); /* and without an end */
	vmq__sim_wire_send(fake_conn, &m, NULL, 0);
}

Test(fake_hub, is_silent) { refused(silent, VMQ_ECONN); }
Test(fake_hub, hangs_up) { refused(hangs_up, VMQ_ECONN); }
Test(fake_hub, hangs_up_later) { refused(hangs_up_later, VMQ_ECONN); }
Test(fake_hub, short_packet) { refused(short_packet, VMQ_EPROTO); }
Test(fake_hub, long_packet) { refused(long_packet, VMQ_EPROTO); }
Test(fake_hub, other_version) { refused(other_version, VMQ_EVERSION); }
Test(fake_hub, no_doorbells) { refused(no_doorbells, VMQ_EPROTO); }
Test(fake_hub, something_else) { refused(something_else, VMQ_EPROTO); }
Test(fake_hub, refuses_without_reason) { refused(refuses_without_reason, VMQ_EPROTO); }

/* ---- peers --------------------------------------------------------------------------- */

static void bad_join(struct sim_wire m)
{
	struct vmq *q = fake_victim();
	uint8_t *map;

	fake_tell_join(&m, fake_region(&map));
	fake_turned_down(q);
}

Test(fake_hub, join_with_a_third_side)
{
	struct sim_wire m = fake_join();

	m.side = 2;
	bad_join(m);
}

Test(fake_hub, join_of_an_id_out_of_range)
{
	struct sim_wire m = fake_join();

	m.id = 4096;
	bad_join(m);
}

Test(fake_hub, join_of_a_bad_name)
{
	struct sim_wire m = fake_join();

	memset(m.name, '/', sizeof(m.name));
	bad_join(m);
}

Test(fake_hub, join_of_epoch_zero)
{
	struct sim_wire m = fake_join();

	m.epoch = 0;
	bad_join(m);
}

Test(fake_hub, join_without_descriptors)
{
	struct sim_wire m = fake_join();
	struct vmq *q = fake_victim();

	cr_assert_eq(vmq__sim_wire_send(fake_conn, &m, NULL, 0), 0);
	fake_turned_down(q);
}

/* ---- later ------------------------------------------------------------------------------- */

Test(fake_hub, news_of_nothing)
{
	struct vmq *q = fake_victim();
	uint64_t x = 2463534242u;
	uint32_t id;

	for (uint32_t i = 0; i < 3000; i++) {
		struct sim_wire m;
		uint8_t *bytes = (uint8_t *)&m;

		for (size_t k = 0; k < sizeof(m); k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			bytes[k] = (uint8_t)x;
		}
		m.version = SIM_WIRE_VERSION;
		m.type = i % 12;
		cr_assert_eq(vmq__sim_wire_send(fake_conn, &m, NULL, 0), 0);
		cr_assert_eq(vmq_peer(q, "nobody", VMQ_NOWAIT, &id), VMQ_EAGAIN);
		while (!vmq__sim_wire_recv(fake_conn, &m, (int[SIM_WIRE_FDS]){ 0 }))
			; /* lookups, detachments */
	}
	cr_expect_eq(vmq_send(q, 5, "x", 1, 0, VMQ_NOWAIT), 0);
	vmq_close(q);
}

Test(fake_hub, garbage_is_the_end_of_it)
{
	struct vmq *q = fake_victim();
	uint32_t id;

	cr_assert_eq(send(fake_conn, "garbage", 7, 0), 7);
	cr_expect_eq(vmq_recv(q, &id, sizeof(id), NULL, PATIENCE), VMQ_ECONN);
	cr_expect_eq(vmq_peer(q, "nobody", VMQ_FOREVER, &id), VMQ_ECONN);
	vmq_close(q);
}
