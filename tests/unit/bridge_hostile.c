/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge_hostile.c - a process of the same user that says anything to a bridge: the
 * bridge drops it, and all others go on. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge_raw.h"

TestSuite(bridge_hostile, .init = raw_start, .fini = raw_stop);

Test(bridge_hostile, before_hello)
{
	static const char noise[1000];
	struct far_packet m = vmq__far_packet(FAR_HELLO);
	int s;

	for (size_t len = 1; len <= sizeof(noise); len += 37) {
		s = raw_dial(&x);
		send(s, noise, len, 0);
		cr_expect(raw_closed(s), "%zu", len);
	}
	for (unsigned type = 0; type < 20; type++) {
		s = raw_dial(&x);
		m.type = type;
		m.number = 0;
		raw_say(s, m, NULL, 0);
		cr_expect(raw_closed(s), "%u", type);
	}
	s = raw_dial(&x);
	m.type = FAR_HELLO;
	m.number = 77;
	m.version = FAR_VERSION + 1;
	raw_say(s, m, NULL, 0);
	cr_expect(raw_closed(s));
	cr_expect_not_null(strstr(x.line, "version"));
	raw_check();
}

Test(bridge_hostile, who_says_nothing_keeps_nobody_out)
{
	int s[100];

	for (int i = 0; i < 100; i++) {
		s[i] = raw_dial(&x);
		settle();
	}
	cr_expect(raw_closed(s[0]));
	close(raw_ready(&x, 99));
	for (int i = 1; i < 100; i++)
		close(s[i]);
	raw_check();
}

Test(bridge_hostile, hello_twice)
{
	struct far_packet m = vmq__far_packet(FAR_HELLO);
	int s = raw_ready(&x, 42), t = raw_dial(&x), fds[PACKET_FDS];

	m.number = 42;
	raw_say(t, m, NULL, 0);
	cr_assert(raw_hear(t, FAR_HELLO, &m, fds));
	cr_expect_eq(m.code, VMQ_EEXIST, "one connection for each VMM");
	cr_expect(raw_closed(t));
	m.code = 0;
	raw_say(s, m, NULL, 0);
	cr_expect(raw_closed(s));
	raw_check();
}

Test(bridge_hostile, any_type_with_any_descriptors)
{
	int fds[3] = { bell, bell, bell };

	for (unsigned type = 0; type < 20; type++)
		for (unsigned n = 0; n < 4; n++) {
			int s = raw_ready(&x, 1000 + type);
			struct far_packet m = vmq__far_packet(type);

			raw_say(s, m, fds, n);
			settle();
			close(s);
			settle();
		}
	raw_check();
}

static void flood(int s, const struct far_packet *m, unsigned n)
{
	static _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 250)];
	struct iovec iov = { (void *)(uintptr_t)m, sizeof(*m) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = CMSG_SPACE(sizeof(int) * n) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	for (unsigned i = 0; i < n; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &bell, sizeof(int));
	sendmsg(s, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* More than a packet may have; the fourth would fit into the padding of three. */
Test(bridge_hostile, a_flood_of_descriptors)
{
	struct far_packet m = raw_vm(200, "evil");

	for (unsigned n = 3; n < 250; n += n < 9 ? 1 : 40) {
		int s = raw_ready(&x, 50);

		for (int i = 0; i < 20; i++)
			flood(s, &m, n);
		settle();
		/* The two ends of the connection, at most. */
		cr_expect_leq(count_fds(), raw_fds() + 2, "%u", n);
		close(s);
		settle();
	}
	raw_check();
}

Test(bridge_hostile, vms_that_cannot_be)
{
	struct far_packet bad[12];
	int s, n = 0;

	for (int i = 0; i < 12; i++)
		bad[i] = raw_vm(200, "evil");
	bad[n++].id = 0;
	bad[n++].id = 4096;
	bad[n++].id = UINT32_MAX;
	bad[n++].lane = 0;
	bad[n++].lane = 5000;
	bad[n++].lane = 1u << 31;
	bad[n++].pages = UINT32_MAX;
	bad[n++].pages = VMQ_POOL_MAX;
	strcpy(bad[n++].name, "");
	strcpy(bad[n++].name, "*");
	strcpy(bad[n++].name, "a/b");
	memset(bad[n++].name, 0xff, sizeof(bad[0].name));
	for (int i = 0; i < n - 1; i++) {
		s = raw_ready(&x, 50);
		raw_say(s, bad[i], (int[]){ bell, bell }, 2);
		cr_expect(raw_closed(s), "%d", i);
	}
	/* One that is cut to a name that can be. */
	s = raw_ready(&x, 50);
	raw_say(s, bad[n - 1], (int[]){ bell, bell }, 2);
	settle();
	close(s);
	raw_check();
}

Test(bridge_hostile, doorbells_that_are_none)
{
	int p[2], s, file = memfd_create("no bell", MFD_CLOEXEC);

	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	close(p[0]); /* who writes there gets SIGPIPE */
	s = raw_ready(&x, 50);
	raw_say(s, raw_vm(200, "evil"), (int[]){ p[1], p[1] }, 2);
	cr_expect(raw_closed(s));
	s = raw_ready(&x, 50);
	raw_say(s, raw_vm(200, "evil"), (int[]){ bell, file }, 2);
	cr_expect(raw_closed(s));
	close(p[1]);
	close(file);
	raw_check();
}

Test(bridge_hostile, names_and_ids_of_others)
{
	int s = raw_ready(&x, 50);
	unsigned links = a.links;

	raw_announce(s, 200, "a");
	raw_announce(s, 201, "b");
	raw_announce(s, 1, "evil");
	raw_announce(s, 100, "evil");
	cr_expect_eq(a.links, links);
	cr_expect_not_null(strstr(x.line, "taken"));
	raw_announce(s, 202, "good");
	raw_announce(s, 202, "again");
	cr_expect(raw_closed(s), "the same id twice");
	cr_expect_eq(a.links, links, "nobody answered JOIN");
	raw_check();
}

/* ---- as the one who is asked for channels ------------------------------------------------ */

Test(bridge_hostile, answers_out_of_place)
{
	static const enum far_type types[] = { FAR_JOINED, FAR_LEAVE, FAR_SYNC, FAR_SYNCED, FAR_WANT,
		FAR_VM_DEL };
	int s = raw_ready(&x, 50), fds[PACKET_FDS];
	struct far_packet join, m;
	unsigned links = a.links;

	raw_announce(s, 200, "evil");
	cr_assert(raw_hear(s, FAR_JOIN, &join, fds));
	vmq__packet_close(fds);
	for (unsigned i = 0; i < 6; i++)
		for (uint64_t n = 0; n < 8; n++) {
			m = vmq__far_packet(types[i]);
			m.number = types[i] == FAR_JOINED ? join.number : n * 0x123456789u;
			m.id = (uint32_t)n * 1000;
			m.peer = (uint32_t)(UINT32_MAX - n);
			raw_say(s, m, NULL, 0);
			settle();
		}
	cr_expect_eq(a.links, links + 1, "JOINED counts once");
	m = vmq__far_packet(FAR_LEAVE);
	m.number = join.number;
	m.code = VMQ_EACCES;
	raw_say(s, m, NULL, 0);
	raw_say(s, m, NULL, 0);
	settle();
	cr_expect_eq(a.leaves, 1u);
	a.leaves = 0;
	vmq_vmm_detach(a.link[1].info.link);
	cr_expect_not(raw_closed(s));
	settle();
	raw_check();
}

/* A ledger that is scribbled on, page words too. */
Test(bridge_hostile, a_ledger_of_noise)
{
	int s = raw_ready(&x, 50), fds[PACKET_FDS];
	uint64_t r = 88172645463325252ull;
	struct far_packet m;
	struct fake_link *l;
	uint32_t *ledger;

	raw_announce(s, 200, "evil");
	cr_assert(raw_hear(s, FAR_JOIN, &m, fds));
	ledger = mmap(NULL, VMQ_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
	cr_assert_neq(ledger, MAP_FAILED);
	cr_expect_lt(ftruncate(fds[0], 0), 0);
	cr_expect_lt(ftruncate(fds[1], 0), 0);
	vmq__packet_close(fds);
	m.type = FAR_JOINED;
	raw_say(s, m, NULL, 0);
	settle();
	l = fake_to(&a, "evil");
	cr_assert_not_null(l);
	for (int i = 0; i < 5000; i++) {
		struct vmq_layout_ctl *ctl =
			(void *)((uint8_t *)l->info.region + l->geo.ctl_off[l->info.side]);

		r ^= r << 13;
		r ^= r >> 7;
		r ^= r << 17;
		ledger[r % 16] = (uint32_t)(r >> 32);
		((uint32_t *)((uint8_t *)ctl + VMQ_CTL_PAGE_WORDS))[r % 8] = (uint32_t)(r >> 20);
		ctl->page_seq++;
		vmq_vmm_pages(l->info.link, 0, 0);
		(void)*(volatile uint8_t *)fake_page(l, (uint32_t)(r >> 24) % 8);
		settle();
		while (recv(s, &m, sizeof(m), MSG_DONTWAIT) > 0)
			;
		m = vmq__far_packet(r >> 50 & 1 ? FAR_SYNC : FAR_SYNCED);
		m.number = 1 + r % 3;
		raw_say(s, m, NULL, 0);
		settle();
	}
	munmap(ledger, VMQ_PAGE_SIZE);
	cr_expect_not(raw_closed(s));
	settle();
	cr_expect_eq(l->left, VMQ_EGONE);
	a.leaves = 0;
	vmq_vmm_detach(l->info.link);
	raw_check();
}

/* Who reads nothing of what it is told is dropped in the end, and fills nobody. */
Test(bridge_hostile, who_never_reads)
{
	int s = raw_ready(&x, 50);
	struct fake c;

	vm_init(&c, "c");
	cr_assert_eq(vmq_vmm_refuse(x.vmm, "*", "c"), 0);
	for (int i = 0; i < 12000; i++) {
		vm_add(&x, &c);
		vmq_vmm_remove(c.vm);
		if (i % 50 == 0)
			settle();
	}
	cr_assert_eq(vmq_vmm_allow(x.vmm, "*", "*"), 0);
	cr_expect(raw_closed(s));
	vm_free(&c);
	raw_check();
}
