/* SPDX-License-Identifier: BSD-2-Clause */
/* hub_watch.c - a hub is watched: what it shows. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "watcher.h"

TestSuite(hub_watch, .init = watched_start, .fini = watched_stop, .timeout = 120);

static const struct sim_wire *seen_vm(const struct seen *w, const char *name)
{
	for (unsigned i = 0; i < w->vms; i++)
		if (!strcmp(w->vm[i].name, name))
			return &w->vm[i];
	return NULL;
}

Test(hub_watch, an_empty_hub)
{
	struct seen *w = tour();

	cr_expect_eq(w->vms, 0u);
	cr_expect_eq(w->channels, 0u);
	done(w);
}

/* More than fits into one answer, or into a socket: each VM and each pair, once. */
Test(hub_watch, every_vm_and_every_channel_once)
{
	bool pair[VMS][VMS] = { { false } };
	struct seen *w;

	join_all();
	w = tour();
	cr_expect_eq(w->vms, VMS);
	cr_expect_eq(w->channels, VMS * (VMS - 1u) / 2);
	for (unsigned i = 0; i < w->vms; i++) {
		cr_expect_eq(w->vm[i].now, 1u);
		cr_expect_eq(w->vm[i].stats.peers, VMS - 1u);
	}
	for (unsigned i = 0; i < w->channels; i++) {
		const struct sim_wire *m = &w->channel[i];
		uint32_t a = m->id - 1, b = m->reason - 1;

		cr_assert(a < VMS && b < VMS && a != b, "%u and %u", a, b);
		cr_expect(!pair[a][b] && !pair[b][a], "%u and %u twice", a, b);
		pair[a][b] = true;
	}
	done(w);
}

/* Counters, also of those that have left; of a name only its present life. */
Test(hub_watch, who_left)
{
	struct seen *w;
	uint32_t id;

	vms[0] = vm("a");
	vms[1] = vm("b");
	id = both_meet(vms[0], "b", vms[1], "a");
	for (int i = 0; i < 5; i++)
		cr_assert_eq(vmq_send(vms[0], id, "x", 1, VMQ_SEND_NOW, VMQ_NOWAIT), 0);
	vmq_close(vms[0]);
	vms[0] = NULL;
	vmq_close(vm("c")); /* served after all of that */
	vms[2] = vm("c");
	w = tour();
	cr_expect_eq(w->vms, 3u);
	cr_assert(seen_vm(w, "a") && seen_vm(w, "b") && seen_vm(w, "c"));
	cr_expect_eq(seen_vm(w, "a")->now, 0u);
	cr_expect_eq(seen_vm(w, "a")->stats.exits_immediate, 5u);
	cr_expect_eq(seen_vm(w, "b")->now, 1u);
	cr_expect_eq(seen_vm(w, "b")->id, id);
	cr_expect_eq(seen_vm(w, "c")->now, 1u);
	done(w);
}

/* What a VM has sent stands in the region when it rings, and not only when it sleeps. */
Test(hub_watch, counters_are_written_at_a_kick)
{
	uint8_t header[VMQ_HEADER_SIZE];
	struct vmq_layout_ctl ctl[2];
	struct vmq_geometry geo;
	struct seen *w;
	uint32_t id;

	vms[0] = vm("a");
	vms[1] = vm("b");
	id = both_meet(vms[0], "b", vms[1], "a");
	for (int i = 0; i < 5; i++)
		cr_assert_eq(vmq_send(vms[0], id, "four", 4, VMQ_SEND_NOW, VMQ_NOWAIT), 0);
	w = tour();
	cr_assert_eq(pread(w->fd, header, sizeof(header), 0), (ssize_t)sizeof(header));
	cr_assert_eq(vmq_layout_read(header, UINT32_MAX, &geo), 0);
	for (unsigned s = 0; s < 2; s++)
		cr_assert_eq(pread(w->fd, &ctl[s], sizeof(ctl[s]), (off_t)geo.ctl_off[s]), (ssize_t)sizeof(ctl[s]));
	cr_expect_eq(ctl[0].sent + ctl[1].sent, 5u);
	cr_expect_eq(ctl[0].sent_bytes + ctl[1].sent_bytes, 20u);
	done(w);
}

/* It is the VMs' own region, and the descriptor is only for reading. */
Test(hub_watch, descriptors_are_read_only)
{
	uint8_t header[VMQ_HEADER_SIZE];
	struct vmq_geometry geo;
	struct seen *w;
	void *at;

	vms[0] = vm("a");
	vms[1] = vm("b");
	w = tour();
	cr_assert_geq(w->fd, 0);
	cr_assert_eq(pread(w->fd, header, sizeof(header), 0), (ssize_t)sizeof(header));
	cr_expect_eq(vmq_layout_read(header, UINT32_MAX, &geo), 0);
	cr_expect_eq(fcntl(w->fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
	cr_expect_eq(at, MAP_FAILED);
	cr_expect_eq(errno, EACCES);
	at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, w->fd, 0);
	cr_assert_neq(at, MAP_FAILED);
	cr_expect_eq(mprotect(at, 4096, PROT_READ | PROT_WRITE), -1);
	cr_expect_eq(write(w->fd, "x", 1), -1);
	cr_expect_eq(ftruncate(w->fd, 0), -1);
	munmap(at, 4096);
	done(w);
}
