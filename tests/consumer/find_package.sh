#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A CMake project that finds the installed package: shared, static, core; C and C++.
set -eu
LD_LIBRARY_PATH=
export LD_LIBRARY_PATH
rm -rf "$WORK/package"
"$CMAKE" -S "$SOURCE/tests/consumer/package" -B "$WORK/package" -DCMAKE_PREFIX_PATH="$PREFIX" \
	-DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" -DWITH_CXX="$(test -n "$CXX" && echo ON || echo OFF)"
"$CMAKE" --build "$WORK/package"
for program in "$WORK"/package/app-*; do
	echo "$program"
	"$program"
done
if [ "$XEN" = 1 ] && [ ! -e /proc/xen/capabilities ]; then
	"$WORK/package/xen" VMQ_ECONN
fi
readelf -d "$WORK/package/app-shared" | grep -q libvmq.so.0
if readelf -d "$WORK/package/app-static" | grep libvmq; then
	echo "the static program needs the shared library"
	exit 1
fi

# A version that is not there is refused.
mkdir -p "$WORK/newer"
cat >"$WORK/newer/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(newer LANGUAGES C)
find_package(vmq 99 REQUIRED)
END
if "$CMAKE" -S "$WORK/newer" -B "$WORK/newer/build" -DCMAKE_PREFIX_PATH="$PREFIX" >"$WORK/newer.log" 2>&1; then
	echo "find_package(vmq 99) found something"
	exit 1
fi
tr -s ' \n' ' ' <"$WORK/newer.log" | grep -q 'compatible with requested version "99"'
