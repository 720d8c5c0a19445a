/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * region.c - the region's directory: laid out or taken up, and kept in order.
 *
 * Each client can write all of it, and cut a region that is a file. So the server keeps
 * what it has to know in memory of its own, and puts the header right from there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmq/transport.h>

#include "core/atomic.h"
#include "srv.h"

/* ---- memory that goes away ---------------------------------------------------------------- */

static struct srv_region *volatile guarded; /* for the signal handler */

/* The file was cut below a place that we touch: go on in empty memory; srv_region_heal()
 * puts it right. */
static void on_bus(int number, siginfo_t *info, void *context)
{
	struct srv_region *r = guarded;
	uint8_t *at = info->si_addr;

	(void)context;
	if (r && at >= r->map && at < r->map + r->size && mmap(r->map, r->size, PROT_READ | PROT_WRITE,
			MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == r->map)
		r->cut = 1;
	else
		signal(number, SIG_DFL);
}

static void guard(struct srv_region *r)
{
	struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };

	guarded = r;
	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}

static bool map_at(struct srv_region *r, uint8_t *at)
{
	uint8_t *map = mmap(at, r->size, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), r->fd, 0);

	if (map == MAP_FAILED)
		return false;
	r->map = map;
	return true;
}

/* True: somebody has cut the file, or made it longer, and now it is as it was. */
static bool resized(struct srv_region *r)
{
	struct stat st;

	if (fstat(r->fd, &st) || ((uint64_t)st.st_size == r->size && !r->cut))
		return false;
	if (ftruncate(r->fd, (off_t)r->size) || (r->cut && !map_at(r, r->map)))
		return false; /* and the next tick tries again */
	r->cut = 0;
	return true;
}

/* ---- the directory --------------------------------------------------------------------------- */

/* Nothing in it but zeros? Holes are passed over and stay holes. */
static bool blank(int fd, uint64_t size)
{
	static uint8_t piece[1 << 16];
	uint64_t at = 0;

	while (at < size) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);
		ssize_t n;

		if (data < 0 && errno == ENXIO)
			return true;
		at = data < 0 ? at : (uint64_t)data;
		n = pread(fd, piece, sizeof(piece), (off_t)at);
		if (n <= 0)
			return !n;
		if (piece[0] || memcmp(piece, piece + 1, (size_t)n - 1))
			return false;
		at += (uint64_t)n;
	}
	return true;
}

static int lay_out(struct srv_region *r, const struct srv_options *o)
{
	int rc = r->fresh ? vmq__dir_write(r->map, r->size, &o->plan) :
		vmq__dir_format(r->map, r->size, &o->plan);

	if (!rc)
		rc = vmq__dir_read(r->map, r->size, &r->dir);
	if (rc)
		return srv_fail("a region of %llu bytes has no room for %u slots",
			(unsigned long long)r->size, o->plan.slots ? o->plan.slots : vmq__dir_slots(r->size));
	return 0;
}

/* One that is there: does it fit what was asked for? */
static int take_up(const struct srv_region *r, const struct srv_options *o)
{
	const struct { const char *option; uint32_t asked, has; } all[] = {
		{ "slots", o->plan.slots, r->dir.slots },
		{ "beat-ms", o->plan.beat_ms, r->dir.beat_ms },
		{ "dead-ms", o->plan.dead_ms, r->dir.dead_ms },
	};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].asked && all[i].asked != all[i].has)
			return srv_fail("the region was laid out with --%s %u, not %u: "
				"--format lays it out anew", all[i].option, all[i].has, all[i].asked);
	return 0;
}

static int directory(struct srv_region *r, const struct srv_options *o)
{
	const struct vmq_ivshmem_header *h = (const void *)r->map;
	int rc = r->fresh ? VMQ_ENOENT : vmq__dir_read(r->map, r->size, &r->dir);

	/* Whatever becomes of the rest: no id that was given out comes soon again. */
	if (!rc) {
		r->life = vmq__load(&h->server_life);
		r->next_id = vmq__load(&h->next_id) % SRV_IDS;
	}
	if (o->format)
		return lay_out(r, o);
	if (!rc)
		return take_up(r, o);
	if (rc == VMQ_ENOENT && (r->fresh || blank(r->fd, r->size)))
		return lay_out(r, o);
	if (rc == VMQ_EVERSION)
		return srv_fail("the region is of another version of libvmq: --format lays it out anew");
	return srv_fail("the region holds something else than a libvmq directory: --format overwrites it");
}

int srv_region_open(struct srv *s, int stored)
{
	struct srv_region *r = &s->region;
	const char *what;

	if (srv_memory_open(r, s->o, stored))
		return -1;
	if (!map_at(r, NULL))
		return srv_fail("cannot map %llu bytes: %s", (unsigned long long)r->size, strerror(errno));
	guard(r);
	if (directory(r, s->o))
		return -1;
	if (r->cut)
		return srv_fail("the region was cut while it was read");
	r->life++;
	srv_region_heal(r, &what);
	return 0;
}

void srv_region_close(struct srv_region *r)
{
	guarded = NULL;
	if (r->map)
		munmap(r->map, r->size);
	if (r->fd >= 0)
		close(r->fd);
	if (r->lock >= 0)
		close(r->lock);
}

/* ---- the header ------------------------------------------------------------------------------ */

static void rewrite(struct srv_region *r)
{
	struct vmq_ivshmem_header *h = vmq__dir_header(&r->dir);
	const struct vmq_ivshmem_header *was = &r->dir.header;
	const size_t first = sizeof(h->magic[0]), line1 = 128, line2 = 256;

	memcpy((uint8_t *)h + first, (const uint8_t *)was + first, line1 - first);
	memcpy((uint8_t *)h + line2, (const uint8_t *)was + line2, sizeof(*h) - line2);
	vmq__store_release(&h->magic[0], VMQ_IVSHMEM_MAGIC_LO);
}

/* The server's own line. True: it was another. */
static bool own_line(struct srv_region *r)
{
	struct vmq_ivshmem_header *h = vmq__dir_header(&r->dir);

	if (vmq__load(&h->server_life) == r->life && vmq__load(&h->next_id) == r->next_id)
		return false;
	vmq__store(&h->server_life, r->life);
	vmq__store(&h->next_id, r->next_id);
	return true;
}

bool srv_region_heal(struct srv_region *r, const char **what)
{
	*what = NULL;
	if (resized(r))
		*what = "the region's size was changed";
	if (!vmq__dir_intact(&r->dir)) {
		rewrite(r);
		*what = *what ? *what : "the header was overwritten";
	}
	if (own_line(r))
		*what = *what ? *what : "the server's line was overwritten";
	return *what;
}

void srv_region_used(struct srv_region *r, uint32_t id)
{
	r->next_id = (id + 1) % SRV_IDS;
	vmq__store(&vmq__dir_header(&r->dir)->next_id, r->next_id);
}

/* ---- slots -------------------------------------------------------------------------------------- */

bool srv_region_rings(const struct srv_region *r, uint32_t id)
{
	struct vmq__dir_who who;

	for (uint32_t i = 0; i < r->dir.slots; i++)
		if (vmq__dir_life(&r->dir, i, &who) && who.doorbell == id)
			return true;
	return false;
}

bool srv_region_gone(struct srv *s, const struct srv_client *c)
{
	const struct vmq__dir *dir = &s->region.dir;
	struct vmq__dir_who who;
	bool any = false;

	for (uint32_t i = 0; i < dir->slots; i++) {
		uint32_t life = vmq__dir_life(dir, i, &who);

		if (!life || who.doorbell != c->id)
			continue;
		vmq__store_release(&vmq__dir_slot(dir, i)->gone, life);
		srv_log(s, "gone", c, "%s", who.name);
		any = true;
	}
	for (uint32_t i = 0; any && i < dir->slots; i++)
		if (vmq__dir_life(dir, i, NULL))
			vmq__dir_ring(dir, i, VMQ_FD_CONTROL);
	return any;
}
