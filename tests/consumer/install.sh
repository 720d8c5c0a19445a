#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Install into one folder, then move it: nothing may depend on where it was.
set -eu

rm -rf "$WORK/first" "$PREFIX"
"$CMAKE" --install "$BUILD" --prefix "$WORK/first"
mv "$WORK/first" "$PREFIX"

cd "$PREFIX"
for file in include/vmq/vmq.h include/vmq/vmm.h include/vmq/core.h include/vmq/layout.h \
	include/vmq/transport.h include/vmq/kvm.h include/vmq/guest.h include/vmq/boot.h \
	include/vmq/ivshmem.h include/vmq/errors.h include/vmq/version.h \
	"$LIBDIR/libvmq.so" "$LIBDIR/libvmq.so.0" "$LIBDIR/libvmq.a" "$LIBDIR/libvmq-core.a" \
	"$LIBDIR/pkgconfig/vmq.pc" "$LIBDIR/pkgconfig/vmq-core.pc" \
	"$LIBDIR/cmake/vmq/vmq-config.cmake"
do
	test -e "$file" || { echo "$file was not installed"; exit 1; }
done
if grep -rl "$WORK/first" include "$LIBDIR/pkgconfig" "$LIBDIR/cmake"; then
	echo "these files name the folder that they were installed into"
	exit 1
fi
if [ "$XEN" = 1 ]; then
	test -e "$LIBDIR/vmq/xen.so" && test -e "$LIBDIR/libvmq-xen.a" && test -e include/vmq/xen.h
	test -e "$LIBDIR/pkgconfig/vmq-xen.pc"
fi
if [ -e bin/vmq ]; then
	bin/vmq --version
fi
