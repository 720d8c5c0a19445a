/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * name.c - names as XenStore's paths can hold them, and records and offers as text.
 *
 * Other domains write them: there is one way to write each thing, and what is not written
 * so is not taken.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "store.h"

#define VERSION 1u

/* ---- names -------------------------------------------------------------------------------- */

static bool plain(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
		c == '_';
}

void vmq__xen_node(const char *name, char node[XEN_NODE_MAX])
{
	static const char hex[] = "0123456789abcdef";

	for (unsigned n = 0; *name && n < VMQ_NAME_MAX; name++, n++) {
		unsigned char c = (unsigned char)*name;

		if (plain(c)) {
			*node++ = *name;
			continue;
		}
		*node++ = '@';
		*node++ = hex[c >> 4];
		*node++ = hex[c & 15];
	}
	*node = 0;
}

/* -1: no digit. */
static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool vmq__xen_name(const char *node, char name[VMQ_NAME_MAX + 1])
{
	unsigned n = 0;

	for (; *node && n < VMQ_NAME_MAX; n++) {
		int high, low;

		if (plain((unsigned char)*node)) {
			name[n] = *node++;
			continue;
		}
		if (*node != '@')
			return false;
		high = digit(node[1]);
		low = high < 0 ? -1 : digit(node[2]);
		if (low < 0 || plain((unsigned char)(high << 4 | low)))
			return false;
		name[n] = (char)(high << 4 | low);
		node += 3;
	}
	name[n] = 0;
	return !*node && strlen(name) == n && vmq__name_ok(name);
}

bool vmq__xen_allowed(const char *value, const char *name)
{
	char node[XEN_NODE_MAX];
	size_t len;

	vmq__xen_node(name, node);
	for (; *value; value += len + (value[len] == ' ')) {
		len = strcspn(value, " ");
		if ((len == 1 && *value == '*') || (len == strlen(node) && !memcmp(value, node, len)))
			return true;
	}
	return false;
}

/* ---- words ---------------------------------------------------------------------------------- */

/* Behind a word that ends here, and at the next one. */
static bool ends(const char **at)
{
	if (**at && **at != ' ')
		return false;
	*at += **at == ' ';
	return true;
}

static bool number(const char **at, uint32_t max, uint32_t *to)
{
	uint64_t n = 0;
	const char *c = *at;

	if (*c == '0' && c[1] >= '0' && c[1] <= '9')
		return false;
	for (; *c >= '0' && *c <= '9'; c++) {
		n = n * 10 + (uint64_t)(*c - '0');
		if (n > max)
			return false;
	}
	if (c == *at)
		return false;
	*at = c;
	*to = (uint32_t)n;
	return ends(at);
}

static bool hex_bytes(const char **at, uint8_t *to, unsigned count)
{
	for (unsigned i = 0; i < count; i++, *at += 2) {
		int high = digit((*at)[0]), low = high < 0 ? -1 : digit((*at)[1]);

		if (low < 0)
			return false;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return ends(at);
}

static bool life(const char **at, uint64_t *to)
{
	uint8_t bytes[8];

	if (!hex_bytes(at, bytes, 8))
		return false;
	*to = 0;
	for (unsigned i = 0; i < 8; i++)
		*to = *to << 8 | bytes[i];
	return *to != 0;
}

static bool version(const char **at)
{
	uint32_t v;

	return number(at, UINT32_MAX, &v) && v == VERSION;
}

static int fits(int n, unsigned len)
{
	return n >= 0 && (unsigned)n < len ? n : VMQ_EMSGSIZE;
}

/* ---- records and offers ------------------------------------------------------------------------ */

int vmq__xen_record_text(const struct xen_record *r, char *text, unsigned len)
{
	char uuid[33];

	for (unsigned i = 0; i < 16; i++)
		snprintf(uuid + 2 * i, 3, "%02x", r->uuid[i]);
	return fits(snprintf(text, len, "%u %" PRIu32 " %016" PRIx64 " %" PRIu32 " %" PRIu32 " %s", VERSION,
		r->id, r->life, r->lane_size, r->pool_pages, uuid), len);
}

static bool sensible(const struct xen_record *r)
{
	return r->id && r->lane_size >= VMQ_LANE_MIN && !(r->lane_size & (r->lane_size - 1));
}

bool vmq__xen_record_parse(const char *text, struct xen_record *r)
{
	return version(&text) && number(&text, VMQ__PEERS - 1, &r->id) && life(&text, &r->life) &&
		number(&text, VMQ_LANE_MAX, &r->lane_size) && number(&text, VMQ_POOL_MAX / 2, &r->pool_pages) &&
		hex_bytes(&text, r->uuid, 16) && sensible(r);
}

int vmq__xen_offer_text(const struct xen_offer *o, char *text, unsigned len)
{
	return fits(snprintf(text, len, "%u %016" PRIx64 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32
		" %" PRIu32 " %" PRIu32, VERSION, o->life, o->serial, o->echo, o->root, o->port[0],
		o->port[1], o->port[2]), len);
}

bool vmq__xen_offer_parse(const char *text, struct xen_offer *o)
{
	return version(&text) && life(&text, &o->life) && number(&text, UINT32_MAX, &o->serial) &&
		number(&text, UINT32_MAX, &o->echo) && number(&text, UINT32_MAX, &o->root) &&
		number(&text, UINT32_MAX, &o->port[0]) && number(&text, UINT32_MAX, &o->port[1]) &&
		number(&text, UINT32_MAX, &o->port[2]) && o->serial;
}
