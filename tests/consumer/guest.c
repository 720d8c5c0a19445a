/* SPDX-License-Identifier: BSD-2-Clause */
/* guest.c - a bare-metal guest as its author would write it, against the installed
 * libraries: it is linked, not run. */
#include <vmq/guest.h>

static struct vmq_guest guest;
static struct vmq_chan chan;

void interrupt(void)
{
	vmq_guest_interrupt(&guest);
}

void entry(void *window)
{
	struct vmq_record rec;

	if (vmq_guest_init(&guest, window) || vmq_guest_attach(&guest, 0, &chan, 0, 0, 4096))
		return;
	for (;;) {
		vmq_guest_ack(&guest);
		vmq_guest_progress(&guest, 0, &chan);
		while (vmq_rx_peek(&chan.rx, &rec) == 1) {
			vmq_guest_send(&guest, 0, &chan, VMQ_KIND_MSG, rec.data, rec.len, VMQ_WHEN_AUTO);
			vmq_guest_next(&guest, 0, &chan);
		}
		if (vmq_guest_arm(&guest, 0, &chan))
			vmq_guest_wait(&guest);
	}
}

void *memcpy(void *to, const void *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
	return to;
}

void *memset(void *to, int byte, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((volatile uint8_t *)to)[i] = (uint8_t)byte;
	return to;
}
