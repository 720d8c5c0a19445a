/* SPDX-License-Identifier: BSD-2-Clause */
/* common.h - what the sub-commands share: how they say what is wrong, read numbers, open an
 * endpoint, stop at a signal, and speak to a terminal or a program. */
#ifndef VMQ_TOOL_COMMON_H
#define VMQ_TOOL_COMMON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <vmq/vmq.h>

#include "vmq.h"

/* ---- errors (common.c) ------------------------------------------------------------ */

/* "vmq NAME", as messages begin; set before a sub-command runs. */
extern const char *tool_name;

/* One line on standard error, "vmq NAME: text"; a progress line gives way to it. */
void tool_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, as what ends the command: returns code. */
int tool_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The exit code that stands for an error of the library. */
int tool_code(int64_t rc);

/* Closed standard descriptors are opened, so that no socket of the library's becomes one of
 * them; what is written to them still fails. Before anything else. */
void tool_std_fds(void);

/* ---- options (common.c) ----------------------------------------------------------- */

/* A whole number of an option, within its range. False: said what the range is. */
bool tool_number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *n);

/* Seconds, with decimals, as nanoseconds. False: said what the range is. */
bool tool_seconds(const char *option, const char *text, int64_t *ns);

/* ---- an endpoint (common_open.c) ---------------------------------------------------- */

/* Open an endpoint. `name` is its name if the address has none; NULL: it must have one. 0, or
 * the exit code: what is wrong was said, and how to mend it. */
int tool_open(const char *address, const char *name, const struct vmq_options *options,
	struct vmq **q);

/* Find a peer, which may come later: until the time is up, or a signal. 0 or the exit code.
 * spoke(): whether it was there and has left, but not without a message; may be NULL. */
int tool_peer(struct vmq *q, const char *address, const char *name, int64_t timeout_ns,
	bool (*spoke)(struct vmq *q, const char *name, uint32_t *peer), uint32_t *peer);

/* Is that a name that a VM can have? False: said. */
bool tool_peer_name(const char *name);

/* A peer's name, or its number if nothing is known of it. */
struct tool_name {
	char text[VMQ_NAME_MAX + 1];
};
struct tool_name tool_name_of(struct vmq *q, uint32_t peer);

/* Say that a peer was poisoned, and why. */
void tool_say_poison(struct vmq *q, uint32_t peer);

/* ---- time and signals (common_signal.c) ----------------------------------------------- */

#define TOOL_SLICE VMQ_MS(100) /* a call that cannot be interrupted waits so long at a time */

uint64_t tool_now(void);

/* When a timeout that begins now ends; UINT64_MAX: never. And what is left of it, as a
 * timeout, at most `most`. */
uint64_t tool_deadline(int64_t timeout_ns);
int64_t tool_left(uint64_t deadline, int64_t most);

/* From now on SIGINT, SIGTERM, SIGHUP and SIGPIPE end nothing by themselves. */
void tool_signals(void);

/* Has one of them come that ends the command? */
bool tool_stopped(void);

/* Sleep until one of n descriptors (poll(2)) is ready, the deadline has come, or a signal:
 * -1. Else as poll(). */
struct pollfd;
int tool_poll(struct pollfd *fds, unsigned n, uint64_t deadline);

/* Standard output (or what was given for it) has no reader, or another trouble, by errno:
 * says so, unless SIGPIPE is to say it. Returns TOOL_FAILED. */
int tool_output_failed(const char *path);

/* What ends a command: if a signal was the reason, it ends the process as well, so that a
 * shell sees it. Else returns code. */
int tool_end(int code);

/* ---- terminals (common_tty.c) ---------------------------------------------------------- */

/* May there be colours? Not without a terminal, with NO_COLOR, or with TERM=dumb. */
bool tool_colour(FILE *to);

/* Columns of the terminal `to`; 80 if it is none. */
unsigned tool_columns(FILE *to);

/* A line on standard error, if that is a terminal, from one second on: what is being waited
 * for, for how long, and with tool_progress_bytes() how much was done (total 0: nobody knows). */
void tool_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void tool_progress_bytes(uint64_t done, uint64_t total);
void tool_progress_end(void);

/* Nothing is drawn between the two: something else is printed. */
void tool_progress_pause(void);
void tool_progress_resume(void);

/* ---- JSON (common_json.c) ---------------------------------------------------------------- */

/* Put bytes into an object: as "text" if they are UTF-8, else as "base64". The bytes must not
 * change meanwhile. False: no memory. */
bool tool_json_bytes(json_t *object, const void *data, size_t len);

/* Put a VM's name into an object; as "KEY_base64" if it is no UTF-8. */
bool tool_json_name(json_t *object, const char *key, const char *name);

/* Print a value as one line and drop it. 0 or TOOL_FAILED. */
int tool_json_line(json_t *value, FILE *to);

#endif
