#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The first C example of the README, as a reader would copy it.
set -eu
PKG_CONFIG_PATH=$PREFIX/$LIBDIR/pkgconfig
LD_LIBRARY_PATH=$PREFIX/$LIBDIR
export PKG_CONFIG_PATH LD_LIBRARY_PATH

awk '/^```c$/ { on = 1; next } /^```/ { if (on) exit } on' "$SOURCE/README.md" >"$WORK/readme.c"
test -s "$WORK/readme.c" || { echo "the README has no example in C"; exit 1; }
# shellcheck disable=SC2046 # lists of words
$CC -std=c11 -Wall -Wextra -Werror -o "$WORK/readme" "$WORK/readme.c" \
	$(pkg-config --cflags --libs vmq)
"$WORK/readme" >"$WORK/readme.out"
cat "$WORK/readme.out"
grep -q 'hello from the host' "$WORK/readme.out"
