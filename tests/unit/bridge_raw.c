/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge_raw.c - a process that speaks the bridges' protocol by hand. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bridge_raw.h"

struct host x, y;
struct fake a, b;
int bell;
static int fds_before;

void raw_start(void)
{
	signal(SIGPIPE, SIG_DFL);
	hosts_start();
	host_open(&x, "x", 1, 0);
	host_open(&y, "y", 100, 0);
	vm_init(&a, "a");
	vm_init(&b, "b");
	vm_add(&x, &a);
	vm_add(&y, &b);
	call(&y, &x);
	cr_assert(fake_connect(&a, &b));
	bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds_before = count_fds();
}

int raw_fds(void)
{
	return fds_before;
}

void raw_check(void)
{
	struct fake c;

	settle();
	cr_expect_eq(count_fds(), fds_before, "%d of %d", count_fds(), fds_before);
	cr_expect_eq(a.leaves + b.leaves, 0u);
	cr_expect(fake_connect(&a, &b));
	vm_init(&c, "c");
	vm_add(&y, &c);
	settle();
	cr_expect(fake_connect(&a, &c));
	vmq_vmm_remove(c.vm);
	vm_free(&c);
}

void raw_stop(void)
{
	hosts_stop();
	vm_free(&a);
	vm_free(&b);
	close(bell);
}

int raw_dial(struct host *h)
{
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sun;
	unsigned len;

	vmq__packet_address(h->path, &sun, &len);
	cr_assert_eq(connect(s, (struct sockaddr *)&sun, len), 0);
	return s;
}

void raw_say(int s, struct far_packet m, const int *fds, unsigned n)
{
	vmq__packet_send(s, &m, sizeof(m), fds, n);
}

bool raw_hear(int s, enum far_type type, struct far_packet *m, int fds[PACKET_FDS])
{
	int rc;

	do {
		settle();
		rc = vmq__packet_recv(s, m, sizeof(*m), FAR_VERSION, fds);
		if (!rc && m->type == type)
			return true;
		vmq__packet_close(fds);
	} while (!rc);
	return false;
}

bool raw_closed(int s)
{
	char c[512];
	ssize_t n;

	settle();
	while ((n = recv(s, c, sizeof(c), MSG_DONTWAIT)) > 0)
		;
	close(s);
	return !n || errno == ECONNRESET;
}

int raw_ready(struct host *h, uint64_t instance)
{
	struct far_packet m = vmq__far_packet(FAR_HELLO);
	int s = raw_dial(h), fds[PACKET_FDS];

	m.number = instance;
	raw_say(s, m, NULL, 0);
	cr_assert(raw_hear(s, FAR_HELLO, &m, fds));
	cr_assert_eq(m.code, 0);
	raw_say(s, vmq__far_packet(FAR_READY), NULL, 0);
	settle();
	return s;
}

struct far_packet raw_vm(uint32_t id, const char *name)
{
	struct far_packet m = vmq__far_packet(FAR_VM_ADD);

	m.number = 1;
	m.id = id;
	m.lane = 4096;
	m.pages = 4;
	strcpy(m.name, name);
	return m;
}

void raw_announce(int s, uint32_t id, const char *name)
{
	raw_say(s, raw_vm(id, name), (int[]){ bell, bell }, 2);
	settle();
}
