#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# libvmq.so as the loader sees it.
set -eu
lib=$PREFIX/$LIBDIR/libvmq.so

field()
{
	readelf -d "$lib" | sed -n "s/.*($1).*\[\(.*\)\]/\1/p"
}

test "$(field SONAME)" = libvmq.so.0 || { echo "SONAME: $(field SONAME)"; exit 1; }
others=$(field NEEDED | grep -v -E '^(libc\.so|libjansson\.so|ld-linux)' || true)
test -z "$others" || { echo "depends on $others"; exit 1; }
if [ "$SIM" = 0 ] && field NEEDED | grep jansson; then
	echo "depends on jansson without a reason"
	exit 1
fi
test -z "$(field RPATH)$(field RUNPATH)" || { echo "has a run path"; exit 1; }
readelf -dW "$lib" | grep -q BIND_NOW || { echo "is not bound at load time"; exit 1; }
if readelf -dW "$lib" | grep TEXTREL; then
	echo "has text relocations"
	exit 1
fi
readelf -lW "$lib" | grep GNU_STACK | grep -q 'RW ' || { echo "wants an executable stack"; exit 1; }
