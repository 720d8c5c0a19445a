/* SPDX-License-Identifier: BSD-2-Clause */
/* race.c - two of one name claim places at once, again and again: one comes in. */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fabric.h"
#include "ivshmem.h"

#define SIZE (64u << 20)
#define SLOTS 64u
#define ROUNDS 400

struct opener {
	struct ivshmem iv;
	pthread_t thread;
	uint32_t delay;
	int rc;
};

static pthread_barrier_t start;
static atomic_int tried;

static int fail(struct vmq_port *port, int code, const char *format, ...)
{
	(void)port;
	(void)format;
	return code;
}

static const struct vmq_port_ops ops = { .size = sizeof(ops), .fail = fail };

/* Whoever is in shows that it lives until the other has heard. */
static void *be_opener(void *arg)
{
	struct opener *o = arg;
	struct vmq_ivshmem_slot *s;

	pthread_barrier_wait(&start);
	for (volatile uint32_t i = 0; i < o->delay; i++)
		;
	o->rc = vmq__ivshmem_claim(&o->iv);
	atomic_fetch_add(&tried, 1);
	s = slot(o->iv.me);
	while (!o->rc && atomic_load(&tried) < 2)
		vmq__store(&s->heartbeat, ++o->iv.heartbeat);
	return NULL;
}

static void prepare(struct opener *o)
{
	memset(o, 0, sizeof(*o));
	o->iv.ops = &ops;
	o->iv.dir = fabric.d;
	o->iv.who = (struct vmq__dir_who){ .lane_size = 4096, .name = "a" };
	o->delay = (uint32_t)rand() % 4000;
}

static void make(void)
{
	fabric_make(SIZE, SLOTS);
}

TestSuite(ivshmem_race, .init = make, .fini = fabric_end);

Test(ivshmem_race, two_of_one_name, .timeout = 110)
{
	struct opener o[2];

	srand(1);
	pthread_barrier_init(&start, NULL, 2);
	for (int round = 0; round < ROUNDS; round++) {
		atomic_store(&tried, 0);
		/* As if nobody had ever been there. */
		memset(fabric.map + fabric.d.slots_off, 0, fabric.d.heap_off - fabric.d.slots_off);
		for (int i = 0; i < 2; i++) {
			prepare(&o[i]);
			pthread_create(&o[i].thread, NULL, be_opener, &o[i]);
		}
		for (int i = 0; i < 2; i++)
			pthread_join(o[i].thread, NULL);
		cr_assert_eq(!o[0].rc + !o[1].rc, 1, "round %d: %d %d", round, o[0].rc, o[1].rc);
		cr_assert_eq(o[!o[0].rc].rc, VMQ_EEXIST);
	}
	pthread_barrier_destroy(&start);
}
