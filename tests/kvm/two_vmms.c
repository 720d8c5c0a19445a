/* SPDX-License-Identifier: BSD-2-Clause */
/* two_vmms.c - guests of two VMMs, each a process, with a bridge between them: guest
 * "a" is this process's, guest "b" the other's. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vms.h"
#include "where.h"

#define OTHER_IDS 1000u

/* What the other process shows of itself. */
struct shown {
	_Atomic uint64_t beats, returns, faults;
	uint8_t *window; /* guest b's, in that process */
};

static struct shown *shown;
static char dir[64], path[96];
static struct vmq_bridge *bridge;
static pthread_t server;
static atomic_int server_tid;
static pid_t other;
static int maker; /* to the process that makes the other VMM */

/* ---- the two VMMs ------------------------------------------------------------------------ */

static void bridge_open(bool listen)
{
	struct vmq_bridge_options o = { .size = sizeof(o), .path = listen ? path : NULL, .retry_ms = 10 };

	cr_assert_eq(vmq_bridge_open(vmm, &o, &bridge), 0);
	if (!listen)
		cr_assert_eq(vmq_bridge_connect(bridge, path), 0);
}

/* The whole life of the other process: it ends by SIGKILL. */
static void be_the_other(bool listen)
{
	struct vmq_vmm_options o = { .size = sizeof(o), .first_id = OTHER_IDS };
	struct vms_guest *b;

	child_prepare(-1);
	memset(guests, 0, sizeof(guests));
	cr_assert_eq(vmq_vmm_create(&o, &vmm), 0);
	bridge_open(listen);
	b = vms_boot_as(vms_config("b"));
	shown->window = vmq_kvm_window(b->kvm, NULL);
	for (;;) {
		vmq_bridge_run(bridge, VMQ_MS(5));
		shown->returns = vms_kvm_stats(b).returns;
		shown->faults = b->faults;
		shown->beats++;
	}
}

/* It is made by a process without threads: what these have locked would stay locked in
 * a child of this one. */
static void be_the_maker(int sock)
{
	int status;
	bool listen;
	pid_t pid;

	child_prepare(sock);
	while (read(sock, &listen, sizeof(listen)) == sizeof(listen)) {
		pid = fork();
		if (!pid)
			be_the_other(listen);
		if (write(sock, &pid, sizeof(pid)) < 0)
			break;
		waitpid(pid, &status, 0);
		if (write(sock, &status, sizeof(status)) < 0)
			break;
	}
	_exit(0);
}

static void other_start(bool listen)
{
	cr_assert_eq(write(maker, &listen, sizeof(listen)), (ssize_t)sizeof(listen));
	cr_assert_eq(read(maker, &other, sizeof(other)), (ssize_t)sizeof(other));
	cr_assert_gt(other, 0);
}

static void other_kill(void)
{
	int status = 0;

	cr_assert_eq(kill(other, SIGKILL), 0);
	cr_assert_eq(read(maker, &status, sizeof(status)), (ssize_t)sizeof(status));
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "it ended before: 0x%x", (unsigned)status);
	other = 0;
}

static void *serve(void *arg)
{
	(void)arg;
	server_tid = thread_id();
	vmq_bridge_run(bridge, VMQ_FOREVER);
	return NULL;
}

static void start(void)
{
	int sock[2];
	pid_t pid;

	shown = mmap(NULL, sizeof(*shown), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(shown, MAP_FAILED);
	scratch_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/bridge", dir);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	fflush(NULL);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (!pid)
		be_the_maker(sock[1]);
	close(sock[1]);
	maker = sock[0];
	vms_start();
}

static void stop(void)
{
	if (other)
		kill(other, SIGKILL);
	close(maker);
	vmq_bridge_stop(bridge);
	pthread_join(server, NULL);
	vmq_bridge_close(bridge);
	vms_stop();
	scratch_remove(dir);
}

TestSuite(two_vmms, .init = start, .fini = stop);

/* This VMM and the other, with their guests, connected. */
static void both(bool listen, struct vms_guest **a, struct vms_guest **b)
{
	bridge_open(listen);
	cr_assert_eq(pthread_create(&server, NULL, serve, NULL), 0);
	other_start(!listen);
	*a = vms_boot("a");
	*b = vms_remote("b");
	vms_connected(*a, "b");
	vms_connected(*b, "a");
}

/* What the other process shows is of a moment after this call. */
static void fresh(void)
{
	uint64_t beats = shown->beats;

	VMS_WHILE(shown->beats < beats + 2);
}

/* How often the thread that serves this VMM's bridge has gone to sleep. */
static long server_sleeps(void)
{
	char name[64], line[128];
	long n = -1;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/self/task/%d/status", server_tid);
	f = fopen(name, "re");
	cr_assert(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
			break;
	fclose(f);
	cr_assert_geq(n, 0);
	return n;
}

/* ---- messages ------------------------------------------------------------------------------ */

Test(two_vmms, messages_wake_no_vmm)
{
	struct vms_guest *a, *b;
	uint64_t mine, theirs;
	long sleeps;

	both(true, &a, &b);
	cr_expect_eq(b->id, OTHER_IDS);
	vms_chat(a, b, 20);
	fresh();
	mine = vms_kvm_stats(a).returns;
	theirs = shown->returns;
	sleeps = server_sleeps();
	vms_chat(a, b, 200);
	vms_chat_host(b, 50);
	fresh();
	cr_expect_eq(server_sleeps(), sleeps, "the bridge's thread woke up");
	cr_expect_eq(vms_kvm_stats(a).returns, mine, "a's vCPU returned to its VMM");
	cr_expect_eq(shown->returns, theirs, "b's vCPU returned to its VMM");
}

/* ---- pages ---------------------------------------------------------------------------------- */

static uint8_t *window_of(const struct vms_guest *g)
{
	return vmq_kvm_window(g->kvm, NULL);
}

Test(two_vmms, moved_page_is_the_same_page)
{
	const uint64_t text = 0x7061676573206d76;
	struct probe_reply r, to;
	struct vms_guest *a, *b;
	struct where page;

	both(true, &a, &b);
	r = vms_ask(a, DO(ALLOC, .peer = "b", .value = text));
	cr_assert_eq(r.rc, 0);
	page = where_in(getpid(), window_of(a) + r.offset);
	r = vms_ask(a, DO(GIVE, .peer = "b", .when = VMQ_PAGE_MOVE));
	cr_assert_eq(r.rc, 1);
	cr_expect_eq(r.value, 0, "a reads what it moved away");
	to = vms_ask(b, DO(TAKEN, .peer = "a"));
	cr_assert_eq(to.rc, 1);
	cr_expect_eq(to.value, text);
	cr_expect(same(where_in(other, shown->window + to.offset), page), "another physical page");
	vms_ask(b, DO(POKE, .offset = to.offset, .value = 99));
	cr_expect_eq(vms_ask(a, DO(PEEK, .offset = r.offset)).value, 0, "a sees b's data");
	/* And home again. */
	cr_assert_eq(vms_ask(b, DO(GIVE, .peer = "a", .n = 1, .when = VMQ_PAGE_MOVE)).rc, 1);
	r = vms_ask(a, DO(TAKEN, .peer = "b"));
	cr_expect_eq(r.rc, 1);
	cr_expect_eq(r.value, 99);
	cr_expect(same(where_in(getpid(), window_of(a) + r.offset), page));
}

Test(two_vmms, lent_page_is_read_only)
{
	struct vms_guest *a, *b;
	struct probe_reply r;

	both(false, &a, &b);
	cr_assert_eq(vms_ask(a, DO(ALLOC, .peer = "b", .value = 5)).rc, 0);
	r = vms_ask(a, DO(GIVE, .peer = "b", .when = VMQ_PAGE_LEND));
	cr_expect_eq(r.value, 5, "the lender still has it");
	r = vms_ask(b, DO(TAKEN, .peer = "a"));
	cr_assert_eq(r.rc, 1);
	cr_expect_eq(r.value, 5);
	fresh();
	cr_expect_eq(shown->faults, 0u);
	vms_ask(b, DO(POKE, .offset = r.offset, .value = 6));
	fresh();
	cr_expect_eq(shown->faults, 1u, "the write was not reported");
	cr_expect_eq(vms_ask(b, DO(PEEK, .offset = r.offset)).value, 5);
	cr_expect_eq(vms_ask(b, DO(FREE, .peer = "a", .n = 1)).rc, 1);
	vms_chat(a, b, 5);
}

/* ---- the other VMM is killed -------------------------------------------------------------------- */

static uint32_t epoch_of(const struct vms_guest *g)
{
	struct vmq_peer_info info = { .size = sizeof(info) };

	cr_assert_eq(vmq_peer_info(host, g->id, &info), 0);
	return info.epoch;
}

static void killed(bool listen)
{
	struct vms_guest *a, *b;
	struct vmq_page page;
	uint32_t epoch;

	both(listen, &a, &b);
	vms_chat(a, b, 5);
	epoch = epoch_of(b);
	cr_assert_eq(vmq_page_alloc(host, b->id, 4096, &page, PATIENCE), 0);
	memset(page.addr, 0x77, 4096);
	cr_assert_eq(vmq_page_send(host, &page, VMQ_PAGE_LEND, NULL, 0, 0, PATIENCE), 0);
	vms_ask(b, DO(TAKEN, .peer = "host"));
	other_kill();
	/* The host and the guest both see it go; the lent page is the host's again. */
	VMS_WHILE(!b->lost);
	cr_expect_eq(b->lost, VMQ_EGONE);
	VMS_WHILE(vms_ask(a, DO(STATE, .peer = "b")).rc != VMQ_ENOENT);
	cr_expect_eq(((uint8_t *)page.addr)[4095], 0x77);
	cr_expect_eq(vmq_page_free(host, &page), 0);
	cr_expect_eq(vmq_page_free(host, &page), VMQ_ESTALE);
	vms_chat_host(a, 20);
	/* It comes back as who it was, in a new life. */
	other_start(!listen);
	memset(b, 0, sizeof(*b));
	b = vms_remote("b");
	cr_expect_eq(b->id, OTHER_IDS);
	cr_expect_neq(epoch_of(b), epoch);
	vms_connected(a, "b");
	vms_connected(b, "a");
	vms_chat(a, b, 20);
}

Test(two_vmms, the_one_that_connected_is_killed)
{
	killed(true);
}

Test(two_vmms, the_one_that_listened_is_killed)
{
	killed(false);
}
