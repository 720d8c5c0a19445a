/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cross.c - the core on whatever machine this is compiled for: handshake, traffic
 * over the wrap, pages, the ivshmem directory, and the golden vectors of tests/vectors
 * byte by byte.
 *
 *   cross check DIR   compare with DIR/header.hex and the others
 *   cross write DIR   write them anew, when the format changes on purpose
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmq/core.h>

#include "dir.h"

#define LANE 4096u
#define POOL 2u
#define START 0xfffffd00u /* 768 bytes before the lane's end and 2^32 at once */
#define AREA 4096u        /* bytes of each vector */

#define CHECK(what) \
	do { \
		if (!(what)) { \
			printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			exit(1); \
		} \
	} while (0)

static _Alignas(4096) uint8_t region[64 * 1024];
static struct vmq_page_entry entries[2][2 * POOL];
static struct vmq_geometry geo;
static struct vmq_chan ch[2];

static uint32_t le(uint32_t v)
{
	const uint8_t b[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };

	memcpy(&v, b, sizeof(v));
	return v;
}

static void fill(uint8_t *to, uint32_t len, uint32_t n)
{
	for (uint32_t i = 0; i < len; i++)
		to[i] = (uint8_t)(n * 16 + i);
}

static void attach(void)
{
	static const uint32_t epochs[2] = { 0x01020304, 0x0a0b0c0d };
	const uint32_t lanes[2] = { LANE, LANE }, pools[2] = { POOL, POOL };
	struct vmq_ident ident[2] = { { .id = 0x11223344, .name = "alpha" },
		{ .id = 0x55667788, .name = "b\xc3\xaata" } };
	struct vmq_geometry planned;

	fill(ident[0].uuid, 16, 1);
	fill(ident[1].uuid, 16, 9);
	CHECK(!vmq_layout_plan(lanes, pools, &planned));
	CHECK(planned.region_size <= sizeof(region));
	vmq_layout_write(region, &planned, ident);
	CHECK(!vmq_layout_read(region, sizeof(region), &geo));
	CHECK(!memcmp(&planned, &geo, sizeof(geo)));
	for (unsigned s = 0; s < 2; s++) {
		struct vmq_chan_config config = { .side = s, .epoch = epochs[s], .start = START,
			.max_msg = 0x00100000 + s, .self = ident[s], .entries = entries[s] };

		CHECK(!vmq_chan_attach(&ch[s], region, &geo, &config));
	}
}

static void connect_both(void)
{
	for (int i = 0; i < 4; i++)
		CHECK(vmq_chan_progress(&ch[i & 1]) >= 0);
	for (unsigned s = 0; s < 2; s++) {
		CHECK(ch[s].state == VMQ_STATE_ESTABLISHED);
		CHECK(ch[s].peer.id == ch[!s].self.id);
		CHECK(!strcmp(ch[s].peer.name, ch[!s].self.name));
		CHECK(ch[s].peer_max_msg == ch[!s].max_msg);
		CHECK(ch[s].rx.own == START + 128);
		vmq_rx_release(&ch[s].rx);
	}
}

static void stage(uint32_t n, uint32_t len, bool last)
{
	uint8_t *to = vmq_tx_reserve(&ch[0].tx, len);

	CHECK(to);
	fill(to, len, n);
	vmq_tx_commit(&ch[0].tx, VMQ_KIND_MSG, 0, len, last);
}

static void expect(uint32_t n, uint32_t len)
{
	struct vmq_record rec;
	uint8_t want[LANE];

	fill(want, len, n);
	CHECK(vmq_rx_peek(&ch[1].rx, &rec) == 1);
	CHECK(rec.kind == VMQ_KIND_MSG && rec.len == len && !memcmp(rec.data, want, len));
	vmq_rx_next(&ch[1].rx);
}

static void page_send(void)
{
	struct vmq_layout_page desc = { .mode = le(VMQ_PAGE_LEND), .len = le(5000) };
	struct vmq_pages run;
	uint8_t bytes[sizeof(desc) + 6];

	CHECK(!vmq_pages_alloc(&ch[0].pages, 2, &run));
	CHECK(!vmq_pages_give(&ch[0].pages, &run, VMQ_PAGE_LEND));
	desc.first = le(run.first);
	desc.count = le(run.count);
	desc.gen = le(run.gen);
	memcpy(bytes, &desc, sizeof(desc));
	memcpy(bytes + sizeof(desc), "inline", 6);
	CHECK(!vmq_tx_put(&ch[0].tx, VMQ_KIND_PAGE, bytes, sizeof(bytes)));
}

static void page_recv(struct vmq_pages *run)
{
	struct vmq_layout_page desc;
	struct vmq_record rec;
	enum vmq_page_mode mode;

	CHECK(vmq_rx_peek(&ch[1].rx, &rec) == 1);
	CHECK(rec.kind == VMQ_KIND_PAGE && rec.len == sizeof(desc) + 6);
	memcpy(&desc, rec.data, sizeof(desc));
	CHECK(!vmq_pages_take(&ch[1].pages, &desc, run, &mode));
	CHECK(mode == VMQ_PAGE_LEND && run->first == 0 && run->count == 2);
	vmq_rx_next(&ch[1].rx);
}

/* What the vectors hold: every kind of record, from side 0 to side 1. */
static void scenario(void)
{
	stage(1, 0, true);
	vmq_tx_publish(&ch[0].tx);
	stage(2, 11, true);
	vmq_tx_publish(&ch[0].tx);
	stage(3, 5, false);
	stage(4, 16, false);
	stage(5, 24, true);
	vmq_tx_publish(&ch[0].tx);
	page_send();
	stage(6, 500, true);
	vmq_tx_publish(&ch[0].tx);
	CHECK(ch[0].tx.own == 512); /* past the lane's end and past 2^32 */
	vmq_tx_space_arm(&ch[0].tx, 100);
	CHECK(vmq_rx_arm(&ch[0].rx) == 0);
	vmq_tx_beat(&ch[0].tx, 7);
	vmq_rx_beat(&ch[0].rx);
}

static void receive_all(void)
{
	static const uint32_t lens[] = { 0, 11, 5, 16, 24 };
	struct vmq_pages run;
	bool returned;

	for (uint32_t i = 0; i < 5; i++)
		expect(i + 1, lens[i]);
	page_recv(&run);
	expect(6, 500);
	CHECK(!vmq_pages_free(&ch[1].pages, &run, &returned) && returned);
	CHECK(vmq_pages_collect(&ch[0].pages) == 2);
	vmq_rx_release(&ch[1].rx);
	vmq_tx_space_wake(&ch[0].tx);
	vmq_rx_wake(&ch[0].rx);
}

static void laps(void)
{
	for (uint32_t n = 0; n < 5000; n++) {
		stage(n, n % 900, true);
		vmq_tx_publish(&ch[0].tx);
		expect(n, n % 900);
		vmq_rx_release(&ch[1].rx);
	}
	CHECK(!vmq_chan_poison(&ch[0]) && !vmq_chan_poison(&ch[1]));
}

/* Lines of "offset: sixteen bytes"; lines that would be all zero are left out. */
static void vector_write(const char *path, const char *title, const uint8_t *bytes)
{
	static const uint8_t zero[16];
	FILE *f = fopen(path, "w");

	CHECK(f);
	fprintf(f, "# SPDX-License-Identifier: BSD-2-Clause\n# %s\nsize %u\n", title, AREA);
	for (uint32_t at = 0; at < AREA; at += 16) {
		if (!memcmp(bytes + at, zero, 16))
			continue;
		fprintf(f, "%04x:", at);
		for (uint32_t i = 0; i < 16; i++)
			fprintf(f, " %02x", bytes[at + i]);
		fprintf(f, "\n");
	}
	CHECK(!fclose(f));
}

static void vector_line(const char *line, uint8_t *bytes)
{
	unsigned at, value;
	int used;

	CHECK(sscanf(line, "%x:%n", &at, &used) == 1 && at + 16 <= AREA);
	for (line += used; sscanf(line, " %2x%n", &value, &used) == 1; line += used) {
		CHECK(at < AREA);
		bytes[at++] = (uint8_t)value;
	}
}

static void vector_check(const char *path, const char *title, const uint8_t *bytes)
{
	uint8_t want[AREA] = { 0 };
	char line[256];
	unsigned size = 0;
	FILE *f = fopen(path, "r");

	if (!f)
		printf("%s: cannot be read\n", path);
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (line[0] != '#' && line[0] != '\n' && sscanf(line, "size %u", &size) != 1)
			vector_line(line, want);
	fclose(f);
	CHECK(size == AREA);
	for (uint32_t at = 0; at < AREA; at++) {
		if (bytes[at] == want[at])
			continue;
		printf("%s (%s): byte %04x is %02x, not %02x\n", path, title, at, bytes[at], want[at]);
		exit(1);
	}
}

struct piece {
	const char *name, *title;
	const uint8_t *bytes;
};

static void compare(const char *mode, const char *dir, const struct piece *p, unsigned n)
{
	char path[1024];

	for (unsigned i = 0; i < n; i++) {
		CHECK(snprintf(path, sizeof(path), "%s/%s", dir, p[i].name) < (int)sizeof(path));
		(strcmp(mode, "write") ? vector_check : vector_write)(path, p[i].title, p[i].bytes);
	}
}

static void vectors(const char *mode, const char *dir)
{
	/* Which release wrote a HELLO is no part of the format. */
	uint8_t *software = region + geo.lane_off[0] + (START & (LANE - 1)) + VMQ_REC_HEADER +
		offsetof(struct vmq_layout_hello, software);
	const struct piece all[] = {
		{ "header.hex", "the header page of a region", region },
		{ "control.hex", "the control area of side 0", region + geo.ctl_off[0] },
		{ "lane.hex", "the lane of side 0", region + geo.lane_off[0] },
	};

	CHECK(!memcmp(software, "libvmq ", 7));
	memset(software, 0, sizeof(((struct vmq_layout_hello *)0)->software));
	compare(mode, dir, all, 3);
}

/* An ivshmem region with one endpoint that was rung, and one in its second life. */
static void directory(const char *mode, const char *to)
{
	static _Alignas(4096) uint8_t shared[VMQ_IVSHMEM_REGION_MIN];
	struct vmq__dir_who who = { .doorbell = 5, .vectors = 3, .lane_size = LANE, .pool_pages = POOL,
		.name = "alpha" };
	struct vmq__dir_who other = { .doorbell = VMQ_IVSHMEM_NOBODY, .lane_size = 2 * LANE,
		.name = "b\xc3\xaata" };
	struct vmq__dir dir;
	uint32_t claim;

	fill(who.uuid, 16, 1);
	fill(other.uuid, 16, 9);
	CHECK(vmq__dir_read(shared, sizeof(shared), &dir) == VMQ_ENOENT);
	CHECK(!vmq__dir_write(shared, sizeof(shared), NULL));
	CHECK(!vmq__dir_read(shared, sizeof(shared), &dir));
	vmq__dir_enter(&dir, 0, vmq__dir_claim(&dir, 0, 0), &who);
	vmq__dir_ring(&dir, 0, 2);
	claim = vmq__dir_claim(&dir, 1, 0);
	vmq__dir_enter(&dir, 1, claim, &other);
	vmq__dir_leave(&dir, 1, claim);
	vmq__dir_enter(&dir, 1, vmq__dir_claim(&dir, 1, claim), &other);
	CHECK(vmq__dir_life(&dir, 1, &who) && !strcmp(who.name, other.name));
	compare(mode, to, (const struct piece[]){
		{ "directory.hex", "the header of an ivshmem directory", shared },
		{ "slots.hex", "its slots", shared + dir.slots_off },
	}, 2);
}

int main(int argc, char **argv)
{
	if (argc != 3 || (strcmp(argv[1], "check") && strcmp(argv[1], "write"))) {
		printf("usage: cross check|write DIR\n");
		return 2;
	}
	attach();
	connect_both();
	scenario();
	vectors(argv[1], argv[2]);
	directory(argv[1], argv[2]);
	receive_all();
	laps();
	printf("core: %u-bit, %s-endian: as specified\n", (unsigned)sizeof(void *) * 8,
		le(1) == 1 ? "little" : "big");
	return 0;
}
