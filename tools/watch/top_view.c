/* SPDX-License-Identifier: BSD-2-Clause */
/* top_view.c - rates as lines that fit: where there is no room, the columns that matter less
 * are left out, and a long name is cut. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "top.h"

#define CELL 64
#define COLUMNS 12
#define NAME_MIN 8u
#define NAME_MOST 24u
#define BOLD "\033[1m"
#define RED "\033[1;31m"
#define FAINT "\033[2m"

struct column {
	const char *title;
	unsigned width;    /* 0: a name, which takes what is left */
	unsigned priority; /* the highest goes first; 0: stays */
};

/* What is being printed. */
struct page {
	const struct top_view *v;
	unsigned lines;    /* that are left; if there is a height */
};

/* ---- text of a width ---------------------------------------------------------------------- */

/* Places that a character takes on the screen: those of East Asia and pictures take two,
 * marks over another none. */
static unsigned places(uint32_t c)
{
	static const struct { uint32_t from, to; } wide[] = {
		{ 0x1100, 0x115f }, { 0x2e80, 0xa4cf }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff },
		{ 0xfe30, 0xfe6f }, { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f300, 0x1faff },
		{ 0x20000, 0x3fffd },
	};

	if ((c >= 0x300 && c < 0x370) || (c >= 0x200b && c < 0x2010) || c == 0xfeff)
		return 0;
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		if (c >= wide[i].from && c <= wide[i].to)
			return 2;
	return 1;
}

/* The next character of valid UTF-8, and its bytes. */
static uint32_t next(const char *s, size_t *bytes)
{
	const unsigned char *u = (const unsigned char *)s;
	uint32_t c = *u;

	*bytes = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (*bytes > 1)
		c &= 0x7fu >> *bytes;
	for (size_t i = 1; i < *bytes; i++)
		c = c << 6 | (u[i] & 0x3f);
	return c;
}

/* How much of a text goes into `room` places: bytes, and in *used the places. */
static size_t fitting(const char *text, unsigned room, unsigned *used)
{
	size_t at = 0;

	for (*used = 0; text[at];) {
		size_t bytes;
		unsigned n = places(next(text + at, &bytes));

		if (*used + n > room)
			break;
		*used += n;
		at += bytes;
	}
	return at;
}

/* ---- lines ---------------------------------------------------------------------------------- */

static void line(struct page *p, const char *style, const char *text)
{
	const struct top_view *v = p->v;
	unsigned used;
	size_t n = fitting(text, v->width, &used);

	if (v->height && !p->lines)
		return;
	p->lines -= v->height != 0;
	if (style && v->colour)
		fprintf(v->to, "%s%.*s\033[m", style, (int)n, text);
	else
		fprintf(v->to, "%.*s", (int)n, text);
	fputs(v->screen ? "\033[K\n" : "\n", v->to);
}

__attribute__((format(printf, 3, 4)))
static void say(struct page *p, const char *style, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	line(p, style, text);
}

/* ---- columns --------------------------------------------------------------------------------- */

/* Which of the columns are shown, and how wide names are. */
static unsigned fit(const struct column *c, unsigned n, unsigned width, unsigned *name)
{
	unsigned used = (1u << n) - 1, names = 0, total, drop;

	for (unsigned i = 0; i < n; i++)
		names += !c[i].width;
	for (;;) {
		total = 0;
		drop = n;
		for (unsigned i = 0; i < n; i++) {
			if (!(used >> i & 1))
				continue;
			total += (c[i].width ? c[i].width : NAME_MIN) + 1;
			if (c[i].priority && (drop == n || c[i].priority > c[drop].priority))
				drop = i;
		}
		if (total <= width + 1 || drop == n)
			break;
		used &= ~(1u << drop);
	}
	*name = NAME_MIN + (total <= width + 1 ? (width + 1 - total) / (names ? names : 1) : 0);
	if (*name > NAME_MOST)
		*name = NAME_MOST;
	return used;
}

static void cell(char **at, char *end, const char *text, unsigned width, bool left)
{
	unsigned used, pad;
	size_t n = fitting(text, width, &used);

	pad = width - used;
	if ((size_t)(end - *at) < n + pad + 2)
		return;
	*at += sprintf(*at, "%*s%.*s%*s ", left ? 0 : (int)pad, "", (int)n, text, left ? (int)pad : 0, "");
}

static void row(struct page *p, const char *style, const struct column *c, unsigned n,
	char cells[][CELL])
{
	char text[1024], *at = text;
	unsigned name, used = fit(c, n, p->v->width, &name);

	for (unsigned i = 0; i < n; i++)
		if (used >> i & 1)
			cell(&at, text + sizeof(text), cells[i], c[i].width ? c[i].width : name, !c[i].width);
	while (at > text && at[-1] == ' ')
		at--;
	*at = 0;
	line(p, style, text);
}

static void titles(struct page *p, const struct column *c, unsigned n)
{
	char cells[COLUMNS][CELL];

	for (unsigned i = 0; i < n; i++)
		snprintf(cells[i], CELL, "%s", c[i].title);
	row(p, BOLD, c, n, cells);
}

/* At most six places: 7, 12.3, 999, 12.3k, 1.23M. */
static void number(char *to, double n)
{
	static const char *const units[] = { "", "k", "M", "G", "T", "P", "E" };
	bool whole = n >= 0 && n < 1000 && n == (double)(unsigned)n;
	unsigned u = 0;

	while (n >= 999.5 && u < sizeof(units) / sizeof(units[0]) - 1) {
		n /= 1000;
		u++;
	}
	if (n < 0)
		snprintf(to, CELL, "-");
	else
		snprintf(to, CELL, "%.*f%s", whole || n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2, n, units[u]);
}

/* ---- VMs -------------------------------------------------------------------------------------- */

static void vm_row(struct page *p, const struct column *c, unsigned n, const struct top_vm *t)
{
	char cells[COLUMNS][CELL];

	snprintf(cells[0], CELL, "%s", t->vm->name);
	for (unsigned i = 0; i < STATS_EXITS; i++)
		number(cells[1 + i], t->exits[i]);
	number(cells[6], t->kicks);
	number(cells[7], t->bypass);
	number(cells[8], t->drains);
	number(cells[9], t->pages);
	snprintf(cells[10], CELL, "%" PRIu64, t->vm->stats.peers);
	row(p, t->vm->there ? NULL : FAINT, c, n, cells);
}

static void place_row(struct page *p, const struct column *c, unsigned n, const struct top_vm *t,
	const struct watch_snapshot *s)
{
	char cells[COLUMNS][CELL];
	size_t channels = 0;

	for (size_t i = 0; i < s->channel_count; i++)
		channels += s->channels[i].vouched[0] == t->vm->id || s->channels[i].vouched[1] == t->vm->id;
	snprintf(cells[0], CELL, "%s", t->vm->name);
	snprintf(cells[1], CELL, "%" PRIu32, t->vm->id);
	number(cells[2], t->beats);
	snprintf(cells[3], CELL, "%zu", channels);
	row(p, NULL, c, n, cells);
}

/* Who has a place in an ivshmem region. */
static void places_taken(struct page *p, const struct watch_snapshot *s, const struct top_rates *r, size_t most)
{
	static const struct column columns[] = {
		{ "VM", 0, 0 }, { "PLACE", 5, 1 }, { "BEAT/s", 6, 2 }, { "PEERS", 5, 3 },
	};
	const unsigned n = sizeof(columns) / sizeof(columns[0]);

	titles(p, columns, n);
	for (size_t i = 0; i < r->vm_count && i < most; i++)
		place_row(p, columns, n, &r->vms[i], s);
	if (most < r->vm_count)
		say(p, FAINT, "and %zu more VMs", r->vm_count - most);
	line(p, NULL, "");
}

static void vms(struct page *p, const struct top_rates *r, size_t most)
{
	static const struct column columns[] = {
		{ "VM", 0, 0 }, { "NOW/s", 6, 1 }, { "TIMER/s", 7, 4 }, { "WAIT/s", 6, 3 },
		{ "YIELD/s", 7, 7 }, { "IO/s", 6, 8 }, { "KICK/s", 6, 2 }, { "PAST/s", 6, 5 },
		{ "DRAIN/s", 7, 9 }, { "PAGE/s", 6, 10 }, { "PEERS", 5, 6 },
	};
	const unsigned n = sizeof(columns) / sizeof(columns[0]);
	size_t shown = 0;

	titles(p, columns, n);
	/* Who is there comes first. */
	for (unsigned gone = 0; gone < 2; gone++)
		for (size_t i = 0; i < r->vm_count && shown < most; i++)
			if (r->vms[i].vm->there != gone) {
				vm_row(p, columns, n, &r->vms[i]);
				shown++;
			}
	if (shown < r->vm_count)
		say(p, FAINT, "and %zu more VMs", r->vm_count - shown);
	line(p, NULL, "");
}

/* ---- lanes -------------------------------------------------------------------------------------- */

static void depth_cell(char *to, const struct top_lane *t)
{
	uint32_t depth, size = t->ch->geo.lane_size[t->from];

	if (watch_depth(t->ch, t->from, &depth))
		snprintf(to, CELL, "%" PRIu64 "%%", (uint64_t)depth * 100 / (size ? size : 1));
	else
		snprintf(to, CELL, "?");
}

static void lane_row(struct page *p, const struct column *c, unsigned n, const struct top_lane *t)
{
	const struct watch_end *e = &t->ch->end[t->from], *to = &t->ch->end[!t->from];
	char cells[COLUMNS][CELL];

	if (t->ch->code) {
		say(p, RED, "channel %" PRIu64 ": %s", t->ch->key, vmq_strerror(t->ch->code));
		return;
	}
	snprintf(cells[0], CELL, "%s", e->ident.name);
	snprintf(cells[1], CELL, "%s", to->ident.name);
	number(cells[2], t->messages);
	number(cells[3], t->bytes);
	depth_cell(cells[4], t);
	number(cells[5], t->kicks);
	snprintf(cells[6], CELL, "%s", e->gone ? "gone" : watch_state(e->state));
	snprintf(cells[7], CELL, "%s", watch_arm(to->arm));
	number(cells[8], (double)watch_messages(t->ch, t->from));
	number(cells[9], (double)watch_bytes(t->ch, t->from));
	row(p, e->poison ? RED : NULL, c, n, cells);
	if (e->poison)
		say(p, RED, "  poison: %s", vmq_poison_text((int)e->poison));
}

static void lanes(struct page *p, const struct top_rates *r)
{
	static const struct column columns[] = {
		{ "FROM", 0, 0 }, { "TO", 0, 0 }, { "MSG/s", 6, 1 }, { "BYTE/s", 6, 2 }, { "DEPTH", 5, 3 },
		{ "KICK/s", 6, 4 }, { "STATE", 11, 5 }, { "READER", 6, 6 }, { "MSGS", 6, 7 },
		{ "BYTES", 6, 8 },
	};
	const unsigned n = sizeof(columns) / sizeof(columns[0]);

	if (!r->lane_count) {
		line(p, FAINT, "no channels");
		return;
	}
	titles(p, columns, n);
	for (size_t i = 0; i < r->lane_count; i++) {
		/* A lane may take two lines, and one says what is left. */
		if (p->v->height && p->lines < 3 && i + 1 < r->lane_count) {
			say(p, FAINT, "and %zu more lanes", r->lane_count - i);
			return;
		}
		lane_row(p, columns, n, &r->lanes[i]);
	}
}

void top_show(const struct top_view *v, const struct watch_snapshot *s, const struct top_rates *r)
{
	struct page p = { .v = v, .lines = v->height };
	size_t most = v->height ? (v->height > 8 ? v->height / 2 - 3 : 1) : SIZE_MAX;
	char messages[CELL], bytes[CELL];

	number(messages, r->known ? r->messages : -1);
	number(bytes, r->known ? r->bytes : -1);
	if (s->kind == WATCH_CHANNEL)
		say(&p, NULL, "%s msg/s, %s byte/s: %s", messages, bytes, v->path);
	else
		say(&p, NULL, "%s msg/s, %s byte/s, %zu VM%s, %zu channel%s: %s", messages, bytes,
			watch_there(s), watch_there(s) == 1 ? "" : "s", s->channel_count,
			s->channel_count == 1 ? "" : "s", v->path);
	line(&p, NULL, "");
	if (s->kind == WATCH_HUB)
		vms(&p, r, most);
	else if (s->kind == WATCH_IVSHMEM)
		places_taken(&p, s, r, most);
	lanes(&p, r);
}
