/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab.h - the suite with peers in real Linux guests: a server, two guests under QEMU,
 * and a station on each machine (station.h).
 *
 *	host-guest   the tests run on the host, their peers in guest 2
 *	guest-guest  the tests run in guest 1, their peers in guest 2
 *
 * A program of the suite that is linked with lab*.c has main() from there. It wants QEMU
 * and the tools that make guests; without them it says "skipped: reason" and exits with 77.
 */
#ifndef LAB_H
#define LAB_H

#include "station.h"

#define LAB_TESTS 1u   /* the guest for tests that are to run in one */
#define LAB_PEERS 2u   /* the guest for peers */
#define LAB_DEVICES 4u /* that each guest with interrupts has: a process can hold one */
#define LAB_SKIPPED 77

/* Each program has one. */
struct lab_plan {
	bool host;       /* the tests run on the host */
	bool interrupts; /* the guests have vfio; else they poll */
	bool line_is_input; /* of a guest's station; else it is its second serial port */
};
extern const struct lab_plan lab_plan;

/* For spawn and join of a struct conf_fabric. */
bool lab_spawn(struct conf_peer *p);
int lab_join(struct conf_peer *p);
/* The same on any machine; the wait status, or -1. */
bool lab_spawn_on(uint32_t machine, struct conf_peer *p);
int lab_end(struct conf_peer *p, int timeout_ms);

/* Say which machine this is, and its folder, to this process and those that it starts;
 * have they been told? Then which machine it is, and a file in the folder. */
void lab_enter(uint32_t machine, const char *dir);
bool lab_inside(void);
uint32_t lab_machine(void);
void lab_path(const char *file, char *path, size_t len);

/* Run a lab in a process that ends with this one. 0 when its guests are up; else how to
 * exit: why was said. The arguments are for the suite in a guest. */
int lab_start(int argc, char *const argv[]);
void lab_stop(void);

/* Criterion's main(); a peer that runs that in a guest, its code being the exit code. */
int lab_suite(int argc, char *argv[]);
void lab_suite_peer(struct conf_peer *me);

/* ---- lab_host.c and lab_machines.c ------------------------------------------------------ */

enum { LAB_SERVER, LAB_GUEST1, LAB_GUEST2, LAB_PARTS };

/* A program that belongs to the lab. */
struct lab_part {
	const char *name;
	pid_t pid;
	int console;    /* what it prints */
	int line;       /* its station, or -1 */
	char text[240]; /* of a line that is not complete */
	size_t used;
	bool ready;     /* it has printed "ready" */
};

struct lab {
	char dir[64];
	int argc;
	char *const *argv;
	struct lab_part part[LAB_PARTS];
};

/* Make the image: 0, or how to exit, with the reason. */
int lab_image(const struct lab *lab, char *why, size_t len);
bool lab_server(struct lab *lab);
bool lab_boot(struct lab *lab, unsigned guest);
/* False: the child does not end by itself. */
bool lab_ends_soon(pid_t pid);
/* The end of all that run. */
void lab_kill(struct lab *lab);

#endif
