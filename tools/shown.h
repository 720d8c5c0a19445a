/* SPDX-License-Identifier: BSD-2-Clause */
/* shown.h - text of somebody else's, made fit for a terminal. */
#ifndef VMQ_SHOWN_H
#define VMQ_SHOWN_H

#include <stddef.h>

/* Bytes of the character that begins at s (len bytes are there), if it is valid UTF-8 and may be
 * shown: no control character, none that turns the direction of what follows. Else 0. */
size_t shown_character(const char *s, size_t len);

/* Each byte of a text that belongs to no such character becomes '?'. */
void shown(char *text);

#endif
