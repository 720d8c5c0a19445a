#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# xen.sh [prefix]: the xen transport as others find it: a plugin, or an archive. With a
# prefix: the plugin alone, where that tree was configured to be.
set -eu
if [ -e /proc/xen/capabilities ]; then
	echo "skipped: this is a domain of Xen"
	exit 77
fi
source=$SOURCE/tests/consumer/xen.c
root=${1:-$PREFIX}
LD_LIBRARY_PATH=$root/$LIBDIR
PKG_CONFIG_PATH=$root/$LIBDIR/pkgconfig
export LD_LIBRARY_PATH PKG_CONFIG_PATH
cflags="-std=c11 -Wall -Wextra -Werror $(pkg-config --cflags vmq)"

# shellcheck disable=SC2046,SC2086 # lists of words
$CC $cflags -o "$WORK/xen-shared" "$source" $(pkg-config --libs vmq)
if [ $# -gt 0 ]; then
	"$WORK/xen-shared" VMQ_ECONN
	exit
fi

# The installed tree was moved.
VMQ_TRANSPORT_PATH=$root/$LIBDIR/vmq "$WORK/xen-shared" VMQ_ECONN
mkdir -p "$WORK/no-plugins"
VMQ_TRANSPORT_PATH=$WORK/no-plugins "$WORK/xen-shared" VMQ_ENOTSUP

# shellcheck disable=SC2046,SC2086
$CC $cflags -DVMQ_STATIC -o "$WORK/xen-static" "$source" $(pkg-config --libs vmq-xen)
VMQ_TRANSPORT_PATH=$WORK/no-plugins "$WORK/xen-static" VMQ_ECONN

needed()
{
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

if needed "$root/$LIBDIR/libvmq.so" | grep xen; then
	echo "libvmq.so needs Xen's libraries"
	exit 1
fi
if needed "$WORK/xen-static" | grep libvmq; then
	echo "the static program needs the shared library"
	exit 1
fi
plugin=$root/$LIBDIR/vmq/xen.so
if needed "$plugin" | grep libvmq; then
	echo "the plugin needs the library that loads it"
	exit 1
fi
test "$(nm -D --defined-only "$plugin" | awk '{ print $3 }')" = vmq_transport_xen ||
	{ echo "the plugin exports more than itself"; exit 1; }
