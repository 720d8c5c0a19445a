#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# vmq-guest: a guest links it and the core without any libc; code that an interrupt may
# break into has no red zone, and no vector registers.
set -eu
PKG_CONFIG_PATH=$PREFIX/$LIBDIR/pkgconfig
export PKG_CONFIG_PATH

test -e "$PREFIX/$LIBDIR/libvmq-guest.a" || { echo "skipped: not built for this processor"; exit 77; }
cflags=$(pkg-config --cflags vmq-guest)
libs=$(pkg-config --static --libs vmq-guest)
# shellcheck disable=SC2086 # lists of words
{
	$CC -std=c11 -Wall -Wextra -Werror -ffreestanding -mno-red-zone -mgeneral-regs-only \
		-fno-stack-protector -O1 $cflags -c -o "$WORK/guest.o" "$SOURCE/tests/consumer/guest.c"
	$CC -nostdlib -static -no-pie -Wl,-e,entry -o "$WORK/guest" "$WORK/guest.o" $libs
}
if objdump -d "$WORK/guest" | grep -E '%[xyz]mm|mfence|,-0x[0-9a-f]+\(%rsp\)'; then
	echo "a guest of an emulating KVM, or one with interrupts, cannot run the above"
	exit 1
fi
