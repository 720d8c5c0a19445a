/* SPDX-License-Identifier: BSD-2-Clause */
/* topology_line.c - on which line of a JSON text does a value stand? The parser
 * has accepted the text, so that this need only find its way. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct scan {
	const char *at;
	unsigned line;
};

static void space(struct scan *s)
{
	for (; isspace((unsigned char)*s->at) || *s->at == ',' || *s->at == ':'; s->at++)
		s->line += *s->at == '\n';
}

/* Behind the string that starts here. */
static void string(struct scan *s)
{
	for (s->at++; *s->at && *s->at != '"'; s->at++)
		if (*s->at == '\\' && s->at[1])
			s->at++;
	if (*s->at)
		s->at++;
}

/* Behind the value that starts here. */
static void value(struct scan *s)
{
	int depth = 0;

	do {
		space(s);
		if (*s->at == '"') {
			string(s);
		} else if (*s->at == '{' || *s->at == '[') {
			depth++;
			s->at++;
		} else if (*s->at == '}' || *s->at == ']') {
			depth--;
			s->at++;
		} else {
			while (*s->at && !strchr(",:]}{[\" \t\r\n", *s->at))
				s->at++;
		}
	} while (depth > 0 && *s->at);
}

static bool enter_key(struct scan *s, const char *key)
{
	size_t len = strlen(key);

	for (s->at++, space(s); *s->at == '"'; space(s)) {
		const char *name = s->at + 1;
		struct scan here = *s;

		string(s);
		space(s);
		if (!strncmp(name, key, len) && name[len] == '"') {
			s->line = here.line;
			return true;
		}
		value(s);
	}
	return false;
}

static bool enter_index(struct scan *s, unsigned long index)
{
	for (s->at++, space(s); *s->at && *s->at != ']'; space(s)) {
		if (!index--)
			return true;
		value(s);
	}
	return false;
}

unsigned vmq__sim_json_line(const char *text, const char *const *path, unsigned depth)
{
	struct scan s = { text, 1 };
	unsigned line;

	space(&s);
	line = s.line;
	for (unsigned i = 0; i < depth; i++) {
		bool found = *s.at == '{' ? enter_key(&s, path[i]) :
			*s.at == '[' ? enter_index(&s, strtoul(path[i], NULL, 10)) : false;

		if (!found)
			break;
		line = s.line;
	}
	return line;
}
