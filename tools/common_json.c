/* SPDX-License-Identifier: BSD-2-Clause */
/* common_json.c - JSON for programs that read what the commands print. */
#include <stdlib.h>
#include <string.h>

#include "common.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t encode(const uint8_t *from, size_t len, char *to)
{
	size_t at = 0;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)from[i] << 16;

		v |= n > 1 ? (uint32_t)from[i + 1] << 8 : 0;
		v |= n > 2 ? from[i + 2] : 0;
		to[at++] = letters[v >> 18];
		to[at++] = letters[v >> 12 & 63];
		to[at++] = n > 1 ? letters[v >> 6 & 63] : '=';
		to[at++] = n > 2 ? letters[v & 63] : '=';
	}
	return at;
}

static json_t *base64(const void *data, size_t len)
{
	char *text = malloc(len / 3 * 4 + 5);
	json_t *value = NULL;

	if (text)
		value = json_stringn_nocheck(text, encode(data, len, text));
	free(text);
	return value;
}

bool tool_json_bytes(json_t *object, const void *data, size_t len)
{
	json_t *text = json_stringn(len ? data : "", len); /* not if it is no UTF-8 */

	if (text)
		return !json_object_set_new(object, "text", text);
	text = base64(data, len);
	return text && !json_object_set_new(object, "base64", text);
}

bool tool_json_name(json_t *object, const char *key, const char *name)
{
	json_t *text = json_string(name);
	char other[32];

	if (text)
		return !json_object_set_new(object, key, text);
	snprintf(other, sizeof(other), "%s_base64", key);
	return !json_object_set_new(object, other, base64(name, strlen(name)));
}

int tool_json_line(json_t *value, FILE *to)
{
	int bad = !value || json_dumpf(value, to, JSON_COMPACT) || putc('\n', to) == EOF;

	json_decref(value);
	return bad ? TOOL_FAILED : TOOL_OK;
}
