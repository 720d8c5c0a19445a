/* SPDX-License-Identifier: BSD-2-Clause */
/* regions.c - `vmq doctor` looks at directories: whole, damaged, foreign; who is alive. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <vmq/vmq.h>

#include "core/atomic.h"
#include "dir.h"
#include "machine.h"

static struct machine m;
static struct vmq__dir dir;
static uint8_t *region;
static int fd;

static void setup(void)
{
	const struct vmq__dir_plan plan = { .beat_ms = 10, .dead_ms = 300 };

	machine_make(&m);
	fd = memfd_create("region", MFD_CLOEXEC);
	cr_assert(!ftruncate(fd, REGION));
	region = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq((void *)region, MAP_FAILED);
	cr_assert_eq(vmq__dir_write(region, REGION, &plan), 0);
	cr_assert_eq(vmq__dir_read(region, REGION, &dir), 0);
}

static void teardown(void)
{
	munmap(region, REGION);
	close(fd);
	machine_remove(&m);
}

TestSuite(doctor_regions, .init = setup, .fini = teardown);

static void look(bool mapped)
{
	const struct doctor_region r = { .fd = mapped ? -1 : fd, .map = mapped ? region : NULL, .size = REGION };

	doctor_begin(&m.d, "region");
	doctor_region(&m.d, &r);
	doctor_end(&m.d);
}

static uint32_t enter(uint32_t index, const char *name)
{
	struct vmq__dir_who who = { .doorbell = index, .vectors = 3, .lane_size = VMQ_LANE_MIN };
	uint32_t claim = vmq__dir_claim(&dir, index, 0);

	snprintf(who.name, sizeof(who.name), "%s", name);
	vmq__dir_enter(&dir, index, claim, &who);
	return claim;
}

/* Somebody's heart, in the first slots. */
static atomic_int beating;

static void *heart(void *slots)
{
	const struct timespec nap = { .tv_nsec = 1000000 };

	while (atomic_load(&beating)) {
		for (unsigned i = 0; i < *(unsigned *)slots; i++) {
			vmq_le32 *beat = &vmq__dir_slot(&dir, i)->heartbeat;

			vmq__store(beat, vmq__load(beat) + 1);
		}
		nanosleep(&nap, NULL);
	}
	return NULL;
}

static void look_while_beating(unsigned slots, bool mapped)
{
	pthread_t thread;

	atomic_store(&beating, 1);
	cr_assert_eq(pthread_create(&thread, NULL, heart, &slots), 0);
	look(mapped);
	atomic_store(&beating, 0);
	pthread_join(thread, NULL);
}

Test(doctor_regions, empty)
{
	look(false);
	cr_assert(verdict_is(&m, "works"));
	cr_assert(found(&m, "ok", "libvmq's directory: 0 of 4 places taken"));
	memset(region, 0, REGION);
	look(true);
	cr_assert(verdict_is(&m, "works"));
	cr_assert(found(&m, "ok", "no directory yet: the first endpoint lays it out"));
}

Test(doctor_regions, alive_and_dead)
{
	enter(0, "web");
	enter(2, "store");
	for (unsigned mapped = 0; mapped < 2; mapped++) {
		doctor_again(&m.d);
		look_while_beating(1, mapped);
		cr_assert(verdict_is(&m, "works"));
		cr_assert(found(&m, "ok", "libvmq's directory: 2 of 4 places taken"));
		cr_assert(found(&m, "ok", "place 1: web, alive (3 doorbells)"));
		cr_assert_eq(json_array_size(m.d.findings), 3);
		cr_assert(!strncmp("place 3: store, no heartbeat for ",
			json_string_value(json_object_get(json_array_get(m.d.findings, 2), "text")), 33));
	}
}

Test(doctor_regions, left_and_gone)
{
	uint32_t claim = enter(0, "web");

	vmq__dir_leave(&dir, 0, claim);
	claim = enter(1, "store");
	vmq__store(&vmq__dir_slot(&dir, 1)->gone, claim);
	look(false);
	cr_assert(found(&m, "ok", "libvmq's directory: 0 of 4 places taken"));
}

Test(doctor_regions, all_taken)
{
	for (uint32_t i = 0; i < dir.slots; i++)
		enter(i, "many");
	look_while_beating(dir.slots, false);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(found(&m, "warn", "all places are taken by the living: nobody else can come"));
	/* One of them can be had after all: its owner is silent. */
	look_while_beating(dir.slots - 1, false);
	cr_assert(verdict_is(&m, "works"));
}

Test(doctor_regions, damaged_slot)
{
	enter(1, "web");
	memset(vmq__dir_slot(&dir, 1)->name, 0xff, 4);
	vmq__dir_slot(&dir, 1)->name[0] = '\n';
	look_while_beating(2, false);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(found(&m, "warn", "place 2 is damaged: what stands there is no endpoint"));
}

Test(doctor_regions, foreign_or_damaged)
{
	const char *text = "the region holds something else than libvmq's directory, or it is damaged; when "
		"nobody uses it, lay it out anew, on the host:";

	vmq__dir_header(&dir)->slots_off = UINT64_MAX;
	look(false);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(commands_are(&m, text, "vmq ivshmem-server --format --file REGION SOCKET", NULL));
	memset(region, 0x5a, REGION);
	doctor_again(&m.d);
	look(true);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(found(&m, "fail", text));
}

Test(doctor_regions, another_version)
{
	vmq__dir_header(&dir)->major = 0x7f7f;
	look(false);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(found(&m, "fail", "the directory is of another version of libvmq"));
}

Test(doctor_regions, slow_memory)
{
	doctor_begin(&m.d, "region");
	doctor_speed_says(&m.d, 99, 1);
	doctor_speed_says(&m.d, 500, 100);
	doctor_end(&m.d);
	cr_assert(verdict_is(&m, "works"));
	doctor_speed_says(&m.d, 350, 2);
	doctor_end(&m.d);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(found(&m, "warn", "the region is slow: 350 ns for each load, own memory 2 ns. It is mapped "
		"without the processor's caches; every message will pay"));
}

/* A file that is shorter than it was: an error, and no SIGBUS. */
Test(doctor_regions, shrunk)
{
	const struct doctor_region r = { .fd = fd, .size = REGION };

	cr_assert(!ftruncate(fd, VMQ_IVSHMEM_HEADER));
	doctor_begin(&m.d, "region");
	doctor_region(&m.d, &r);
	doctor_end(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(!ftruncate(fd, 0));
	look(false);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(!ftruncate(fd, REGION));
}

static uint64_t dice(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/* Nothing that anybody writes there may break the doctor: into the header, or into slots
 * under a header that is good. */
Test(doctor_regions, noise)
{
	const struct vmq__dir_plan plan = { .beat_ms = 1, .dead_ms = 2 };

	for (unsigned round = 0; round < 300; round++) {
		vmq__dir_format(region, REGION, &plan);
		for (unsigned i = 0; i < 8; i++)
			region[round & 1 ? 4 + dice() % 124 : VMQ_IVSHMEM_HEADER + dice() % 2048] =
				(uint8_t)dice();
		for (unsigned i = 0; i < 4; i++) {
			vmq__store(&vmq__dir_slot(&dir, i)->claim, 7);
			vmq__store(&vmq__dir_slot(&dir, i)->live, 7);
		}
		look(round & 2);
	}
	cr_assert(!m.d.broken);
	cr_assert_eq(json_array_size(m.d.report), 300);
}
