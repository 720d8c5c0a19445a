/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_hub_region.c - a hub that hands out damaged regions: the client goes on
 * without that peer. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_hub_server.h"

TestSuite(fake_region, .init = fake_start, .fini = fake_stop);

struct damage {
	size_t at;
	uint32_t value;
};

static const struct damage damages[] = {
	{ 0, 0 }, { 4, 0 }, /* magic */
	{ 8, 2 },           /* major version */
	{ 12, 64 }, { 12, 8192 },
	{ 24, 0x80000000u }, /* a required feature */
	{ 32, 4096 }, { 32, 0xfffff000u }, { 36, 1 },
	{ 40, 16 }, { 44, 5 },
	{ 48, 4096 * 3 }, { 48, 0xfffffff0u }, { 52, 0xffffffffu }, { 56, 1 },
	{ 80, 128 }, { 88, 4095 }, { 88, 0x80000000u }, { 92, 1 },
	{ 112, 1 }, { 120, 0xfffff000u },
};

ParameterizedTestParameters(fake_region, damaged_header)
{
	return cr_make_param_array(const struct damage, damages, sizeof(damages) / sizeof(damages[0]));
}

ParameterizedTest(const struct damage *d, fake_region, damaged_header)
{
	struct sim_wire m = fake_join();
	struct vmq *q = fake_victim();
	uint8_t *map;
	int fd = fake_region(&map);

	memcpy(map + d->at, &d->value, sizeof(d->value));
	fake_tell_join(&m, fd);
	fake_turned_down(q);
}

static int memfd(size_t size, unsigned seals)
{
	int fd = memfd_create("fake", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(ftruncate(fd, (off_t)size), 0);
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* The right header in a file of the wrong size, or not sealed. */
static void copied(size_t size, unsigned seals)
{
	struct sim_wire m = fake_join();
	struct vmq *q = fake_victim();
	int good, fd = memfd(size, seals);
	uint8_t *map;

	good = fake_region(&map);
	if (size && pwrite(fd, map, size < VMQ_HEADER_SIZE ? size : VMQ_HEADER_SIZE, 0) < 0)
		abort();
	close(good);
	fake_tell_join(&m, fd);
	fake_turned_down(q);
}

Test(fake_region, region_of_no_bytes) { copied(0, F_SEAL_SHRINK); }
Test(fake_region, region_of_half_a_header) { copied(1000, F_SEAL_SHRINK); }
Test(fake_region, region_of_one_page) { copied(4096, F_SEAL_SHRINK); }
Test(fake_region, region_cut_by_a_page)
{
	uint8_t *map;

	close(fake_region(&map));
	copied(fake_geo.region_size - 4096, F_SEAL_SHRINK);
}
Test(fake_region, region_that_may_shrink) { copied(1 << 20, F_SEAL_GROW); }

Test(fake_region, region_that_is_no_memory)
{
	struct sim_wire m = fake_join();
	struct vmq *q = fake_victim();

	fake_tell_join(&m, open("/dev/zero", O_RDWR | O_CLOEXEC));
	fake_turned_down(q);
}

/* Random bytes behind a good header: nobody identifies himself that way, and the
 * client neither hangs nor crashes. */
Test(fake_region, region_of_noise)
{
	uint64_t x = 88172645463325252ull;

	for (int round = 0; round < 100; round++) {
		struct sim_wire m = fake_join();
		struct vmq *q = fake_victim();
		uint32_t id;
		uint8_t *map;
		int fd = fake_region(&map), rc;

		for (size_t i = fake_geo.ctl_off[0]; i < fake_geo.region_size; i += 8) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			if (round % 2 || x % 64 == 0)
				memcpy(map + i, &x, sizeof(x));
		}
		/* Often in a state that looks like a handshake. */
		map[fake_geo.ctl_off[1]] = (uint8_t)(round % 6);
		if (round % 2)
			memset(map + fake_geo.ctl_off[1] + 1, 0, 3);
		map[fake_geo.ctl_off[1] + 8] = 9;
		memset(map + fake_geo.ctl_off[1] + 9, 0, 3);
		fake_tell_join(&m, fd);
		for (int i = 0; i < 5; i++) {
			rc = vmq_peer(q, "evil", VMQ_NOWAIT, &id);
			cr_assert(rc == VMQ_EAGAIN || rc == VMQ_EPEER, "%s", vmq_errname(rc));
		}
		rc = (int)vmq_recv(q, &id, sizeof(id), NULL, VMQ_NOWAIT);
		cr_assert(rc == VMQ_EAGAIN || rc == VMQ_EPEER, "%s", vmq_errname(rc));
		munmap(map, fake_geo.region_size);
		close(fake_conn);
		vmq_close(q);
	}
}
