/* SPDX-License-Identifier: BSD-2-Clause */
/* line.c - frames over libxenvchan. */
#include <string.h>

#include "line.h"

bool line_has_room(struct line *l)
{
	return libxenvchan_buffer_space(l->v) >= (int)sizeof(struct line_frame);
}

bool line_send(struct line *l, enum line_kind kind, const void *data, size_t len)
{
	struct line_frame f = { .kind = (uint8_t)kind, .len = (uint16_t)len };

	if (!line_has_room(l))
		return false;
	if (len)
		memcpy(f.data, data, len);
	return libxenvchan_send(l->v, &f, LINE_HEAD + len) == (int)(LINE_HEAD + len);
}

/* All of it or nothing. */
static bool take(struct line *l, void *to, size_t len)
{
	return libxenvchan_data_ready(l->v) >= (int)len && libxenvchan_recv(l->v, to, len) == (int)len;
}

bool line_receive(struct line *l)
{
	struct line_frame *f = &l->frame;

	if (l->broken)
		return false;
	if (!l->head)
		l->head = take(l, f, LINE_HEAD);
	l->broken = l->head && f->len > sizeof(f->data);
	if (!l->head || l->broken || (f->len && !take(l, f->data, f->len)))
		return false;
	l->head = false;
	return true;
}

bool line_ended(const struct line *l)
{
	return l->broken || !libxenvchan_is_open(l->v);
}

void line_polled(struct line *l, const struct pollfd *p)
{
	if (p->revents)
		libxenvchan_wait(l->v);
}
