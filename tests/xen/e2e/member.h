/* SPDX-License-Identifier: BSD-2-Clause */
/* member.h - what the program in dom0 and in domUs does. Each returns an exit code. */
#ifndef XEN_E2E_MEMBER_H
#define XEN_E2E_MEMBER_H

#include <stdint.h>

#include <vmq/vmq.h>

/* The endpoint in dom0 has this name, and the one that means harm that. */
#define CHIEF "dom0"
#define LIAR "h"

/* Milliseconds of this domain's uptime; and a line for the log with them in front. */
uint64_t now_ms(void);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* vmq_open(), and a line if it fails. */
int member_open(const char *address, struct vmq **q);

/* talk.c: send numbered messages and pages to everybody there, until the chief says that it
 * is over, or, for the chief itself, until SIGTERM. */
int talk(const char *address);

/* commit.c: meet the others, commit so many messages to each, say so, and wait for the end.
 * collect: meet `from`, look at nothing until the XenStore node data/go of this domain is
 * there, and then find all of them. */
int commit(const char *address, const char *count, char **others);
int collect(const char *address, const char *from, const char *count);

/* cycles.c: open, exchange a message and a page with the chief, close; so many times. And the
 * chief, until SIGTERM. */
int cycles(const char *address, const char *count);
int echo(const char *address);

/* counts.c: what this domain has granted. */
int grants(void);

/* hostile.c: do harm to the chief and to `other`, again and again; then be good. lies.c: the
 * kinds of harm that XenStore allows, LIES of them from one on. */
#define LIES 8u
int hostile(const char *fabric, const char *other, const char *rounds);
int lie(const char *fabric, const char *other, unsigned turn);

#endif
