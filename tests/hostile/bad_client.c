/* SPDX-License-Identifier: BSD-2-Clause */
/* bad_client.c - a process that floods the hub, never reads, or talks nonsense: the
 * hub and the other VMs do not mind. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "watcher.h"

static struct vmq *a, *b;
static uint32_t to_a, to_b, pings;

static void start(void)
{
	int rc;

	cr_assert(hub_start(&hub, NULL, 0));
	a = vm("a");
	b = vm("b");
	do {
		vmq_peer(b, "a", VMQ_NOWAIT, &to_a);
		rc = vmq_peer(a, "b", VMQ_NOWAIT, &to_b);
	} while (rc == VMQ_EAGAIN);
	cr_assert_eq(rc, 0);
}

static void stop(void)
{
	vmq_close(a);
	vmq_close(b);
	cr_expect(hub_stop(&hub), "the hub came to harm");
}

TestSuite(bad_client, .init = start, .fini = stop, .timeout = 60);

/* The others go on: through the hub (an immediate exit), and a newcomer gets in. */
static void others_are_well(void)
{
	struct vmq_event e = { .size = sizeof(e) };
	char name[16], buf[4];
	int64_t n;

	cr_assert_eq(vmq_send(a, to_b, "ping", 4, VMQ_SEND_NOW, PATIENCE), 0);
	do {
		n = vmq_recv(b, buf, sizeof(buf), NULL, PATIENCE);
	} while (n == VMQ_EGONE); /* of those that left */
	cr_assert_eq(n, 4);
	/* They hear of who comes and goes, too. */
	while (!vmq_event(a, &e, VMQ_NOWAIT) || !vmq_event(b, &e, VMQ_NOWAIT))
		;
	snprintf(name, sizeof(name), "c%u", pings++ % 10);
	vmq_close(vm(name));
}

static struct sim_wire packet(uint32_t type, const char *name)
{
	struct sim_wire m = { .version = SIM_WIRE_VERSION, .type = type };

	strcpy(m.name, name);
	return m;
}

/* The hub hangs up. */
static void cut_off(int s)
{
	struct pollfd p = { .fd = s, .events = POLLRDHUP };

	cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1);
	close(s);
	others_are_well();
}

Test(bad_client, says_nothing)
{
	int s = attach();

	others_are_well();
	close(s);
	others_are_well();
}

Test(bad_client, talks_before_its_name)
{
	struct sim_wire m = packet(SIM_EXIT, "");
	int s = attach();

	vmq__sim_wire_send(s, &m, NULL, 0);
	cut_off(s);
}

static void refused(struct sim_wire m, int code)
{
	int fds[SIM_WIRE_FDS], s = attach();
	struct pollfd p = { .fd = s, .events = POLLIN };
	struct sim_wire answer;

	vmq__sim_wire_send(s, &m, NULL, 0);
	cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1);
	cr_assert_eq(vmq__sim_wire_recv(s, &answer, fds), 0);
	cr_expect_eq(answer.type, (uint32_t)SIM_REFUSED);
	cr_expect_eq(answer.code, code);
	cr_expect_neq(answer.text[0], 0);
	cut_off(s);
}

Test(bad_client, has_no_good_name)
{
	struct sim_wire m = packet(SIM_HELLO, "");

	refused(m, VMQ_EINVAL);
	memset(m.name, 'x', sizeof(m.name)); /* without an end: cut to a valid one */
	m.name[3] = '/';
	refused(m, VMQ_EINVAL);
	refused(packet(SIM_HELLO, "a"), VMQ_EEXIST);
	m = packet(SIM_HELLO, "odd");
	m.lane = 5000;
	refused(m, VMQ_EINVAL);
	m.lane = 0;
	m.pages = VMQ_POOL_MAX;
	refused(m, VMQ_EINVAL);
	m = packet(SIM_HELLO, "odd");
	m.version = 7;
	refused(m, VMQ_EVERSION);
}

static int joined(const char *name)
{
	struct sim_wire m = packet(SIM_HELLO, name);
	int s = attach();

	cr_assert_eq(vmq__sim_wire_send(s, &m, NULL, 0), 0);
	return s;
}

Test(bad_client, says_its_name_twice)
{
	struct sim_wire m = packet(SIM_HELLO, "two");
	int s = joined("one");

	vmq__sim_wire_send(s, &m, NULL, 0);
	cut_off(s);
}

Test(bad_client, says_garbage)
{
	static const char bytes[5000] = { SIM_WIRE_VERSION };
	int s = joined("e");

	send(s, bytes, 3, 0);
	cut_off(s);
	s = joined("e");
	send(s, bytes, sizeof(bytes), 0);
	cut_off(s);
	s = joined("e");
	send(s, bytes, sizeof(struct sim_wire), 0); /* of no known type */
	cut_off(s);
}

Test(bad_client, noise)
{
	uint64_t x = 88172645463325252ull;

	for (int round = 0; round < 50; round++) {
		int s = joined("noise");

		for (int i = 0; i < 200; i++) {
			struct sim_wire m;

			for (size_t k = 0; k < sizeof(m); k++) {
				x ^= x << 13;
				x ^= x >> 7;
				x ^= x << 17;
				((uint8_t *)&m)[k] = (uint8_t)x;
			}
			m.version = SIM_WIRE_VERSION;
			m.type = i % 2 ? SIM_EXIT : i % 4 ? SIM_LOOKUP : SIM_DETACH;
			if (x % 2)
				m.reason %= 5;
			vmq__sim_wire_send(s, &m, NULL, 0);
		}
		close(s);
		if (round % 10 == 0)
			others_are_well();
	}
}

/* Descriptors that it sends along are closed, not kept. */
Test(bad_client, gives_descriptors)
{
	struct sim_wire m = packet(SIM_EXIT, "");
	int s = joined("e"), fd = eventfd(0, EFD_CLOEXEC);

	for (int i = 0; i < 5000; i++)
		while (vmq__sim_wire_send(s, &m, (int[]){ fd, fd, fd }, 3) == VMQ_EAGAIN)
			;
	others_are_well();
	close(s);
	close(fd);
}

/* It asks and asks and never reads an answer: it is cut off. */
Test(bad_client, never_reads)
{
	struct sim_wire m = packet(SIM_LOOKUP, "a");
	uint64_t until = now_ns() + PATIENCE;
	int s = joined("deaf"), rc = 0;

	while (rc != VMQ_ECONN && now_ns() < until)
		rc = vmq__sim_wire_send(s, &m, NULL, 0);
	cr_expect_eq(rc, VMQ_ECONN, "it may go on for ever");
	close(s);
	others_are_well();
}

/* It floods the hub with exits: others get their turns. */
Test(bad_client, floods)
{
	struct sim_wire m = packet(SIM_EXIT, "");
	int s = joined("flood"), end[2];
	pid_t pid;

	cr_assert_eq(pipe(end), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		struct pollfd p = { .fd = end[0], .events = POLLIN };

		close(end[1]);
		while (poll(&p, 1, 0) == 0)
			vmq__sim_wire_send(s, &m, NULL, 0);
		_exit(0);
	}
	close(s);
	for (int i = 0; i < 200; i++)
		others_are_well();
	close(end[1]);
	close(end[0]);
}
