#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# vmq-core alone: links without any libc, runs, and is small.
set -eu
PKG_CONFIG_PATH=$PREFIX/$LIBDIR/pkgconfig
export PKG_CONFIG_PATH

test "$(pkg-config --print-requires --print-requires-private vmq-core)" = "" ||
	{ echo "vmq-core wants another package"; exit 1; }
cflags=$(pkg-config --cflags vmq-core)
libs=$(pkg-config --static --libs vmq-core)
# shellcheck disable=SC2086 # lists of words
{
	$CC -std=c11 -Wall -Wextra -Werror -ffreestanding -fno-stack-protector -O1 $cflags \
		-c -o "$WORK/core.o" "$SOURCE/tests/consumer/core.c"
	$CC -nostdlib -static -no-pie -Wl,-e,firmware -o "$WORK/firmware" "$WORK/core.o" $libs
	echo 'int firmware(void); int main(void) { return firmware(); }' |
		$CC -x c -o "$WORK/core-main" - -x none "$WORK/core.o" $libs
}
"$WORK/core-main"

wanted=$(nm -u "$PREFIX/$LIBDIR/libvmq-core.a" | sed -n 's/^ *U //p' | sort -u |
	grep -v '^vmq_' | grep -v -x -e memcpy -e memset || true)
test -z "$wanted" || { echo "the core wants: $wanted"; exit 1; }

# The limit is for -O2 on x86_64.
test "$(uname -m)" = x86_64 || exit 0
mkdir -p "$WORK/core-size"
for file in "$SOURCE"/lib/core/*.c; do
	$CC -std=c11 -O2 -ffreestanding -mgeneral-regs-only -I"$PREFIX/include" \
		-c -o "$WORK/core-size/$(basename "$file" .c).o" "$file"
done
text=$(size -t "$WORK"/core-size/*.o | awk 'END { print $1 }')
echo "the core's text: $text bytes"
test "$text" -le 16384
