/* SPDX-License-Identifier: BSD-2-Clause */
/* text.c - what may be shown to people, and what words mean. */
#include <stdio.h>
#include <string.h>

#include "shown.h"
#include "watch.h"

bool watch_text(char *to, const char *from, size_t size)
{
	size_t len = 0;
	bool good;

	while (len < size && from[len])
		len++;
	good = len < size;
	len = good ? len : size - 1;
	for (size_t i = 0; i < len;) {
		size_t n = shown_character(from + i, len - i);

		if (n) {
			memcpy(to, from + i, n);
			to += n;
			i += n;
			continue;
		}
		*to++ = '?';
		i++;
		good = false;
	}
	*to = 0;
	return good;
}

/* ---- words ------------------------------------------------------------------------------ */

#define NAME_OF(names, i, other) ((i) < sizeof(names) / sizeof((names)[0]) && (names)[i] ? (names)[i] : (other))

const char *watch_state(uint32_t state)
{
	static const char *const names[] = {
		[VMQ_STATE_NONE] = "none", [VMQ_STATE_SYNC] = "sync", [VMQ_STATE_ACK] = "ack",
		[VMQ_STATE_ESTABLISHED] = "established", [VMQ_STATE_CLOSED] = "closed",
		[VMQ_STATE_POISONED] = "poisoned",
	};

	return NAME_OF(names, state, "invalid");
}

const char *watch_arm(uint32_t word)
{
	static const char *const names[] = {
		[VMQ_ARM_AWAKE] = "awake", [VMQ_ARM_DROWSY] = "drowsy", [VMQ_ARM_ARMED] = "armed",
	};

	return NAME_OF(names, word & VMQ_ARM_MASK, "invalid");
}

const char *watch_kind(uint32_t kind)
{
	static const char *const names[] = {
		[VMQ_KIND_PAD] = "pad", [VMQ_KIND_HELLO] = "hello", [VMQ_KIND_MSG] = "message",
		[VMQ_KIND_FRAG] = "fragment", [VMQ_KIND_PAGE] = "page",
	};

	return NAME_OF(names, kind, "unknown");
}

const char *watch_page_op(uint32_t op)
{
	static const char *const names[] = {
		"none", [VMQ_PAGE_MOVE] = "move", [VMQ_PAGE_LEND] = "lend", [VMQ_PAGE_SHARE] = "share",
		[VMQ_PAGEW_RETURN] = "return",
	};

	return NAME_OF(names, op, "unknown");
}

struct watch_uuid watch_uuid(const uint8_t u[16])
{
	struct watch_uuid out;

	snprintf(out.text, sizeof(out.text),
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3],
		u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
	return out;
}
