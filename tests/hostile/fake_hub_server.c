/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_hub_server.c - the listening end of a hub that the test plays. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake_hub_server.h"

char fake_why[200];
int fake_conn = -1, fake_listener;
struct vmq_geometry fake_geo;
static char dir[64], uri[128];

void fake_start(void)
{
	struct sockaddr_un sun;
	char path[96];
	unsigned len;

	scratch_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/hub", dir);
	snprintf(uri, sizeof(uri), "sim:unix=%s?name=victim", path);
	vmq__sim_wire_address(path, &sun, &len);
	fake_listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(fake_listener, (struct sockaddr *)&sun, len), 0);
	cr_assert_eq(listen(fake_listener, 4), 0);
}

void fake_stop(void)
{
	scratch_remove(dir);
}

void fake_accept(void)
{
	int fds[SIM_WIRE_FDS];
	struct sim_wire hello;
	uint64_t until = now_ns() + PATIENCE;
	int rc;

	fake_conn = accept4(fake_listener, NULL, NULL, SOCK_CLOEXEC);
	while ((rc = vmq__sim_wire_recv(fake_conn, &hello, fds)) == VMQ_EAGAIN && now_ns() < until)
		;
	if (rc || hello.type != SIM_HELLO || strcmp(hello.name, "victim"))
		abort();
}

struct sim_wire fake_packet(uint32_t type)
{
	return (struct sim_wire){ .version = SIM_WIRE_VERSION, .type = type };
}

static void *run_script(void *s)
{
	(*(fake_script **)s)();
	return NULL;
}

int fake_open(fake_script *s, struct vmq **q)
{
	struct vmq_options o = { .size = sizeof(o), .errmsg = fake_why, .errlen = sizeof(fake_why) };
	pthread_t thread;
	int rc;

	pthread_create(&thread, NULL, run_script, &s);
	rc = vmq_open(uri, &o, q);
	pthread_join(thread, NULL);
	return rc;
}

void fake_welcomes(void)
{
	struct sim_wire m = fake_packet(SIM_WELCOME);
	int fds[2] = { eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };

	fake_accept();
	m.id = 5;
	m.lane = 4096;
	m.pages = 2;
	vmq__sim_wire_send(fake_conn, &m, fds, 2);
	close(fds[0]);
	close(fds[1]);
}

struct vmq *fake_victim(void)
{
	struct vmq *q = NULL;

	cr_assert_eq(fake_open(fake_welcomes, &q), 0, "%s", fake_why);
	cr_assert_eq(vmq_id(q), 5);
	return q;
}

int fake_region(uint8_t **map)
{
	struct vmq_ident ident[2] = { { .id = 5, .name = "victim" }, { .id = 6, .name = "evil" } };
	int fd;

	cr_assert_eq(vmq_layout_plan((uint32_t[]){ 4096, 4096 }, (uint32_t[]){ 2, 2 }, &fake_geo), 0);
	fd = vmq__region_create(&fake_geo, ident);
	cr_assert_geq(fd, 0);
	*map = mmap(NULL, fake_geo.region_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(*map, MAP_FAILED);
	return fd;
}

struct sim_wire fake_join(void)
{
	struct sim_wire m = fake_packet(SIM_JOIN);

	m.chan = 77;
	m.id = 6;
	m.epoch = 9;
	strcpy(m.name, "evil");
	return m;
}

void fake_tell_join(const struct sim_wire *m, int fd)
{
	int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	cr_assert_eq(vmq__sim_wire_send(fake_conn, m, (int[]){ fd, bell, bell }, 3), 0);
	close(bell);
	close(fd);
}

void fake_turned_down(struct vmq *q)
{
	int fds[SIM_WIRE_FDS];
	struct sim_wire m;
	uint32_t id;
	int rc;

	rc = vmq_peer(q, "evil", VMQ_NOWAIT, &id);
	cr_expect(rc == VMQ_EAGAIN || rc == VMQ_EPROTO || rc == VMQ_EVERSION, "%s", vmq_errname(rc));
	cr_assert_eq(vmq__sim_wire_recv(fake_conn, &m, fds), 0);
	cr_expect_eq(m.type, (uint32_t)SIM_DETACH, "packet %u", m.type);
	cr_expect_eq(m.chan, 77u);
	cr_expect_eq(vmq_send(q, 6, "x", 1, 0, VMQ_NOWAIT), VMQ_ENOENT);
	cr_expect_eq(vmq_send(q, 5, "x", 1, 0, VMQ_NOWAIT), 0);
	cr_expect_eq(vmq_recv(q, &id, 1, NULL, VMQ_NOWAIT), 1);
	close(fake_conn);
	cr_expect_eq(vmq_recv(q, &id, 1, NULL, PATIENCE), VMQ_ECONN);
	vmq_close(q);
}
