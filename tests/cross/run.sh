#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run.sh WHAT SOURCE BUILD ARCHIVE - compile the core freestanding for one machine
# and run cross.c on it, natively or under qemu-user; or check the symbols of
# ARCHIVE, or the size of the core. Exit code 77: skipped, with the reason.
set -eu

what=$1 source=$2 work=$3/$1 archive=$4
flags="-std=c11 -O2 -ffreestanding -nostdlib -Wall -Wextra -Wundef -Wshadow -Werror"
text_limit=16384

skip() {
	echo "SKIPPED: $*"
	exit 77
}

need() {
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

# The registers that a kernel may use without saving more.
machine() {
	prefix= emulator= regs=-mgeneral-regs-only
	case $what in
	x86_64 | size)
		case $(uname -m) in
		x86_64) ;;
		*) prefix=x86_64-linux-gnu- emulator=qemu-x86_64 ;;
		esac ;;
	aarch64) prefix=aarch64-linux-gnu- emulator=qemu-aarch64 ;;
	arm) prefix=arm-linux-gnueabihf- emulator=qemu-arm ;;
	# This compiler has no -mgeneral-regs-only; -msoft-float keeps it off
	# the floating-point registers, and -mno-vx off the vector ones.
	s390x) prefix=s390x-linux-gnu- emulator=qemu-s390x regs="-msoft-float -mno-vx" ;;
	esac
}

compile_core() {
	need "${prefix}gcc"
	for file in "$source"/lib/core/*.c; do
		"${prefix}gcc" $flags $regs -I"$source/include" -c "$file" -o "$work/$(basename "$file" .c).o"
	done
}

# What the core leaves to its user: memcpy and memset, and nothing else, not even
# of the compiler's own library.
check_symbols() {
	left=$("$1nm" "$2" | awk 'NF == 2 && $1 == "U" { u[$2] } NF == 3 { d[$3] }
		END { for (s in u) if (!(s in d) && s != "memcpy" && s != "memset") print s }')
	[ -z "$left" ] || { echo "undefined in $2:" $left; exit 1; }
}

run_here() {
	[ -z "$emulator" ] || need "$emulator"
	rm -f "$work/core.a"
	"${prefix}ar" rc "$work/core.a" "$work"/*.o
	check_symbols "$prefix" "$work/core.a"
	"${prefix}gcc" -std=c11 -O2 -Wall -Wextra -Wundef -Wshadow -Werror -static -I"$source/include" \
		-I"$source/lib" -I"$source/transports/ivshmem" "$source/tests/cross/cross.c" \
		"$source/transports/ivshmem/dir.c" "$work/core.a" -o "$work/cross"
	$emulator "$work/cross" check "$source/tests/vectors"
}

check_size() {
	need "${prefix}size"
	"${prefix}size" -t "$work"/*.o
	"${prefix}size" -t "$work"/*.o | awk -v limit=$text_limit '
		$NF == "(TOTALS)" { text = $1; data = $2 + $3; seen = 1 }
		END {
			if (!seen || text > limit) { print "text: " text " of " limit " bytes"; exit 1 }
			if (data) { print "the core has " data " bytes of writable data"; exit 1 }
		}'
}

rm -rf "$work"
mkdir -p "$work"
case $what in
symbols)
	need nm
	check_symbols "" "$archive" ;;
size)
	machine
	compile_core
	check_size ;;
x86_64 | aarch64 | arm | s390x)
	machine
	compile_core
	run_here ;;
*)
	echo "run.sh: no machine of the name $what"
	exit 2 ;;
esac
