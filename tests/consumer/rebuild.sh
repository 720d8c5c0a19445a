#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rebuild.sh clang|no-sim|no-transport: the library, configured in other ways.
set -eu
how=$1
dir=$WORK/build-$how

configure()
{
	rm -rf "$dir"
	"$CMAKE" -S "$SOURCE" -B "$dir" -DVMQ_WERROR=ON -DVMQ_TESTS=OFF -DVMQ_EXAMPLES=OFF \
		-DVMQ_BENCH=OFF "$@"
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
