/* SPDX-License-Identifier: BSD-2-Clause */
/* stock_test.c - a server that speaks QEMU's protocol and knows nothing of libvmq: the
 * endpoints make the directory, and find each other in it. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "world.h"

static struct world w;
static struct ring judge;
static bool good;

static void finish(void)
{
	world_end(&w, !good);
}

Test(stock, guests_and_host, .timeout = 120, .fini = finish)
{
	static const char *const all[] = { "a", "b", NULL };
	char address[128];

	world_make(&w);
	cr_assert(world_stock_server(&w));
	world_guest(&w, "a", WORLD_VFIO, "ring", "ivshmem:?name=a", NULL);
	world_guest(&w, "b", WORLD_SYSFS, "ring", "ivshmem:?name=b", NULL);
	snprintf(address, sizeof(address), "ivshmem:unix=%s?name=" RING_JUDGE, w.sock);
	cr_assert_eq(ring_open(&judge, address), 0);
	cr_assert(judge_sees(&judge, all));
	cr_assert(vmq_caps(judge.q) & VMQ_CAP_WAKE);
	cr_assert(judge_settles(&judge, all));
	ring_close(&judge);
	cr_assert(world_ended(&w, "a", PATIENCE_MS));
	cr_assert(world_ended(&w, "b", PATIENCE_MS));
	good = true;
}
