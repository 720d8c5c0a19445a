/* SPDX-License-Identifier: BSD-2-Clause */
/* line.h - frames over libxenvchan, between a call in dom0 and the agent of a domU. */
#ifndef LINE_H
#define LINE_H

#include <libxenvchan.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenstore.h>

#define LINE_RING 32768u
#define LINE_HEAD 4u
#define LINE_MAX_DATA 2048u

enum line_kind {
	LINE_COMMAND = 1, /* words, each with its NUL */
	LINE_IN, LINE_IN_END,
	LINE_STARTED, LINE_OUT, LINE_ERR,
	LINE_EXIT, /* a byte */
};

struct line_frame {
	uint8_t kind, none;
	uint16_t len;
	uint8_t data[LINE_MAX_DATA];
};

struct line {
	struct libxenvchan *v;
	struct line_frame frame; /* the last that came */
	bool head;               /* its head has come, and its data not yet */
	bool broken;
};

/* Is there room for any frame? If not, the line polls readable when there is. */
bool line_has_room(struct line *l);
/* False: there is no room. */
bool line_send(struct line *l, enum line_kind kind, const void *data, size_t len);
/* False: no frame is there. */
bool line_receive(struct line *l);
/* The other side is not there any more; what it sent may still be received. */
bool line_ended(const struct line *l);
/* With what poll() said of libxenvchan_fd_for_select(). */
void line_polled(struct line *l, const struct pollfd *p);

/* agent.c: until the power goes. */
int agent(void);

#endif
