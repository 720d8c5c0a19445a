/* SPDX-License-Identifier: BSD-2-Clause */
/* sized.c - structs that begin with `size`, from callers of a later version: what they hand
 * in beyond what this one knows must be 0, and they get 0 there. */
#include <criterion/criterion.h>
#include <string.h>

#include <vmq/vmm.h>

#include "support.h"

#define MORE 24 /* bytes that a later version has added */

static struct {
	union {
		size_t size;
		struct vmq_options options;
		struct vmq_vmm_options vmm;
		struct vmq_hub_options hub;
		struct vmq_stats stats;
		struct vmq_peer_info info;
		struct vmq_event event;
	};
	uint8_t room[MORE];
} later;

static uint8_t *tail(size_t known)
{
	return (uint8_t *)&later + known;
}

/* As a later version has it: all of what was added is `byte`. */
static void grow(size_t known, uint8_t byte)
{
	later.size = known + MORE;
	memset(tail(known), byte, MORE);
}

static struct vmq *opened(const char *name)
{
	struct vmq_options options = { .size = sizeof(options), .name = name };
	struct vmq *q;

	cr_assert_eq(vmq_open("sim:sized", &options, &q), 0);
	return q;
}

Test(sized, options_with_an_empty_tail_are_taken)
{
	struct vmq_vmm *vmm;
	struct vmq *q;

	later.options = (struct vmq_options){ .name = "a" };
	grow(sizeof(struct vmq_options), 0);
	cr_assert_eq(vmq_open("sim:sized", &later.options, &q), 0);
	vmq_close(q);
	memset(&later, 0, sizeof(later));
	grow(sizeof(struct vmq_vmm_options), 0);
	cr_assert_eq(vmq_vmm_create(&later.vmm, &vmm), 0);
	vmq_vmm_destroy(vmm);
}

Test(sized, what_is_not_known_here_is_refused)
{
	struct vmq_vmm *vmm = NULL;
	struct vmq_hub *hub = NULL;
	struct vmq *q = NULL;

	later.options = (struct vmq_options){ .name = "a" };
	grow(sizeof(struct vmq_options), 0);
	tail(sizeof(struct vmq_options))[MORE - 1] = 1;
	cr_expect_eq(vmq_open("sim:sized", &later.options, &q), VMQ_EINVAL);
	memset(&later, 0, sizeof(later));
	grow(sizeof(struct vmq_vmm_options), 1);
	cr_expect_eq(vmq_vmm_create(&later.vmm, &vmm), VMQ_EINVAL);
	memset(&later, 0, sizeof(later));
	later.hub.path = "/nowhere";
	grow(sizeof(struct vmq_hub_options), 1);
	cr_expect_eq(vmq_hub_open(&later.hub, &hub), VMQ_EINVAL);
	/* No struct is that large: it is no size at all. */
	memset(&later, 0, sizeof(later));
	later.options.size = SIZE_MAX;
	cr_expect_eq(vmq_open("sim:sized?name=a", &later.options, &q), VMQ_EINVAL);
}

static void zeroed(size_t known)
{
	cr_expect(zeros(tail(known), MORE), "what was added after %zu bytes is not 0", known);
}

Test(sized, answers_leave_nothing_behind)
{
	struct vmq *a = opened("a"), *b = opened("b");
	uint32_t peer = both_meet(a, "b", b, "a");

	grow(sizeof(struct vmq_stats), 0xee);
	cr_expect_eq(vmq_stats(a, &later.stats), 0);
	zeroed(sizeof(struct vmq_stats));
	grow(sizeof(struct vmq_peer_info), 0xee);
	cr_expect_eq(vmq_peer_info(a, peer, &later.info), 0);
	zeroed(sizeof(struct vmq_peer_info));
	cr_expect_str_eq(later.info.name, "b");
	grow(sizeof(struct vmq_event), 0xee);
	cr_expect_eq(vmq_event(a, &later.event, PATIENCE), 0);
	zeroed(sizeof(struct vmq_event));
	cr_expect_eq(later.event.type, VMQ_EVENT_JOIN);
	later.stats.size = sizeof(struct vmq_stats) - 1;
	cr_expect_eq(vmq_stats(a, &later.stats), VMQ_EINVAL);
	vmq_close(a);
	vmq_close(b);
}
