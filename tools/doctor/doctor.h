/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.h - what the files of `vmq doctor` share.
 *
 * What the doctor finds out is JSON from the start, and the text is printed from it:
 *
 *	[ { "name": "kvm", "verdict": "works", "why": "", "findings": [
 *	    { "level": "ok", "text": "...", "commands": [ "..." ] } ] } ]
 */
#ifndef VMQ_DOCTOR_H
#define VMQ_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "pci.h"

#define DOCTOR_PATH 512

/* NOTE: good to know. WARN: it works, but. FAIL: it cannot work. */
enum doctor_level { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor {
	/* The machine. Tests bring one of their own: a folder in the place of /, and words
	 * in the place of what the processor and the kernel say. */
	const char *root;
	const char *path;      /* where programs are, as $PATH */
	const char *release;   /* of the kernel */
	const char *hypervisor; /* as CPUID has it, or "" */
	/* What is asked. */
	const char *bdf;       /* of the device, or NULL: the first one */
	const char *at;        /* PATH of unix=PATH or file=PATH */
	/* What was found out. */
	json_t *report;        /* the array */
	json_t *findings;      /* of the transport that is being looked at */
	bool broken;           /* there was no memory for it */
};

/* report.c */
int doctor_init(struct doctor *d);
void doctor_exit(struct doctor *d);
/* Forget what was found. */
void doctor_again(struct doctor *d);
/* Findings from here on are about this transport; then, commands belong to the last one. */
void doctor_begin(struct doctor *d, const char *name);
void doctor_say(struct doctor *d, enum doctor_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void doctor_command(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* No more findings about it: "works", "works, but" or "cannot"; or another verdict. */
void doctor_end(struct doctor *d);
void doctor_verdict(struct doctor *d, const char *verdict);
bool doctor_failed(const struct doctor *d);
/* Can one of them work? */
bool doctor_any(const struct doctor *d);
void doctor_print(const struct doctor *d, FILE *to);

/* sys.c: the machine. Paths are those of the machine, without root. */
void doctor_path(const struct doctor *d, char path[DOCTOR_PATH], const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool doctor_there(const struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What stands in a file, up to len - 1 bytes, without the last newline; "" if nothing. */
size_t doctor_read(const struct doctor *d, char *text, size_t len, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* 0 or an errno. */
int doctor_write(const struct doctor *d, const char *path, const char *text);
/* Where a program is, or false. */
bool doctor_which(const struct doctor *d, const char *program, char path[DOCTOR_PATH]);
/* Run a program, and take what it writes, up to len - 1 bytes, without the last newline.
 * Its exit code; -1 if it could not run, did not end in time (it is killed), or was killed. */
int doctor_run(const char *program, char *const argv[], int timeout_ms, char *text, size_t len);
uint64_t doctor_now_ms(void);

/* One transport each. */
void doctor_sim(struct doctor *d);
void doctor_kvm(struct doctor *d);
void doctor_xen(struct doctor *d);
void doctor_guest(struct doctor *d);
void doctor_host(struct doctor *d);
void doctor_server(struct doctor *d);
void doctor_file(struct doctor *d);

/* region.c: a region that is there to be looked at, and is not changed. */
struct doctor_region {
	int fd;                /* to read from, or -1: */
	const volatile uint8_t *map; /* to load from */
	uint64_t size;
};
/* Can it be a region? Says so if not. */
bool doctor_size(struct doctor *d, uint64_t size);
void doctor_region(struct doctor *d, const struct doctor_region *r);
/* How long a load takes, of a mapped one; what it says of ns there and in own memory. */
void doctor_speed(struct doctor *d, const struct doctor_region *r);
void doctor_speed_says(struct doctor *d, unsigned long there, unsigned long here);

/* vfio.c: a device that can interrupt, for a program. */
struct doctor_step {
	enum { DOCTOR_MODPROBE, DOCTOR_INSMOD, DOCTOR_ECHO } what;
	char text[64];         /* the module, or what to write */
	char path[DOCTOR_PATH]; /* of the module, or to write to */
	char undo[DOCTOR_PATH]; /* what to write to if a later step fails, or "" */
	char undo_text[64];
};

#define DOCTOR_STEPS 12
struct doctor_plan {
	struct doctor_step step[DOCTOR_STEPS];
	unsigned count;
};

/* What makes the device work as well as it can here, nothing if it does. take: even from
 * another driver. False: something is missing that no step can bring. */
bool doctor_plan(const struct doctor *d, const struct vmq__pci *pci, bool take, struct doctor_plan *plan);
void doctor_plan_commands(struct doctor *d, const struct doctor_plan *plan);
/* Findings about a device with MSI-X. True: it is at vfio-pci, and open to this user. */
bool doctor_vfio(struct doctor *d, const struct vmq__pci *pci);
/* vfio_open.c: open it through vfio, map its memory to be read. False: says why. */
bool doctor_vfio_open(struct doctor *d, const struct vmq__pci *pci, struct doctor_region *r);

/* fix.c: carry the plan out, as findings of a transport named "fix"; one step. */
bool doctor_fix(struct doctor *d);
bool doctor_do(struct doctor *d, const struct doctor_step *s);
/* xen.c: load what is missing for xen. asked: by name; else only on a Xen. */
bool doctor_fix_xen(struct doctor *d, bool asked);

#endif
