/* SPDX-License-Identifier: BSD-2-Clause */
/* report.c - what the doctor found: kept, judged, printed. */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

static const char *const levels[] = { "ok", "note", "warn", "fail" };

int doctor_init(struct doctor *d)
{
	d->findings = NULL;
	d->report = json_array();
	d->broken = !d->report;
	return d->broken ? -1 : 0;
}

void doctor_exit(struct doctor *d)
{
	json_decref(d->report);
	d->report = d->findings = NULL;
}

void doctor_again(struct doctor *d)
{
	d->findings = NULL;
	d->broken |= json_array_clear(d->report);
}

/* Text for a terminal and for JSON, whoever wrote what is in it. */
static json_t *text_of(char *text)
{
	json_t *string;

	for (char *s = text; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = *s == '\n' ? ' ' : '?';
	string = json_string(text);
	if (string)
		return string;
	for (char *s = text; *s; s++)
		if (*s & 0x80)
			*s = '?';
	return json_string(text);
}

void doctor_begin(struct doctor *d, const char *name)
{
	json_t *part = json_pack("{s:s, s:s, s:s, s:[]}", "name", name, "verdict", "", "why", "", "findings");

	d->findings = json_object_get(part, "findings");
	d->broken |= json_array_append_new(d->report, part) != 0;
}

void doctor_say(struct doctor *d, enum doctor_level level, const char *format, ...)
{
	char text[1024];
	json_t *finding;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	finding = json_pack("{s:s, s:o, s:[]}", "level", levels[level], "text", text_of(text), "commands");
	d->broken |= json_array_append_new(d->findings, finding) != 0;
}

void doctor_command(struct doctor *d, const char *format, ...)
{
	json_t *last = json_array_get(d->findings, json_array_size(d->findings) - 1);
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	d->broken |= json_array_append_new(json_object_get(last, "commands"), text_of(text)) != 0;
}

/* ---- verdicts -------------------------------------------------------------------- */

static const char *string_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

/* The first finding of a level, or NULL. */
static const json_t *first(const json_t *findings, enum doctor_level level)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding)
		if (!strcmp(string_of(finding, "level"), levels[level]))
			return finding;
	return NULL;
}

bool doctor_failed(const struct doctor *d)
{
	return first(d->findings, DOCTOR_FAIL);
}

/* The worst finding, if it is a bad one. */
static const json_t *decides(const json_t *findings)
{
	const json_t *fail = first(findings, DOCTOR_FAIL);

	return fail ? fail : first(findings, DOCTOR_WARN);
}

void doctor_verdict(struct doctor *d, const char *verdict)
{
	json_t *part = json_array_get(d->report, json_array_size(d->report) - 1);
	const json_t *why = decides(d->findings);

	d->broken |= json_object_set_new(part, "verdict", json_string(verdict)) != 0;
	if (why)
		d->broken |= json_object_set(part, "why", json_object_get(why, "text")) != 0;
}

void doctor_end(struct doctor *d)
{
	if (doctor_failed(d))
		doctor_verdict(d, "cannot");
	else
		doctor_verdict(d, first(d->findings, DOCTOR_WARN) ? "works, but" : "works");
}

bool doctor_any(const struct doctor *d)
{
	const json_t *part;
	size_t i;

	json_array_foreach(d->report, i, part)
		if (!strncmp(string_of(part, "verdict"), "works", 5))
			return true;
	return false;
}

/* ---- for people ------------------------------------------------------------------- */

static void print_commands(const json_t *finding, FILE *to)
{
	const json_t *command;
	size_t i;

	json_array_foreach(json_object_get(finding, "commands"), i, command)
		fprintf(to, "          %s\n", json_string_value(command));
}

static void print_finding(const json_t *finding, FILE *to)
{
	fprintf(to, "  %-4s  %s\n", string_of(finding, "level"), string_of(finding, "text"));
	print_commands(finding, to);
}

/* The finding that decides stands beside the verdict, and not once more below. */
static void print_part(const json_t *part, FILE *to)
{
	const char *verdict = string_of(part, "verdict");
	const json_t *findings = json_object_get(part, "findings"), *why = decides(findings), *finding;
	size_t i;

	fprintf(to, "%s: %s", string_of(part, "name"), verdict);
	if (why)
		fprintf(to, "%s%s", strncmp(verdict, "works", 5) ? ", because: " : ": ", string_of(why, "text"));
	fputc('\n', to);
	print_commands(why, to);
	json_array_foreach(findings, i, finding)
		if (finding != why)
			print_finding(finding, to);
}

void doctor_print(const struct doctor *d, FILE *to)
{
	const json_t *part;
	size_t i;

	json_array_foreach(d->report, i, part) {
		if (i)
			fputc('\n', to);
		print_part(part, to);
	}
}
