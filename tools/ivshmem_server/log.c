/* SPDX-License-Identifier: BSD-2-Clause */
/* log.c - what happened: a line for people, or a JSON object for programs. */
#define _GNU_SOURCE
#include <jansson.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "shown.h"
#include "srv.h"

/* The key under which a program finds an event's text. */
static const char *key(const char *event)
{
	return !strcmp(event, "gone") ? "name" : !strcmp(event, "ready") ? "socket" : "reason";
}

static void set(json_t *o, const char *name, json_int_t value)
{
	json_object_set_new(o, name, json_integer(value));
}

static json_t *when(void)
{
	struct timespec now;
	struct tm tm;
	char day[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	return json_sprintf("%s.%03dZ", day, (int)(now.tv_nsec / 1000000));
}

/* Text that came from a client need not be UTF-8. */
static json_t *text(const char *from)
{
	json_t *t = json_string(from);
	char plain[300];
	size_t n = 0;

	if (t)
		return t;
	for (; from[n] && n < sizeof(plain) - 1; n++)
		plain[n] = from[n] & 0x80 ? '?' : from[n];
	plain[n] = 0;
	return json_string(plain);
}

static void log_json(const struct srv *s, const char *event, const struct srv_client *c, const char *why)
{
	json_t *o = json_object();

	json_object_set_new(o, "time", when());
	json_object_set_new(o, "event", json_string(event));
	if (c && c->id >= 0)
		set(o, "id", c->id);
	if (c) {
		set(o, "pid", c->pid);
		set(o, "uid", c->uid);
	}
	if (c && c->vectors)
		set(o, "vectors", c->vectors);
	set(o, "peers", s->n);
	if (why)
		json_object_set_new(o, key(event), text(why));
	json_dumpf(o, stderr, JSON_COMPACT);
	fputc('\n', stderr);
	json_decref(o);
}

static void log_plain(const struct srv *s, const char *event, const struct srv_client *c, const char *why)
{
	fputs(event, stderr);
	if (c && c->id >= 0)
		fprintf(stderr, ": client %lld", (long long)c->id);
	if (c)
		fprintf(stderr, ": process %d of user %lld", (int)c->pid, (long long)(int)c->uid);
	if (why)
		fprintf(stderr, ": %s", why);
	fprintf(stderr, " (%u %s)\n", s->n, s->n == 1 ? "client" : "clients");
}

/* Everyday life, which -q leaves out. */
static bool everyday(const char *event)
{
	return !strcmp(event, "join") || !strcmp(event, "leave") || !strcmp(event, "gone");
}

void srv_log(const struct srv *s, const char *event, const struct srv_client *c,
	const char *format, ...)
{
	char why[300];
	va_list args;

	if (s->o->quiet && everyday(event))
		return;
	if (format) {
		va_start(args, format);
		vsnprintf(why, sizeof(why), format, args);
		va_end(args);
		if (!s->o->json)
			shown(why);
	}
	(s->o->json ? log_json : log_plain)(s, event, c, format ? why : NULL);
	fflush(stderr);
}

int srv_fail(const char *format, ...)
{
	char why[500];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	shown(why);
	fprintf(stderr, SRV_NAME ": %s\n", why);
	return -1;
}
