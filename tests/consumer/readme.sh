#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The C examples of the README, as a reader would copy them: the first one runs, the others
# are parts of a program and compile.
set -eu
PKG_CONFIG_PATH=$PREFIX/$LIBDIR/pkgconfig
LD_LIBRARY_PATH=$PREFIX/$LIBDIR
export PKG_CONFIG_PATH LD_LIBRARY_PATH

awk -v to="$WORK/readme" '/^```c$/ { file = to (++n > 1 ? n : "") ".c"; printf "" >file; next }
	/^```/ { file = ""; next } file { print >file }' "$SOURCE/README.md"
for part in readme.c readme2.c; do
	test -s "$WORK/$part" || { echo "the README has too few examples in C"; exit 1; }
done
# shellcheck disable=SC2046 # lists of words
$CC -std=c11 -Wall -Wextra -Werror -o "$WORK/readme" "$WORK/readme.c" \
	$(pkg-config --cflags --libs vmq)
"$WORK/readme" >"$WORK/readme.out"
cat "$WORK/readme.out"
grep -q 'hello from the host' "$WORK/readme.out"
# shellcheck disable=SC2046
$CC -std=c11 -Wall -Wextra -Werror -c -o "$WORK/readme2.o" "$WORK/readme2.c" $(pkg-config --cflags vmq)
