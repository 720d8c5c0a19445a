#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# pkgconfig.sh shared|static|all-static c|c++: build and run a program with what
# pkg-config says. static: libvmq.a, and the system's libraries shared.
set -eu
kind=$1 language=$2

case $language in
c) compile="$CC -std=c11" source=app.c ;;
c++) compile="$CXX -std=c++17" source=app.cc ;;
esac
if [ "$language" = c++ ] && [ -z "$CXX" ]; then
	echo "skipped: no C++ compiler"
	exit 77
fi
PKG_CONFIG_PATH=$PREFIX/$LIBDIR/pkgconfig
LD_LIBRARY_PATH=$PREFIX/$LIBDIR
export PKG_CONFIG_PATH LD_LIBRARY_PATH
cflags=$(pkg-config --cflags vmq)
program=$WORK/pkgconfig-$kind-$language

case $kind in
shared) libs=$(pkg-config --libs vmq) ;;
static) libs=$(pkg-config --static --libs vmq | sed 's/-lvmq/-l:libvmq.a/') ;;
all-static) libs="-static $(pkg-config --static --libs vmq)" ;;
esac
if [ "$kind" = all-static ] && ! echo 'int main(void) { return 0; }' |
	$CC -x c -o "$WORK/probe" - -static -ljansson 2>/dev/null; then
	echo "skipped: the system has no static libc or jansson"
	exit 77
fi
# shellcheck disable=SC2086 # lists of words
$compile -Wall -Wextra -Werror $cflags -o "$program" "$SOURCE/tests/consumer/$source" $libs
"$program"

needed=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
case $kind-$needed in
shared-*libvmq.so.0*) ;;
shared-* | *libvmq*) echo "linked against: $needed"; exit 1 ;;
esac
