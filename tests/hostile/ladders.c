/* SPDX-License-Identifier: BSD-2-Clause */
/* ladders.c - each allocation fails once, each descriptor is once one too many: a
 * defined error, nothing leaks, and the next try succeeds. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "alloc.h"
#include "support.h"

static struct hub_proc hub;
static char dir[64], topology[128], path[128];

static void *json_malloc(size_t size)
{
	return malloc(size); /* this program's, which counts */
}

static void start(void)
{
	json_set_alloc_funcs(json_malloc, free);
	scratch_make(dir, sizeof(dir));
	scratch_file(dir, "t.json", "{\"open\": true, \"vms\": [{\"name\": \"a\", \"lane\": 4096}],"
		"\"allow\": [[\"*\", \"*\"]], \"refuse\": [[\"a\", \"z\"]]}", topology, sizeof(topology));
	snprintf(path, sizeof(path), "%s/other", dir);
	cr_assert(hub_start(&hub, NULL, 0));
}

static void stop(void)
{
	hub_stop(&hub);
	scratch_remove(dir);
}

TestSuite(ladders, .init = start, .fini = stop, .timeout = 100);

/* One rung: do it and undo it; 0 or an error. */
typedef int rung(void);

static int open_and_close(const char *uri, const char *with_topology)
{
	char why[200] = "";
	struct vmq_options o = { .size = sizeof(o), .topology = with_topology, .errmsg = why,
		.errlen = sizeof(why) };
	struct vmq *q = NULL;
	int rc = vmq_open(uri, &o, &q);

	if (rc) {
		cr_assert_null(q);
		cr_assert_neq(why[0], 0, "%s without a word", vmq_errname(rc));
		return rc;
	}
	return vmq_close(q);
}

static int local_open(void)
{
	return open_and_close("sim:ladder?name=a", topology);
}

static struct vmq *neighbour;

/* With a peer there, which gets a channel. */
static int local_open_beside(void)
{
	int rc = open_and_close("sim:beside?name=a", NULL);
	struct vmq_event e = { .size = sizeof(e) };

	/* It lets go of its end of the channel when it hears of it. */
	while (!vmq_event(neighbour, &e, VMQ_NOWAIT))
		;
	while (vmq_recv(neighbour, NULL, 0, NULL, VMQ_NOWAIT) == VMQ_EGONE)
		;
	return rc;
}

static int client_open(void)
{
	char uri[200];
	int rc;

	snprintf(uri, sizeof(uri), "sim:unix=%s?name=a", hub.path);
	do {
		rc = open_and_close(uri, NULL);
	} while (rc == VMQ_EEXIST); /* the last one is not yet buried */
	return rc;
}

static int hub_open(void)
{
	char why[200] = "";
	struct vmq_hub_options o = { .size = sizeof(o), .path = path, .topology = topology,
		.errmsg = why, .errlen = sizeof(why) };
	struct vmq_hub *h = NULL;
	int rc = vmq_hub_open(&o, &h);

	if (rc) {
		cr_assert_null(h);
		cr_assert_neq(why[0], 0);
		return rc;
	}
	return vmq_hub_close(h);
}

static void on_kick(void *ctx, unsigned what)
{
	(void)ctx;
	(void)what;
}

static struct vmq_vmm_link *links[2];

static int on_attach(void *ctx, const struct vmq_vmm_channel *c)
{
	links[ctx != NULL] = c->link;
	return 0;
}

static void on_leave(void *ctx, struct vmq_vmm_link *link, int reason)
{
	(void)ctx;
	(void)link;
	(void)reason;
}

static int add_two(struct vmq_vmm *vmm, uint8_t *window)
{
	struct vmq_vm_config c = { .size = sizeof(c), .name = "a", .window = window, .window_size = 8 << 20,
		.kick = on_kick, .attach = on_attach, .leave = on_leave };
	struct vmq_vm *vm;
	int rc = vmq_vmm_add(vmm, &c, &vm);

	c.name = "b";
	c.window = window + (8 << 20);
	return rc ? rc : vmq_vmm_add(vmm, &c, &vm);
}

static uint8_t *windows;

static int vmm_add(void)
{
	struct vmq_vmm *vmm = NULL;
	int rc = vmq_vmm_create(NULL, &vmm);

	if (rc)
		return rc;
	rc = vmq_vmm_allow(vmm, "a", "b");
	if (!rc)
		rc = add_two(vmm, windows);
	vmq_vmm_destroy(vmm);
	return rc;
}

/* ---- memory ------------------------------------------------------------------------- */

static void climb(rung *try)
{
	int fds, maps, rc, fallen = 0;

	cr_assert_eq(try(), 0, "it works at all");
	fds = count_fds();
	maps = count_maps();
	for (long n = 0; n < 10000; n++) {
		alloc_fail_at(n);
		rc = try();
		alloc_fail_at(-1);
		if (!alloc_failed()) {
			cr_assert_eq(rc, 0);
			cr_expect_gt(fallen, 3, "too few allocations to be true");
			break;
		}
		fallen++;
		cr_assert(rc == VMQ_ENOMEM || (!rc && try == local_open_beside), "allocation %ld: %s", n,
			vmq_errname(rc));
		cr_assert_eq(count_fds(), fds, "allocation %ld leaks a descriptor", n);
	}
	cr_expect_leq(count_maps(), maps + 8);
	cr_expect_eq(try(), 0);
}

static void climb_beside(void (*how)(rung *))
{
	cr_assert_eq(vmq_open("sim:beside?name=n", NULL, &neighbour), 0);
	how(local_open_beside);
	vmq_close(neighbour);
}

static void climb_vmm(void (*how)(rung *))
{
	windows = aligned_alloc(VMQ_PAGE_SIZE, 16 << 20);
	how(vmm_add);
	free(windows);
}

Test(ladders, memory_local_open) { climb(local_open); }
Test(ladders, memory_local_open_beside) { climb_beside(climb); }
Test(ladders, memory_client_open) { climb(client_open); }
Test(ladders, memory_hub_open) { climb(hub_open); }
Test(ladders, memory_vmm_add) { climb_vmm(climb); }

/* No memory for a new peer: it stays unknown, and nothing else happens. */
Test(ladders, memory_when_a_peer_comes)
{
	struct vmq *a, *b;
	char uri[200];
	uint32_t id;
	int fds = count_fds();

	for (long n = 0; n < 8; n++) {
		snprintf(uri, sizeof(uri), "sim:unix=%s?name=a%ld", hub.path, n);
		cr_assert_eq(vmq_open(uri, NULL, &a), 0);
		snprintf(uri, sizeof(uri), "sim:unix=%s?name=b%ld", hub.path, n);
		cr_assert_eq(vmq_open(uri, NULL, &b), 0);
		alloc_fail_at(n);
		for (int i = 0; i < 100; i++) {
			int rc = vmq_peer(a, strrchr(uri, '=') + 1, VMQ_NOWAIT, &id);

			cr_assert(rc == VMQ_EAGAIN || rc == VMQ_ENOMEM, "%s", vmq_errname(rc));
		}
		alloc_fail_at(-1);
		cr_expect_eq(vmq_send(a, (uint32_t)vmq_id(a), "x", 1, 0, VMQ_NOWAIT), 0);
		vmq_close(a);
		vmq_close(b);
	}
	cr_expect_eq(count_fds(), fds);
}

/* ---- descriptors --------------------------------------------------------------------- */

static void climb_fds(rung *try)
{
	struct rlimit old, low;
	int fds, rc = VMQ_EMFILE;
	rlim_t n;

	cr_assert_eq(try(), 0);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	fds = count_fds();
	for (n = 0; n < 64 && rc; n++) {
		low = (struct rlimit){ (rlim_t)fds + n, old.rlim_max };
		cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
		rc = try();
		cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
		cr_assert(!rc || rc == VMQ_EMFILE, "%d free descriptors: %s", (int)n, vmq_errname(rc));
		cr_assert_eq(count_fds(), fds, "%d free descriptors: one leaks", (int)n);
	}
	cr_expect_eq(rc, 0);
	cr_expect_gt(n, 1u, "no descriptor was needed");
	cr_expect_eq(try(), 0);
}

Test(ladders, fds_local_open) { climb_fds(local_open); }
Test(ladders, fds_local_open_beside) { climb_beside(climb_fds); }
Test(ladders, fds_client_open) { climb_fds(client_open); }
Test(ladders, fds_hub_open) { climb_fds(hub_open); }
Test(ladders, fds_vmm_add) { climb_vmm(climb_fds); }
