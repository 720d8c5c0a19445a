/* SPDX-License-Identifier: BSD-2-Clause */
/* json.h - numbers and reasons as JSON. */
#ifndef VMQ_TOOL_WATCH_JSON_H
#define VMQ_TOOL_WATCH_JSON_H

#include <jansson.h>
#include <stdint.h>

/* Above 2^63 it becomes a real: a hostile peer's counter may say anything. */
json_t *watch_number(uint64_t n);
/* null, or {"reason":N,"text":"..."}. */
json_t *watch_poison(uint32_t reason);

#endif
