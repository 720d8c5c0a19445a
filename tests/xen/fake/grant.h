/* SPDX-License-Identifier: BSD-2-Clause */
/* grant.h - what gnttab.c and gntshr.c share, with the lock held; and of evtchn.c, what
 * grants need. */
#ifndef TESTS_XEN_FAKE_GRANT_H
#define TESTS_XEN_FAKE_GRANT_H

#include <stdbool.h>
#include <stdint.h>

#include <xengnttab.h>

#include "fake.h"

/* A piece of memory: pages that were granted, or are mapped. */
struct area {
	struct area *next;
	uint8_t *at;               /* where it was made: it may have been moved since */
	uint32_t count, *page;     /* numbers of the pages */
	bool counts;               /* in Xen's tables: nobody has died */
	uint16_t notify_at;        /* gntshr: the byte to clear, or NO_BYTE ... */
	uint32_t notify_port;      /* ... and the port to notify; 0: none */
};

#define NO_BYTE 0xffffu

/* An open /dev/xen/gntdev or gntalloc. */
struct xengntdev_handle {
	struct xengntdev_handle *next;
	struct area *areas;
	uint32_t domid, process;
	bool shr, dead;
};

struct xengntdev_handle *fake_grant_open(bool shr);
int fake_grant_close(struct xengntdev_handle *h);
/* A share ends, whose memory is unmapped. */
void fake_area_end(struct xengntdev_handle *h, struct area *a);
/* There is memory at `at` now: what was there before has been moved. */
void fake_area_moved(const void *at);

/* ---- pages -------------------------------------------------------------------------------- */

/* New, zeroed and consecutive; false: there are no more. */
bool fake_pages_new(uint32_t count, uint32_t *page);
/* Somebody's address space has it, or not any more. */
void fake_page_hold(uint32_t page);
void fake_page_drop(uint32_t page);

void fake_page_grant(uint32_t page, uint32_t owner, uint32_t to, bool writable);
void fake_page_ungrant(uint32_t page);
/* How many pages a domain has granted and not taken back. */
uint32_t fake_pages_granted(uint32_t owner);
uint32_t fake_page_ref(uint32_t page);
/* The page that a reference of a domain stands for, if that one may map it so. */
bool fake_page_find(uint32_t owner, uint32_t ref, uint32_t to, bool write, uint32_t *page);
void fake_page_map(uint32_t page, uint32_t by);
void fake_page_unmap(uint32_t page, uint32_t by);

void *fake_pages_mmap(const uint32_t *page, uint32_t count, int prot);
void fake_page_clear(uint32_t page, unsigned byte);
/* Which page stands at an address? */
bool fake_page_at(const void *at, uint32_t *page);
void fake_pages_reset(void);

/* ---- evtchn.c: a port that is to be there until it is put back ------------------------------ */

bool fake_evtchn_get(uint32_t domid, uint32_t port);
void fake_evtchn_put(uint32_t domid, uint32_t port);
/* As the domain's kernel notifies it. */
void fake_evtchn_notify(uint32_t domid, uint32_t port);

#endif
