/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pages.c - memory that domains grant: the pages of one memfd, and who may map them.
 *
 * A reference is a page's number and a bit: no two domains have the same one, so that a
 * reference of the wrong domain is always wrong.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "grant.h"

#define PAGES (1u << 18)
#define PAGE 4096u
#define RESERVED 8u            /* references that Linux leaves to the toolstack */

struct page {
	uint32_t held;             /* in how many address spaces */
	uint32_t mapped;           /* by other domains, as Xen counts it */
	uint8_t owner, to;
	bool granted, writable;
};

static struct page pages[PAGES];
static uint32_t granted[FAKE_DOMAINS];
static int file = -1;

/* Before anybody counts descriptors. */
__attribute__((constructor)) static void make_file(void)
{
	file = memfd_create("fake-xen", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, (off_t)PAGES * PAGE))
		abort();
}

static bool is_free(const struct page *p)
{
	return !p->held && !p->mapped && !p->granted;
}

bool fake_pages_new(uint32_t count, uint32_t *page)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < PAGES && run < count; i++) {
		run = is_free(&pages[i]) ? run + 1 : 0;
		page[0] = i + 1 - run;
	}
	if (run < count)
		return false;
	for (uint32_t i = 1; i < count; i++)
		page[i] = page[0] + i;
	return !fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)page[0] * PAGE,
		(off_t)count * PAGE);
}

void fake_page_hold(uint32_t page)
{
	pages[page].held++;
}

void fake_page_drop(uint32_t page)
{
	pages[page].held--;
}

/* ---- grants -------------------------------------------------------------------------------- */

void fake_page_grant(uint32_t page, uint32_t owner, uint32_t to, bool writable)
{
	struct page *p = &pages[page];

	p->owner = (uint8_t)owner;
	p->to = (uint8_t)to;
	p->writable = writable;
	p->granted = true;
	granted[owner]++;
	fake_xen_add(FAKE_GRANTS, owner, 1);
}

/* A grant ends when nobody has it mapped any more. */
static void ended(const struct page *p)
{
	if (!p->granted && !p->mapped)
		fake_xen_add(FAKE_GRANTS, p->owner, -1);
}

void fake_page_ungrant(uint32_t page)
{
	struct page *p = &pages[page];

	p->granted = false;
	granted[p->owner]--;
	ended(p);
}

uint32_t fake_pages_granted(uint32_t owner)
{
	return granted[owner];
}

uint32_t fake_page_ref(uint32_t page)
{
	return page + RESERVED;
}

bool fake_page_find(uint32_t owner, uint32_t ref, uint32_t to, bool write, uint32_t *page)
{
	const struct page *p;

	if (ref < RESERVED || ref - RESERVED >= PAGES)
		return false;
	*page = ref - RESERVED;
	p = &pages[*page];
	/* What is mapped cannot be taken back: not from being mapped again, either. */
	return (p->granted || p->mapped) && fake_xen_exists(owner) && p->owner == owner && p->to == to &&
		(!write || p->writable);
}

void fake_page_map(uint32_t page, uint32_t by)
{
	pages[page].mapped++;
	fake_xen_add(FAKE_MAPPINGS, by, 1);
}

void fake_page_unmap(uint32_t page, uint32_t by)
{
	pages[page].mapped--;
	fake_xen_add(FAKE_MAPPINGS, by, -1);
	ended(&pages[page]);
}

/* ---- memory -------------------------------------------------------------------------------- */

static uint32_t consecutive(const uint32_t *page, uint32_t count)
{
	uint32_t n = 1;

	while (n < count && page[n] == page[0] + n)
		n++;
	return n;
}

void *fake_pages_mmap(const uint32_t *page, uint32_t count, int prot)
{
	uint8_t *at = mmap(NULL, (size_t)count * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	for (uint32_t i = 0, n; i < count; i += n) {
		n = consecutive(page + i, count - i);
		if (mmap(at + (size_t)i * PAGE, (size_t)n * PAGE, prot, MAP_SHARED | MAP_FIXED, file,
				(off_t)page[i] * PAGE) == MAP_FAILED) {
			munmap(at, (size_t)count * PAGE);
			return NULL;
		}
	}
	return at;
}

void fake_page_clear(uint32_t page, unsigned byte)
{
	if (pwrite(file, "", 1, (off_t)page * PAGE + byte) != 1)
		abort();
}

/* A line of /proc/self/maps: is `at` in it, and is it of the file? */
static bool stands_at(const char *line, const void *at, ino_t inode, uint32_t *page)
{
	unsigned long from, to, off, node;

	if (sscanf(line, "%lx-%lx %*s %lx %*s %lu", &from, &to, &off, &node) != 4)
		return false;
	if ((unsigned long)at < from || (unsigned long)at >= to || node != inode)
		return false;
	*page = (uint32_t)((off + ((unsigned long)at - from)) / PAGE);
	return true;
}

bool fake_page_at(const void *at, uint32_t *page)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;
	char line[512];
	struct stat st;

	if (!maps || fstat(file, &st))
		abort();
	while (!found && fgets(line, sizeof(line), maps))
		found = stands_at(line, at, st.st_ino, page);
	fclose(maps);
	return found;
}

void fake_pages_reset(void)
{
	memset(pages, 0, sizeof(pages));
	memset(granted, 0, sizeof(granted));
}
