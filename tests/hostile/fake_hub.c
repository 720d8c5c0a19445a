/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_hub.c - a hub that is silent, hangs up, lies, or hands out damaged regions:
 * a client of it gets a defined error, or goes on without that peer. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sim.h"
#include "support.h"

static char dir[64], uri[128], why[200];
static int listener, conn = -1;

static void start(void)
{
	struct sockaddr_un sun;
	char path[96];
	unsigned len;

	scratch_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/hub", dir);
	snprintf(uri, sizeof(uri), "sim:unix=%s?name=victim", path);
	vmq__sim_wire_address(path, &sun, &len);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&sun, len), 0);
	cr_assert_eq(listen(listener, 4), 0);
}

static void stop(void)
{
	scratch_remove(dir);
}

TestSuite(fake_hub, .init = start, .fini = stop);

/* What the hub says first. */
typedef void script(void);

static void accept_hello(void)
{
	int fds[SIM_WIRE_FDS];
	struct sim_wire hello;
	uint64_t until = now_ns() + PATIENCE;
	int rc;

	conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	while ((rc = vmq__sim_wire_recv(conn, &hello, fds)) == VMQ_EAGAIN && now_ns() < until)
		;
	if (rc || hello.type != SIM_HELLO || strcmp(hello.name, "victim"))
		abort();
}

static struct sim_wire packet(uint32_t type)
{
	return (struct sim_wire){ .version = SIM_WIRE_VERSION, .type = type };
}

static void *run_script(void *s)
{
	(*(script **)s)();
	return NULL;
}

static int open_under(script *s, struct vmq **q)
{
	struct vmq_options o = { .size = sizeof(o), .errmsg = why, .errlen = sizeof(why) };
	pthread_t thread;
	int rc;

	pthread_create(&thread, NULL, run_script, &s);
	rc = vmq_open(uri, &o, q);
	pthread_join(thread, NULL);
	return rc;
}

static void refused(script *s, int code)
{
	struct vmq *q = NULL;
	int fds = count_fds(), maps = count_maps();

	cr_expect_eq(open_under(s, &q), code, "%s", why);
	cr_expect_null(q);
	cr_expect_neq(why[0], 0);
	if (conn >= 0)
		close(conn);
	conn = -1;
	cr_expect_eq(count_fds(), fds);
	cr_expect_leq(count_maps(), maps + 4);
}

/* ---- opening ---------------------------------------------------------------------- */

static void silent(void)
{
}

static void hangs_up(void)
{
	close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

static void hangs_up_later(void)
{
	accept_hello();
	close(conn);
	conn = -1;
}

static void short_packet(void)
{
	uint32_t version = SIM_WIRE_VERSION;

	accept_hello();
	send(conn, &version, sizeof(version), 0);
}

static void long_packet(void)
{
	char bytes[4096] = { SIM_WIRE_VERSION };

	accept_hello();
	send(conn, bytes, sizeof(bytes), 0);
}

static void other_version(void)
{
	struct sim_wire m = packet(SIM_WELCOME);

	accept_hello();
	m.version = 99;
	vmq__sim_wire_send(conn, &m, NULL, 0);
}

static void no_doorbells(void)
{
	struct sim_wire m = packet(SIM_WELCOME);

	accept_hello();
	vmq__sim_wire_send(conn, &m, NULL, 0);
}

static void something_else(void)
{
	struct sim_wire m = packet(SIM_EXIT);

	accept_hello();
	vmq__sim_wire_send(conn, &m, NULL, 0);
}

static void refuses_without_reason(void)
{
	struct sim_wire m = packet(SIM_REFUSED);

	accept_hello();
	m.code = 7;
	memset(m.text, 'x', sizeof(m.text)); /* and without an end */
	vmq__sim_wire_send(conn, &m, NULL, 0);
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

static void welcomes(void)
{
	struct sim_wire m = packet(SIM_WELCOME);
	int fds[2] = { eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };

	accept_hello();
	m.id = 5;
	m.lane = 4096;
	m.pages = 2;
	vmq__sim_wire_send(conn, &m, fds, 2);
	close(fds[0]);
	close(fds[1]);
}

static struct vmq *victim(void)
{
	struct vmq *q = NULL;

	cr_assert_eq(open_under(welcomes, &q), 0, "%s", why);
	cr_assert_eq(vmq_id(q), 5);
	return q;
}

static struct vmq_geometry geo;

/* A region as it should be, all of it mapped here. */
static int region(uint8_t **map)
{
	struct vmq_ident ident[2] = { { .id = 5, .name = "victim" }, { .id = 6, .name = "evil" } };
	int fd;

	cr_assert_eq(vmq_layout_plan((uint32_t[]){ 4096, 4096 }, (uint32_t[]){ 2, 2 }, &geo), 0);
	fd = vmq__region_create(&geo, ident);
	cr_assert_geq(fd, 0);
	*map = mmap(NULL, geo.region_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(*map, MAP_FAILED);
	return fd;
}

static struct sim_wire join(void)
{
	struct sim_wire m = packet(SIM_JOIN);

	m.chan = 77;
	m.id = 6;
	m.epoch = 9;
	strcpy(m.name, "evil");
	return m;
}

static void tell_join(const struct sim_wire *m, int fd)
{
	int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	cr_assert_eq(vmq__sim_wire_send(conn, m, (int[]){ fd, bell, bell }, 3), 0);
	close(bell);
	close(fd);
}

/* The client gives that channel up, says so, and is otherwise well. */
static void turned_down(struct vmq *q)
{
	int fds[SIM_WIRE_FDS];
	struct sim_wire m;
	uint32_t id;
	int rc;

	rc = vmq_peer(q, "evil", VMQ_NOWAIT, &id);
	cr_expect(rc == VMQ_EAGAIN || rc == VMQ_EPROTO || rc == VMQ_EVERSION, "%s", vmq_errname(rc));
	cr_assert_eq(vmq__sim_wire_recv(conn, &m, fds), 0);
	cr_expect_eq(m.type, (uint32_t)SIM_DETACH, "packet %u", m.type);
	cr_expect_eq(m.chan, 77u);
	cr_expect_eq(vmq_send(q, 6, "x", 1, 0, VMQ_NOWAIT), VMQ_ENOENT);
	cr_expect_eq(vmq_send(q, 5, "x", 1, 0, VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_recv(q, &id, 1, NULL, VMQ_NOWAIT), 1);
	close(conn);
	cr_expect_eq(vmq_recv(q, &id, 1, NULL, PATIENCE), VMQ_ECONN);
	vmq_close(q);
}

static void bad_join(struct sim_wire m)
{
	struct vmq *q = victim();
	uint8_t *map;

	tell_join(&m, region(&map));
	turned_down(q);
}

Test(fake_hub, join_with_a_third_side)
{
	struct sim_wire m = join();

	m.side = 2;
	bad_join(m);
}

Test(fake_hub, join_of_an_id_out_of_range)
{
	struct sim_wire m = join();

	m.id = 4096;
	bad_join(m);
}

Test(fake_hub, join_of_a_bad_name)
{
	struct sim_wire m = join();

	memset(m.name, '/', sizeof(m.name));
	bad_join(m);
}

Test(fake_hub, join_of_epoch_zero)
{
	struct sim_wire m = join();

	m.epoch = 0;
	bad_join(m);
}

Test(fake_hub, join_without_descriptors)
{
	struct sim_wire m = join();
	struct vmq *q = victim();

	cr_assert_eq(vmq__sim_wire_send(conn, &m, NULL, 0), 0);
	turned_down(q);
}

/* ---- regions ---------------------------------------------------------------------------- */

struct damage {
	size_t at;
	uint32_t value;
};

static const struct damage damages[] = {
	{ 0, 0 }, { 4, 0 }, /* magic */
	{ 8, 2 },           /* major version */
	{ 12, 64 }, { 12, 8192 },
	{ 24, 0x80000000u }, /* a required feature */
	{ 32, 4096 }, { 32, 0xfffff000u }, { 36, 1 },
	{ 40, 16 }, { 44, 5 },
	{ 48, 4096 * 3 }, { 48, 0xfffffff0u }, { 52, 0xffffffffu }, { 56, 1 },
	{ 80, 128 }, { 88, 4095 }, { 88, 0x80000000u }, { 92, 1 },
	{ 112, 1 }, { 120, 0xfffff000u },
};

ParameterizedTestParameters(fake_hub, damaged_header)
{
	return cr_make_param_array(const struct damage, damages, sizeof(damages) / sizeof(damages[0]));
}

ParameterizedTest(const struct damage *d, fake_hub, damaged_header, .init = start, .fini = stop)
{
	struct sim_wire m = join();
	struct vmq *q = victim();
	uint8_t *map;
	int fd = region(&map);

	memcpy(map + d->at, &d->value, sizeof(d->value));
	tell_join(&m, fd);
	turned_down(q);
}

static int memfd(size_t size, unsigned seals)
{
	int fd = memfd_create("fake", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(ftruncate(fd, (off_t)size), 0);
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* The right header in a file of the wrong size, or not sealed. */
static void copied(size_t size, unsigned seals)
{
	struct sim_wire m = join();
	struct vmq *q = victim();
	int good, fd = memfd(size, seals);
	uint8_t *map;

	good = region(&map);
	if (size && pwrite(fd, map, size < VMQ_HEADER_SIZE ? size : VMQ_HEADER_SIZE, 0) < 0)
		abort();
	close(good);
	tell_join(&m, fd);
	turned_down(q);
}

Test(fake_hub, region_of_no_bytes) { copied(0, F_SEAL_SHRINK); }
Test(fake_hub, region_of_half_a_header) { copied(1000, F_SEAL_SHRINK); }
Test(fake_hub, region_of_one_page) { copied(4096, F_SEAL_SHRINK); }
Test(fake_hub, region_cut_by_a_page)
{
	uint8_t *map;

	close(region(&map));
	copied(geo.region_size - 4096, F_SEAL_SHRINK);
}
Test(fake_hub, region_that_may_shrink) { copied(1 << 20, F_SEAL_GROW); }

Test(fake_hub, region_that_is_no_memory)
{
	struct sim_wire m = join();
	struct vmq *q = victim();

	tell_join(&m, open("/dev/zero", O_RDWR | O_CLOEXEC));
	turned_down(q);
}

/* Random bytes behind a good header: nobody identifies himself that way, and the
 * client neither hangs nor crashes. */
Test(fake_hub, region_of_noise)
{
	uint64_t x = 88172645463325252ull;

	for (int round = 0; round < 100; round++) {
		struct sim_wire m = join();
		struct vmq *q = victim();
		uint32_t id;
		uint8_t *map;
		int fd = region(&map), rc;

		for (size_t i = geo.ctl_off[0]; i < geo.region_size; i += 8) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			if (round % 2 || x % 64 == 0)
				memcpy(map + i, &x, sizeof(x));
		}
		/* Often in a state that looks like a handshake. */
		map[geo.ctl_off[1]] = (uint8_t)(round % 6);
		if (round % 2)
			memset(map + geo.ctl_off[1] + 1, 0, 3);
		map[geo.ctl_off[1] + 8] = 9;
		memset(map + geo.ctl_off[1] + 9, 0, 3);
		tell_join(&m, fd);
		for (int i = 0; i < 5; i++) {
			rc = vmq_peer(q, "evil", VMQ_NOWAIT, &id);
			cr_assert(rc == VMQ_EAGAIN || rc == VMQ_EPEER, "%s", vmq_errname(rc));
		}
		rc = (int)vmq_recv(q, &id, sizeof(id), NULL, VMQ_NOWAIT);
		cr_assert(rc == VMQ_EAGAIN || rc == VMQ_EPEER, "%s", vmq_errname(rc));
		munmap(map, geo.region_size);
		close(conn);
		vmq_close(q);
	}
}

/* ---- later ------------------------------------------------------------------------------- */

Test(fake_hub, news_of_nothing)
{
	struct vmq *q = victim();
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
		cr_assert_eq(vmq__sim_wire_send(conn, &m, NULL, 0), 0);
		cr_assert_eq(vmq_peer(q, "nobody", VMQ_NOWAIT, &id), VMQ_EAGAIN);
		while (!vmq__sim_wire_recv(conn, &m, (int[SIM_WIRE_FDS]){ 0 }))
			; /* lookups, detachments */
	}
	cr_expect_eq(vmq_send(q, 5, "x", 1, 0, VMQ_NOWAIT), 0);
	vmq_close(q);
}

Test(fake_hub, garbage_is_the_end_of_it)
{
	struct vmq *q = victim();
	uint32_t id;

	cr_assert_eq(send(conn, "garbage", 7, 0), 7);
	cr_expect_eq(vmq_recv(q, &id, sizeof(id), NULL, PATIENCE), VMQ_ECONN);
	cr_expect_eq(vmq_peer(q, "nobody", VMQ_FOREVER, &id), VMQ_ECONN);
	vmq_close(q);
}
