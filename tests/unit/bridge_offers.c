/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge_offers.c - a process of the same user that offers channels which are none. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge_raw.h"

TestSuite(bridge_offers, .init = raw_start, .fini = raw_stop);

/* y is told to call a socket at which this test answers, and says HELLO there. */
static int called_by_y(int *listener)
{
	struct far_packet m;
	char path[96];
	int s, fds[PACKET_FDS];

	snprintf(path, sizeof(path), "%s/fake", dir);
	*listener = vmq__packet_listen(path);
	cr_assert_geq(*listener, 0);
	cr_assert_eq(vmq_bridge_connect(y.bridge, path), 0);
	do
		vmq_bridge_run(y.bridge, VMQ_MS(1));
	while ((s = accept(*listener, NULL, NULL)) < 0);
	cr_assert(raw_hear(s, FAR_HELLO, &m, fds));
	return s;
}

static struct far_packet hello(uint64_t instance)
{
	struct far_packet m = vmq__far_packet(FAR_HELLO);

	m.number = instance;
	return m;
}

static int answer_y(int *listener)
{
	int s = called_by_y(listener), fds[PACKET_FDS];
	struct far_packet m;

	raw_say(s, hello(4711), NULL, 0);
	cr_assert(raw_hear(s, FAR_READY, &m, fds));
	return s;
}

/* This test calls y while y calls it, and each has answered before it has heard. */
static void both_at_once(uint64_t instance, bool ys_stays)
{
	int listener, ys = called_by_y(&listener), ours = raw_dial(&y), fds[PACKET_FDS];
	struct far_packet m;

	raw_say(ours, hello(instance), NULL, 0);
	cr_assert(raw_hear(ours, FAR_HELLO, &m, fds));
	cr_expect_eq(m.code, 0);
	raw_say(ys, hello(instance), NULL, 0);
	cr_expect_eq(raw_hear(ys, FAR_READY, &m, fds), ys_stays);
	close(listener);
	if (!ys_stays) {
		raw_say(ours, vmq__far_packet(FAR_READY), NULL, 0);
		cr_expect(raw_hear(ours, FAR_VM_ADD, &m, fds));
		vmq__packet_close(fds);
	}
	cr_expect(raw_closed(ys_stays ? ours : ys));
	cr_expect_not(raw_closed(ys_stays ? ys : ours));
}

Test(bridge_offers, both_at_once_and_it_is_lower)
{
	both_at_once(UINT64_MAX, true);
	raw_check();
}

Test(bridge_offers, both_at_once_and_it_is_higher)
{
	both_at_once(2, false);
	raw_check();
}

struct offer {
	struct far_packet m;
	int fd[2];
};

/* What a good VMM would offer b for its VM "evil". */
static struct offer offer(uint64_t number)
{
	struct offer o = { .m = vmq__far_packet(FAR_JOIN) };
	struct vmq_ident ident[2] = { { .id = 200, .name = "evil" }, { .id = 100, .name = "b" } };
	struct vmq_geometry geo;

	vmq_layout_plan((uint32_t[]){ 4096, 4096 }, (uint32_t[]){ 4, 4 }, &geo);
	o.fd[0] = vmq__region_create(&geo, ident);
	o.fd[1] = vmq__sealed_create("ledger", VMQ_PAGE_SIZE);
	o.m.number = number;
	o.m.life = 1; /* the first VM of its VMM */
	o.m.id = 200;
	o.m.peer = 100;
	o.m.side = 1;
	o.m.epoch = 5;
	return o;
}

static bool accepted(int s, struct offer *o)
{
	int fds[PACKET_FDS], rc;
	struct far_packet m;

	raw_say(s, o->m, o->fd, 2);
	close(o->fd[0]);
	close(o->fd[1]);
	do {
		settle();
		rc = vmq__packet_recv(s, &m, sizeof(m), FAR_VERSION, fds);
		vmq__packet_close(fds);
	} while (!rc && (m.number != o->m.number || (m.type != FAR_JOINED && m.type != FAR_LEAVE)));
	return !rc && m.type == FAR_JOINED;
}

static int unsealed(uint64_t size)
{
	int fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(ftruncate(fd, (off_t)size), 0);
	return fd;
}

Test(bridge_offers, bad_offers)
{
	int listener, s = answer_y(&listener);
	uint64_t number = 1;
	struct offer o;
	unsigned links;

	raw_announce(s, 200, "evil");
	settle();
	links = b.links;
#define BAD(change) \
	do { \
		o = offer(++number); \
		change; \
		cr_expect_not(accepted(s, &o), #change); \
		cr_expect_eq(b.links, links, #change); \
	} while (0)
	BAD(o.m.life += 7);
	BAD(o.m.id = 0);
	BAD(o.m.id = UINT32_MAX);
	BAD(o.m.peer = 0);
	BAD(o.m.peer = UINT32_MAX);
	BAD(o.m.peer = 200);
	BAD(o.m.side = 2);
	BAD(o.m.side = UINT32_MAX);
	BAD(o.m.side = 0);
	BAD(o.m.epoch = 0);
	BAD(close(o.fd[0]); o.fd[0] = unsealed(1u << 20));
	BAD(close(o.fd[1]); o.fd[1] = unsealed(4096));
	BAD(close(o.fd[0]); o.fd[0] = vmq__sealed_create("small", 4096));
	BAD(close(o.fd[0]); o.fd[0] = vmq__sealed_create("zeros", 1u << 20));
	BAD(close(o.fd[1]); o.fd[1] = vmq__sealed_create("small", 0));
	BAD(close(o.fd[0]); o.fd[0] = open("/dev/zero", O_RDWR | O_CLOEXEC));
	BAD(close(o.fd[1]); o.fd[1] = dup(bell));
	vmq_vmm_refuse(y.vmm, "evil", "b");
	BAD((void)0);
	vmq_vmm_allow(y.vmm, "evil", "b");
	/* And that it was not for nothing: */
	o = offer(++number);
	cr_expect(accepted(s, &o));
	cr_expect_eq(b.links, links + 1);
	links++;
	BAD((void)0);
	close(s);
	close(listener);
	settle();
	cr_expect_eq(b.leaves, 1u);
	b.leaves = 0;
	vmq_vmm_detach(b.link[1].info.link);
	fake_forget(&b.link[1]);
	raw_check();
}

/* What the VMM and its VM go by: sizes, places, ids and names. */
static bool counts(size_t at)
{
	size_t ident = at - offsetof(struct vmq_layout_header, ident);

	if (at < 10 || (at >= 12 && at < 16) || (at >= 32 && at < 44))
		return true;
	if (at >= 48 && at < 48 + VMQ_PART_COUNT * 16)
		return true;
	return at >= 192 && at < 320 && (ident % 64 < 4 || ident % 64 == 20);
}

/* Geometry and identities that differ from what was announced. */
Test(bridge_offers, bad_headers)
{
	int listener, s = answer_y(&listener);
	struct vmq_layout_header *h;
	unsigned links = b.links;
	uint64_t number = 100;

	raw_announce(s, 200, "evil");
	for (size_t at = 0; at < 384; at++) {
		struct offer o = offer(++number);

		h = mmap(NULL, VMQ_HEADER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, o.fd[0], 0);
		cr_assert_neq(h, MAP_FAILED);
		((uint8_t *)h)[at] ^= 0x40;
		munmap(h, VMQ_HEADER_SIZE);
		if (!accepted(s, &o))
			continue;
		cr_expect_not(counts(at), "%zu", at);
		cr_expect_eq(b.links, ++links, "%zu", at);
		for (unsigned i = 0; i < FAKE_LINKS; i++)
			if (b.link[i].info.link && !strcmp(b.link[i].peer_name, "evil")) {
				vmq_vmm_detach(b.link[i].info.link);
				fake_forget(&b.link[i]);
			}
		settle();
	}
	close(s);
	close(listener);
	settle();
	b.leaves = 0;
	raw_check();
}
