/* SPDX-License-Identifier: BSD-2-Clause */
/* hostile_test.c - a guest writes random bytes all over the region for a minute. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "world.h"

#define MINUTE "60"
#define PEACE "76" /* seconds from when the survivors start; the hostile guest boots, too */

static struct world w;

static void finish(void)
{
	world_end(&w, true);
}

Test(hostile, survivors_survive, .timeout = 170, .fini = finish)
{
	char address[128];

	world_make(&w);
	cr_assert(world_server(&w, NULL));
	snprintf(address, sizeof(address), "ivshmem:unix=%s?name=h", w.sock);
	world_guest(&w, "a", WORLD_VFIO, "endure", "ivshmem:?name=a", "h", PEACE, NULL);
	world_program(&w, "h", "endure", address, "a", PEACE, NULL);
	cr_assert(world_says(&w, "a", "endure: met", PATIENCE_MS));
	cr_assert(world_says(&w, "h", "endure: met", PATIENCE_MS));
	world_guest(&w, "x", WORLD_SYSFS, "noise", MINUTE, NULL);
	cr_assert(world_ended(&w, "x", 60000 + PATIENCE_MS));

	/* Ended with 0: each was told of poison, never hung, and both work together again. */
	cr_assert(world_ended(&w, "h", 2 * PATIENCE_MS));
	cr_assert(world_ended(&w, "a", 2 * PATIENCE_MS));
	cr_assert(world_runs(&w, "server"));
}
