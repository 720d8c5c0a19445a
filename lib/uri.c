/* SPDX-License-Identifier: BSD-2-Clause */
/* uri.c - takes an address apart: transport:address?key=value&... */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static int number(const char *text, uint32_t *value)
{
	unsigned long n;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || n > UINT32_MAX)
		return -1;
	*value = (uint32_t)n;
	return 0;
}

static int text(const char *from, char *to, size_t cap)
{
	if (!*from || strlen(from) >= cap)
		return -1;
	strcpy(to, from);
	return 0;
}

static int setting(struct vmq__uri *uri, const char *key, const char *value)
{
	if (!strcmp(key, "name"))
		return vmq__name_ok(value) ? text(value, uri->name, sizeof(uri->name)) : -1;
	if (!strcmp(key, "topology"))
		return text(value, uri->topology, sizeof(uri->topology));
	if (!strcmp(key, "lane"))
		return number(value, &uri->lane);
	if (!strcmp(key, "pages"))
		return number(value, &uri->pages);
	if (!strcmp(key, "max"))
		return number(value, &uri->max);
	if (!strcmp(key, "lazy_us"))
		return number(value, &uri->lazy_us);
	if (!strcmp(key, "spin_us"))
		return number(value, &uri->spin_us);
	return 1;
}

/* What the value of a setting has to be. */
static const char *kind(const char *key)
{
	if (!strcmp(key, "name"))
		return "VM name: " VMQ__NAME_RULE;
	return strcmp(key, "topology") ? "number: decimal, without a unit" : "path";
}

static int settings(struct vmq__uri *uri, char *list, char *why, size_t len)
{
	char *save, *pair;

	for (pair = strtok_r(list, "&", &save); pair; pair = strtok_r(NULL, "&", &save)) {
		char *value = strchr(pair, '=');
		int bad;

		if (value)
			*value++ = 0;
		bad = setting(uri, pair, value ? value : "");
		if (!bad)
			continue;
		if (bad > 0)
			snprintf(why, len, "'%.40s' is not a setting (name, lane, pages, max, "
				"lazy_us, spin_us, topology)", pair);
		else
			snprintf(why, len, "%s='%.60s' is not a valid %s", pair, value ? value : "", kind(pair));
		return VMQ_EURI;
	}
	return 0;
}

int vmq__uri_parse(const char *uri_text, struct vmq__uri *uri, char *why, size_t len)
{
	const char *colon = uri_text ? strchr(uri_text, ':') : NULL;
	char rest[1024], *query;

	memset(uri, 0, sizeof(*uri));
	if (!colon || colon == uri_text || (size_t)(colon - uri_text) >= sizeof(uri->transport)) {
		snprintf(why, len, "'%.60s' does not start with a transport, as in sim:lab?name=a or "
			"sim:unix=PATH?name=a",
			uri_text ? uri_text : "");
		return VMQ_EURI;
	}
	memcpy(uri->transport, uri_text, (size_t)(colon - uri_text));
	if (strlen(colon + 1) >= sizeof(rest)) {
		snprintf(why, len, "the address is longer than %zu bytes", sizeof(rest) - 1);
		return VMQ_EURI;
	}
	strcpy(rest, colon + 1);
	query = strchr(rest, '?');
	if (query)
		*query++ = 0;
	if (strlen(rest) >= sizeof(uri->address)) {
		snprintf(why, len, "the part before '?' is longer than %zu bytes",
			sizeof(uri->address) - 1);
		return VMQ_EURI;
	}
	strcpy(uri->address, rest);
	return query ? settings(uri, query, why, len) : 0;
}
