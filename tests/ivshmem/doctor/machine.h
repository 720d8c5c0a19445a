/* SPDX-License-Identifier: BSD-2-Clause */
/* machine.h - a machine for the doctor that is a folder, and what he finds in it. */
#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "doctor.h"

#define BDF "0000:00:04.0"
#define DEVICE "/sys/bus/pci/devices/" BDF
#define RELEASE "6.1.0-made-up"
#define MODULES "/lib/modules/" RELEASE "/kernel"
#define REGION (1u << 20)

struct machine {
	struct doctor d;
	char root[64], programs[80];
};

/* An empty one; its end. */
void machine_make(struct machine *m);
void machine_remove(struct machine *m);

/* Files in it, with the folders that they need; a file of `size` bytes starts with those
 * of `text`. */
void machine_file(struct machine *m, const char *path, const void *bytes, size_t len, uint64_t size);
void machine_text(struct machine *m, const char *path, const char *text);
void machine_folder(struct machine *m, const char *path);
void machine_link(struct machine *m, const char *path, const char *to);
/* A program that is a shell script. */
void machine_program(struct machine *m, const char *name, const char *script);
void machine_read(struct machine *m, const char *path, char *text, size_t len);
void machine_mode(struct machine *m, const char *path, mode_t mode);
/* What does another user see? In a process of its own; where the tests are not root's,
 * files are nobody's who closes them to himself: modes of 0. */
bool machine_as_nobody(bool (*look)(void));

/* A device as ivshmem-doorbell (interrupts) or ivshmem-plain shows it; in an IOMMU group,
 * alone; at a driver. */
void machine_device(struct machine *m, const char *bdf, bool interrupts, uint64_t size);
void machine_group(struct machine *m, const char *bdf, int group);
void machine_driver(struct machine *m, const char *bdf, const char *driver);
/* vfio-pci: its files; or loaded, with a group open to the user. */
void machine_modules(struct machine *m);
void machine_vfio(struct machine *m, int group);

/* What the last look found: its verdict; a finding with exactly this text; the commands of
 * the one finding whose text starts so. They print all of it where it is otherwise. */
bool verdict_is(const struct machine *m, const char *verdict);
bool found(const struct machine *m, const char *level, const char *text);
bool commands_are(const struct machine *m, const char *start, ...);

#endif
