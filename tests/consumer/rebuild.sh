#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rebuild.sh clang|no-sim|no-plugins|no-transport: the library, configured in other ways.
set -eu
how=$1
dir=$WORK/build-$how

configure()
{
	rm -rf "$dir"
	"$CMAKE" -S "$SOURCE" -B "$dir" -DVMQ_WERROR=ON -DVMQ_TESTS=OFF -DVMQ_EXAMPLES=OFF \
		-DVMQ_BENCH=OFF "$@"
}

# Of a program, what loads libraries.
loading()
{
	nm "$1" | sed -n -E 's/.* (dl(v?sym|m?open|close|addr))$/\1/p' | sort
}

case $how in
clang)
	command -v clang >/dev/null || { echo "skipped: no clang"; exit 77; }
	configure -DCMAKE_C_COMPILER=clang
	"$CMAKE" --build "$dir"
	;;
no-sim)
	configure -DCMAKE_C_COMPILER="$CC" -DVMQ_TRANSPORT_SIM=OFF -DCMAKE_INSTALL_PREFIX="$dir/prefix"
	"$CMAKE" --build "$dir"
	$CC -std=c11 -Wall -Wextra -Werror -I"$SOURCE/include" -o "$dir/no_sim" \
		"$SOURCE/tests/consumer/no_sim.c" -L"$dir/lib" -Wl,-rpath,"$dir/lib" -lvmq
	"$dir/no_sim"
	if readelf -d "$dir/lib/libvmq.so" | grep jansson; then
		echo "jansson is needed without a reason"
		exit 1
	fi
	# The symbols are the same whatever was left out.
	"$CMAKE" --install "$dir" >/dev/null
	PREFIX=$dir/prefix WORK=$dir sh "$SOURCE/tests/consumer/symbols.sh"
	# Plugins are where they were configured to be.
	if [ "$XEN" = 1 ] && [ ! -e /proc/xen/capabilities ]; then
		WORK=$dir sh "$SOURCE/tests/consumer/xen.sh" "$dir/prefix"
	fi
	;;
no-plugins)
	echo 'int main(void) { return 0; }' | $CC -x c -o "$WORK/probe" - -static -ljansson 2>/dev/null ||
		{ echo "skipped: the system has no static libc or jansson"; exit 77; }
	configure -DCMAKE_C_COMPILER="$CC" -DVMQ_PLUGINS=OFF -DVMQ_STATIC_LINKS=OFF \
		-DCMAKE_INSTALL_PREFIX="$dir/prefix"
	"$CMAKE" --build "$dir"
	"$CMAKE" --install "$dir" >/dev/null
	PREFIX=$dir/prefix WORK=$dir sh "$SOURCE/tests/consumer/symbols.sh"
	if { nm -D "$dir/prefix/$LIBDIR/libvmq.so"; nm -u "$dir/prefix/$LIBDIR"/libvmq*.a; } |
		grep -E ' dl(v?sym|m?open|close|addr)(@|$)'; then
		echo "libvmq loads libraries"
		exit 1
	fi
	test ! -e "$dir/prefix/$LIBDIR/vmq/xen.so" || { echo "a plugin that nobody loads"; exit 1; }

	# The linker warns of programs that are static and call dlopen().
	PKG_CONFIG_PATH=$dir/prefix/$LIBDIR/pkgconfig
	export PKG_CONFIG_PATH
	# shellcheck disable=SC2046 # lists of words
	$CC -std=c11 -Wall -Wextra -Werror -Wl,--fatal-warnings -static -o "$dir/app" \
		"$SOURCE/tests/consumer/app.c" $(pkg-config --static --cflags --libs vmq)
	"$CMAKE" -S "$SOURCE/tests/consumer/static" -B "$dir/static" -DCMAKE_C_COMPILER="$CC" \
		-DCMAKE_PREFIX_PATH="$dir/prefix" >/dev/null
	"$CMAKE" --build "$dir/static"
	# The C library's own startup may have a dlopen() in it: nothing may come on top.
	loading "$WORK/probe" >"$dir/loading"
	for program in "$dir/app" "$dir/static/app"; do
		"$program"
		loading "$program" | diff "$dir/loading" - || { echo "$program has the above"; exit 1; }
		if readelf -lW "$program" | grep INTERP; then
			echo "$program is not static"
			exit 1
		fi
	done
	;;
no-transport)
	for name in KVM IVSHMEM XEN; do
		lower=$(echo $name | tr '[:upper:]' '[:lower:]')
		if [ -d "$SOURCE/transports/$lower" ]; then
			continue # it may well be built
		fi
		if configure -DCMAKE_C_COMPILER="$CC" -DVMQ_TRANSPORT_$name=ON >"$dir.log" 2>&1; then
			echo "a build with $name was configured, which is not there"
			exit 1
		fi
		tr -s ' \n' ' ' <"$dir.log" | grep -q "VMQ_TRANSPORT_$name was asked for, but: not part of this release"
	done
	;;
esac
