/* SPDX-License-Identifier: BSD-2-Clause */
/* vms.c - machines with probe guests, and the host that commands them. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vms.h"

struct vmq_vmm *vmm;
struct vmq *host;
struct vms_guest guests[VMS_GUESTS];

static _Thread_local struct machine *running;

/* ---- with KVM or without --------------------------------------------------------------- */

/* Instead of Criterion's own, which it finds by its dynamic symbol: one line says why
 * no test can run. */
__attribute__((visibility("default"))) int main(int argc, char **argv)
{
	struct criterion_test_set *set;
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), rc = 0;

	if (fd < 0) {
		printf("skipped: /dev/kvm cannot be opened: %s\n", strerror(errno));
		return 0;
	}
	close(fd);
	set = criterion_initialize();
	criterion_options.jobs = 1; /* machines are work enough */
	if (criterion_handle_args(argc, argv, true))
		rc = !criterion_run_all_tests(set);
	criterion_finalize(set);
	return rc;
}

/* ---- a guest's machine ------------------------------------------------------------------ */

/* In the vCPU's thread: also if it is just about to enter the guest. */
static void on_signal(int number)
{
	(void)number;
	if (running)
		machine_kick(running);
}

static void *run(void *arg)
{
	struct vms_guest *g = arg;

	running = &g->machine;
	g->tid = thread_id();
	while (!g->stop && machine_run(&g->machine) == 0) {
		g->machine.run->immediate_exit = 0;
		if (vmq_kvm_exit(g->kvm, g->machine.run) ||
				g->machine.run->exit_reason == KVM_EXIT_INTR)
			continue;
		g->ended = (int)g->machine.run->exit_reason;
		break;
	}
	return NULL;
}

static void on_fault(void *ctx, uint64_t address, uint32_t len)
{
	struct vms_guest *g = ctx;

	(void)len;
	g->fault_address = address;
	g->faults++;
}

struct vmq_kvm_config vms_config(const char *name)
{
	return (struct vmq_kvm_config){ .size = sizeof(struct vmq_kvm_config), .name = name,
		.lane_size = VMS_LANE, .pool_pages = VMS_POOL, .flags = VMQ_KVM_ROUTE,
		.memory_slot = 1, .window = MACHINE_WINDOW, .window_size = VMS_WINDOW_SIZE,
		.bus = VMQ_BOOT_PORT, .doorbell = VMS_PORT, .gsi = 5, .vector = 0x40 };
}

static struct vms_guest *guest_new(const char *name)
{
	struct vms_guest *g = guests;

	while (g < guests + VMS_GUESTS && (g->kvm || g->remote))
		g++;
	cr_assert_lt(g - guests, VMS_GUESTS);
	memset(g, 0, sizeof(*g));
	strcpy(g->name, name);
	return g;
}

static struct vms_guest *boot(struct vmq_kvm_config config, uint64_t argument)
{
	struct vms_guest *g = guest_new(config.name);

	cr_assert_eq(machine_open(&g->machine, PROBE, argument), 0, "%s", strerror(errno));
	config.vm_fd = g->machine.vm;
	config.fault = on_fault;
	config.ctx = g;
	cr_assert_eq(vmq_kvm_add(vmm, &config, &g->kvm), 0);
	g->id = vmq_vmm_id(vmq_kvm_vm(g->kvm));
	cr_assert_eq(pthread_create(&g->thread, NULL, run, g), 0);
	return g;
}

struct vms_guest *vms_boot_as(struct vmq_kvm_config config)
{
	return boot(config, config.window);
}

struct vms_guest *vms_boot_silent(const char *name)
{
	return boot(vms_config(name), 0);
}

struct vms_guest *vms_boot(const char *name)
{
	struct vms_guest *g = vms_boot_as(vms_config(name));

	vms_connected(g, "host");
	return g;
}

struct vms_guest *vms_remote(const char *name)
{
	struct vms_guest *g = guest_new(name);

	cr_assert_eq(vmq_peer(host, name, PATIENCE, &g->id), 0);
	g->remote = true;
	return g;
}

void vms_interrupt(struct vms_guest *g)
{
	pthread_kill(g->thread, SIGUSR1);
}

void vms_halt(struct vms_guest *g)
{
	g->stop = true;
	vms_interrupt(g);
	pthread_join(g->thread, NULL);
}

void vms_kill(struct vms_guest *g)
{
	vms_halt(g);
	cr_assert_eq(vmq_kvm_remove(g->kvm), 0);
	g->kvm = NULL;
	machine_close(&g->machine);
}

void vms_start(void)
{
	struct vmq_options o = { .size = sizeof(o), .name = "host", .lane_size = VMS_LANE,
		.pool_pages = VMS_POOL };

	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	cr_assert_eq(vmq_vmm_create(NULL, &vmm), 0);
	cr_assert_eq(vmq_vmm_open(vmm, &o, &host), 0);
}

void vms_stop(void)
{
	for (unsigned i = 0; i < VMS_GUESTS; i++)
		if (guests[i].kvm)
			vms_kill(&guests[i]);
	vmq_close(host);
	vmq_vmm_destroy(vmm);
}

/* ---- messages ------------------------------------------------------------------------------ */

static struct vms_guest *guest_of(uint32_t id)
{
	for (unsigned i = 0; i < VMS_GUESTS; i++)
		if ((guests[i].kvm || guests[i].remote) && guests[i].id == id)
			return &guests[i];
	return NULL;
}

static void take(struct vms_guest *g, const struct vmq_msg *msg)
{
	const uint32_t *words = msg->data;

	if (msg->flags & VMQ_MSG_PAGE) {
		g->page = msg->page;
		g->pages++;
		return;
	}
	if (msg->len == sizeof(g->reply) && *words == PROBE_MAGIC) {
		memcpy(&g->reply, msg->data, sizeof(g->reply));
		g->answered = true;
		return;
	}
	g->bad += !probe_matches(words, (uint32_t)msg->len, g->got);
	g->got++;
}

bool vms_look(void)
{
	static uint32_t buffer[1024];
	struct vmq_msg msg = { .data = NULL };
	int64_t n = vmq_recv(host, buffer, sizeof(buffer), &msg, VMQ_NOWAIT);
	struct vms_guest *g = guest_of(msg.peer);

	if (n == VMQ_EAGAIN)
		return false;
	if (!g)
		return true;
	msg.len = n >= 0 ? (size_t)n : 0;
	if (n >= 0)
		take(g, &msg);
	else
		g->lost = (int)n;
	return true;
}

void vms_rest(void)
{
	if (!vms_look())
		sched_yield();
}

void vms_tell(struct vms_guest *g, const struct probe_command *c)
{
	g->answered = false;
	cr_assert_eq(vmq_send(host, g->id, c, sizeof(*c), VMQ_SEND_AUTO, PATIENCE), 0);
}

struct probe_reply vms_answer(struct vms_guest *g, uint32_t op)
{
	VMS_WHILE(!g->answered);
	g->answered = false;
	cr_assert_eq(g->reply.op, op, "reply to %u, not %u", g->reply.op, op);
	return g->reply;
}

struct probe_reply vms_ask(struct vms_guest *g, const struct probe_command *c)
{
	vms_tell(g, c);
	return vms_answer(g, c->op);
}

struct probe_reply vms_ask_of(struct vms_guest *g, const char *peer, const struct probe_command *c)
{
	struct probe_command with = *c;

	strcpy(with.peer, peer);
	return vms_ask(g, &with);
}

/* ---- conversations ---------------------------------------------------------------------------- */

void vms_connected(struct vms_guest *g, const char *peer)
{
	uint32_t id;

	if (strcmp(peer, "host")) {
		VMS_WHILE(vms_ask_of(g, peer, DO(STATE)).rc != VMQ_STATE_ESTABLISHED);
		return;
	}
	cr_assert_eq(vmq_peer(host, g->name, PATIENCE, &id), 0);
	cr_assert_eq(id, g->id);
}

void vms_count(struct vms_guest *g, const char *peer, uint32_t n, bool awake)
{
	struct probe_command c = *DO(COUNT, .n = n, .when = awake);

	strcpy(c.peer, peer);
	vms_tell(g, &c);
	vms_answer(g, PROBE_BEGUN);
}

static void one_way(struct vms_guest *from, struct vms_guest *to, uint32_t n)
{
	struct probe_reply r;

	vms_count(to, from->name, n, false);
	r = vms_ask_of(from, to->name, DO(SEND, .n = n, .len = 64, .when = VMQ_SEND_AUTO));
	cr_assert_eq(r.rc, 0, "%s cannot send to %s: %d", from->name, to->name, r.rc);
	r = vms_answer(to, PROBE_COUNT);
	cr_assert_eq(r.rc, 0);
	cr_assert_eq(r.bad, 0, "%u of %u messages were wrong", r.bad, r.got);
}

void vms_chat(struct vms_guest *a, struct vms_guest *b, uint32_t n)
{
	one_way(a, b, n);
	one_way(b, a, n);
}

void vms_chat_host(struct vms_guest *g, uint32_t n)
{
	uint32_t message[16], had = g->got;
	struct probe_reply r;

	vms_count(g, "host", n, false);
	for (uint32_t i = 0; i < n; i++) {
		probe_fill(message, sizeof(message), g->sent++);
		cr_assert_eq(vmq_send(host, g->id, message, sizeof(message), VMQ_SEND_AUTO, PATIENCE), 0);
	}
	r = vms_answer(g, PROBE_COUNT);
	cr_assert(!r.rc && !r.bad);
	r = vms_ask(g, DO(SEND, .peer = "host", .n = n, .len = 64, .when = VMQ_SEND_AUTO));
	VMS_WHILE(g->got != had + n);
	cr_assert(!r.rc && !g->bad);
}
