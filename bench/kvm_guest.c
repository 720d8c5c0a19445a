/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm_guest.c - the guest of bench-kvm: writes to its registers as often as it is
 * told to, and says when it is done. */
#include <string.h>

#include <vmq/guest.h>

#include "kvm_order.h"
#include "rt.h"

static struct vmq_guest guest = { .eoi = (volatile uint32_t *)RT_EOI };
static struct vmq_chan host;

static void doorbell(void)
{
	vmq_guest_interrupt(&guest);
}

/* Tight loops: here each instruction may be emulated, and would be measured too. */
static void obey(struct bench_kvm_order o)
{
	uint16_t port = (uint16_t)guest.doorbell;

	if (o.what == BENCH_KVM_NOTHING)
		for (uint32_t i = 0; i < o.count; i++)
			__asm__ volatile("" ::: "memory");
	else if (o.what == BENCH_KVM_RING)
		for (uint32_t i = 0; i < o.count; i++)
			rt_out(port, VMQ_BOOT_RING(0, 0));
	else if (o.what == BENCH_KVM_EXIT)
		for (uint32_t i = 0; i < o.count; i++)
			rt_out((uint16_t)(port + 4), VMQ_BOOT_COMMAND(2, VMQ_BOOT_EXIT));
}

static void look(void)
{
	struct bench_kvm_order order;
	struct vmq_record rec;

	while (vmq_guest_progress(&guest, 0, &host) > 0)
		;
	while (host.state == VMQ_STATE_ESTABLISHED && vmq_rx_peek(&host.rx, &rec) == 1) {
		memcpy(&order, rec.data, sizeof(order));
		vmq_guest_next(&guest, 0, &host);
		obey(order);
		vmq_guest_send(&guest, 0, &host, VMQ_KIND_MSG, &order, sizeof(order), VMQ_WHEN_NOW);
	}
}

void guest_main(uint64_t window)
{
	if (vmq_guest_init(&guest, (void *)window) || vmq_guest_attach(&guest, 0, &host, NULL, 0, 4096))
		return;
	rt_handle(guest.vector, doorbell);
	for (;;) {
		vmq_guest_ack(&guest);
		look();
		if (vmq_guest_arm(&guest, 0, &host))
			vmq_guest_wait(&guest);
	}
}
