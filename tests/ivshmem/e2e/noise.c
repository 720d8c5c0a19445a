/* SPDX-License-Identifier: BSD-2-Clause */
/* noise.c - a guest that has the device and means harm: random bytes over all of the
 * region, in sweeps from end to end. Between them come shots at single words, as many as
 * let the others come back, only to be hit again in the midst of their work. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "member.h"

#define FIRST_PAGES 16384 /* words: header, slots, cells */

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static bool says(const char *device, const char *file, const char *text)
{
	char path[300], line[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", device, file);
	f = fopen(path, "re");
	if (!f || !fgets(line, sizeof(line), f))
		return false;
	fclose(f);
	return !strncmp(line, text, strlen(text));
}

static uint64_t *map_region(size_t *words)
{
	DIR *d = opendir("/sys/bus/pci/devices");
	char path[300];
	struct stat st;
	int fd = -1;

	for (struct dirent *e; d && fd < 0 && (e = readdir(d));) {
		if (!says(e->d_name, "vendor", "0x1af4") || !says(e->d_name, "device", "0x1110"))
			continue;
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource2", e->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (fd < 0 || fstat(fd, &st))
		return NULL;
	*words = (size_t)st.st_size / 8;
	return mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static void sweep(volatile uint64_t *region, size_t words)
{
	for (size_t i = 0; i < words; i++)
		region[i] = draw();
	for (unsigned i = 0; i < 100000; i++)
		region[draw() % FIRST_PAGES] = draw();
}

static void shots(volatile uint64_t *region, size_t words)
{
	region[draw() % words] = draw();
	usleep(1000);
}

int noise(const char *seconds)
{
	unsigned long sweeps = 0, shot = 0;
	time_t start = time(NULL), end = start + atoi(seconds);
	size_t words = 0;
	volatile uint64_t *region = map_region(&words);

	if (!region || region == MAP_FAILED)
		return 1;
	printf("noise: over %zu bytes\n", words * 8);
	fflush(stdout);
	for (time_t now = start; now < end; now = time(NULL)) {
		if ((now - start) % 6 < 2) {
			sweep(region, words);
			sweeps++;
		} else {
			shots(region, words);
			shot++;
		}
	}
	printf("noise: %lu sweeps, %lu shots\n", sweeps, shot);
	return 0;
}
